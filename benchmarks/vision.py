"""Train every image method with one encoder for 45 seconds and compare it with the untrained encoder and raw input.

    python -m benchmarks.vision
        All rows that results/vision.json does not have yet.
    python -m benchmarks.vision simclr cmc --data cifar10
        Only these rows.
    python -m benchmarks.vision --seeds 1
        One seed of each.
    python -m benchmarks.vision --table
        Print the results.

All image methods are included automatically; VARIANTS adds rows with other arguments. The first seed trains for 45
seconds, and the others take as many steps, so that only the seed differs and a busy machine costs time, not steps. Each
run is saved at once, so the benchmark can be stopped at any time. Its encoder stays in runs/vision for
`benchmarks.finetune`.
"""

from __future__ import annotations

import argparse
import json
import shutil
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
from selftaught.data.image.kind import Image
from selftaught.errors import UserError
from selftaught.evaluate.probe import judge, score
from selftaught.method import Encoder
from selftaught.pretraining.build import untrained
from selftaught.pretraining.result import Run

DATA, ENCODER, MINUTES, SEEDS = ("cifar10", "fashion-mnist", "photos"), "conv", 0.75, (0, 1, 2)
LABELS = 20_000
"""Number of training samples for the probes, the first ones. A third of the labels takes a third of the time."""
VIT: dict[str, Any] = {"name": "vit", "width": 128, "depth": 4, "heads": 4, "positions": "sincos"}
"""A Transformer that is small enough for the budget. It needs a warm-up and a lower learning rate than `ENCODER`."""
VARIANTS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "moco-v2": ("fashion-mnist", "moco", {"mlp": True, "temperature": 0.2, "blur": 0.5}),
    "denoising-gaussian": ("fashion-mnist", "denoising", {"noise": "gaussian", "level": 0.3}),
    "denoising-salt-and-pepper": ("fashion-mnist", "denoising", {"noise": "salt_and_pepper"}),
    "denoising-l2": ("fashion-mnist", "denoising", {"loss": "l2"}),
    "denoising-full-emphasis": ("fashion-mnist", "denoising", {"alpha": 1.0, "beta": 0.0}),
    "denoising-mlp": ("fashion-mnist", "denoising", {"encoder": {"name": "mlp"}}),
    "denoising-one-layer": (
        "fashion-mnist",
        "denoising",
        {"encoder": {"name": "mlp", "depth": 1, "activation": "sigmoid"}, "tied": True},
    ),
    "stacked_denoising-without-labels": ("fashion-mnist", "stacked_denoising", {"fine_tune": 0.0}),
    "stacked_denoising-sigmoid": (
        "fashion-mnist",
        "stacked_denoising",
        {"encoder": {"name": "mlp", "width": 1000, "depth": 3, "activation": "sigmoid"}},
    ),
    "vae-bernoulli": ("fashion-mnist", "vae", {"likelihood": "bernoulli"}),
    "inpainting-random": ("cifar10", "inpainting", {"region": "random"}),
    "inpainting-reconstruction": ("cifar10", "inpainting", {"adversarial": 0.0}),
    "bigbigan-joint": ("cifar10", "bigbigan", {"unary": False}),
    "masked_autoencoder-pixels": ("cifar10", "masked_autoencoder", {"normalise": False}),
    "masked_autoencoder-half": ("cifar10", "masked_autoencoder", {"ratio": 0.5}),
    "instdisc-random": ("cifar10", "instdisc", {"start": "random"}),
    "instdisc-nce": ("cifar10", "instdisc", {"loss": "nce"}),
    "instdisc-paper": ("cifar10", "instdisc", {"loss": "nce", "start": "random", "lr": 3e-4}),
    "instdisc-proximal": ("cifar10", "instdisc", {"proximal": 30.0}),
    "cpc-v1": ("cifar10", "cpc", {"directions": 1, "patch_flip": 0.0, "drop": 0.0}),
    "cmc-ycbcr": ("cifar10", "cmc", {"views": "Y,CbCr"}),
    "cmc-three-views": ("cifar10", "cmc", {"views": "Y,Cb,Cr"}),
    "cmc-core": ("cifar10", "cmc", {"views": "Y,Cb,Cr", "graph": "core"}),
    "colorization-regression": ("cifar10", "colorization", {"target": "regression"}),
    "colorization-histogram": ("cifar10", "colorization", {"target": "histogram"}),
    "colorization-unbalanced": ("cifar10", "colorization", {"mix": 1.0}),
    "split_brain-regression": ("cifar10", "split_brain", {"loss": "regression"}),
    "split_brain-ensemble": ("cifar10", "split_brain", {"form": "ensemble"}),
    "split_brain-shared": ("cifar10", "split_brain", {"form": "shared"}),
    "infomax-jsd": ("cifar10", "infomax", {"objective": "jsd"}),
    "infomax-dv": ("cifar10", "infomax", {"objective": "dv"}),
    "infomax-global": ("cifar10", "infomax", {"alpha": 1.0, "beta": 0.0, "gamma": 1.0}),
    "infomax-without-prior": ("cifar10", "infomax", {"gamma": 0.0}),
    "dictionary-batch": ("cifar10", "dictionary", {"keys": "batch", "k": 0}),
    "dictionary-batch-short": ("cifar10", "dictionary", {"keys": "batch", "k": 0, "batch_size": 128}),
    "dictionary-batch-warm": (
        "cifar10",
        "dictionary",
        {"keys": "batch", "k": 0, "batch_size": 128, "temperature": 0.2},
    ),
    "dictionary-bank": ("cifar10", "dictionary", {"keys": "bank"}),
    "dictionary-hard": ("cifar10", "dictionary", {"negatives": "hard"}),
    "dictionary-without-duplicates": ("cifar10", "dictionary", {"duplicates": 0.9}),
    "moco-small-queue": ("cifar10", "moco", {"queue": 1024, "batch_size": 128}),
    "moco-unshuffled": ("cifar10", "moco", {"shuffle": False}),
    "moco-one-group": ("cifar10", "moco", {"batch_norm_groups": 1}),
    "moco-layer-norm": ("cifar10", "moco", {"encoder": {"name": ENCODER, "norm": "layer"}}),
    "simclr-cold": ("cifar10", "simclr", {"temperature": 0.1, "crop": 0.2, "batch_size": 128}),
    "simclr-deep-head": ("cifar10", "simclr", {"depth": 3}),
    "simclr-large-batch": ("cifar10", "simclr", {"batch_size": 1024}),
    "simclr-lars": ("cifar10", "simclr", {"batch_size": 1024, "optimizer": "lars", "lr": 2.4, "weight_decay": 1e-6}),
    "swav-two-crops": ("cifar10", "swav", {"small": 0}),
    "dino-two-crops": ("cifar10", "dino", {"small": 0}),
    "lejepa-small-crops": ("cifar10", "lejepa", {"small": 4}),
    "lejepa-four-views": ("cifar10", "lejepa", {"full": 4}),
    "emp_ssl-averaged": ("cifar10", "emp_ssl", {}),
    "emp_ssl-twenty-patches": ("cifar10", "emp_ssl", {"patches": 20, "size": 16, "batch_size": 64}),
    "data2vec-mean": ("cifar10", "data2vec", {"encoder": {**VIT, "pool": "mean"}}),
    "data2vec-layer-norm": ("cifar10", "data2vec", {"encoder": {**VIT, "pool": "mean"}, "normalise": "layer"}),
    "data2vec-mlp": ("cifar10", "data2vec", {"encoder": {**VIT, "pool": "mean"}, "output": "mlp"}),
    "i_jepa-mean": ("cifar10", "i_jepa", {"encoder": {**VIT, "pool": "mean"}}),
    "simclr-vit": ("cifar10", "simclr", {"encoder": VIT, "lr": 1e-3, "warmup": 0.1, "weight_decay": 0.05}),
    "dino-vit": ("cifar10", "dino", {"encoder": VIT, "lr": 1e-3, "warmup": 0.1, "norm": False}),
    "visreg-small-crops": ("cifar10", "visreg", {"small": 4}),
    "moco-short": ("cifar10", "moco", {"crop": 0.4, "batch_size": 128}),
    "mean_teacher-one-head": ("cifar10", "mean_teacher", {"two_heads": False}),
    "s4l-exemplar": ("cifar10", "s4l", {"kind": "exemplar"}),
    "sla-distill": ("cifar10", "sla", {"distill": True}),
    "rotation-two-turns": ("cifar10", "rotation", {"angles": (0.0, 180.0)}),
    "rotation-eight-turns": ("cifar10", "rotation", {"angles": tuple(45.0 * r for r in range(8))}),
    "rotation-without-blocks": ("cifar10", "rotation", {"blocks": 0}),
    "relative_position-drop": ("cifar10", "relative_position", {"colour": "drop"}),
    "relative_position-project": ("cifar10", "relative_position", {"colour": "project"}),
    "relative_position-without-gap": ("cifar10", "relative_position", {"gap": 0, "jitter": 0}),
    "jigsaw-2x2": ("cifar10", "jigsaw", {"grid": 2, "permutations": 24}),
    "jigsaw-1000": ("cifar10", "jigsaw", {"permutations": 1000}),
    "jigsaw-one-shuffle": ("cifar10", "jigsaw", {"shuffles": 1}),
    "deepcluster-sobel": ("cifar10", "deepcluster", {"sobel": True}),
    "deepcluster-whole-epochs": ("cifar10", "deepcluster", {"interval": 0}),
    "deepcluster-jitter": ("cifar10", "deepcluster", {"jitter": 0.4}),
    "exemplar-triplet": ("cifar10", "exemplar", {"form": "triplet"}),
    "exemplar-without-colour": ("cifar10", "exemplar", {"colour": 0.0, "contrast": 1.0}),
}
"""For each row: data, method and arguments, which are explained in the docstring of the method. The learning rate of
LARS is the paper's for short training: .075 times the root of the batch size.
"""
OWN: dict[str, dict[str, Any]] = {"vit": {"width": 128, "depth": 4, "heads": 4, "positions": "sincos"}}
"""Arguments of an encoder that some methods need instead of `ENCODER`, small enough for the budget."""
PATCHES = {"emp_ssl-averaged": 16}
"""Rows whose features, trained and untrained, are means over so many random patches of an image (probe --patches)."""
SIZE = {"photos": 32}
"""Size of the encoder's input in pixels, if it differs from that of the data."""
BUDGETS: dict[str, tuple[int, ...]] = {"photos": ()}
"""Labels per class for further probes, if not `FEW`; `photos` has 30 in all."""
FEW = (10, 100)
PRETEXT = ("accuracy", "chance", "error", "guess", "untouched", "bits")
"""What a row keeps of the pretext task on held-out images: how well it is solved, and without looking."""
RUNS = Path("runs") / "vision"


