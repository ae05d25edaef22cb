"""Tasks that evaluate a run: what a task may ask of the run, and what it must return.

Each task is a file of `tasks/`, found by its path.
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
from selftaught.parts.signature import subclasses

Said = Callable[[str], None]
QUICK = (2000, 1000)
"""Numbers of training and test samples in a quick evaluation."""


class Subject(Protocol):
    """The run, or the encoder alone, that tasks evaluate."""

    @property
    def encoder(self) -> Encoder:
        """The trained encoder."""

    @property
    def learned_by(self) -> type[Method] | None:
        """The class of the method; None for an encoder alone."""

    @property
    def labels(self) -> str:
        """The labels used in training: "all", "10/class", "10%"."""

    def untrained(self, seed: int) -> Encoder:
        """Return the same encoder before training; for an encoder alone, with the weights of `seed`."""

    def held_out(self, data: Any) -> bool:
        """Return whether `data`, by default the training data, has a part that the run was not trained on."""

    def own_kind(self, data: Any) -> bool:
        """Return whether `data` are of the kind of the encoder, and not of another that it can see (`Kind.like`)."""

    def labelled(self, data: Any) -> bool:
        """Return whether `data`, by default the training data, has labels. Opens it."""

    def sources(self, data: Any, limits: tuple[int | None, int | None]) -> tuple[Source, Source]:
        """Return the training and test parts of `data`, by default the training data, read as the encoder needs it."""

    def named(self, data: Any) -> str:
        """Return the name of the data in a sentence."""

    def method(self) -> Method:
        """Return the complete trained method, with its heads, prepared for its training data."""

    def method_untrained(self) -> Method:
        """Return the complete method as it was before its first step, prepared for its training data."""

    def model(self) -> Method:
        """Return the complete trained method without its data."""


class Table(NamedTuple):
    """A table of results."""

    rows: list[dict[str, Any]]
    text: tuple[str, ...]
    """The columns with text; all others have numbers."""


class Task(ABC):
    """One way to evaluate a run. Subclasses are final, one per file.

    Attributes:
        key: The key of its result in summary.json. Tasks with the same key never suit the same run.
        order: Its position among the tasks.
        options: Options of `judge` that only this task has, with their descriptions.
    """

    key: ClassVar[str]
    order: ClassVar[int]
    options: ClassVar[Mapping[str, str]] = {}

    @abstractmethod
    def suits(self, run: Subject, data: Any) -> bool:
        """Return whether the task can evaluate the run on `data`; None = on the training data."""

    def judges_without_labels(self, run: Subject) -> bool:
        """Return whether the task evaluates runs like this one without labels, so that they need no probe."""
        return False

    @abstractmethod
    def judge(
        self, run: Subject, data: Any, *, seed: int = 0, quick: bool = False, say: Said | None = None, **options: Any
    ) -> dict[str, Any]:
        """Return the result, JSON-able. Raises UserError if the data is not suitable."""

    @abstractmethod
    def tables(self, result: Mapping[str, Any], sections: bool = False) -> list[Table]:
        """Return the result as tables. With `sections`, also the results of its parts."""

    @abstractmethod
    def columns(self, summary: Mapping[str, Any]) -> dict[str, float | None]:
        """Return the numbers for comparing runs, the most important first, from the content of a summary.json.

        None = not measured.
        """


@cache
def every() -> Sequence[Task]:
    """Return all tasks, in order."""
    found: list[Task] = []
    for path in sorted(Path(__file__).with_name("tasks").glob("*.py")):
        for declared in subclasses(path, "Task"):
            module = import_module(f"selftaught.evaluate.tasks.{path.stem}")
            found.append(getattr(module, declared.name)())
    return sorted(found, key=lambda task: task.order)


def needs_no_labels(run: Subject) -> bool:
    """Return whether some task evaluates runs like this one without labels; see `Task.judges_without_labels`."""
    return any(task.judges_without_labels(run) for task in every())


def judge(
    run: Subject, data: Any = None, *, seed: int = 0, quick: bool = False, say: Said | None = None, **options: Any
) -> dict[str, Any]:
    """Return the results of all suitable tasks for a run: {key of the task: result}.

    Raises UserError if no task is suitable, or if an option belongs to none of them.
    """
    told = set[str]()

    def once(line: str) -> None:  # several tasks open the same data
        if say is not None and line not in told:
            told.add(line)
            say(line)

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
            run, data, seed=seed, quick=quick, say=once, **{k: v for k, v in given.items() if k in task.options}
        )
        for task in suiting
    }


def _name(task: Task) -> str:
    return type(task).__module__.rpartition(".")[2]
