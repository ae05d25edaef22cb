from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from selftaught import encoders, views
from selftaught.errors import UserError
from selftaught.parts.spectra import Frames, log_mel, mfcc
from selftaught.views.audio import AudioViews, Take

RATE = 8000
INPUT = {"kind": "audio", "channels": 1, "rate": RATE, "length": 4000, "full": 32768, "mean": [0.0], "std": [0.1]}
CPU = torch.device("cpu")


def waves(n: int = 6, length: int = 4000, seed: int = 0) -> list[Any]:
    rng = np.random.default_rng(seed)
    return [np.rint(3276.8 * rng.normal(size=(1, length))).astype(np.int16) for _ in range(n)]


def seen(made: Any, rows: Any, epoch: int = 0, index: Any = None) -> Any:
    index = np.arange(len(rows)) if index is None else np.asarray(index)
    return made.apply({"audio": rows, "index": index, "label": index % 2}, made.sample(index, epoch, 0), CPU)


def one(take: Take, rows: Any, epoch: int = 0) -> Tensor:
    found: Tensor = seen(AudioViews(INPUT, it=take), rows, epoch)["it"][:, 0]
    return found


def level(x: Tensor) -> Tensor:
    return 10 * x.square().mean(-1).log10()


def test_plain_is_the_standardised_recording_with_a_mask() -> None:
    rows = [*waves(1), waves(1, 3000)[0], waves(1, 5000)[0]]
    batch = seen(views.plain(INPUT), rows)
    assert list(batch) == ["audio", "mask", "label", "index"] and batch["mask"].sum(1).tolist() == [4000, 3000, 4000]
    assert torch.allclose(batch["audio"][0, 0], torch.from_numpy(rows[0][0] / 3276.8).float(), atol=1e-5)
    assert torch.allclose(batch["audio"][2, 0], torch.from_numpy(rows[2][0, 500:4500] / 3276.8).float(), atol=1e-5)


def test_raw_is_the_statistics_of_the_cepstra_without_padding() -> None:
    rows = waves(3) + waves(1, 2400, seed=1)
    batch = seen(views.raw(INPUT), rows)
    assert list(batch) == ["audio", "label", "index"] and batch["audio"].shape == (4, 80)
    alone = torch.from_numpy(rows[0] / 3276.8).float()
    cepstra = mfcc(log_mel(alone, Frames.of(RATE)), 20)[0]
    assert torch.allclose(batch["audio"][0, :20], cepstra.mean(1), atol=1e-4)
    assert torch.allclose(batch["audio"][0, 40:60], cepstra.std(1, correction=0), atol=1e-4)
    short = INPUT | {"length": 2400}
    assert torch.allclose(batch["audio"][3], seen(views.raw(short), rows[3:])["audio"][0], atol=1e-3)
    assert "MFCC" in views.raw_is(INPUT)


def test_windows_come_from_the_whole_recording() -> None:
    ramp = [np.arange(0, 32000, 4, dtype=np.int16)[None]] * 64  # 8,000 samples
    found = one(Take(crop=0.25), ramp) * 3276.8 / 4
    assert found.shape == (64, 2000) and torch.allclose(found.diff(dim=1), torch.ones(64, 1999), atol=0.02)
    assert found[:, 0].min() < 600 and found[:, 0].max() > 5400 and found[:, 0].max() <= 6000
    assert one(Take(crop=9.0), ramp).shape == (64, 4000)  # at most what the encoder hears


def test_loudness_changes_by_so_many_decibels() -> None:
    rows = waves(200, 800)
    change = level(one(Take(crop=0.1, gain=6.0), rows)) - level(one(Take(crop=0.1), rows))
    assert -6 <= change.min() < -5.5 and 5.5 < change.max() <= 6.01


def test_the_crop_is_one_window_of_full_length_of_another_loudness() -> None:
    encoder = encoders.build("wave", INPUT, **encoders.small("wave"))
    rows = [*waves(1), waves(1, 5000)[0], waves(1, 3000)[0]]
    batch = seen(views.crop(encoder), rows)
    assert list(batch) == ["audio", "mask", "label", "index"] and batch["mask"].sum(1).tolist() == [4000, 4000, 3000]
    factor = batch["audio"][0, 0] / seen(views.plain(INPUT), rows)["audio"][0, 0]
    assert torch.allclose(factor[factor.isfinite()], factor[0].expand(1), atol=1e-3) and 0.5 < factor[0] < 2.0
    assert not torch.equal(batch["audio"], seen(views.crop(encoder), rows, epoch=1)["audio"])


