"""Small encoders of text, and files of tasks that they learn within seconds."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from selftaught import encoders
from selftaught.evaluate.finetune import Plan, finetune
from selftaught.evaluate.texts.training import Training
from selftaught.method import Clock

WORDS = [*(f"w{i}" for i in range(20)), "good", "bad", "red", "blue", "because", "so", "who", "ann", "bob"]
INPUT: dict[str, Any] = {
    "kind": "text", "tokens": "words", "lower": True, "words": WORDS, "counts": list(range(40, 40 - len(WORDS), -1))
}  # fmt: skip
SIZES: dict[str, dict[str, Any]] = {
    "causal_transformer": {"width": 32, "depth": 2, "heads": 2, "context": 24},
    "transformer": {"width": 32, "depth": 2, "heads": 2, "context": 24},
    "causal_lstm": {"width": 24, "units": 24, "depth": 2},
    "lstm": {"width": 12, "units": 16, "depth": 2, "filters": 0.02},
}


def encoder(name: str, **more: Any) -> Any:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        return encoders.build(name, INPUT, **SIZES[name] | {"min_count": 1} | more)


class Start:
    """A run: an encoder and nothing else."""

    def __init__(self, name: str = "transformer", **more: Any) -> None:
        self.encoder = encoder(name, **more)

    def open(self, data: Any, split: str) -> Any:
        raise AssertionError("labelled text is opened by its own readers")

    def named(self, data: Any) -> str:
        return "data"


def training(**own: Any) -> Training:
    return Training(**{"units": 16, "dropout": 0.1, **own})


def filler(rng: np.random.Generator, n: int) -> list[str]:
    return [f"w{i}" for i in rng.integers(0, 20, n)]


def sentences(folder: Path, train: int = 160, test: int = 40) -> Path:
    """Write SST-2's files: a sentence with the word good, or bad."""
    for part, count in (("train", train), ("dev", test)):
        rng = np.random.default_rng(count)
        lines = ["sentence\tlabel"]
        for i in range(count):
            words = filler(rng, int(rng.integers(3, 8)))
            words.insert(int(rng.integers(0, len(words))), ("bad", "good")[i % 2])
            lines.append(f"{' '.join(words)}\t{i % 2}")
        (folder / f"{part}.tsv").write_text("\n".join(lines) + "\n")
    return folder


def pairs(folder: Path, number: bool = False, train: int = 240, test: int = 60) -> Path:
    """Write MRPC's files (STS-B's, if `number`): two texts are alike if both have the word good."""
    for part, count in (("train", train), ("dev", test)):
        rng = np.random.default_rng(count)
        head = (
            ["sentence1", "sentence2", "score"] if number else ["Quality", "#1 ID", "#2 ID", "#1 String", "#2 String"]
        )
        lines = ["\t".join(head)]
        for _ in range(count):
            a, b = rng.integers(0, 2, 2)
            left, right = (" ".join([*filler(rng, 2), ("bad", "good")[one]]) for one in (a, b))
            cells = [left, right, str(float(a + b))] if number else [str(int(a & b)), "1", "2", left, right]
            lines.append("\t".join(cells))
        (folder / f"{part}.tsv").write_text("\n".join(lines) + "\n")
    return folder


def tagged(folder: Path, train: int = 80, test: int = 30) -> Path:
    """Write CoNLL's columns: ann and bob are people, red and blue, which may follow each other, colours."""
    for part, count in (("train", train), ("testb", test)):
        rng = np.random.default_rng(count)
        lines = list[str]()
        for _ in range(count):
            lines += [f"{word} X O" for word in filler(rng, 3)]
            lines += [("ann X B-PER", "bob X B-PER")[int(rng.integers(0, 2))], "w3 X O"]
            lines += ["red X B-COL", "blue X I-COL"] if rng.random() < 0.5 else ["blue X B-COL"]
            lines += [". X O", ""]
        (folder / f"eng.{part}").write_text("\n".join(lines))
    return folder


def questions(folder: Path, train: int = 160, test: int = 40, long: int = 0, none: bool = False) -> Path:
    """Write SQuAD's JSON: who? is answered by ann or bob, wherever they stand."""
    for part, count in (("train", train), ("dev", test)):
        rng = np.random.default_rng(count)
        paragraphs = []
        for i in range(count):
            words = filler(rng, int(rng.integers(3, 7)) + long)
            at = int(rng.integers(0, len(words)))
            who = ("Ann", "Bob")[i % 2]
            empty = none and i % 3 == 0
            words[at] = "w1" if empty else who
            context = " ".join(words) + "."
            answers = [] if empty else [{"text": who, "answer_start": context.index(who)}]
            asked = {"id": f"{part}{i}", "question": "Who?", "is_impossible": empty, "answers": answers}
            paragraphs.append({"context": context, "qas": [asked]})
        (folder / f"{part}.json").write_text(json.dumps({"data": [{"paragraphs": paragraphs}]}))
    return folder


def choices(folder: Path, train: int = 160, test: int = 40) -> Path:
    """Write SWAG's CSV: good is better than bad."""
    for part, count in (("train", train), ("val", test)):
        rng = np.random.default_rng(count)
        lines = ["sent1,sent2,ending0,ending1,label"]
        for _ in range(count):
            colour, right = rng.integers(0, 2, 2)
            ways = ["bad", "good"] if right else ["good", "bad"]
            lines.append(f"{' '.join(filler(rng, 2))} {('red', 'blue')[colour]},w1,{ways[0]},{ways[1]},{right}")
        (folder / f"{part}.csv").write_text("\n".join(lines) + "\n")
    return folder


def learned(task: Any, start: Any, data: Any, *, steps: int = 120, lr: float = 3e-3, side: str = "tuned") -> Any:
    """Return the line of one training, and its method."""
    parts = task.open(start, data)
    kept: list[Any] = []
    plan = Plan(sides=(side,), seeds=1, steps=steps, lr=lr)  # type: ignore[arg-type]
    (line,) = finetune(start, task, parts, plan, keep=lambda method, *_: kept.append(method))
    return line, kept[0], parts


def batch(method: Any, source: Any, index: Sequence[int]) -> dict[str, Any]:
    made = method.views.apply(source.fetch(np.array(index)), {}, torch.device("cpu"))
    return made | {"player": "main", "clock": Clock()}


def translated(folder: Path, train: int = 300, test: int = 40) -> Path:
    """Write the lines of two languages: each of three words has another one, and the order is turned."""
    for part, count in (("train", train), ("test", test)):
        rng = np.random.default_rng(count)
        both = rng.integers(0, 8, (count, 3))
        for ending, lines in (("aa", both), ("bb", both[:, ::-1] + 8)):
            text = "".join(" ".join(f"w{i}" for i in line) + "\n" for line in lines)
            (folder / f"{part}.{ending}").write_text(text)
    return folder
