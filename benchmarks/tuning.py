"""Tasks of text after pretraining: the ablations of GPT's paper, and GPT, BERT and ELMo side by side.

    python -m benchmarks.tuning                    all rows that results/tuning.json does not have yet
    python -m benchmarks.tuning gpt --tasks CoLA   only these
    python -m benchmarks.tuning --table            print the results

What `selftaught finetune RUN TASK DATA` does, with three seeds: frozen features, all weights, and all weights from
random ones. A body is pretrained once, for as many minutes as every other, on the text `english`; for tags of Spanish
words, on the Spanish handbook. "gpt-no-lm" leaves out the auxiliary loss of a language model, "gpt-lstm" has an LSTM in
place of the Transformer. Bodies stay in runs/tuning with what is finished, so the benchmark can be stopped at any time.
SELFTAUGHT_DATA names the folder with the data.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import selftaught
from benchmarks import measure
from selftaught.evaluate.finetune import Plan
from selftaught.pretraining.finetune import LINES, finetune

MINUTES, SEEDS, TOKENS = 30.0, 3, "bpe:8000"
RUNS = Path("runs") / "tuning"


class Body(NamedTuple):
    """A row: the method and the encoder of its pretraining, and options of the fine-tuning."""

    method: str
    encoder: dict[str, Any]
    options: Mapping[str, Any] = MappingProxyType({})


SIZES = {"width": 256, "depth": 4}
BODIES = {
    "gpt": Body("gpt", {"name": "causal_transformer", **SIZES}),
    "gpt-no-lm": Body("gpt", {"name": "causal_transformer", **SIZES}, {"lm": 0.0}),
    "gpt-lstm": Body("gpt", {"name": "causal_lstm", "width": 256, "units": 1024, "depth": 1, "context": 128}),
    "bert": Body("bert", {"name": "transformer", **SIZES}),
    "elmo": Body("elmo", {"name": "lstm", "width": 128, "units": 512, "depth": 2}),
}
TASKS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "CoLA": ("sentence", "text/cola", {}),
    "SST-2": ("sentence", "text/sst2", {}),
    "MRPC": ("pair", "text/mrpc", {}),
    "SICK-E": ("pair", "text/sick", {}),
    "SICK-R": ("similarity", "text/sick", {}),
    "CoNLL-es": ("tagging", "esp.*", {"repeated": True}),
    "COPA": ("choice", "text/copa", {}),
    "XQuAD": ("span", "text/xquad/xquad.en.json", {}),
    "Multi30k": ("seq2seq", "text/multi30k", {"source": "en", "target": "de", "repeated": True, "epochs": 2.0}),
    "ATOMIC": ("seq2seq", "text/atomic", {"epochs": 2.0}),
    "dialogue": ("seq2seq", "text/dialogue", {"epochs": 10.0}),
}
"""The task and the data of each column, and options of the task. Published numbers keep test samples that are in the
training part too; where there are such, so do these (`repeated`)."""
SPANISH = ("CoNLL-es",)
RATES = {"Multi30k": 1e-3, "ATOMIC": 1e-3}
"""Learning rates of long trainings, which are not chosen."""
CAUSAL = ("gpt", "gpt-lstm")
"""Bodies that write texts."""


def suits(name: str, task: str) -> bool:
    """Return whether a body is measured by a task: texts are written by causal ones."""
    return TASKS[task][0] != "seq2seq" or name in CAUSAL


def folder() -> Path:
    """Return the folder of the data. Exits with a sentence if SELFTAUGHT_DATA does not name it."""
    found = Path(os.environ.get("SELFTAUGHT_DATA", ""))
    if not (found / "text").is_dir():
        raise SystemExit("SELFTAUGHT_DATA must name a folder with 'text'")
    return found


def data(task: str) -> str:
    """Return the data of a task. Those of CoNLL are unpacked."""
    place = TASKS[task][1]
    if task not in SPANISH:
        return str(folder() / place)
    if not (RUNS / "conll2002").exists():
        with zipfile.ZipFile(folder() / "text" / "conll2002.zip") as packed:
            packed.extractall(RUNS)
    return str(RUNS / "conll2002" / place)


def body(name: str, task: str, minutes: float) -> Path:
    """Return the run of a body, trained now unless it is there."""
    one = BODIES[name]
    text = "handbook-es" if task in SPANISH else "english"
    tokens = "words" if one.method == "elmo" else TOKENS
    out = RUNS / f"{one.method}-{one.encoder['name']}-{text}"
    if not (out / "encoder.safetensors").exists():
        shutil.rmtree(out, ignore_errors=True)
        run = selftaught.pretrain(
            one.method, text, out=out, encoder=one.encoder, tokens=tokens, minutes=minutes, progress=False
        )
        measure.whole(run)
    return out


def measured(name: str, task: str, asked: argparse.Namespace) -> dict[str, Any]:
    """Return the summary of a body's fine-tunings for a task."""
    out = RUNS / f"{name}-{task}"
    if out.exists() and not (out / LINES).exists():
        shutil.rmtree(out)  # stopped before the first one
    run = finetune(
        selftaught.load(body(name, task, asked.minutes)), data(task), TASKS[task][0],
        plan=Plan(labels=("all",), seeds=asked.seeds, lr=RATES.get(task), steps=asked.steps), out=out,
        resume=out.exists(), say=lambda line: print(f"  {line}", flush=True), **TASKS[task][2], **BODIES[name].options,
    )  # fmt: skip
    found: dict[str, Any] = run.summary["finetune"]
    return {key: found[key] for key in ("metrics", "rows", "better", "beside", "signatures") if key in found}


