"""The benchmark of fine-tuning: which classifiers it trains, and what a row of several seeds holds."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from benchmarks.finetune import CONTROLS, STEPS, points, recorded, rows


def test_what_was_pretrained_is_read_from_the_results_of_the_image_benchmark(tmp_path: Path) -> None:
    refused = {"data": "fashion-mnist", "case": "cmc", "seed": 0, "refused": "cmc needs colour"}
    trained = {"data": "cifar10", "case": "cmc", "seed": 1, "steps": 515}
    (tmp_path / "vision.json").write_text(json.dumps({"runs": [refused, trained]}))
    assert recorded(tmp_path / "vision.json") == {("cifar10", "cmc", 1): 515}
    assert recorded(tmp_path / "nothing.json") == {}


def test_controls_come_once_a_seed_and_before_the_methods() -> None:
    found = points([("cifar10", "moco", 1), ("cifar10", "simclr", 0), ("cifar10", "moco", 0)])
    assert found == [
        ("cifar10", case, seed, part)
        for seed, cases in ((0, ("moco", "simclr")), (1, ("moco",)))
        for case in (*CONTROLS, *cases)
        for part in STEPS
    ]


def test_a_variant_is_fine_tuned_only_when_it_is_named() -> None:
    pretraining = [("cifar10", "moco", 0), ("cifar10", "moco-unshuffled", 0)]
    assert {case for _, case, _, _ in points(pretraining)} == {*CONTROLS, "moco"}
    assert {case for _, case, _, _ in points(pretraining, ["moco-unshuffled"])} == {"moco-unshuffled"}


def test_a_row_has_the_mean_and_the_spread_of_its_seeds() -> None:
    def run(case: str, seed: int, accuracy: float) -> dict[str, Any]:
        return {"data": "cifar10", "case": case, "seed": seed, "labels": "1%", "accuracy": accuracy}

    control, row = rows([run("scratch-4x", 0, 30.0), run("moco", 0, 40.0), run("moco", 1, 42.0)])
    assert control["labels"]["1%"] == {"accuracy": 30.0, "spread": None, "seeds": 1, "steps": 4 * STEPS["1%"]}
    assert row["labels"]["1%"] == {"accuracy": 41.0, "spread": 1.41, "seeds": 2, "steps": STEPS["1%"]}
