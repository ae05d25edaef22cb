"""Voices that say the same words: which recordings are compared, and what a perfect and a useless encoder come to."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from selftaught.data.audio import toy
from selftaught.data.audio.source import Recordings
from selftaught.errors import UserError
from selftaught.evaluate import voices as module
from selftaught.evaluate.tasks.voices import Voices
from selftaught.evaluate.voices import pairs, voices
from selftaught.method import Encoder

WORDS, RATE = 8, 8000


def spoken(languages: dict[str, str] | None = None, names: Any = None, seconds: float = 0.2) -> Recordings:
    """Two voices of one height each say eight words, which are pitches that change in the middle."""
    rng = np.random.default_rng(0)
    t = np.arange(round(seconds * RATE)) / RATE
    rows, called, labels = [], [], []
    for voice in range(2):
        for word in range(WORDS):
            first, second = 300 + 150 * (word % 4), 300 + 450 * (word // 4)
            wave = np.sin(2 * np.pi * np.where(t < seconds / 2, first, second) * t)
            rows.append((8000 * (1 - 0.6 * voice) * wave + rng.normal(0, 100, len(t))).astype(np.int16))
            called.append(f"voice{voice}/word{word}.wav")
            labels.append(voice)
    lengths = np.array([len(row) for row in rows], np.int64)
    source = Recordings(
        np.concatenate(rows), np.cumsum(lengths) - lengths, lengths, RATE, np.array(labels), ("a", "b"),
        names=called if names is None else names,
    )  # fmt: skip
    source.traits = {**source.traits, **({"languages": languages} if languages else {})}
    return source


class Told(Encoder):
    """An encoder whose frames are the energies of bands, or nothing."""

    def __init__(self, knows: bool) -> None:
        super().__init__()
        self.spec, self.dim = {"name": "told", "input": toy.seen() | {"length": 1600}}, 65
        self.knows = knows

    def layers(self, x: Tensor, **masks: Tensor) -> list[Tensor]:
        frames = torch.stft(x[:, 0], 128, 80, window=torch.hann_window(128), return_complex=True).abs()
        return [frames if self.knows else torch.ones_like(frames)]


def test_pairs_are_recordings_of_one_name_in_two_voices_of_one_language() -> None:
    found = list(pairs(spoken()))
    assert [(a, b) for a, b, _ in found] == [(0, 1), (1, 0)]
    assert found[0][2] == [(i, WORDS + i) for i in range(WORDS)]
    assert list(pairs(spoken({"a": "it", "b": "fr"}))) == [] and len(list(pairs(spoken({"a": "it", "b": "it"})))) == 2
    own = [f"voice/{i}.wav" for i in range(2 * WORDS)]
    assert list(pairs(spoken(names=own))) == []  # nothing in common
    with pytest.raises(UserError, match="no two voices of one language say 5 of the same prompts"):
        voices(Told(True), Told(False), spoken(names=own))


def test_who_knows_the_sounds_finds_the_words_and_who_does_not_guesses() -> None:
    found = voices(Told(True), Told(False), spoken())
    assert (found["pairs"], found["prompts"]) == (1, {"retrieval": WORDS, "word": WORDS})
    assert found["chance"] == {"retrieval": 100 / WORDS, "word": 100 / WORDS}
    for key in ("retrieval", "word"):
        assert found[key]["trained"] > 60 and found[key]["raw"] > 50 and found[key]["untrained"] <= 100 / WORDS
    (table,) = Voices().tables(found)
    assert [row["accuracy, %"] for row in table.rows] == [
        "the same prompt in another voice", "which word, in an unseen voice",
    ]  # fmt: skip
    assert Voices().columns({"voices": found}) == {
        "word": found["word"]["trained"], "retrieval": found["retrieval"]["trained"],
    }  # fmt: skip


def test_the_order_of_the_sounds_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Words that begin as others end are one and the same to a mean over all time."""
    assert voices(Told(True), Told(False), spoken())["retrieval"]["trained"] > 60
    monkeypatch.setattr(module, "STRETCHES", 1)
    assert module._stretches(lambda x, masks: x, spoken(), _plain(), ("audio", "mask"), 0).shape == (16, 1)
    monkeypatch.setattr(module, "STRETCHES", 4)
    parts = module._stretches(lambda x, masks: x.abs(), spoken(), _plain(), ("audio", "mask"), 0)
    x = spoken().fetch(np.arange(1))["audio"][0][0] / 3276.8
    assert np.allclose(parts[0], [np.abs(one).mean() for one in np.split(x, 4)], atol=1e-3)


def _plain() -> Any:
    from selftaught.views import plain

    return plain(toy.seen() | {"length": 1600})


def test_long_recordings_are_no_words() -> None:
    found = voices(Told(True), Told(False), spoken(seconds=1.3))
    assert found["word"] == {} and found["prompts"]["word"] == 0 and len(Voices().tables(found)[0].rows) == 1


def test_it_suits_encoders_of_sound_alone() -> None:
    class Run:
        def __init__(self, source: Any, seen: dict[str, Any]) -> None:
            self.encoder = Told(True)
            self.encoder.spec = {"input": seen}
            self.source = source

        def labelled(self, data: Any) -> bool:
            return bool(self.source.labelled)

        def sources(self, data: Any, limits: Any) -> Any:
            return self.source, self.source

    one_language: Any = Run(spoken(), toy.seen())
    assert Voices().suits(one_language, None)
    assert not Voices().suits(Run(spoken({"a": "it", "b": "fr"}), toy.seen()), None)  # type: ignore[arg-type]
    assert not Voices().suits(Run(spoken(), {"kind": "image"}), None)  # type: ignore[arg-type]
