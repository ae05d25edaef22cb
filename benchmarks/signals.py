"""Train every method of signals on small public sets and judge it with few labels, beside raw numbers and MiniRocket.

    python -m benchmarks.signals --peer .venv-aeon/bin/python
        All rows that results/signals.json does not have yet.
    python -m benchmarks.signals simclr cpc --data osu-leaf
        Only these rows.
    python -m benchmarks.signals --seeds 1
        One seed of each.
    python -m benchmarks.signals --table
        Print the results.

Every set is one of the catalog with its own test part. A run learns from the training series without their labels, in
1,500 steps of 32 (a set has 36 to 270); the test series are only judged. The accuracy is that of a linear probe on 5
labels of each class, the mean over 10 draws of labels, and with all labels. Beside it stand the same encoder untrained,
the raw numbers, and MiniRocket (Dempster, Schmidt, Webb 2021): random features without training, from the library aeon,
judged by the same probe.

aeon needs an older numba than this library takes, so it is in an environment of its own, whose Python is --peer (`make
bench-signals` makes it). Without it, its column stays empty. MiniRocket takes series of one length: those of unequal
length are padded with zeros at the end, as the raw numbers are.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import tempfile
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch

import selftaught
from benchmarks import measure
from selftaught import encoders, evaluate, methods
from selftaught.data import open_source
from selftaught.data.sets.ucr import NAMES as DATA
from selftaught.data.signal.kind import Signal
from selftaught.evaluate.probe import judge, score

ENCODER, STEPS, SEEDS, LABELS, DRAWS = "wave", 1500, (0, 1, 2), 5, 10
VARIANTS: dict[str, tuple[str, dict[str, Any]]] = {
    "cpc-same": ("cpc", {"among": "same"}),
    "cpc-other": ("cpc", {"among": "other"}),
    "cpc-context": ("cpc", {"encoder": {"name": ENCODER, "context": 64}}),
    "data2vec-mlp": ("data2vec", {"output": "mlp"}),
    "denoising-gaussian": ("denoising", {"noise": "gaussian", "level": 0.5}),
    "lejepa-short-views": ("lejepa", {"small": 4}),
    "simclr-channel-norm": ("simclr", {"encoder": {"name": ENCODER, "norm": "channel"}}),
    "simclr-flatten": ("simclr", {"encoder": {"name": ENCODER, "pool": "flatten"}}),
}
"""For each further row: method and arguments, which are explained in the docstring of the method."""
RUNS = Path("runs") / "signals"


def cases() -> dict[str, tuple[str, dict[str, Any]]]:
    """Return every row: each method with its defaults, and the variants."""
    return dict(sorted({**{name: (name, {}) for name in methods.names("signal")}, **VARIANTS}.items()))


def network(method: str) -> str:
    """Return the encoder of a method's rows: the shared one, or its own where it cannot learn with another."""
    return methods.describe(method, "signal").network or ENCODER


@cache
def source(data: str, split: str) -> Any:
    """Return one part of a data set."""
    return open_source(data, split, kind="signal")


def judged(data: str, features: list[Any], seed: int) -> dict[str, float]:
    """Evaluate the features of the training and of the test part: "few" labels and "all"."""
    train, test = source(data, "train"), source(data, "test")
    it = judge(features[0], train.labels, features[1], seed=seed, budgets=(LABELS,), draws=DRAWS)
    found = score({"it": it}, test.labels, len(train))
    few = found["labels"].get(str(LABELS), {}).get("it")
    return {"few": few, "all": found["linear"]["it"], "knn": found["knn"]["it"]}


def measured(data: str, case: str, seed: int) -> dict[str, Any]:
    """Train and evaluate one row with one seed, beside its untrained encoder."""
    method, arguments = cases()[case]
    out = RUNS / f"{data}-{case}-{seed}"
    shutil.rmtree(out, ignore_errors=True)
    given = {"encoder": {"name": network(method)}, **arguments}
    given = {"steps": STEPS, **given}
    run = measure.whole(selftaught.pretrain(method, data, out=out, seed=seed, progress=False, **given))
    torch.manual_seed(seed)
    untrained = encoders.build(**run.encoder.spec)
    sides = {
        side: judged(data, [evaluate.embed(encoder, source(data, part)) for part in ("train", "test")], seed)
        for side, encoder in (("trained", run.encoder), ("untrained", untrained))
    }
    shutil.rmtree(run.path / "checkpoints", ignore_errors=True)
    return {
        "data": data, "case": case, "seed": seed, "steps": run.summary["steps"],
        "command": f"selftaught pretrain {method} {data} {measure.flags(given)}", **sides,
    }  # fmt: skip


def baselines(data: str, seed: int, peer: str | None) -> dict[str, Any]:
    """Return the raw numbers, and MiniRocket if there is a Python that has aeon."""
    seen = Signal().input(source(data, "train"))
    raw = [evaluate.raw(source(data, part), seen) for part in ("train", "test")]
    row = {"data": data, "seed": seed, "raw": judged(data, raw, seed)}
    if peer is not None:
        series = [one.reshape(len(one), seen["channels"], seen["length"]) for one in raw]
        row["minirocket"] = judged(data, minirocket(series, seed, peer), seed)
    return row


