from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from selftaught.errors import UserError
from selftaught.parts.spectra import Frames, log_mel, mfcc, to_hertz, to_mel

librosa = pytest.importorskip("librosa")


def sound(samples: int, rate: int, seed: int = 0) -> Any:
    rng = np.random.default_rng(seed)
    t = np.arange(samples) / rate
    tones = sum(np.sin(2 * np.pi * f * t + p) for f, p in zip(rng.uniform(80, rate / 2, 6), range(6), strict=True))
    return (0.1 * tones + 0.05 * rng.normal(size=samples)).astype(np.float32)


@pytest.mark.parametrize(("rate", "mels", "samples"), [(8000, 40, 8000), (16000, 80, 5001), (22050, 64, 1500)])
def test_the_numbers_are_librosas(rate: int, mels: int, samples: int) -> None:
    frames = Frames.of(rate, mels)
    waves = np.stack([sound(samples, rate, seed) for seed in (0, 1)])
    found = log_mel(torch.from_numpy(waves), frames)
    assert found.shape == (2, mels, frames.of_samples(torch.tensor(samples)))
    size = 1 << (frames.window - 1).bit_length()
    for wave, mine in zip(waves, found, strict=True):
        energy = librosa.feature.melspectrogram(
            y=wave, sr=rate, n_fft=size, hop_length=frames.hop, win_length=frames.window, n_mels=mels,
            center=True, pad_mode="constant", power=2.0,
        )  # fmt: skip
        theirs = np.log(np.maximum(energy, 1e-10))
        assert np.abs(theirs - mine.numpy()).max() < 1e-4
        cepstra = librosa.feature.mfcc(S=theirs, n_mfcc=20)
        assert np.abs(cepstra - mfcc(mine[None], 20)[0].numpy()).max() < 1e-3


def test_frames_are_25_ms_every_10() -> None:
    assert Frames.of(8000) == (8000, 200, 80, 40) and Frames.of(16000, 80) == (16000, 400, 160, 80)


def test_the_scale_and_back() -> None:
    hertz = torch.tensor([0.0, 440.0, 1000.0, 4000.0])
    theirs = librosa.hz_to_mel(hertz.numpy())
    assert np.allclose(to_mel(hertz), theirs, atol=1e-5) and np.allclose(to_hertz(to_mel(hertz)), hertz, atol=1e-2)


def test_a_tone_is_in_its_band_and_silence_has_a_logarithm() -> None:
    t = torch.arange(8000) / 8000
    frames = Frames.of(8000)
    band = log_mel(torch.sin(2 * torch.pi * 1500 * t)[None], frames)[0, :, 50].argmax()
    edges = to_hertz(torch.linspace(0, 1, 42) * to_mel(torch.tensor(4000.0)))
    assert edges[band] < 1500 < edges[band + 2]
    assert torch.equal(log_mel(torch.zeros(1, 800), frames), torch.full((1, 40, 11), np.log(1e-10)).float())


def test_no_sound_is_refused() -> None:
    with pytest.raises(UserError, match="sound without a sample has no spectrum"):
        log_mel(torch.zeros(1, 0), Frames.of(8000))