def cases(data: str) -> dict[str, tuple[str, dict[str, Any]]]:
    """Return every row of one data set: each method with its defaults, and the variants."""
    variants = {name: (method, arguments) for name, (where, method, arguments) in VARIANTS.items() if where == data}
    return dict(sorted({**{name: (name, {}) for name in methods.names("image")}, **variants}.items()))


@cache
def source(data: str, split: str) -> Any:
    """Return the data set: the first `LABELS` samples for the probe, or the whole test set."""
    return open_source(data, split, LABELS if split == "train" else None)


def judged(data: str, encoder: Encoder | None, seen: dict[str, Any], seed: int, **views: Any) -> dict[str, Any]:
    """Evaluate one set of features; None is the raw input. `views` are arguments of `evaluate.embed`."""
    train, test = source(data, "train"), source(data, "test")
    features = [
        evaluate.raw(s, seen) if encoder is None else evaluate.embed(encoder, s, **views) for s in (train, test)
    ]
    it = judge(features[0], train.labels, features[1], seed=seed, budgets=BUDGETS.get(data, FEW), draws=3)
    found = score({"it": it}, test.labels, len(train))
    few = {budget: found["labels"][budget]["it"] for budget in ("10", "100") if budget in found["labels"]}
    return {"linear": found["linear"]["it"], "knn": found["knn"]["it"], **few}


