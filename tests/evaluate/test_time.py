from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import selftaught
from selftaught import encoders
from selftaught.data.subset import Subset
from selftaught.data.video import toy
from selftaught.data.video.source import side_of
from selftaught.evaluate import time
from selftaught.evaluate.task import judge
from selftaught.evaluate.tasks.time import Time


def line(count: int, scenes: int = 1) -> Any:
    """Places of videos of one camera."""
    at = np.arange(count)
    return np.concatenate([np.stack([np.full(count, s), np.zeros(count, int), at], 1) for s in range(scenes)])


def circle(place: Any) -> Any:
    """Features that move steadily and never come back: an arc."""
    angle = place[:, 2] / (place[:, 2].max() + 1) * 3
    return np.stack([np.cos(angle), np.sin(angle), place[:, 0].astype(float)], 1).astype(np.float32)


def test_the_error_of_alignment_is_nothing_for_equal_features_and_a_third_for_random_ones() -> None:
    place, rng = line(200), np.random.default_rng(0)
    random = rng.normal(size=(200, 16)).astype(np.float32)
    assert time.alignment(random, random, place, place) == 0
    error = time.alignment(random, rng.normal(size=(200, 16)).astype(np.float32), place, place)
    assert error is not None and 28 < error < 38
    late = np.roll(random, 10, 0)  # the second pass is ten frames behind, around the end
    assert time.alignment(random, late, place, place) == pytest.approx(100 * (190 * 10 + 10 * 190) / 200 / 200)
    assert time.alignment(random[:1], random[:1], place[:1], place[:1]) is None


def test_order_needs_the_ends_to_be_farthest_apart() -> None:
    place = line(60, 2)
    assert time.order(circle(place), place) == 100
    shuffled = np.random.default_rng(0).normal(size=(120, 30)).astype(np.float32)
    found = time.order(shuffled, place)
    assert found is not None and 15 < found < 55
    assert time.order(np.ones((120, 3), np.float32), place) == 0  # what is equal is no answer
    assert time.order(circle(place)[:2], place[:2]) is None


def test_the_arrow_is_found_in_steady_motion_and_not_in_noise() -> None:
    train, test = line(80), line(40)
    moving = [np.stack([p[:, 2], np.ones(len(p))], 1).astype(np.float32) for p in (train, test)]
    assert time.arrow(moving[0], train, moving[1], test) == 100
    rng = np.random.default_rng(1)
    noise = [rng.normal(size=(len(p), 8)).astype(np.float32) for p in (train, test)]
    found = time.arrow(noise[0], train, noise[1], test)
    assert found is not None and 25 < found < 75
    assert time.arrow(noise[0][:1], train[:1], noise[1], test) is None


def test_pairs_never_cross_a_gap_or_a_camera() -> None:
    place = np.concatenate([line(20), line(20) + np.array([0, 1, 0]), line(20) + np.array([1, 0, 0])])
    place = np.delete(place, [10], 0)
    at = place[:, 2].astype(np.float32)[:, None]
    found, groups = time.differences(at, place, 4)
    assert set(found[:, 0]) == {4.0} and len(found) == len(groups) == 6 + 5 + 16 + 16


def test_a_frame_is_found_again_within_two_frames() -> None:
    place = line(50, 2)
    x = np.random.default_rng(0).normal(size=(100, 20)).astype(np.float32)
    assert time.retrieval(x, x, place) == 100
    shifted = np.concatenate([np.roll(x[:50], 2, 0), np.roll(x[50:], 2, 0)])
    assert time.retrieval(shifted, x, place) == 96  # the first two of each come from its end
    assert time.retrieval(np.roll(x, 3, 0), x, place) == 0


def test_both_kinds_of_two_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    encoder = encoders.build("conv", toy.seen(), width=4, depth=2)
    one, two = toy.source(64), toy.source(64, cameras=2)
    for source in (one, two):
        train, test = side_of(source, "train"), side_of(source, "test")
        found = time.measured(None, train, test, toy.seen())
        assert found.keys() == {"order", "arrow", "retrieval", "alignment"}
    source = side_of(two, "test")
    place = source.places
    known = time.features(encoder, source, time.FrameViews(toy.seen(), video=time.Augment()))
    first, second = place[:, 1] == 0, place[:, 1] == 1
    wanted = time.alignment(known[first], known[second], place[first], place[second])
    assert time.measured(encoder, source, source, toy.seen())["alignment"] == wanted
    part = Subset(two, np.arange(20))  # a source that cannot tell its places without reading
    assert time.measured(None, part, part, toy.seen())["order"] is not None


def test_a_run_on_unlabelled_footage_is_judged_by_time_alone(tmp_path: Path) -> None:
    clips = np.stack([clip.frames for clip in toy.source(16 * 4).clips])
    run = selftaught.pretrain(
        "shuffle_and_learn", clips, out=tmp_path / "run", steps=2, batch_size=8, span=4, gap=2, progress=False,
        encoder={"name": "conv", "width": 4, "depth": 2}, kind="video",
    )  # fmt: skip
    assert run.config.data["split"] == "train"
    found = judge(selftaught.pretraining.judged.Judged(run), quick=True)
    assert set(found) == {"time"}
    (table,) = Time().tables(found["time"])
    assert table.rows[-1]["chance"] == 33.3 and {"trained", "untrained", "raw"} < table.rows[0].keys()
    assert Time().columns({"time": found["time"]})["order"] == found["time"]["trained"]["order"]