def test_a_room_adds_echoes_after_a_click_and_nothing_before() -> None:
    click = np.zeros((1, 4000), np.int16)
    click[0, 1000] = 20000
    found = one(Take(reverb=0.25), [click] * 64)
    dry = 20000 / 3276.8
    assert found[:, :1000].abs().max() < 1e-4 and torch.allclose(found[:, 1000], torch.full((64,), dry), atol=1e-3)
    echo = found[:, 1001:]
    wet = echo.square().sum(1).sqrt() / dry
    assert 0 < wet.min() < 0.1 and 0.9 < wet.max() <= 1.001
    late = echo[:, 1000:2000].square().sum(1) / echo.square().sum(1)
    assert late.max() < 0.03 and echo[:, 2001:].abs().max() < 1e-3  # it decays, and ends after the longest time


def test_noise_is_as_loud_as_it_says_and_of_any_colour() -> None:
    rows = waves(300)
    clean = one(Take(), rows)
    hiss = one(Take(noise=-10.0), rows) - clean
    ratio = level(hiss) - level(clean)
    assert -40.5 < ratio.min() < -37 and -13 < ratio.max() < -9.5
    power = torch.fft.rfft(hiss).abs().square()
    slope = (power[:, 20:200].mean(1) / power[:, 1500:].mean(1)).log10()
    assert slope.min() < 0.3 and slope.max() > 1.5  # white and brown
    assert (one(Take(noise=-10.0), [*waves(1), waves(1, 3000)[0]])[1, 3000:] == 0).all()  # padding stays


def test_a_band_of_frequencies_is_removed() -> None:
    rows = waves(100)
    left = one(Take(band=0.4), rows)
    mel = log_mel(left, Frames.of(RATE)) - log_mel(one(Take(), rows), Frames.of(RATE))
    gone = (mel.mean(2) < -4).sum(1)  # of 40
    assert gone.max() > 9 and gone.min() <= 1 and gone.max() < 20
    edges = (mel.mean(2) < -4).int().diff(dim=1).abs().sum(1)
    assert (edges <= 2).all()  # one band


def test_a_stretch_of_time_is_silenced() -> None:
    batch = seen(AudioViews(INPUT, it=Take(hide=0.5, noise=-10.0)), [waves(1, 2000)[0]] * 60)
    gone = (batch["it"][:, 0, :2000] == 0).sum(1)
    assert gone.min() < 100 and 850 < gone.max() <= 1001 and (batch["it"][:, 0, 2000:] == 0).all()


def test_a_silent_recording_stays_finite() -> None:
    silent = [np.zeros((1, 4000), np.int16)] * 2
    for made in (views.plain, views.raw, views.augment):
        batch = seen(made(INPUT), silent)
        assert all(torch.isfinite(value).all() for value in batch.values() if value.is_floating_point())


def test_views_are_a_function_of_seed_epoch_and_sample() -> None:
    made, rows = views.augment(INPUT), waves()
    whole, again, other = (seen(made, rows, epoch) for epoch in (0, 0, 1))
    assert torch.equal(whole["first"], again["first"]) and not torch.equal(whole["first"], other["first"])
    assert whole["first"].shape == (6, 1, 3200) and not torch.equal(whole["first"], whole["second"])
    part = seen(made, [rows[4], rows[2]], index=[4, 2])
    assert torch.allclose(part["second"], whole["second"][[4, 2]], atol=1e-5)
    assert not np.array_equal(made.sample(np.arange(6), 0, 1)["take"], made.sample(np.arange(6), 0, 0)["take"])


def test_lists_of_views_have_lists_of_masks() -> None:
    batch = seen(AudioViews(INPUT, views=[Take(gain=3.0), Take(crop=0.25, noise=-10.0)], alone=Take()), waves())
    assert [one.shape[2] for one in batch["views"]] == [4000, 2000] == [one.shape[1] for one in batch["views_mask"]]
    assert not torch.equal(batch["views"][0], batch["alone"])


def test_sounds_are_shown_as_they_are_heard() -> None:
    rows = waves(2)
    shown = views.show("audio", rows, INPUT)
    assert shown is not None and shown.rate == RATE  # type: ignore[union-attr]
    assert np.allclose(shown.waves[0], rows[0][0] / 32768, atol=1e-6)  # type: ignore[union-attr]
    batch = seen(views.plain(INPUT), rows)
    assert np.allclose(views.show("x", batch["audio"], INPUT).waves[1], rows[1][0] / 32768, atol=1e-5)  # type: ignore[union-attr]
    assert views.show("mask", batch["mask"], INPUT) is None


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"crop": -0.1}, "crop of recordings must be at least 0, not -0.1"),
        ({"gain": -1.0}, "gain of recordings must be at least 0"),
        ({"reverb": float("inf")}, "reverb of recordings must be at least 0"),
        ({"hide": 1.0}, r"hide and band must be in \[0, 1\), not 1.0 and 0.0"),
        ({"band": -0.2}, "hide and band must be"),
        ({"noise": 200.0}, r"noise of recordings must be in \[-100, 100\] dB"),
    ],
)
def test_values_out_of_range_are_refused(arguments: dict[str, float], sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        Take(**arguments)  # type: ignore[arg-type]