def network(method: str) -> dict[str, Any]:
    """Return the encoder of a method's rows: the shared one, or its own where it cannot learn with another."""
    name = methods.describe(method, "image").network or ENCODER
    return {"name": name, **OWN.get(name, {})}


def folder(data: str, case: str, seed: int) -> Path:
    """Return the folder of a row's run."""
    return RUNS / f"{data}-{case}-{seed}"


def pretrained(data: str, case: str, seed: int, steps: int | None) -> Run:
    """Return the run of one row with one seed, in runs/vision.

    Raises UserError if the data is not suitable for the method.
    """
    method, arguments = cases(data)[case]
    out = folder(data, case, seed)
    shutil.rmtree(out, ignore_errors=True)
    length: dict[str, Any] = {"minutes": MINUTES} if steps is None else {"steps": steps}
    given = {"encoder": network(method)} | arguments
    return measure.whole(
        selftaught.pretrain(method, data, out=out, size=SIZE.get(data), seed=seed, progress=False, **length, **given)
    )


def measured(data: str, case: str, seed: int, steps: int | None) -> dict[str, Any]:
    """Train and evaluate one row with one seed, for `steps` steps or for 45 seconds.

    "refused" gives the reason if the data is not suitable.
    """
    row: dict[str, Any] = {"data": data, "case": case, "seed": seed}
    try:
        run = pretrained(data, case, seed, steps)
    except UserError as reason:
        return {**row, "refused": str(reason)}
    config, summary = run.config, run.summary
    method, before = run.method(open_source(data, "train")), run.untrained(open_source(data, "train"))
    pretext, pretext_untrained = (evaluate.pretext(m, source(data, "test")) for m in (method, before))
    found_again = {
        side: evaluate.retrieval(m.kept, source(data, "test"))
        for side, m in (("trained", method), ("untrained", before))
    }
    recipe = {
        k: v for k, v in config.recipe.as_dict().items() if k in ("optimizer", "lr", "batch_size", "batch_norm_groups")
    }
    shutil.rmtree(run.path / "checkpoints", ignore_errors=True)
    seen = run.encoder.spec["input"]
    views = {"views": run.model().patched(PATCHES[case]), "batch_size": 32} if case in PATCHES else {}
    if views or run.encoder.spec != encoders.build(ENCODER, seen).spec:  # what is seen otherwise has its own baseline
        row["untrained"] = judged(data, untrained(config, seen), seen, seed, **views)
    return {
        **row,
        "steps": summary["steps"],
        "seconds": summary["seconds"],
        "images_per_second": summary["images_per_second"],
        "recipe": recipe,
        "pretext": pretext,
        "probe": judged(data, run.encoder, seen, seed, **views),
        "pretext_untrained": pretext_untrained,
        "retrieval": found_again,
    }


