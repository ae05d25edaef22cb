"""Accuracy as a function of the number of negatives K, for keys from the batch, from a bank and from a queue.

    python -m benchmarks.mechanisms
        Every point that results/mechanisms.json does not have yet, then the figure.
    python -m benchmarks.mechanisms queue bank
        Only these mechanisms.
    python -m benchmarks.mechanisms --figure
        Draw docs/mechanisms.svg from the results.
    python -m benchmarks.mechanisms queue --k 15 --seeds 1 --steps 20 --limit 2000 --out FOLDER
        A small test, saved in FOLDER.

This is figure 3 of He et al. 2020 ("Momentum Contrast", arXiv 1911.05722) at a small scale: one loss (the method
`dictionary`), one encoder, one recipe and the same number of images for every point, and a linear probe on the first
5,000 labels. Keys of a batch need a batch of K + 1, which limits K; batches larger than the common one take fewer
steps. Each point is saved at once, so the benchmark can be stopped at any time.
"""

from __future__ import annotations

import argparse
import json
import math
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

import selftaught
from benchmarks import measure
from benchmarks.drawing import Panel, drawing, legend
from selftaught import evaluate
from selftaught.data import open_source
from selftaught.data.image.kind import Image
from selftaught.method import Encoder

DATA, ENCODER, LABELS = "fashion-mnist", "conv", 5_000
MECHANISMS = ("batch", "bank", "queue")
K = (15, 63, 255, 1023, 4095, 16383)
LARGEST_BATCH, BATCH = 1024, 256
STEPS, SEEDS = 600, 2
"""Steps at the common batch size of 256: 2.5 passes over the training set."""
FIGURE = Path(__file__).parent.parent / "docs" / "mechanisms.svg"
COLOURS = {"batch": "#b8512c", "bank": "#3a7d44", "queue": "#2f5d9b"}
NAMES = {"batch": "end to end (batch)", "bank": "memory bank", "queue": "queue, slow encoder"}


def points(ks: tuple[int, ...] = K) -> list[tuple[str, int]]:
    """Return every mechanism with every possible K."""
    return [(keys, k) for k in ks for keys in MECHANISMS if keys != "batch" or k < LARGEST_BATCH]


def probed(encoder: Encoder, seed: int) -> float:
    """Return the test accuracy in percent of a linear probe on the first labels."""
    train, test = open_source(DATA, "train", LABELS), open_source(DATA, "test")
    return evaluate.linear_probe(
        evaluate.embed(encoder, train), train.labels, evaluate.embed(encoder, test), test.labels, seed
    ).accuracy


