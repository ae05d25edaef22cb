"""Language models compared with transformers and nanoGPT: speed, memory, and what is learned in the same time.

    python -m benchmarks.language
        Every row that is not in results/language.json yet.
    python -m benchmarks.language bert gpt-32k
        Measure these rows again.
    python -m benchmarks.language --table
        Print the results.

Each training is a separate process (`benchmarks.language_process`). The programs take turns, and ratios are medians
over rounds. transformers is compared if it is installed, and nanoGPT (github.com/karpathy/nanoGPT) if
SELFTAUGHT_NANOGPT is its folder, with data/shakespeare_char prepared; the text is then that of
SELFTAUGHT_DATA/text/shakespeare.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import math
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import mean, median, stdev
from typing import Any

from benchmarks import measure

Row = dict[str, Any]

RUNS = Path("runs") / "language"
SHAPE = {"width": 256, "depth": 4, "heads": 4, "context": 128, "batch": 32, "threads": 2}
STEPS: dict[str, dict[str, Any]] = {
    "bert": {"model": "bert", "vocabulary": 8192, "faster": 1.5, "smaller": 0.65},
    "gpt": {"model": "gpt", "vocabulary": 8192, "faster": 1.25, "smaller": 0.65},
    "gpt-32k": {"model": "gpt", "vocabulary": 32768, "faster": 1.25, "smaller": 0.45},
}
"""What is trained, and the goals: times as fast as transformers, and the share of its memory."""
ROUNDS, COUNT, SEEDS = 3, 8, (0, 1, 2)
LENGTH = 500
"""Tokens that are generated."""
SMALL_GPT = (
    "--device=cpu --compile=False --eval_iters=20 --log_interval=1 --block_size=64 --batch_size=12 --n_layer=4 "
    "--n_head=4 --n_embd=128 --max_iters=2000 --lr_decay_iters=2000 --dropout=0.0 --eval_interval=2000"
)
"""The recipe for CPUs in nanoGPT's README."""
SHAKESPEARE: dict[str, Any] = {
    "tokens": "exact",
    "lr": 3e-3,
    "batch_size": 12,
    "encoder": {"name": "causal_transformer", "width": 128, "depth": 4, "context": 64, "positions": "rotary"},
}
"""How ours is trained on the same characters for the same time."""


def child(task: dict[str, Any]) -> Row:
    """Run one task in a separate process."""
    return measure.child("language_process", SHAPE | task)


def tools() -> list[str]:
    """Return the programs that can be compared."""
    if importlib.util.find_spec("transformers") is None:
        print("  transformers is not installed, so there is no comparison: pip install 'selftaught[hf]'")
        return ["selftaught"]
    return ["selftaught", "transformers"]


def turns(names: list[str], task: dict[str, Any], rounds: int) -> dict[str, list[Row]]:
    """Run the task with every tool once per round. The first one rotates."""
    found: dict[str, list[Row]] = {name: [] for name in names}
    for r in range(rounds):
        for name in names[r % len(names) :] + names[: r % len(names)]:
            found[name].append(child(task | {"tool": name}))
            print(f"  round {r + 1}, {name}: {json.dumps(found[name][-1])}", flush=True)
    return found


def timing(rounds: list[Row]) -> measure.Timing:
    return measure.Timing([r["step"][0] for r in rounds], [r["step"][1] for r in rounds])


def step(name: str) -> Row:
    """Return tokens per second and memory of a training step, beside transformers' model of the same size.

    "body" is the share of our step that the network takes without the loss, and "batch" that of building a batch.
    """
    case, tokens = STEPS[name], SHAPE["batch"] * SHAPE["context"]
    task = {"do": "train", "model": case["model"], "vocabulary": case["vocabulary"], "steps": COUNT}
    found = turns([*tools(), "body"], task, ROUNDS)
    times = {tool: timing(rounds) for tool, rounds in found.items()}
    seconds = {tool: median(t.wall) for tool, t in times.items()}
    memory = {tool: median(r["memory"] for r in rounds) for tool, rounds in found.items() if tool != "body"}
    row: Row = {
        "what": f"a step of {case['model']}, {case['vocabulary']:,} tokens",
        "rounds": ROUNDS,
        "shape": SHAPE,
        "tokens_per_second": {tool: round(tokens / s) for tool, s in seconds.items() if tool != "body"},
        "memory_mb": {tool: round(m, 1) for tool, m in memory.items()},
        "body": round(seconds["body"] / seconds["selftaught"], 3),
        "batch": round(median(r["batch"] for r in found["selftaught"]) / seconds["selftaught"], 4),
        "goal": {"times": case["faster"], "memory": case["smaller"], "batch": 0.03},
    }
    if "transformers" in times:
        row["times"] = measure.ratio(times["transformers"], times["selftaught"])
        row["times_cpu"] = measure.ratio(times["transformers"], times["selftaught"], "cpu")
        row["memory"] = round(memory["selftaught"] / memory["transformers"], 3)
    return row


