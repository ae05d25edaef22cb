"""Train SimCLR, MoCo and BYOL of lightly, of solo-learn and of this library for the same time, judged by one probe.

    python -m benchmarks.peers --peer .venv-peers/bin/python
        All rows that results/peers.json does not have yet: about an hour on two cores.
    python -m benchmarks.peers lightly-simclr selftaught-simclr
        Only these rows.
    python -m benchmarks.peers --seeds 1
        One seed of each.
    python -m benchmarks.peers --table
        Print the results.

Every row has the encoder `conv` with the same first weights, batches of 256 from the 50,000 images of CIFAR-10 and the
same threads. The first seed trains for 45 seconds, and the others take as many steps. Views, heads, loss, temperature,
momentum and queue are the library's: lightly's are those of its benchmark on CIFAR-10, solo-learn's those of its
configurations for CIFAR-10, ours the defaults. Widths are the same (heads of 512 units and 128 outputs, queues of
4,096; MoCo's head is linear here, as in its paper), because theirs are made for encoders with a quarter of the features
and would cost more than the encoder. The optimiser is ours, AdamW with a cosine; rows with "-sgd" have lightly's for
CIFAR-10. The peers read decoded images and prepare views in as many processes as are quickest, 0, 1 or 2, which is
measured before the time starts. All features are those of our probe, without gradient of labels.

The peers are in an environment of their own, whose Python is --peer (`make bench-peers` makes it), because torchvision,
which both need, breaks other packages beside a build of torch for CPUs alone. solo-learn cannot be installed as it
is: its only release on PyPI, 1.0.2, asks for torch 1.9.1, torchvision 0.10.1 and pytorch-lightning 1.4.7, and these
have no wheels for Python 3.11 or newer. It is installed without what it asks for; its views, losses and momentum are
used, and the step of each of its classes is written here again around them. So its loop, Lightning's, is not measured.
"""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import torch

import selftaught
from benchmarks import measure
from benchmarks.vision import ENCODER, LABELS, MINUTES, SEEDS, baselines, judged
from selftaught import encoders

DATA, BATCH, METHODS = "cifar10", 256, ("simclr", "moco", "byol")
TOOLS: dict[str, tuple[str, str]] = {
    "selftaught": ("selftaught", "adamw"),
    "lightly": ("lightly", "adamw"),
    "lightly-sgd": ("lightly", "sgd"),
    "solo-learn": ("solo-learn", "adamw"),
}
"""For each group of rows: the library, and the optimiser."""
RUNS = Path("runs") / "peers"


def cases() -> dict[str, tuple[str, str, str]]:
    """Return every row: library, method and optimiser."""
    return {
        f"{tool}-{method}{'-sgd' if how == 'sgd' else ''}": (tool, method, how)
        for method in METHODS
        for tool, how in TOOLS.values()
    }


def own(method: str, seed: int, steps: int | None, out: Path) -> dict[str, Any]:
    """Train ours. Returns its speed; the encoder is in the folder of the run."""
    length: dict[str, Any] = {"minutes": MINUTES} if steps is None else {"steps": steps}
    shutil.rmtree(out, ignore_errors=True)
    run = measure.whole(
        selftaught.pretrain(
            method, DATA, out=out, seed=seed, progress=False, encoder={"name": ENCODER}, batch_size=BATCH, **length
        )
    )
    shutil.rmtree(run.path / "checkpoints", ignore_errors=True)
    return {k: run.summary[k] for k in ("steps", "seconds", "images_per_second")}


def measured(case: str, seed: int, first: dict[str, Any] | None, peer: str | None) -> dict[str, Any]:
    """Train and judge one row with one seed: for 45 seconds, or as long as the `first` seed's."""
    tool, method, how = cases()[case]
    out = RUNS / f"{case}-{seed}"
    steps = None if first is None else first["steps"]
    if tool == "selftaught":
        found, weights = own(method, seed, steps, out), out / "encoder.safetensors"
    else:
        out.mkdir(parents=True, exist_ok=True)
        weights = (out / "encoder.safetensors").absolute()
        task = {
            "tool": tool, "method": method, "optimizer": how, "seed": seed, "data": DATA, "batch": BATCH,
            "encoder": ENCODER, "threads": torch.get_num_threads(), "workers": first and first["workers"],
            "steps": steps, "seconds": None if steps else 60 * MINUTES, "out": str(weights),
        }  # fmt: skip
        found = measure.child("peers_process", task, python=peer)
    encoder = encoders.load(weights)
    return {"case": case, "seed": seed, **found, "probe": judged(DATA, encoder, encoder.spec["input"], seed)}


