"""Tasks that a run is judged by: what each may ask of a run, and what it must answer.

A task is a file of `tasks/`, found by its path.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, Protocol

from selftaught.errors import UserError
from selftaught.method import Encoder, Method, Source

Said = Callable[[str], None]
QUICK = (2000, 1000)
"""Training and test samples of a quick judgement."""


class Subject(Protocol):
    """A run, or an encoder alone, as tasks see it."""

    @property
    def encoder(self) -> Encoder:
        """The trained encoder."""

    @property
    def learned_by(self) -> type[Method] | None:
        """The method's class; None for an encoder alone."""

    @property
    def labels(self) -> str:
        """The labels that it was trained with: "all", "10/class", "10%"."""

    def untrained(self, seed: int) -> Encoder:
        """The same encoder as it was before training; of an encoder alone with the weights of `seed`."""

    def held_out(self, data: Any) -> bool:
        """Whether `data`, by default what it was trained on, has a part that it did not see."""

    def labelled(self, data: Any) -> bool:
        """Whether `data`, by default what it was trained on, has labels. Opens it."""

    def sources(self, data: Any, limits: tuple[int | None, int | None]) -> tuple[Source, Source]:
        """The training and the test part of `data`, by default of what it was trained on, read as the encoder needs it."""

    def named(self, data: Any) -> str:
        """What to call the data in a sentence."""

    def method(self) -> Method:
        """The whole trained method, heads included, prepared for what it was trained on."""

    def model(self) -> Method:
        """The whole trained method without its data."""


class Table(NamedTuple):
    """A table of results for people."""

    rows: list[dict[str, Any]]
    text: tuple[str, ...]
    """The columns that hold text; all others hold numbers."""


class Task(ABC):
    """One way to judge a run. Subclasses are final, one a file.

    Attributes:
        key: Where its result stands in summary.json. Tasks with one key never suit the same run.
        order: Its place among the tasks.
        options: Arguments of `judge` that only this task knows, and what they mean.
    """

    key: ClassVar[str]
    order: ClassVar[int]
    options: ClassVar[Mapping[str, str]] = {}

    @abstractmethod
    def suits(self, run: Subject, data: Any) -> bool:
        """Whether the run can be judged so on `data`; None = on what it was trained on."""

    @abstractmethod
    def judge(
        self, run: Subject, data: Any, *, seed: int = 0, quick: bool = False, say: Said | None = None, **options: Any
    ) -> dict[str, Any]:
        """The result, JSON-able. Raises UserError when the data cannot serve."""

    @abstractmethod
    def tables(self, result: Mapping[str, Any], sections: bool = False) -> list[Table]:
        """The result for people; `sections`: with all the parts that it is made of."""

    @abstractmethod
    def columns(self, summary: Mapping[str, Any]) -> dict[str, float | None]:
        """The numbers that runs are compared by, the best first, of what a run's summary.json holds.

        None where not measured.
        """


@cache
def every() -> Sequence[Task]:
    """All tasks, in their order."""
    found = []
    for path in Path(__file__).with_name("tasks").glob("*.py"):
        module = import_module(f"selftaught.evaluate.tasks.{path.stem}") if path.stem != "__init__" else None
        own = (
            [v for v in vars(module).values() if isinstance(v, type) and issubclass(v, Task) and v is not Task]
            if module
            else []
        )
        found += [task() for task in own if task.__module__ == module.__name__] if module else []
    return sorted(found, key=lambda task: task.order)


def judge(
    run: Subject, data: Any = None, *, seed: int = 0, quick: bool = False, say: Said | None = None, **options: Any
) -> dict[str, Any]:
    """What every task that suits says of a run: {key of the task: result}.

    Raises UserError when no task suits, or when an option belongs to none of those that do.
    """
    suiting = [task for task in every() if task.suits(run, data)]
    if not suiting:
        raise UserError(
            "this run cannot be evaluated without data: give labelled data, or held-out text for a language model"
        )
    given = {name: value for name, value in options.items() if value is not None}
    for name in given:
        if not any(name in task.options for task in suiting):
            owner = next((_name(task) for task in every() if name in task.options), None)
            if owner is None:
                raise UserError(f"there is no evaluation option '{name}'")
            names = " and ".join(map(_name, suiting))
            raise UserError(f"{name} is an option of the task {owner}, but this run is evaluated by {names}: remove it")
    return {
        task.key: task.judge(
            run, data, seed=seed, quick=quick, say=say, **{k: v for k, v in given.items() if k in task.options}
        )
        for task in suiting
    }


def _name(task: Task) -> str:
    return type(task).__module__.rpartition(".")[2]
