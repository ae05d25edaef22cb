from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from report import toy as unknown

from selftaught import encoders
from selftaught.data.audio import toy
from selftaught.data.image import toy as images
from selftaught.report.page import Page
from selftaught.report.sections import recording
from selftaught.run import RunFolder


def test_the_slowest_of_mixed_features_are_found_in_order() -> None:
    rng, known, truth = np.random.default_rng(0), [], []
    mix = rng.normal(size=(5, 12))
    for length in (300, 400, 350):
        t = np.arange(length) + rng.uniform(0, 100)
        sources = np.stack([np.sin(t / 40), np.sin(t / 12), np.sin(t / 4), rng.normal(size=length), np.sin(t * 2)], 1)
        known.append((sources @ mix + 3).astype(np.float32))
        truth.append(sources)
    mean, directions = recording.slow(known) or pytest.fail("there are directions enough")
    found = [(one - mean) @ directions for one in known]
    assert np.concatenate(found).std(0) == pytest.approx(1, abs=1e-3)
    for k in range(3):
        together = np.corrcoef(np.concatenate(found)[:, k], np.concatenate(truth)[:, k])[0, 1]
        assert abs(together) > 0.98
    changes = recording.change(found)
    assert (np.diff(changes) > 0).all() and changes[0] < 0.05
    noise = [rng.normal(size=(5000, 1))]
    assert recording.change(noise)[0] == pytest.approx(1, abs=0.03)
    assert recording.slow([one[:, :1] for one in known]) is None and recording.slow([]) is None


def page(tmp_path: Path, **given: object) -> Page:
    encoder = encoders.build("wave", toy.seen(), width=12)
    return Page(RunFolder.create(tmp_path / "run", {}), encoder, None, **given)  # type: ignore[arg-type]


def test_recordings_are_followed_without_their_padding(tmp_path: Path) -> None:
    source = toy.source(24, uneven=True)
    one = page(tmp_path, source_train=source)
    assert one.encoder is not None
    index = np.arange(24)
    found = recording.followed(one.encoder, source, index)
    lengths = [wave.shape[-1] for wave in source.fetch(index)["audio"]]
    positions = {length: length * 8 // 1200 for length in lengths}  # whole ones: 1,200 samples have 8
    long = [length for length in lengths if positions[length] >= recording.POSITIONS]
    assert [len(each.wave) for each in found] == long and 0 < len(long) < 24
    assert all(len(each.features) == positions[len(each.wave)] and each.rate == toy.RATE for each in found)
    assert len({*positions.values()}) > 2


def test_a_page_has_sound_wave_and_slow_features_over_the_same_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = toy.source(40)
    one = page(tmp_path, source_train=source, source_test=toy.source(30, seed=1))
    assert recording.suits(one)
    found = recording.data(one)
    assert found is not None and len(found["rows"]) == recording.COUNT and found["change"] == sorted(found["change"])
    for row in found["rows"]:
        assert row["sound"]["seconds"] == row["sound"]["of"] == 0.15 and row["name"].split(":")[0] in toy.CLASSES
        assert (len(row["wave"]["lines"]), len(row["slow"]["lines"])) == (1, 3) and row["slow"]["length"] == 8
    monkeypatch.setattr(recording, "BYTES", 1200)  # half of the sound
    cut = recording.data(one)
    assert cut is not None
    assert [row["sound"]["seconds"] for row in cut["rows"]] == [0.075] * 3
    assert [row["slow"]["length"] for row in cut["rows"]] == [4] * 3
    assert [row["wave"]["length"] for row in cut["rows"]] == [600] * 3


def test_what_has_no_sound_or_no_positions_has_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    picture = encoders.build("conv", images.seen(), width=4, depth=2)
    assert not recording.suits(Page(RunFolder.create(tmp_path / "a", {}), picture, source_train=images.source(8)))
    unknown.learn(monkeypatch)
    other = Page(RunFolder.create(tmp_path / "b", {}), unknown.Ear(), source_train=unknown.Tones())
    assert recording.suits(other) and recording.data(other) is None
