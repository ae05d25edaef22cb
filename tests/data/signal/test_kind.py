from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from selftaught.data import open_source
from selftaught.data.joined import Joined
from selftaught.data.signal import toy
from selftaught.data.signal.kind import Signal
from selftaught.data.signal.source import Signals
from selftaught.data.span import span
from selftaught.data.subset import Subset
from selftaught.errors import UserError
from selftaught.kind import of_data
from selftaught.source import Source


def of(*series: Any) -> Signals:
    return Signals([np.asarray(one, np.float32) for one in series])


def test_the_encoder_is_told_channels_length_and_statistics() -> None:
    source = of([[0, 2, 0, 2], [5, 5, 5, 5]], [[10, 12], [5, 5]])
    seen = Signal().input(source)
    assert seen == {
        "kind": "signal", "channels": 2, "length": 4, "mean": [6.0, 5.0],
        "std": [pytest.approx(np.sqrt(26)), 5.0],  # each series counts the same; a constant channel has no deviation
    }  # fmt: skip
    assert Signal(length=9).input(source)["length"] == 9
    assert Signal().input(of(np.zeros((1, 5000)), np.ones((1, 5000))))["length"] == 2048


def test_lengths_are_known_of_parts_of_a_set_and_of_sources_of_ones_own() -> None:
    source = of([[1, 2, 3]], [[1, 2]], [[1, 2, 3, 4]])
    joined = Joined([source, of([[0, 1]])])

    class Own(Source):
        def __len__(self) -> int:
            return 3

        def fetch(self, index: Any) -> Any:
            return source.fetch(index)

    assert span(source, "signal") == (2, 4) and span(joined, "signal") == (2, 4) and span(Own(), "signal") == (2, 4)
    assert Signal().input(joined)["length"] == 4 and Signal().tell(joined)["length"] == "2 to 4"
    assert Signal().input(Own())["channels"] == 1
    assert Signal().input(Subset(source, np.array([1])))["length"] == 4  # as all of the set


def test_another_number_of_channels_does_not_fit() -> None:
    with pytest.raises(UserError, match="the encoder of run takes series of 3 channels, but these have 1"):
        Signal.fits({"channels": 3}, of([[1, 2]]), "run")


@pytest.mark.parametrize(
    ("data", "accepted"),
    [
        (np.zeros((4, 100)), True),
        (np.zeros((4, 3, 100)), True),
        ((np.zeros((4, 3, 100)), [0, 1, 0, 1]), True),
        ([np.zeros(10), np.zeros(12)], True),
        ([np.zeros((3, 40))], True),
        (np.zeros((4, 28, 28)), False),
        (np.zeros((4, 3, 100), np.uint8), False),
        (np.zeros((4, 8, 8, 3)), False),
        ([np.zeros((8, 8))], False),
        (["a text"], False),
        (7, False),
    ],
)
def test_what_it_accepts(data: Any, accepted: bool) -> None:
    assert Signal.accepts(data) is accepted


@pytest.mark.parametrize("length", [3, 0])
def test_too_short_a_length_is_refused(length: int) -> None:
    with pytest.raises(UserError, match=f"length must be at least 4, not {length}"):
        Signal(length=length)


def test_a_trained_encoder_reads_series_to_its_own_length() -> None:
    reading = Signal.reading({"length": 6}, {"length": None, "channel_axis": "first"})
    source = reading.open([np.arange(9.0), np.arange(4.0)], "all")
    assert (reading.length, reading.channel_axis) == (6, "first")
    assert source.notes[-1].endswith("padded to 6, with a mask and longer ones are cropped to 6")


def test_the_split_by_content_keeps_copies_on_one_side() -> None:
    rows = np.random.default_rng(0).normal(size=(20, 1, 16)).astype(np.float32)
    both = np.concatenate([rows, rows])
    train, test = (open_source(both, split, kind="signal") for split in ("train", "test"))
    assert len(train) == 32 and len(test) == 8
    seen = {one.tobytes() for one in train.fetch(np.arange(32))["signal"]}
    assert not any(one.tobytes() in seen for one in test.fetch(np.arange(8))["signal"])


def test_a_limit_draws_from_all_classes() -> None:
    source = open_source(toy.source(60), "all", kind="signal")
    rows = source.fetch(np.arange(60))["signal"]
    few = open_source(rows, "all", 6, kind="signal", labels=source.labels)
    assert len(few) == 6 and set(few.labels.tolist()) == {0, 1, 2}


def test_the_fingerprint_knows_a_changed_number() -> None:
    rows = toy.source(10).fetch(np.arange(10))["signal"]
    other = rows.copy()
    other[3, 0, 5] += 1
    prints = {open_source(x, "all", kind="signal").fingerprint for x in (rows, rows.copy(), other)}
    assert len(prints) == 2


def test_files_of_arrays_are_told_by_their_shapes(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for name, shape, samples in (
        ("flat", (6, 50), "signals"),
        ("square", (6, 28, 28), "images"),
        ("colour", (6, 8, 8, 3), "images"),
    ):
        x = rng.normal(size=shape)
        np.save(tmp_path / f"{name}.npy", x)
        np.savez(tmp_path / f"{name}.npz", x=x, y=np.arange(6) % 2)
        for suffix in (".npy", ".npz"):
            assert kind_of(tmp_path / f"{name}{suffix}") == {"signals": "signal", "images": "image"}[samples]
    np.save(tmp_path / "long.npy", rng.normal(size=(6, 3, 100)))
    with pytest.raises(
        UserError, match=r"could be images or signals: choose with --data\.kind image or --data\.kind sig"
    ):
        kind_of(tmp_path / "long.npy")
    (tmp_path / "cut.npy").write_bytes(b"\x93NUMPY")
    assert kind_of(tmp_path / "cut.npy") == "image"  # reading it says what is wrong


def kind_of(path: Path) -> str:
    return of_data(path, ["image", "signal"], {})
