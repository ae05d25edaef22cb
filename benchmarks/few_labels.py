"""Accuracy as a function of the number of labels per class.

Compares each semi-supervised method with supervised training on the same labels, over several draws of labels.

    python -m benchmarks.few_labels
        All points that results/few_labels.json does not have yet.
    python -m benchmarks.few_labels mean_teacher --labels 10
        These points, and those that they are compared with.
    python -m benchmarks.few_labels --draws 1
        One draw of each.
    python -m benchmarks.few_labels --table
        Print the results.

A draw is a seed for the labels, the initial weights and the views. It is the same for all methods, so differences are
paired. The first draw of a point trains for 30 seconds, and the others take as many steps. Each run is evaluated by the
accuracy of its classifier on the test set and by a linear probe of its encoder, and saved at once, so the benchmark can
be stopped at any time.

There are two supervised rows: one with the views of the other methods, and one with whole images (mirrored), which is
better here.
"""

from __future__ import annotations

import argparse
import json
import math
import tempfile
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats

import selftaught
from benchmarks import measure
from selftaught import evaluate
from selftaught.data import open_source
from selftaught.evaluate.probe import judge, score
from selftaught.pretraining.build import open_data

DATA, ENCODER, MINUTES = "fashion-mnist", "conv", 0.5
LABELS, DRAWS = (4, 10, 40, 100), 5
"""Labels per class, and the number of draws of each."""
PROBE = 20_000
"""Number of labelled training samples for the linear probe, the first ones."""
CASES: dict[str, tuple[str, dict[str, Any]]] = {
    "supervised": ("supervised", {"crop": 0.85}),
    "supervised-whole": ("supervised", {"crop": 1.0}),
    "pi_model": ("pi_model", {}),
    "temporal_ensembling": ("temporal_ensembling", {}),
    "mean_teacher": ("mean_teacher", {}),
    "s4l": ("s4l", {}),
    "s4l-exemplar": ("s4l", {"kind": "exemplar"}),
    "sla": ("sla", {}),
    "sla-distilled": ("sla", {"distill": True}),
}
"""For each row: method and arguments."""
BASELINES = ("supervised", "supervised-whole")
ASKED = ("classifier", "linear")


@cache
def source(split: str) -> Any:
    """Return the data set: the first samples for the probe, or the whole test set."""
    return open_source(DATA, split, PROBE) if split == "train" else open_source(DATA, split)


def measured(case: str, labels: int, draw: int, length: dict[str, Any]) -> dict[str, Any]:
    """Train one point and return its accuracies in percent."""
    method, arguments = CASES[case]
    with tempfile.TemporaryDirectory() as folder:
        run = measure.whole(
            selftaught.pretrain(
                method,
                DATA,
                out=Path(folder) / "run",
                encoder=ENCODER,
                labels=f"{labels}/class",
                seed=draw,
                progress=False,
                **length,
                **arguments,
            )
        )
        summary = run.summary
        trained = run.method(open_data(run.config)[0])
    train, test = source("train"), source("test")
    probe = judge(
        evaluate.embed(run.encoder, train), train.labels, evaluate.embed(run.encoder, test), seed=draw, budgets=()
    )
    return {
        "case": case, "labels": labels, "draw": draw, "steps": summary["steps"], "seconds": summary["seconds"],
        "classifier": evaluate.classifier(trained, open_source(DATA, "train"), test),
        "linear": score({"it": probe}, test.labels, len(train))["linear"]["it"],
    }  # fmt: skip


def interval(values: list[float]) -> dict[str, float | None]:
    """Return the mean and the ends of its 95% interval by Student's t; no ends for a single value."""
    mean, n = float(np.mean(values)), len(values)
    if n < 2:
        return {"mean": round(mean, 2), "low": None, "high": None}
    half = float(stats.t.ppf(0.975, n - 1)) * float(np.std(values, ddof=1)) / math.sqrt(n)
    return {"mean": round(mean, 2), "low": round(mean - half, 2), "high": round(mean + half, 2)}


