"""Transfer to detection: the bodies of a detector of blood cells, pretrained in several ways, frozen and tuned.

    python -m benchmarks.detection                  all rows that results/detection.json does not have yet
    python -m benchmarks.detection simclr-cells     only these
    python -m benchmarks.detection --table          print the results

What `selftaught finetune RUN detection DATA` does, with the protocol of He et al. 2020 ("Momentum Contrast"): one body
of each kind, five fine-tunings with their mean and spread; frozen trains the detector's own layers alone. Bodies are
random, supervised on CIFAR-10, and trained without labels for 45 seconds: on the pixels of the training pictures
("cells") and on 1,000 photographs. They stay in runs/detection with what is finished, so the benchmark can be stopped
at any time. SELFTAUGHT_DATA names the folder with the data.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import torch

import selftaught
from benchmarks import measure
from selftaught import encoders
from selftaught.config import tasks
from selftaught.data import open_source
from selftaught.data.image.kind import Image
from selftaught.evaluate.finetune import Line, Plan, Side, summary
from selftaught.pretraining.finetune import LINES, finetune

ENCODER: dict[str, Any] = {"name": "conv", "depth": 4}
"""Strides of 2, 4, 8 and 16 pixels: the detector takes the last two."""
METHODS = ("simclr", "moco", "vicreg", "denoising")
MINUTES, SIDE, SEEDS, STEPS = 0.75, 96, 5, 300
"""Length of pretraining; the side in pixels of its crops; fine-tunings of each row, and their steps."""
SIDES: tuple[Side, ...] = ("frozen", "tuned")
RUNS = Path("runs") / "detection"


def folder() -> Path:
    """Return the folder of the data. Exits with a sentence if SELFTAUGHT_DATA does not name it."""
    found = Path(os.environ.get("SELFTAUGHT_DATA", ""))
    if not (found / "detection").is_dir():
        raise SystemExit("SELFTAUGHT_DATA must name a folder with 'detection' and 'photos1000'")
    return found


def pixels(name: str) -> Path:
    """Return where the pictures for pretraining are."""
    return {
        "cells": folder() / "detection" / "bccd-train.parquet",
        "photos1000": folder() / "photos1000" / "photos.parquet",
    }[name]


def bodies() -> dict[str, tuple[str, str, dict[str, Any]]]:
    """Return the rows: {name: (method, data, arguments)}; "" is none."""
    learned = {
        f"{method}-{data}": (method, data, {"size": SIDE, "batch_size": 64, "split": "all"})
        for data in ("cells", "photos1000")
        for method in METHODS
    }
    return {"random": ("", "", {}), "supervised-cifar10": ("supervised", "cifar10", {}), **learned}


@cache
def body(name: str, minutes: float) -> Path:
    """Return the run, or the encoder alone, of a body: trained now unless it is there."""
    method, data, arguments = bodies()[name]
    out = RUNS / name
    if not method:
        file = out / "encoder.safetensors"
        if not file.exists():
            out.mkdir(parents=True, exist_ok=True)
            seen = Image(SIDE).input(open_source(pixels("cells"), "all"))
            torch.manual_seed(0)
            file.write_bytes(encoders.save(encoders.build(ENCODER["name"], seen, depth=ENCODER["depth"])))
        return file
    if not (out / "encoder.safetensors").exists():
        shutil.rmtree(out, ignore_errors=True)
        given = data if data == "cifar10" else pixels(data)
        measure.whole(
            selftaught.pretrain(method, given, out=out, encoder=ENCODER, minutes=minutes, progress=False, **arguments)
        )
    return out


def measured(name: str, asked: argparse.Namespace) -> list[Line]:
    """Return the lines of a body's fine-tunings."""
    out = RUNS / f"{name}-tuned"
    plan = Plan(labels=("all",), sides=SIDES, seeds=asked.seeds, steps=asked.steps)
    if out.exists() and not (out / LINES).exists():
        shutil.rmtree(out)  # stopped before the first one
    run = finetune(
        selftaught.load(body(name, asked.minutes)), folder() / "detection", "detection", plan=plan, out=out,
        resume=out.exists(), say=lambda line: print(f"  {line}", flush=True),
    )  # fmt: skip
    return [json.loads(line) for line in (run.path / LINES).read_text().splitlines()]


def rows(runs: Mapping[str, list[Line]]) -> list[dict[str, Any]]:
    """Return a row for each body and side: means and standard deviations over seeds."""
    task, table = tasks.build("detection", {}), []
    for name, lines in runs.items():
        method, data, arguments = bodies()[name]
        given = {"encoder": ENCODER, "minutes": MINUTES, **arguments}
        command = f"selftaught pretrain {method} {data} {measure.flags(given)}" if method else "no training"
        for side, cell in summary(task, lines)["rows"]["all"].items():
            table.append({"body": name, "method": method, "data": data, "side": side, "pretraining": command, **cell})
    return table


def shown(table: list[dict[str, Any]]) -> Iterable[str]:
    """Yield the rows as lines of text."""
    yield f"{'body':24} {'side':7} {'AP':>12} {'AP50':>12} {'AP75':>12} {'seeds':>5} {'seconds':>8}"
    for row in table:
        numbers = [
            f"{row[key]['mean']:.1f}" + ("" if row[key]["spread"] is None else f" ±{row[key]['spread']:.1f}")
            for key in ("AP", "AP50", "AP75")
        ]
        told = " ".join(f"{number:>12}" for number in numbers)
        yield f"{row['body']:24} {row['side']:7} {told} {row['seeds']:5} {row['seconds']:8.1f}"


def main() -> None:
    """Measure what is missing, body by body, and save after each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bodies", nargs="*", help="rows to measure; by default all")
    parser.add_argument("--seeds", type=int, default=SEEDS)
    parser.add_argument("--steps", type=int, default=STEPS, help="of each fine-tuning")
    parser.add_argument("--minutes", type=float, default=MINUTES, help="of pretraining")
    parser.add_argument("--results", type=Path, default=measure.RESULTS, help="the folder to save in")
    parser.add_argument("--table", action="store_true", help="print the results, measure nothing")
    asked = parser.parse_args()
    unknown = [name for name in asked.bodies if name not in bodies()]
    if unknown:
        parser.error(f"there is no row {', '.join(unknown)}; choose from {', '.join(bodies())}")
    path = asked.results / "detection.json"
    runs: dict[str, list[Line]] = json.loads(path.read_text())["runs"] if path.exists() else {}
    for name in () if asked.table else asked.bodies or bodies():
        if len(runs.get(name, ())) < len(SIDES) * asked.seeds:
            print(name, flush=True)
            runs[name] = measured(name, asked)
            measure.save("detection", rows(runs), asked.results, runs=runs)
    print("\n".join(shown(rows(runs))))


if __name__ == "__main__":
    main()