def rows(runs: list[dict[str, Any]], base: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return one row per case: the speed of its first seed, and means over its seeds with their deviations."""
    table = []
    for case, (tool, method, how) in cases().items():
        mine = sorted((r for r in runs if r["case"] == case), key=lambda r: r["seed"])
        if not mine:
            continue
        probe: dict[str, Any] = {}
        for key in ("linear", "knn"):
            sides = {"trained": [r["probe"][key] for r in mine]}
            sides |= {side: [b[side][key] for b in base] for side in ("untrained", "raw")}
            spread = round(float(np.std(sides["trained"], ddof=1)), 2) if len(mine) > 1 else None
            means = {side: round(float(np.mean(v)), 2) for side, v in sides.items() if v}
            probe[key] = means | {"spread": {"trained": spread}}
        table.append(
            {
                "method": method, "tool": tool, "optimizer": how, "case": case, "data": DATA, "encoder": ENCODER,
                "budget": f"{60 * MINUTES:.0f} s", "batch": BATCH, "labels": LABELS, "seeds": len(mine), "probe": probe,
                **{k: mine[0].get(k) for k in ("steps", "seconds", "images_per_second", "workers")},
            }
        )  # fmt: skip
    return table


def shown(table: list[dict[str, Any]]) -> Iterable[str]:
    """Yield the rows as lines of text."""
    yield f"{'':24} {'seeds':>5} {'images/s':>9} {'linear':>7} {'kNN':>7}"
    for row in table:
        linear, knn = (row["probe"][key]["trained"] for key in ("linear", "knn"))
        yield f"{row['case']:24} {row['seeds']:5} {row['images_per_second']:9.0f} {linear:7.1f} {knn:7.1f}"


def main() -> None:
    """Measure what is missing, row by row, and save after each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", nargs="*", help="rows to measure; by default all")
    parser.add_argument("--seeds", type=int, default=len(SEEDS))
    parser.add_argument("--peer", help="the Python of an environment with lightly and solo-learn")
    parser.add_argument("--table", action="store_true", help="print the results, measure nothing")
    asked = parser.parse_args()
    if strange := set(asked.cases) - cases().keys():
        parser.error(f"unknown rows {', '.join(sorted(strange))}: choose from {', '.join(cases())}")
    old = measure.saved("peers")
    runs, base = old.get("runs", []), old.get("baselines", [])
    if asked.table:
        print("\n".join(shown(rows(runs, base))))
        return
    chosen = [case for case in cases() if not asked.cases or case in asked.cases]
    if asked.peer is None and any(not case.startswith("selftaught-") for case in chosen):
        parser.error("rows of other libraries need --peer, the Python of an environment that has them")

    def save() -> None:
        measure.save("peers", rows(runs, base), runs=runs, baselines=base)

    def measure_one(case: str, seed: int) -> dict[str, Any]:
        first = next((r for r in runs if r["case"] == case), None)
        if not any(b["seed"] == seed for b in base):
            base.append(baselines(DATA, seed))
        return measured(case, seed, first, asked.peer)

    shutil.rmtree(RUNS / "warm", ignore_errors=True)  # compile kernels before anything is timed
    selftaught.pretrain("simclr", "digits", out=RUNS / "warm", steps=2, batch_size=16, progress=False)
    wanted = [(case, seed) for seed in SEEDS[: asked.seeds] for case in chosen]
    measure.fill(runs, wanted, ("case", "seed"), measure_one, save)
    save()
    print("\n".join(shown(rows(runs, base))))


if __name__ == "__main__":
    main()