def baselines(data: str, seed: int) -> dict[str, Any]:
    """Return the raw input, and the encoder with the initial weights of this seed."""
    seen = Image(SIZE.get(data)).input(open_source(data, "train"))
    torch.manual_seed(seed)
    untrained = encoders.build(ENCODER, seen)
    return {
        "data": data,
        "seed": seed,
        "untrained": judged(data, untrained, seen, seed),
        "raw": judged(data, None, seen, seed),
    }


def rows(runs: list[dict[str, Any]], base: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return one row per data set and case: means over its seeds with their standard deviations."""
    table = []
    for data in DATA:
        for case, (method, arguments) in cases(data).items():
            mine = [r for r in runs if (r["data"], r["case"]) == (data, case) and "probe" in r]
            if not mine:
                continue
            beside = {b["seed"]: b for b in base if b["data"] == data}
            sides = {
                "trained": [r["probe"] for r in mine],
                "untrained": [r.get("untrained") or beside[r["seed"]]["untrained"] for r in mine],
                "raw": [beside[r["seed"]]["raw"] for r in mine],
            }

            def cell(key: str, sides: dict[str, Any] = sides) -> dict[str, Any]:
                values = {side: [found[key] for found in per_seed] for side, per_seed in sides.items()}
                spread = {
                    side: round(float(np.std(v, ddof=1)), 2) if len(v) > 1 else None for side, v in values.items()
                }
                return {side: round(float(np.mean(v)), 2) for side, v in values.items()} | {"spread": spread}

            size = {"size": SIZE[data]} if data in SIZE else {}
            own = {} if network(method) == {"name": ENCODER} else {"encoder": network(method)}
            given = {"minutes": MINUTES} | size | own | arguments
            shown = [k for k in PRETEXT if k in mine[0]["pretext"]]
            pretext = {k: round(float(np.mean([r["pretext"][k] for r in mine])), 4) for k in shown}
            again: dict[str, Any] = {}
            if all("pretext_untrained" in r for r in mine):
                for k in {"accuracy"} & set(shown):
                    pretext["untrained"] = round(float(np.mean([r["pretext_untrained"][k] for r in mine])), 4)
                again["retrieval"] = {
                    side: round(float(np.mean([r["retrieval"][side]["accuracy"] for r in mine])), 4)
                    for side in ("trained", "untrained")
                } | {"chance": mine[0]["retrieval"]["trained"]["chance"]}
            first = min(mine, key=lambda r: r["seed"])
            table.append(
                {
                    "method": case,
                    "data": data,
                    "encoder": given.get("encoder", network(method))["name"],
                    "budget": f"{60 * MINUTES:.0f} s",
                    "seeds": len(mine),
                    "labels": LABELS,
                    **({"patches": PATCHES[case]} if case in PATCHES else {}),
                    "command": f"selftaught pretrain {method} {data} {measure.flags(given)}",
                    "steps": round(float(np.mean([r["steps"] for r in mine]))),
                    "seconds": first["seconds"],
                    "images_per_second": first["images_per_second"],
                    "pretext": pretext,
                    **again,
                    "probe": {
                        "linear": cell("linear"),
                        "knn": cell("knn"),
                        "labels": {
                            budget: cell(budget) for budget in ("10", "100") if all(budget in r["probe"] for r in mine)
                        },
                    },
                }
            )
    return table


def shown(table: list[dict[str, Any]]) -> Iterable[str]:
    """Yield the rows as lines of text."""
    yield (
        f"{'data':14} {'method':26} {'seeds':>5} {'linear':>13} {'untrained':>9} {'raw':>5} {'kNN':>13} "
        f"{'images/s':>9} {'seconds':>8}"
    )
    for row in table:
        linear, knn = row["probe"]["linear"], row["probe"]["knn"]
        spread = [f"±{p['spread']['trained']:.1f}" if p["spread"]["trained"] is not None else "" for p in (linear, knn)]
        yield (
            f"{row['data']:14} {row['method']:26} {row['seeds']:5} {linear['trained']:8.1f} {spread[0]:4} "
            f"{linear['untrained']:9.1f} "
            f"{linear['raw']:5.1f} {knn['trained']:8.1f} {spread[1]:4} {row['images_per_second']:9.0f} "
            f"{row['seconds']:8.1f}"
        )


def main() -> None:
    """Measure what is missing, row by row, and save after each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", nargs="*", help="rows to measure; by default all")
    parser.add_argument("--data", nargs="+", choices=DATA, default=list(DATA))
    parser.add_argument("--seeds", type=int, default=len(SEEDS))
    parser.add_argument("--table", action="store_true", help="print the results, measure nothing")
    asked = parser.parse_args()
    old = measure.saved("vision")
    runs, base = old.get("runs", []), old.get("baselines", [])
    if asked.table:
        print("\n".join(shown(rows(runs, base))))
        return
    shutil.rmtree(RUNS / "warm", ignore_errors=True)  # compile kernels before anything is timed
    selftaught.pretrain("simclr", "digits", out=RUNS / "warm", steps=2, batch_size=16, progress=False)
    wanted = [
        (data, case, seed)
        for seed in SEEDS[: asked.seeds]
        for data in asked.data
        for case in cases(data)
        if case in asked.cases or not asked.cases
    ]
    have = {(r["data"], r["case"], r["seed"]) for r in runs}
    refused = {(r["data"], r["case"]) for r in runs if "refused" in r}
    missing = [key for key in wanted if key not in have and key[:2] not in refused]
    for done, (data, case, seed) in enumerate(missing):
        steps = next((r["steps"] for r in runs if (r["data"], r["case"]) == (data, case) and "steps" in r), None)
        run = measured(data, case, seed, steps)
        runs.append(run)
        if not any((b["data"], b["seed"]) == (data, seed) for b in base):
            base.append(baselines(data, seed))
        found = run.get("refused") or json.dumps(
            {**run["probe"], "images_per_second": run["images_per_second"], **run["pretext"]}
        )
        print(f"{done + 1} of {len(missing)}: {data} {case} {seed} {found}", flush=True)
        measure.save("vision", rows(runs, base), runs=runs, baselines=base)
    measure.save("vision", rows(runs, base), runs=runs, baselines=base)
    print("\n".join(shown(rows(runs, base))))


if __name__ == "__main__":
    main()
