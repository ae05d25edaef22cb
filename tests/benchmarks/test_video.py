from __future__ import annotations

from typing import Any

import pytest

from benchmarks import video
from selftaught import methods
from selftaught.parts.signature import Argument


def test_every_method_has_a_row_and_every_variant_changes_an_option() -> None:
    cases = video.cases()
    assert set(methods.names("video")) <= set(cases)
    for method, given in video.VARIANTS.values():
        known: dict[str, Argument] = {one.name: one for one in methods.describe(method, "video").arguments}
        assert given and all(known[name].default != value for name, value in given.items())


def test_clips_from_the_cache_are_timed_beside_pyav() -> None:
    pytest.importorskip("av")
    found = video.speed(1, side=16, clip=2, batch=2, count=8)
    assert len(found) == 3 and all(one["frames_a_second"] > 0 for one in found)


def run(seed: int, order: float) -> dict[str, Any]:
    side = {"order": order, "arrow": 60.0, "retrieval": 40.0, "alignment": None}
    return {
        "data": "footage", "case": "time_contrast", "seed": seed, "steps": 5, "command": f"run {seed}",
        "trained": side, "untrained": {**side, "order": 30.0}, "raw": {**side, "order": 33.0},
        "pretext": {one: {"accuracy": 0.5, "chance": 0.25} for one in ("trained", "untrained")},
    }  # fmt: skip


def test_a_row_is_the_mean_of_its_seeds_with_their_deviation() -> None:
    (row,) = video.rows([run(1, 60.0), run(0, 50.0)])
    assert row["seeds"] == 2 and row["command"] == "run 0"
    assert row["time"]["order"] == {"trained": 55.0, "untrained": 30.0, "raw": 33.0, "spread": 7.07}
    assert row["time"]["alignment"] == {} and row["pretext"]["trained"] == 50.0
    lines = list(video.shown([row], [{"what": "clips", "frames_a_second": 1234.5}]))
    assert "55.0/30.0/33.0" in lines[1] and "1,23" in lines[2]