def minirocket(series: list[Any], seed: int, peer: str) -> list[Any]:
    """Return the features of both parts, computed by aeon in another Python; fitted to the training part."""
    with tempfile.TemporaryDirectory() as folder:
        given, found = Path(folder) / "given.npz", Path(folder) / "found.npz"
        np.savez(given, train=series[0], test=series[1])
        script = Path(__file__).with_name("minirocket.py")
        subprocess.run([peer, str(script), str(given), str(found), str(seed)], check=True)
        with np.load(found, allow_pickle=False) as arrays:
            return [arrays["train"], arrays["test"]]


def rows(runs: list[dict[str, Any]], base: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return one row per data set and case: means over its seeds with the deviation of the trained side."""
    table = []
    for data in DATA:
        beside = [b for b in base if b["data"] == data]
        for case in cases():
            mine = [r for r in runs if (r["data"], r["case"]) == (data, case)]
            if not mine:
                continue
            probe: dict[str, Any] = {}
            for key in ("few", "all", "knn"):
                sides = {side: [r[side][key] for r in mine] for side in ("trained", "untrained")}
                sides |= {side: [b[side][key] for b in beside if side in b] for side in ("raw", "minirocket")}
                told = {side: [v for v in values if v is not None] for side, values in sides.items()}
                probe[key] = {side: round(float(np.mean(v)), 2) for side, v in told.items() if v}
                if len(told["trained"]) > 1:
                    probe[key]["spread"] = round(float(np.std(told["trained"], ddof=1)), 2)
            first = min(mine, key=lambda r: r["seed"])
            table.append(
                {
                    "method": case, "data": data, "encoder": network(cases()[case][0]), "budget": f"{STEPS} steps",
                    "seeds": len(mine), "labels": f"{LABELS} a class, {DRAWS} draws", "command": first["command"],
                    "steps": first["steps"], "probe": probe,
                }
            )  # fmt: skip
    return table


def shown(table: list[dict[str, Any]]) -> Iterable[str]:
    """Yield the rows as lines of text, and for each method on how many sets it beats each baseline with few labels."""
    sides = ("trained", "untrained", "raw", "minirocket")
    yield f"{'data':16} {'method':20} {'seeds':>5} " + " ".join(f"{side:>10}" for side in sides) + "   (few labels)"
    for row in table:
        few = row["probe"]["few"]
        cells = (f"{few[side]:10.1f}" if side in few else f"{'-':>10}" for side in sides)
        yield f"{row['data']:16} {row['method']:20} {row['seeds']:5} " + " ".join(cells)
    for case in dict.fromkeys(row["method"] for row in table):
        found = [row["probe"]["few"] for row in table if row["method"] == case and "trained" in row["probe"]["few"]]
        above = {
            side: sum(few["trained"] > few[side] for few in found if side in few)
            for side in sides[1:]
            if any(side in few for few in found)
        }
        yield f"{case}: above " + ", ".join(f"{side} on {n} of {len(found)}" for side, n in above.items())


def main() -> None:
    """Measure what is missing, row by row, and save after each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", nargs="*", help="rows to measure; by default all")
    parser.add_argument("--data", nargs="+", choices=DATA, default=list(DATA))
    parser.add_argument("--seeds", type=int, default=len(SEEDS))
    parser.add_argument("--peer", help="the Python of an environment with aeon 1.6")
    parser.add_argument("--table", action="store_true", help="print the results, measure nothing")
    asked = parser.parse_args()
    old = measure.saved("signals")
    runs, base = old.get("runs", []), old.get("baselines", [])
    if asked.table:
        print("\n".join(shown(rows(runs, base))))
        return
    if strange := set(asked.cases) - cases().keys():
        parser.error(f"unknown rows {', '.join(sorted(strange))}: choose from {', '.join(cases())}")
    for data in asked.data:
        for seed in SEEDS[: asked.seeds]:
            have = next((b for b in base if (b["data"], b["seed"]) == (data, seed)), None)
            if have is None or (asked.peer and "minirocket" not in have):
                base = [b for b in base if b is not have] + [baselines(data, seed, asked.peer)]
                print(json.dumps(base[-1]), flush=True)
                measure.save("signals", rows(runs, base), runs=runs, baselines=base)
    wanted = [
        (data, case, seed) for seed in SEEDS[: asked.seeds] for data in asked.data for case in asked.cases or cases()
    ]
    measure.fill(
        runs, wanted, ("data", "case", "seed"), measured,
        lambda: measure.save("signals", rows(runs, base), runs=runs, baselines=base),
    )  # fmt: skip
    print("\n".join(shown(rows(runs, base))))


if __name__ == "__main__":
    main()
