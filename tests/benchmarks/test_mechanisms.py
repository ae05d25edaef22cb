"""The figure of the three mechanisms shows what was measured."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from typing import Any

import pytest

from benchmarks import mechanisms


def run(keys: str, k: int, seed: int, linear: float) -> dict[str, Any]:
    return {"keys": keys, "k": k, "seed": seed, "linear": linear, "seconds": 30.0, "batch_size": 256, "steps": 600}


RUNS = [run("queue", 15, 0, 80.0), run("queue", 15, 1, 82.0), run("batch", 15, 0, 79.0), run("queue", 255, 0, 84.0)]


def test_rows_are_means_over_seeds() -> None:
    table = mechanisms.rows(RUNS)
    assert [(r["keys"], r["k"], r["linear"], r["seeds"]) for r in table] == [
        ("batch", 15, 79.0, 1),
        ("queue", 15, 81.0, 2),
        ("queue", 255, 84.0, 1),
    ]
    assert table[1]["spread"] == pytest.approx(1.41, abs=0.01) and table[0]["spread"] is None


def test_a_batch_stops_where_batches_do() -> None:
    found = mechanisms.points()
    assert (
        ("batch", 1023) in found
        and ("batch", 4095) not in found
        and ("queue", 16383) in found
        and ("bank", 16383) in found
    )


def test_the_figure_is_a_picture_of_the_rows() -> None:
    svg = ET.fromstring(mechanisms.figure(mechanisms.rows(RUNS), 75.0))
    name = "{http://www.w3.org/2000/svg}"
    dots = {c.findtext(f"{name}title"): c for c in svg.iter(f"{name}circle") if c.find(f"{name}title") is not None}
    assert sorted(dots) == ["batch, K = 15: 79.0", "queue, K = 15: 81.0", "queue, K = 255: 84.0"]
    place = {title: (float(c.get("cx", 0)), float(c.get("cy", 0))) for title, c in dots.items()}
    assert place["batch, K = 15: 79.0"][0] == place["queue, K = 15: 81.0"][0] < place["queue, K = 255: 84.0"][0]
    # downwards is larger
    assert place["batch, K = 15: 79.0"][1] > place["queue, K = 15: 81.0"][1] > place["queue, K = 255: 84.0"][1]
    assert all(0 < x < 640 and 22 <= y <= 330 for x, y in place.values())
    lines = [p.get("points") for p in svg.iter(f"{name}polyline")]
    assert len(lines) == 2
    texts = {t.text for t in svg.iter(f"{name}text")}
    assert {"15", "255", "untrained encoder", "K, the number of negatives"} <= texts


def test_one_value_everywhere_is_still_a_figure() -> None:
    ET.fromstring(mechanisms.figure(mechanisms.rows([run("bank", 15, 0, 80.0)]), None))
