"""Learn depth from the crops of one photographed pair, and judge it on columns that were not seen.

    python -m benchmarks.stereo
        All rows that results/stereo.json does not have yet.
    python -m benchmarks.stereo monodepth no-consistency
        Only these rows.
    python -m benchmarks.stereo --seeds 1
        One seed of each.
    python -m benchmarks.stereo --table
        Print the results.

The pair is Middlebury's Motorcycle at a quarter of its size, 741 x 500 pixels with disparities of 7 to 60 (`selftaught
data motorcycle`). The method learns from columns 0 to 447 in a fixed number of steps; columns 512 to 735 are only
judged. Errors are in pixels of that picture. Beside each run stand the same method untrained and the median disparity
of the training columns everywhere; beside all, OpenCV's semi-global matching of both eyes, which sees what the method
does not (opencv-python-headless, one of the peers; without it the row is missing).

One scene is little: what is learned of it may not hold for its other half, and the table says so if it does not.
"""

from __future__ import annotations

import argparse
import json
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

import selftaught
from benchmarks import measure
from selftaught.data import open_source
from selftaught.evaluate.depth import constant, errors, matched, median
from selftaught.evaluate.tasks.depth import largest

DATA, ENCODER, STEPS, SEEDS = "motorcycle", "conv", 1000, (0, 1, 2)
CASES: dict[str, dict[str, Any]] = {
    "monodepth": {},
    "no-consistency": {"consistency": 0.0},
    "no-smoothness": {"smoothness": 0.0},
    "both-eyes": {"eyes": "both"},
    "absolute-only": {"alpha": 0.0},
    "one-scale": {"scales": 1},
    "no-mirror": {"flip": 0.0},
}
"""Arguments of each row, which are explained in the docstring of the method."""
NUMBERS = ("abs", "rmse", "d1", "bad", "abs_rel")
RUNS = Path("runs") / "stereo"


def measured(case: str, seed: int, steps: int = STEPS) -> dict[str, Any]:
    """Train and judge one row with one seed, beside the untrained method."""
    out = RUNS / f"{case}-{seed}"
    shutil.rmtree(out, ignore_errors=True)
    given = {"encoder": {"name": ENCODER}, "steps": steps, **CASES[case]}
    run = measure.whole(selftaught.pretrain("monodepth", DATA, out=out, seed=seed, progress=False, **given))
    judged = run.probe()["depth"]
    shutil.rmtree(run.path / "checkpoints", ignore_errors=True)
    return {
        "case": case, "seed": seed, "steps": run.summary["steps"],
        "command": f"selftaught pretrain monodepth {DATA} {measure.flags(given)}",
        **{side: judged[side] for side in ("trained", "untrained")},
    }  # fmt: skip


def baselines() -> dict[str, Any]:
    """Return the errors of the median disparity, and of matching both eyes if OpenCV is there."""
    train, test = (open_source(DATA, split) for split in ("train", "test"))
    middle = median(train)
    found = {"median": middle, "constant": errors(constant(middle, test), test)}
    pairs = matched(test, largest(train))
    return found if pairs is None else found | {"matching": errors(pairs, test)}


def rows(runs: list[dict[str, Any]], beside: dict[str, Any]) -> list[dict[str, Any]]:
    """Return one row per case: means over its seeds, with the deviation of the trained side; and the baselines."""
    table: list[dict[str, Any]] = []
    for case in CASES:
        mine = sorted((r for r in runs if r["case"] == case), key=lambda r: r["seed"])
        if not mine:
            continue
        found: dict[str, Any] = {}
        for side in ("trained", "untrained"):
            found[side] = {name: round(float(np.mean([r[side][name] for r in mine])), 3) for name in NUMBERS}
        if len(mine) > 1:
            spread = {name: round(float(np.std([r["trained"][name] for r in mine], ddof=1)), 3) for name in NUMBERS}
            found["spread"] = spread
        about = {key: mine[0][key] for key in ("command", "steps")}
        table.append({"method": case, "data": DATA, "encoder": ENCODER, "seeds": len(mine), **about, **found})
    sides = [side for side in ("constant", "matching") if side in beside]
    numbers = ({name: round(beside[side][name], 3) for name in NUMBERS} for side in sides)
    return table + [{"method": side, "data": DATA, "trained": one} for side, one in zip(sides, numbers, strict=True)]


def shown(table: list[dict[str, Any]]) -> Iterable[str]:
    """Yield the rows as lines of text."""
    yield f"{'row':16} {'seeds':>5} " + " ".join(f"{name:>8}" for name in NUMBERS) + "   untrained abs"
    for row in table:
        cells = " ".join(f"{row['trained'][name]:8.3f}" for name in NUMBERS)
        untrained = f"{row['untrained']['abs']:8.3f}" if "untrained" in row else ""
        yield f"{row['method']:16} {row.get('seeds', ''):>5} {cells}   {untrained}"


def main() -> None:
    """Measure what is missing, row by row, and save after each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", nargs="*", help="rows to measure; by default all")
    parser.add_argument("--seeds", type=int, default=len(SEEDS))
    parser.add_argument("--table", action="store_true", help="print the results, measure nothing")
    asked = parser.parse_args()
    old = measure.saved("stereo")
    runs, beside = old.get("runs", []), old.get("baselines", {})
    if asked.table:
        print("\n".join(shown(rows(runs, beside))))
        return
    if strange := set(asked.cases) - CASES.keys():
        parser.error(f"unknown rows {', '.join(sorted(strange))}: choose from {', '.join(CASES)}")
    if "matching" not in beside:
        beside = baselines()
        print(json.dumps(beside), flush=True)
        measure.save("stereo", rows(runs, beside), runs=runs, baselines=beside)
    wanted = [(case, seed) for seed in SEEDS[: asked.seeds] for case in asked.cases or CASES]
    measure.fill(
        runs, wanted, ("case", "seed"), measured,
        lambda: measure.save("stereo", rows(runs, beside), runs=runs, baselines=beside),
    )  # fmt: skip
    print("\n".join(shown(rows(runs, beside))))


if __name__ == "__main__":
    main()
