"""Fine-tuning with few labels: each pretrained encoder beside training from scratch, for as long and for four times as long.

    python -m benchmarks.finetune                        every encoder that `benchmarks.vision` left in runs/vision
    python -m benchmarks.finetune simclr --data cifar10  these only
    python -m benchmarks.finetune --table                print what was measured

All weights are trained, by the method `supervised` with its own recipe, on 1%, 10% and all labels of the training set; accuracy is
the classifier's on the whole test set, after the last step. From scratch for four times as long is the control that matters
(He, Girshick, Dollar 2019, "Rethinking ImageNet Pre-training"): pretraining that only saves steps is beaten by it. Seed s
fine-tunes the encoder that was pretrained with seed s, on the labels that seed s draws. Resumable.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

import selftaught
from benchmarks import measure
from benchmarks.vision import DATA, ENCODER, RUNS, SEEDS, SIZE, cases, source
from selftaught import evaluate
from selftaught.data import open_source

STEPS = {"1%": 300, "10%": 600, "all": 1200}
"""Steps for each part of the labels: about 80, 15 and 3 epochs of CIFAR-10."""
CONTROLS = {"scratch": 1, "scratch-4x": 4}


def measured(data: str, case: str, seed: int, labels: str) -> dict[str, Any]:
    """One classifier's test accuracy in percent."""
    init = None if case in CONTROLS else RUNS / f"{data}-{case}-{seed}"
    steps = STEPS[labels] * CONTROLS.get(case, 1)
    with tempfile.TemporaryDirectory() as folder:
        run = selftaught.pretrain(
            "supervised", data, out=Path(folder) / "run", encoder=None if init else ENCODER, init=init,
            size=SIZE.get(data), labels=labels, steps=steps, seed=seed, progress=False,
        )  # fmt: skip
        found = evaluate.pretext(run.method(open_source(data, "train")), source(data, "test"))
        seconds = run.summary["seconds"]
    row = {"data": data, "case": case, "seed": seed, "labels": labels, "steps": steps, "seconds": seconds}
    return row | {"accuracy": round(100 * float(found["accuracy"]), 2)}


def rows(runs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """One row a data set and encoder: {part of the labels: mean, spread, seeds}."""
    table = []
    for data in DATA:
        for case in dict.fromkeys(r["case"] for r in runs if r["data"] == data):
            row: dict[str, Any] = {"data": data, "method": case, "encoder": ENCODER, "labels": {}}
            for labels, steps in STEPS.items():
                mine = [r["accuracy"] for r in runs if (r["data"], r["case"], r["labels"]) == (data, case, labels)]
                if mine:
                    spread = round(float(np.std(mine, ddof=1)), 2) if len(mine) > 1 else None
                    found = {"accuracy": round(float(np.mean(mine)), 2), "spread": spread, "seeds": len(mine)}
                    row["labels"][labels] = found | {"steps": steps * CONTROLS.get(case, 1)}
            table.append(row)
    return table


def main() -> None:
    """Measure what is missing, one classifier after the other, and save after each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", nargs="*", help="encoders to fine-tune; all when none is named")
    parser.add_argument("--data", nargs="+", choices=DATA, default=["cifar10"])
    parser.add_argument("--seeds", type=int, default=len(SEEDS))
    parser.add_argument("--table", action="store_true", help="print what was measured, measure nothing")
    asked = parser.parse_args()
    path = measure.RESULTS / "finetune.json"
    runs = json.loads(path.read_text())["runs"] if path.exists() else []
    have = {(r["data"], r["case"], r["seed"], r["labels"]) for r in runs}
    missing = [
        (data, case, seed, labels)
        for seed in SEEDS[: asked.seeds] for data in asked.data for case in [*CONTROLS, *cases(data)] for labels in STEPS
        if (data, case, seed, labels) not in have and (case in asked.cases or not asked.cases)
        and (case in CONTROLS or (RUNS / f"{data}-{case}-{seed}" / "encoder.safetensors").exists())
    ]  # fmt: skip
    for done, key in enumerate(() if asked.table else missing):
        runs.append(measured(*key))
        print(f"{done + 1} of {len(missing)}: {json.dumps(runs[-1])}", flush=True)
        measure.save("finetune", rows(runs), runs=runs)
    for row in rows(runs):
        found = "".join(f"{labels:>6}: {cell['accuracy']:5.1f} ({cell['seeds']})" for labels, cell in row["labels"].items())
        print(f"{row['data']:14} {row['method']:26} {found}")


if __name__ == "__main__":
    main()