def rows(runs: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return a row for each body, task and side, with the task's first metric.

    Of texts that are written all metrics have rows of their own, and so have answers without learning, such as copying.
    "better" is -1 where lower is better, and 0 where a number is only beside others.
    """
    table = []
    for key, found in runs.items():
        name, _, task = key.partition("/")
        for metric in found["metrics"] if "better" in found else found["metrics"][:1]:
            cells = found["rows"]["all"] | {
                side: {metric: {"mean": numbers[metric], "spread": None}, "seeds": 1, "setting": {}}
                for side, numbers in found.get("beside", {}).items()
                if metric in numbers
            }
            for side, cell in cells.items():
                row = {"body": name, "task": task, "side": side, "metric": metric, **cell[metric]}
                row |= {"better": found.get("better", {}).get(metric, 1)}
                table.append(row | {"seeds": cell["seeds"], "setting": cell["setting"]})
    return table


def shown(table: list[dict[str, Any]]) -> Iterable[str]:
    """Yield the rows as lines of text."""
    for row in table:
        spread = "" if row["spread"] is None else f" ±{row['spread']:.1f}"
        number = f"{row['mean']:6.1f}{spread} ({row['seeds']})"
        yield f"{row['task']:10} {row['body']:10} {row['side']:18} {row['metric']:24} {number}"


def main() -> None:
    """Measure what is missing, one body and task at a time, and save after each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bodies", nargs="*", help="rows to measure; by default all")
    parser.add_argument("--tasks", nargs="+", choices=TASKS, default=list(TASKS))
    parser.add_argument("--seeds", type=int, default=SEEDS)
    parser.add_argument("--minutes", type=float, default=MINUTES, help="of pretraining")
    parser.add_argument("--steps", type=int, help="of each fine-tuning, to try whether all starts")
    parser.add_argument("--results", type=Path, default=measure.RESULTS, help="the folder to save in")
    parser.add_argument("--table", action="store_true", help="print the results, measure nothing")
    asked = parser.parse_args()
    unknown = [name for name in asked.bodies if name not in BODIES]
    if unknown:
        parser.error(f"there is no row {', '.join(unknown)}; choose from {', '.join(BODIES)}")
    path = asked.results / "tuning.json"
    runs: dict[str, Any] = json.loads(path.read_text())["runs"] if path.exists() else {}
    wanted = [f"{name}/{task}" for task in asked.tasks for name in asked.bodies or BODIES if suits(name, task)]
    for key in () if asked.table else [key for key in wanted if key not in runs]:
        print(key, flush=True)
        runs[key] = measured(*key.split("/"), asked)
        measure.save("tuning", rows(runs), asked.results, runs=runs)
    print("\n".join(shown(rows(runs))))


if __name__ == "__main__":
    main()