def rows(runs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return one row per case and number of labels.

    It has means over draws, and the differences from each baseline on the draws that both have.
    """
    points = {(r["case"], r["labels"], r["draw"]): r for r in runs}
    table = []
    for labels in sorted({r["labels"] for r in runs}):
        for case, (method, arguments) in CASES.items():
            mine = {draw: r for (name, count, draw), r in points.items() if (name, count) == (case, labels)}
            if not mine:
                continue
            given = {"labels": f"{labels}/class", "minutes": MINUTES} | arguments
            row: dict[str, Any] = {
                "method": case, "data": DATA, "encoder": ENCODER, "labels": labels, "draws": len(mine),
                "command": f"selftaught pretrain {method} {DATA} {measure.flags(given)}",
                "steps": round(float(np.mean([r["steps"] for r in mine.values()]))),
                **{asked: interval([r[asked] for r in mine.values()]) for asked in ASKED},
            }  # fmt: skip
            row["gain"] = {}
            for baseline in (b for b in BASELINES if b != case):
                pairs = [
                    (r, points[baseline, labels, draw])
                    for draw, r in mine.items()
                    if (baseline, labels, draw) in points
                ]
                if pairs:
                    row["gain"][baseline] = {
                        asked: interval([a[asked] - b[asked] for a, b in pairs]) for asked in ASKED
                    }
            table.append(row)
    return table


def shown(table: list[dict[str, Any]]) -> Iterable[str]:
    """Yield the rows as lines of text: accuracies in percent, differences in points with their paired intervals."""
    yield (
        f"{'labels':>6} {'method':20} {'draws':>5} {'classifier':>10} {'probe':>6}   classifier over supervised, "
        "over supervised-whole"
    )
    for row in table:
        gains = [row["gain"][b]["classifier"] for b in BASELINES if b in row["gain"]]
        parts = [
            f"{g['mean']:+.1f}" + ("" if g["low"] is None else f" [{g['low']:+.1f}, {g['high']:+.1f}]") for g in gains
        ]
        means = [row[asked]["mean"] for asked in ASKED]
        numbers = f"{row['draws']:5} {means[0]:10.1f} {means[1]:6.1f}"
        yield f"{row['labels']:6} {row['method']:20} {numbers}   {', '.join(parts)}"


def main() -> None:
    """Measure what is missing, point by point, and save after each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", nargs="*", help="rows to measure in addition to the supervised ones; by default all")
    parser.add_argument("--labels", nargs="*", type=int, default=LABELS, help="labels per class")
    parser.add_argument("--draws", type=int, default=DRAWS, help="number of draws of labels")
    parser.add_argument("--steps", type=int, help="train every point for this many steps instead of 30 seconds")
    parser.add_argument("--results", type=Path, default=measure.RESULTS, help="the folder to save in")
    parser.add_argument("--table", action="store_true", help="only print the results")
    told = parser.parse_args()
    unknown = set(told.cases) - set(CASES)
    if unknown:
        parser.error(f"there is no row {', '.join(sorted(unknown))}; choose from {', '.join(CASES)}")
    measure.RESULTS = told.results
    path = told.results / "few_labels.json"
    runs = json.loads(path.read_text())["runs"] if path.exists() else []
    if not told.table:
        for draw in range(told.draws):
            for labels in told.labels:
                for case in [c for c in CASES if not told.cases or c in told.cases or c in BASELINES]:
                    done = [r for r in runs if (r["case"], r["labels"]) == (case, labels)]
                    if any(r["draw"] == draw for r in done):
                        continue
                    steps = told.steps or next((r["steps"] for r in done), None)
                    runs.append(
                        measured(case, labels, draw, {"minutes": MINUTES} if steps is None else {"steps": steps})
                    )
                    print(json.dumps(runs[-1]), flush=True)
                    measure.save("few_labels", rows(runs), runs=runs)
    print("\n".join(shown(rows(runs))))


if __name__ == "__main__":
    main()
