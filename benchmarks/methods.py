"""Every image method at one budget, judged by one protocol, beside the same encoder untrained and the raw input.

    python -m benchmarks.methods                 all rows; what results/methods.json holds already is not measured again
    python -m benchmarks.methods simclr moco-v2  these rows only
    python -m benchmarks.methods --again         forget what was measured

A method enters by existing; VARIANTS adds rows for arguments whose effect the table should show. Each seed's run is saved as soon
as it is judged, so the benchmark may be stopped at any moment.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch

import selftaught
from benchmarks import measure
from selftaught import encoders, evaluate, methods
from selftaught.data import open_source
from selftaught.evaluate.probe import judge, score
from selftaught.method import Encoder
from selftaught.pretraining.build import encoder_input

DATA, ENCODER, MINUTES, SEEDS = "fashion-mnist", "conv", 0.75, (0, 1, 2)
LABELS = 20_000
"""Training samples that the probes get: the first ones. A third of the labels takes a third of the time."""
VARIANTS: dict[str, tuple[str, dict[str, Any]]] = {
    "moco-v2": ("moco", {"mlp": True, "temperature": 0.2, "blur": 0.5}),
    "denoising-gaussian": ("denoising", {"noise": "gaussian", "level": 0.3}),
    "denoising-salt-and-pepper": ("denoising", {"noise": "salt_and_pepper"}),
    "denoising-l2": ("denoising", {"loss": "l2"}),
    "denoising-full-emphasis": ("denoising", {"alpha": 1.0, "beta": 0.0}),
}
"""Row's name: method and arguments. The card of each argument's method says what it is."""
PROBE = {"budgets": (10, 100), "draws": 3}


def cases() -> dict[str, tuple[str, dict[str, Any]]]:
    """Every row: each method with its defaults, and the variants."""
    return dict(sorted({**{name: (name, {}) for name in methods.names()}, **VARIANTS}.items()))


def judged(encoder: Encoder | None, seen: dict[str, Any], seed: int) -> dict[str, Any]:
    """The protocol for one set of features; None is the raw input."""
    train, test = open_source(DATA, "train", LABELS), open_source(DATA, "test")
    features = [evaluate.raw(s, seen) if encoder is None else evaluate.embed(encoder, s) for s in (train, test)]
    found = score({"it": judge(features[0], train.labels, features[1], seed=seed, **PROBE)}, test.labels, len(train))
    few = {budget: found["labels"][budget]["it"] for budget in ("10", "100")}
    return {"linear": found["linear"]["it"], "knn": found["knn"]["it"], **few}


def measured(case: str, seed: int) -> dict[str, Any]:
    """Train and judge one row with one seed."""
    method, arguments = cases()[case]
    with tempfile.TemporaryDirectory() as folder:
        run = selftaught.pretrain(
            method, DATA, out=Path(folder) / "run", encoder=ENCODER, minutes=MINUTES, seed=seed, progress=False, **arguments
        )
        config, summary = run.config, run.summary
        trained = run.method(open_source(DATA, "train"))
        pretext = evaluate.pretext(trained, open_source(DATA, "test"))
        recipe = {k: v for k, v in config.recipe.as_dict().items() if k in ("optimizer", "lr", "batch_size", "batch_norm_groups")}
    return {
        "case": case, "seed": seed, "steps": summary["steps"], "seconds": summary["seconds"],
        "images_per_second": summary["images_per_second"], "recipe": recipe, "pretext": pretext,
        "probe": judged(run.encoder, run.encoder.spec["input"], seed),
    }  # fmt: skip


def baselines(seen: dict[str, Any], seed: int) -> dict[str, Any]:
    """The raw input, and the encoder with the weights that this seed's runs started from."""
    torch.manual_seed(seed)
    untrained = encoders.build(ENCODER, seen)
    return {"seed": seed, "untrained": judged(untrained, seen, seed), "raw": judged(None, seen, seed)}


def rows(runs: list[dict[str, Any]], base: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """One row a case: means over its seeds, and beside each the standard deviation."""
    table = []
    for case, (method, arguments) in cases().items():
        mine = [r for r in runs if r["case"] == case]
        if not mine:
            continue
        sides = {"trained": [r["probe"] for r in mine]}
        sides |= {side: [b[side] for b in base if b["seed"] in {r["seed"] for r in mine}] for side in ("untrained", "raw")}

        def cell(key: str, sides: dict[str, Any] = sides) -> dict[str, Any]:
            values = {side: [found[key] for found in per_seed] for side, per_seed in sides.items()}
            spread = {side: round(float(np.std(v, ddof=1)), 2) if len(v) > 1 else None for side, v in values.items()}
            return {side: round(float(np.mean(v)), 2) for side, v in values.items()} | {"spread": spread}

        flags = " ".join(f"--{k.replace('_', '-')} {v}" if v is not False else f"--no-{k}" for k, v in arguments.items())
        pretext = {k: round(float(np.mean([r["pretext"][k] for r in mine])), 4) for k in ("accuracy", "chance") if k in mine[0]["pretext"]}
        table.append({
            "method": case, "data": DATA, "encoder": ENCODER, "budget": f"{60 * MINUTES:.0f} s", "seeds": len(mine), "labels": LABELS,
            "command": f"selftaught pretrain {method} {DATA} --minutes {MINUTES} {flags}".strip(),
            "steps": round(float(np.mean([r["steps"] for r in mine]))),
            "images_per_second": round(float(np.mean([r["images_per_second"] for r in mine]))),
            "pretext": pretext,
            "probe": {"linear": cell("linear"), "knn": cell("knn"), "labels": {"10": cell("10"), "100": cell("100")}},
        })  # fmt: skip
    return table


def main() -> None:
    """Measure what is missing, row by row, and save after each."""
    path = measure.RESULTS / "methods.json"
    wanted = [a for a in sys.argv[1:] if not a.startswith("-")] or list(cases())
    old = json.loads(path.read_text()) if path.exists() and "--again" not in sys.argv else {}
    runs, base = old.get("runs", []), old.get("baselines", [])
    with tempfile.TemporaryDirectory() as folder:  # kernels are compiled before anything is timed
        selftaught.pretrain("simclr", "digits", out=Path(folder) / "run", steps=2, batch_size=16, progress=False)
    for seed in SEEDS:
        for case in wanted:
            if any(r["case"] == case and r["seed"] == seed for r in runs):
                continue
            run = measured(case, seed)
            runs.append(run)
            if not any(b["seed"] == seed for b in base):
                base.append(baselines(encoder_input(open_source(DATA, "train")), seed))
            print(case, seed, json.dumps({**run["probe"], "images_per_second": run["images_per_second"], **run["pretext"]}), flush=True)
            measure.save("methods", rows(runs, base), runs=runs, baselines=base)
    measure.save("methods", rows(runs, base), runs=runs, baselines=base)


if __name__ == "__main__":
    main()
