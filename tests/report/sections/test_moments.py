from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from selftaught import encoders
from selftaught.data.image import toy as images
from selftaught.data.video import toy
from selftaught.methods.contrast.time_contrast import TimeContrast
from selftaught.methods.contrast.triplet_tracking import TripletTracking
from selftaught.report.page import Page
from selftaught.report.sections import moments, result
from selftaught.run import RunFolder


def page(tmp_path: Path, method: Any, **given: Any) -> Page:
    return Page(RunFolder.create(tmp_path / "run", {}), method.encoder, method, **given)


def encoder() -> Any:
    return encoders.build("conv", toy.seen(), width=4, depth=2)


def test_tracks_and_the_nearest_frames_elsewhere_in_time_are_shown(tmp_path: Path) -> None:
    method = TripletTracking(encoder(), length=4, moving=0.02, sure=2.0, steady=1.0)
    found = moments.data(page(tmp_path, method, source_train=toy.source(96), source_test=toy.source(48, seed=1)))
    assert found is not None
    assert found["found"][0]["name"] == "track, first frame" and len(found["found"]) == 5
    assert [row["name"] for row in found["near"]] == ["frame", "nearest by features", "nearest by pixels"]
    for row in found["near"][1:]:
        away = [int(note.split()[0]) for note in row["notes"] if "frames away" in note]
        assert len(row["images"]) == 8 and all(frames >= 8 for frames in away)


def test_methods_without_tracks_show_frames_alone_and_others_nothing(tmp_path: Path) -> None:
    method = TimeContrast(encoder())
    first = page(tmp_path, method, source_train=toy.source(48))
    found = moments.data(first)
    assert moments.suits(first) and found is not None and found["found"] == [] and len(found["near"]) == 3
    picture = encoders.build("conv", images.seen(), width=4, depth=2)
    other = Page(RunFolder.create(tmp_path / "other", {}), picture, None, source_train=images.source(8))
    assert not moments.suits(other)


def test_what_was_measured_is_a_table_and_the_probe_is_not_missed(tmp_path: Path) -> None:
    one = page(tmp_path, TimeContrast(encoder()), source_train=toy.source(48))
    assert moments.judged(one) == [] and result.suits(one)
    other = page(tmp_path / "judged", TimeContrast(encoder()), source_train=toy.source(48))
    side = {"order": 60.0, "arrow": None, "retrieval": 20.0, "alignment": 12.5}
    other.run.update_summary(time={"trained": side, "untrained": side, "raw": side})
    (row,) = moments.judged(other)
    assert row["columns"] == ["of held-out frames", "trained", "untrained", "raw", "chance"]
    assert [cells[1:] for cells in row["rows"]] == [[60.0, 60.0, 60.0, 33.3], [20.0] * 3 + [None], [12.5] * 3 + [33.3]]
    assert not result.suits(other)


def test_the_nearest_is_by_direction_and_never_a_neighbour() -> None:
    place = np.stack([np.zeros(30), np.zeros(30), np.arange(30)], 1).astype(np.int64)
    known = np.random.default_rng(0).normal(size=(30, 6))
    known[20] = known[4] * 3
    known[6] = known[4]
    assert moments._nearest(known - known.mean(0), place, 4) == 20
    assert moments._nearest(known[:5], place[:5], 2) == -1
