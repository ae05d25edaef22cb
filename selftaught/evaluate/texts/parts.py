"""What the tasks of text have in common: draws of the training part, what is asked of a method, what is said first."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor

from selftaught.data.budget import Budget, subset
from selftaught.data.subset import Subset
from selftaught.data.told import opening
from selftaught.errors import UserError
from selftaught.evaluate.embed import batches, frozen
from selftaught.evaluate.splits import parts
from selftaught.evaluate.task import Said
from selftaught.evaluate.tuning import Parts, Subject
from selftaught.method import Method, Source
from selftaught.source import evenly

FOLDS = 5
"""One of so many training samples is held out to choose the setting."""
SHOWN = 20
"""Held-out samples in the report."""
LEAST = 10
"""Fewer training samples are not divided."""
BATCH = 64
"""Samples that are judged at a time."""
RECIPE: dict[str, Any] = {
    "batch_size": 32, "betas": (0.9, 0.999), "weight_decay": 0.01, "clip": 1.0, "schedule": "linear", "warmup": 0.1
}  # fmt: skip
"""That of BERT and GPT, but for the rate."""

T = TypeVar("T")
R = TypeVar("R")


def few(train: Source, budget: Budget, seed: int) -> Source:
    """Return a share of the samples, of each class alike. Raises UserError for a number per class without classes."""
    if isinstance(budget, int) and not train.classes:
        raise UserError(f"labels {budget}/class: these {train.samples} have no classes: give a share such as 10%")
    index = subset(train.labels, budget, seed)
    return train if len(index) == len(train) else Subset(train, index)


def halves(train: Source, seed: int) -> tuple[Source, Source] | None:
    """Return four fifths of the samples, and a fifth; None if they are too few to be divided."""
    held = parts(train.labels, FOLDS, seed, train.groups) == 0
    if len(train) < LEAST or not held.any() or held.all():
        return None
    return Subset(train, np.flatnonzero(~held)), Subset(train, np.flatnonzero(held))


def remembered(encode: Callable[[T], R]) -> Callable[[T], R]:
    """Return a function that encodes each example once."""
    known: dict[T, R] = {}

    def found(example: T) -> R:
        if example not in known:
            known[example] = encode(example)
        return known[example]

    return found


def examples(source: Source) -> Iterator[Any]:
    """Yield the examples of a source."""
    for begin in range(0, len(source), 1024):
        yield from source.fetch(np.arange(begin, min(begin + 1024, len(source))))["example"]


def say_opening(run: Subject, data: Any, found: Parts, notes: Iterable[str], said: str, say: Said | None) -> None:
    """Say the first line: counts, parts, what was left out, and what is too long."""
    found.train.notes = (*found.train.notes, *notes)
    if say is not None:
        say(opening(run.named(data), found.train, found.test, said))


def asked(method: Any, source: Source) -> Iterator[tuple[dict[str, Any], Tensor]]:
    """Yield batches with what the method says of them, in order."""
    device = next((p.device for p in method.parameters()), torch.device("cpu"))
    assert isinstance(method, Method)
    for batch in batches(source, np.arange(len(source)), method.views, BATCH, device):
        with frozen(method), torch.no_grad():
            said: Tensor = method.say(**batch)  # type: ignore[operator]
        if bool(torch.isnan(said).any()):
            raise UserError("what the method says is not finite: it diverged in training: lower --lr")
        yield batch, said.cpu()


def first(names: Iterable[str], others: Iterable[str]) -> tuple[str, ...]:
    """Return all names once, those that the authors of the data measure first."""
    return tuple(dict.fromkeys([*names, *others]))


def some(test: Source) -> Source:
    """Return some held-out samples, evenly spaced, for the report."""
    return Subset(test, evenly(len(test), SHOWN))


def answers(columns: Sequence[str], rows: Iterable[Sequence[str | float]]) -> dict[str, Any]:
    """Return samples with what is true and what is said of them, for the section "answers" of the report."""
    return {"section": "answers", "columns": list(columns), "rows": [list(row) for row in rows]}


def one_answer(task: str, k: int) -> None:
    """Raise UserError if more than one answer is asked for, where a task has one."""
    if k != 1:
        raise UserError(f"a run that was fine-tuned for {task} gives one answer, for which -k has no effect: remove it")