def generation() -> Row:
    """Return milliseconds per generated token: of all, and of the first and the last tenth of a text."""
    task = {"do": "generate", "model": "gpt", "vocabulary": 8192, "length": LENGTH, "context": LENGTH + 12}
    found = turns(tools(), task, 3)
    each = {tool: {key: median(r[key] for r in rounds) for key in rounds[0]} for tool, rounds in found.items()}
    return {"what": "milliseconds a token, generated one by one", "length": LENGTH, "milliseconds": each}


def shakespeare() -> Row:
    """Return nats per character of the last tenth of Shakespeare, after the time that nanoGPT's recipe takes.

    nanoGPT's number is its own estimate: over random windows of its context. Ours is over all characters, each with at
    least half of the context before it.
    """
    folder = os.environ.get("SELFTAUGHT_NANOGPT")
    if folder is None:
        raise SystemExit("set SELFTAUGHT_NANOGPT to nanoGPT's folder, with data/shakespeare_char prepared")
    command = [sys.executable, "train.py", "config/train_shakespeare_char.py", *SMALL_GPT.split()]
    said = subprocess.run(command, capture_output=True, text=True, check=True, cwd=folder).stdout
    theirs = float(re.findall(r"val loss ([\d.]+)", said)[-1])
    each = [float(ms) / 1000 for ms in re.findall(r"iter \d+: loss [\d.]+, time ([\d.]+)ms", said)]
    seconds = sum(each[1:-1])  # the first and the last one have an evaluation in them
    ours = [_shakespeare(seed, seconds / 60) for seed in SEEDS]
    return {
        "what": "nats per character of held-out Shakespeare, in equal time", "seconds": round(seconds, 1),
        "seeds": len(SEEDS), "nanoGPT": theirs, "selftaught": spread([o["nats"] for o in ours]),
        "steps": {"nanoGPT": len(each) - 1, "selftaught": ours[0]["steps"]},
        "command": f"selftaught pretrain gpt train.txt {measure.flags(SHAKESPEARE)}", "goal": 1.70,
    }  # fmt: skip


def _shakespeare(seed: int, minutes: float) -> Row:
    import selftaught
    from selftaught.ask import language_model
    from selftaught.data import open_source
    from selftaught.evaluate.language import perplexity

    text = (Path(os.environ["SELFTAUGHT_DATA"]) / "text" / "shakespeare" / "input.txt").read_text(encoding="utf-8")
    shutil.rmtree(RUNS, ignore_errors=True)
    RUNS.mkdir(parents=True)
    cut = len(text) * 9 // 10
    for name, part in (("train.txt", text[:cut]), ("test.txt", text[cut:])):
        (RUNS / name).write_text(part, encoding="utf-8")
    run = measure.whole(
        selftaught.pretrain(
            "gpt", RUNS / "train.txt", out=RUNS / "run", seed=seed, minutes=minutes, progress=False, **SHAKESPEARE
        )
    )
    found = perplexity(language_model(run), open_source(str(RUNS / "test.txt"), "all", tokens="exact"))
    row = {"nats": math.log(found["perplexity"]), "steps": run.summary["steps"]}
    print(f"  seed {seed}: {json.dumps(row)}", flush=True)
    return row


def spread(values: list[float]) -> dict[str, float]:
    """Return the mean and the standard deviation over seeds."""
    return {"mean": round(mean(values), 4), "spread": round(stdev(values), 4)}


ROWS: dict[str, Callable[[], Row]] = {
    **{name: partial(step, name) for name in STEPS},
    "generation": generation,
    "shakespeare": shakespeare,
}


def main() -> None:
    """Measure the requested rows, and save after each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rows", nargs="*", metavar="row", help=f"of {', '.join(ROWS)}; by default all that are missing")
    parser.add_argument("--table", action="store_true", help="print the results, measure nothing")
    asked = parser.parse_args()
    have = {row["row"]: row for row in measure.saved("language").get("rows", [])}
    for name in () if asked.table else asked.rows or [name for name in ROWS if name not in have]:
        print(name, flush=True)
        have[name] = {"row": name} | ROWS[name]()
        measure.save("language", [have[known] for known in ROWS if known in have])
    print(json.dumps(list(have.values()), indent=1))


if __name__ == "__main__":
    main()