def measured(keys: str, k: int, seed: int, steps: int = STEPS, limit: int | None = None) -> dict[str, Any]:
    """Train and evaluate one point with one seed."""
    batch = max(BATCH, k + 1) if keys == "batch" else BATCH
    with tempfile.TemporaryDirectory() as folder:
        run = measure.whole(selftaught.pretrain(
            "dictionary", DATA, out=Path(folder) / "run", encoder=ENCODER, limit=limit, progress=False, keys=keys, k=k,
            seed=seed, batch_size=batch, steps=max(1, steps * BATCH // batch),
        ))  # fmt: skip
        last = [line for line in run.folder.metrics() if "negatives" in line][-1]
        summary = run.summary
    seen = {name: round(float(last[name]), 4) for name in ("loss", "accuracy", "negatives", "collisions", "age")}
    return {
        "keys": keys,
        "k": k,
        "seed": seed,
        "batch_size": batch,
        "steps": summary["steps"],
        "seconds": summary["seconds"],
        "images_per_second": summary["images_per_second"],
        "linear": round(probed(run.encoder, seed), 2),
        "training": seen,
    }


def untrained(seed: int) -> float:
    """Return the accuracy of the probe on the encoder before training."""
    import torch

    from selftaught import encoders

    torch.manual_seed(seed)
    return round(probed(encoders.build(ENCODER, Image().input(open_source(DATA, "train"))), seed), 2)


def rows(runs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return one row per point: the mean over its seeds, with the standard deviation."""
    table = []
    for keys, k in sorted({(r["keys"], r["k"]) for r in runs}, key=lambda p: (MECHANISMS.index(p[0]), p[1])):
        mine = [r for r in runs if (r["keys"], r["k"]) == (keys, k)]
        found = [r["linear"] for r in mine]
        table.append({
            "keys": keys, "k": k, "seeds": len(mine), "linear": round(float(np.mean(found)), 2),
            "spread": round(float(np.std(found, ddof=1)), 2) if len(mine) > 1 else None,
            "seconds": round(float(np.mean([r["seconds"] for r in mine])), 1),
            "command": f"selftaught pretrain dictionary {DATA} --keys {keys} --k {k} --batch-size "
                       f"{mine[0]['batch_size']} "
            f"--steps {mine[0]['steps']}",
        })  # fmt: skip
    return table


def figure(table: list[dict[str, Any]], base: float | None) -> str:
    """Return the rows as an SVG with one line per mechanism.

    K is on a logarithmic axis, bars are one standard deviation, and the dashed line is the untrained encoder.
    """
    width, height = 640, 380
    low = min([r["linear"] - (r["spread"] or 0) for r in table] + ([base] if base is not None else []))
    high = max(r["linear"] + (r["spread"] or 0) for r in table)
    step = next(s for s in (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100) if (high - low) / s <= 6)
    low, high = math.floor(low / step) * step, math.ceil(high / step + 1e-9) * step
    ks = sorted({r["k"] for r in table})
    ends = math.log2(ks[0] + 1) - 0.5, math.log2(ks[-1] + 1) + 0.5
    panel = Panel((62, 22, width - 18, height - 50), ends, (low, high))
    panel.grid(np.arange(low, high + step / 2, step), 1 if step < 1 else 0)
    panel.below((math.log2(k + 1), str(k)) for k in ks)
    panel.say((panel.left + panel.right) / 2, height - 10, "K, the number of negatives")
    panel.beside("linear probe, %")
    if base is not None:
        panel.level(base, "#888", dashes="5 4")
        panel.say(panel.right, panel.y(base) - 5, "untrained encoder", "end")
    for keys in MECHANISMS:
        mine = sorted((r for r in table if r["keys"] == keys), key=lambda r: r["k"])
        if mine:
            panel.line([(math.log2(r["k"] + 1), r["linear"]) for r in mine], COLOURS[keys])
        for r in mine:
            place = math.log2(r["k"] + 1), r["linear"]
            if r["spread"]:
                panel.spread(*place, r["spread"], COLOURS[keys])
            panel.dot(*place, COLOURS[keys], f"{keys}, K = {r['k']}: {r['linear']}")
    named = legend(((NAMES[keys], COLOURS[keys]) for keys in MECHANISMS), panel.left + 20, 16, 190)
    title = "Linear probe against the number of negatives, for three ways to keep them"
    return drawing(width, height, title, [*panel.out, *named])


def main() -> None:
    """Measure what is missing, point by point, save after each, and draw."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.mechanisms", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument(
        "mechanisms", nargs="*", default=list(MECHANISMS), metavar="MECHANISM", help="batch, bank or queue"
    )
    parser.add_argument("--again", action="store_true", help="discard the earlier results")
    parser.add_argument("--figure", action="store_true", help="only draw")
    parser.add_argument(
        "--out", type=Path, help="folder for mechanisms.json and mechanisms.svg instead of results/ and docs/"
    )
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--limit", type=int)
    parser.add_argument("--seeds", type=int, default=SEEDS)
    parser.add_argument("--k", type=int, nargs="+", default=list(K))
    asked = parser.parse_args()
    if unknown := set(asked.mechanisms) - set(MECHANISMS):
        parser.error(f"unknown mechanism: {', '.join(sorted(unknown))}")
    results = asked.out or measure.RESULTS
    path, drawing = results / "mechanisms.json", asked.out / "mechanisms.svg" if asked.out else FIGURE
    old = json.loads(path.read_text()) if path.exists() and not asked.again else {}
    budget = {"data": DATA, "encoder": ENCODER, "steps": asked.steps, "limit": asked.limit, "labels": LABELS}
    if old and old["budget"] != budget:
        parser.error(f"{path} was measured with another budget, {old['budget']}: give another --out, or use --again")
    runs, base = old.get("runs", []), old.get("untrained", {})

    def save() -> None:
        measure.save("mechanisms", rows(runs), results, budget=budget, untrained=base, runs=runs)

    for seed in range(0 if asked.figure else asked.seeds):
        if str(seed) not in base:
            base[str(seed)] = untrained(seed)
        for keys, k in points(tuple(asked.k)):
            if keys not in asked.mechanisms or any((r["keys"], r["k"], r["seed"]) == (keys, k, seed) for r in runs):
                continue
            runs.append(measured(keys, k, seed, asked.steps, asked.limit))
            found = runs[-1]
            print(f"{keys:6} K {k:6} seed {seed}: linear {found['linear']:.2f}%, {found['seconds']:.0f} s", flush=True)
            save()
    if runs:
        drawing.write_text(figure(rows(runs), float(np.mean(list(base.values()))) if base else None))
        print(f"drawn: {drawing}")


if __name__ == "__main__":
    main()
