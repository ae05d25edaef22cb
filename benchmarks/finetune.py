"""Fine-tuning with few labels.

Compares each pretrained encoder with training from scratch, for as many and for four times as many steps.

    python -m benchmarks.finetune                        the encoder of every method in results/vision.json
    python -m benchmarks.finetune simclr --data cifar10  only these
    python -m benchmarks.finetune --table                print the results

What `selftaught finetune RUN DATA` does, on 1%, 10% and all labels of the training set: all weights are trained by the
method `supervised`, with a learning rate chosen on a part of the training labels, and beside them a head on the frozen
features. The accuracy is that on plain test images, after the last step. The important control is training from scratch
for four times as many steps (He, Girshick, Dollar 2019, "Rethinking ImageNet Pre-training"): it is better than
pretraining that only saves steps. Seed s fine-tunes the encoder that was pretrained with seed s, on the labels drawn
with seed s. Encoders in runs/vision, left by `benchmarks.vision`, are reused; others are trained again for the recorded
number of steps. Resumable.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Any

import numpy as np

import selftaught
from benchmarks import measure, vision
from benchmarks.vision import DATA, ENCODER, SEEDS, SIZE, VARIANTS, folder, pretrained
from selftaught import encoders
from selftaught.data import open_source
from selftaught.data.image.kind import Image
from selftaught.evaluate.finetune import Plan, Side
from selftaught.pretraining.finetune import LINES, finetune

STEPS = {"1%": 300, "10%": 600, "all": 1200}
"""Steps for each share of the labels: about 80, 15 and 3 epochs of CIFAR-10."""
CONTROLS = {"scratch": 1, "scratch-4x": 4}


def recorded(path: Path) -> dict[tuple[str, str, int], int]:
    """Return what `benchmarks.vision` has trained, with the number of steps: {(data, case, seed): steps}."""
    runs = json.loads(path.read_text())["runs"] if path.exists() else []
    return {(r["data"], r["case"], r["seed"]): r["steps"] for r in runs if "steps" in r}


def points(pretraining: Iterable[tuple[str, str, int]], cases: Collection[str] = ()) -> list[tuple[str, str, int, str]]:
    """Return every (data, case, seed, share of the labels), with the controls of each data set and seed first.

    Variants are included only if they are in `cases`.
    """
    trained = sorted(pretraining, key=lambda key: (key[2], DATA.index(key[0]), key[1]))
    both = dict.fromkeys(
        key for data, case, seed in trained for key in (*((data, c, seed) for c in CONTROLS), (data, case, seed))
    )
    return [
        (*key, labels) for key in both if key[1] in cases or (not cases and key[1] not in VARIANTS) for labels in STEPS
    ]


def measured(data: str, case: str, seed: int, labels: str, init: Path | None) -> dict[str, Any]:
    """Return one classifier's test accuracy in percent, started from the run `init` or, if None, from scratch."""
    sides: tuple[Side, ...] = ("frozen", "tuned") if init else ("scratch",)
    longer = CONTROLS.get(case, 1)
    plan = Plan(labels=(labels,), sides=sides, seeds=1, seed=seed, steps=STEPS[labels], longer=longer)
    with tempfile.TemporaryDirectory() as place:
        if init is None:
            seen = Image(SIZE.get(data)).input(open_source(data, "train"))
            init = Path(place) / "encoder.safetensors"
            init.write_bytes(encoders.save(encoders.build(ENCODER, seen)))
        run = finetune(selftaught.load(init), data, plan=plan, out=Path(place) / "run")
        *frozen, line = [json.loads(text) for text in (run.path / LINES).read_text().splitlines()]
    row = {"data": data, "case": case, "seed": seed, "labels": labels}
    row |= {name: line[name] for name in ("steps", "seconds", "setting", "accuracy")}
    return row | ({"frozen": frozen[0]["accuracy"]} if frozen else {})


def rows(runs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return one row per data set and encoder: {share of the labels: mean, spread, seeds}."""
    table = []
    for data in DATA:
        for case in dict.fromkeys(r["case"] for r in runs if r["data"] == data):
            method = case if case in CONTROLS else vision.cases(data)[case][0]
            encoder = ENCODER if case in CONTROLS else vision.network(method)["name"]
            row: dict[str, Any] = {"data": data, "method": case, "encoder": encoder, "labels": {}}
            for labels, steps in STEPS.items():
                mine = [r["accuracy"] for r in runs if (r["data"], r["case"], r["labels"]) == (data, case, labels)]
                if mine:
                    spread = round(float(np.std(mine, ddof=1)), 2) if len(mine) > 1 else None
                    found = {"accuracy": round(float(np.mean(mine)), 2), "spread": spread, "seeds": len(mine)}
                    row["labels"][labels] = found | {"steps": steps * CONTROLS.get(case, 1)}
            table.append(row)
    return table


def main() -> None:
    """Measure what is missing, one classifier at a time, and save after each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", nargs="*", help="encoders to fine-tune; by default all")
    parser.add_argument("--data", nargs="+", choices=DATA, default=["cifar10"])
    parser.add_argument("--seeds", type=int, default=len(SEEDS))
    parser.add_argument("--table", action="store_true", help="print the results, measure nothing")
    asked = parser.parse_args()
    runs = measure.saved("finetune").get("runs", [])
    if not asked.table:  # older ones were measured on random views, with one learning rate for all
        runs = [run for run in runs if "setting" in run]
    have = {(r["data"], r["case"], r["seed"], r["labels"]) for r in runs}
    pretraining = recorded(measure.RESULTS / "vision.json")
    planned = points(
        (key for key in pretraining if key[0] in asked.data and key[2] in SEEDS[: asked.seeds]), asked.cases
    )
    missing = [key for key in planned if key not in have]
    for done, (data, case, seed, labels) in enumerate(() if asked.table else missing):
        init = None if case in CONTROLS else folder(data, case, seed)
        if init is not None and not (init / "encoder.safetensors").exists():
            pretrained(data, case, seed, pretraining[data, case, seed])
        runs.append(measured(data, case, seed, labels, init))
        print(f"{done + 1} of {len(missing)}: {json.dumps(runs[-1])}", flush=True)
        measure.save("finetune", rows(runs), runs=runs)
    for row in rows(runs):
        found = "".join(
            f"{labels:>6}: {cell['accuracy']:5.1f} ({cell['seeds']})" for labels, cell in row["labels"].items()
        )
        print(f"{row['data']:14} {row['method']:26} {found}")


if __name__ == "__main__":
    main()
