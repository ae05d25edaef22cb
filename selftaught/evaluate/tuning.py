"""Tasks that an encoder is fine-tuned for: what a task must define. Each is a file of `tasks/`, found by its path.

`evaluate/finetune` runs them, `config/tasks` lists them; `evaluate/task` has the tasks that evaluate a run as it is.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, ClassVar, Protocol, final

from torch import Tensor

from selftaught.data.budget import Budget
from selftaught.evaluate.task import Said
from selftaught.kind import Split
from selftaught.method import Encoder, Method, Source

Setting = Mapping[str, float]
"""What is chosen on a part of the training labels: "lr", a field of the recipe, and arguments of the task's method."""


class Subject(Protocol):
    """The run, or the encoder alone, that is fine-tuned."""

    @property
    def encoder(self) -> Encoder:
        """The trained encoder."""

    def open(self, data: Any, split: Split) -> Source:
        """Return a part of `data`, read as the encoder needs it."""

    def named(self, data: Any) -> str:
        """Return the name of the data in a sentence."""


@final
@dataclass(frozen=True)
class Parts:
    """The data of a task: what is trained on, and what is held out for the final numbers."""

    train: Source
    test: Source


@final
@dataclass
class Predicted:
    """What a method says of samples; computed as it is asked for.

    Args:
        rows: One for each thing said: JSON-able values by name, "sample" first.
        count: Number of samples.
        samples: What they are called.
        measured: Returns, after the last row, what the labels that the data have say of the answers, in percent.
    """

    rows: Iterator[dict[str, Any]]
    count: int
    samples: str
    measured: Callable[[], dict[str, float]]


class Tuning(ABC):
    """One task. Subclasses are final, one per file.

    The documented arguments of ``__init__`` are the task's own options: flags of `selftaught finetune RUN TASK`. The
    first line of the docstring describes the task there.

    Attributes:
        metrics: What `judge` measures: in percent, higher is better, if `better` does not say otherwise.
        better: For metrics that are no percentages: -1 if lower is better, 0 if the number is only beside others.
        chooses: The metric that settings are chosen by; "" for the first one.
        labels: The shares of the training labels that are used unless a user names others.
        recipe: Values of `Recipe` that differ from its defaults.
        settings: What is chosen from for all weights; the first one is used where nothing can be held out to choose.
        head: What is chosen from when the encoder is frozen.
        grouped: Whether its data can have groups that stay on one side of a split.
        asks: Whether it defines `predicted`; other runs are asked by `ask.predict` and `ask.locate`.
        training: The file of `evaluate` whose class, the only one, has options that several tasks share, such as
            "texts/training.py". The task is given it as its argument `training`. Must be a literal.
    """

    asks: ClassVar[bool] = False
    training: ClassVar[str] = ""
    metrics: tuple[str, ...]
    better: ClassVar[Mapping[str, int]] = MappingProxyType({})
    chooses: ClassVar[str] = ""
    labels: ClassVar[tuple[str, ...]] = ("all",)
    recipe: ClassVar[dict[str, Any]] = {}
    settings: tuple[dict[str, float], ...]
    head: tuple[dict[str, float], ...]
    grouped: ClassVar[bool] = True

    @abstractmethod
    def open(self, run: Subject, data: Any, say: Said | None = None) -> Parts:
        """Open the data. Raises UserError if it does not suit the task or the encoder."""

    @abstractmethod
    def few(self, train: Source, budget: Budget, seed: int) -> Source:
        """Return the training data with so many labels, drawn by the seed; smaller draws are parts of larger ones."""

    @abstractmethod
    def halves(self, train: Source, seed: int) -> tuple[Source, Source] | None:
        """Return what of the training labels a setting is tried on, and what it is judged by; None for too few."""

    @abstractmethod
    def steps(self, train: Source) -> int:
        """Return the default number of steps for these training data."""

    @abstractmethod
    def method(self, encoder: Encoder, frozen: bool, **setting: float) -> Method:
        """Return the encoder with a new head; if `frozen`, a copy of it (`parts.still`) that no training changes.

        The one that was given is trained itself, unless it is frozen: then nothing of it is changed, buffers included.
        """

    def solved(self, method: Method, train: Source, seed: int) -> bool:
        """Fit the head of a prepared method with a frozen encoder, if that has a solution without steps.

        Returns False, and changes nothing, if it is trained by steps.
        """
        return False

    @abstractmethod
    def judge(self, method: Method, train: Source, test: Source) -> dict[str, float]:
        """Return the `metrics` of a trained method on `test`; `train` is what must not count there."""

    def tried(self, method: Method, train: Source, test: Source) -> dict[str, float]:
        """Return at least the metric that settings are chosen by; by default all, as `judge` does."""
        return self.judge(method, train, test)

    def beside(self, parts: Parts) -> dict[str, dict[str, float]]:
        """Return what answers without learning are worth on the test part: their metrics, by what is done."""
        return {}

    def signatures(self) -> dict[str, str]:
        """Return how metrics were computed, for those that have versions: a program's own signature, by metric."""
        return {}

    @abstractmethod
    def restored(self, encoder: Encoder, tensors: Mapping[str, Tensor], setting: Setting) -> Method:
        """Return the method to load `tensors` into, without the data. Raises KeyError if they are of another method."""

    def examples(self, method: Method, test: Source) -> dict[str, Any] | None:
        """Return held-out samples with what the method says of them, JSON-able, for the report, or None."""
        return None

    def predicted(self, method: Method, data: Any, classes: Sequence[str], **how: Any) -> Predicted:
        """Return what the method says of `data`. Only for tasks that ask in their own way (`asks`).

        Args:
            method: The method, trained.
            data: Samples of the form of the task, labelled or not.
            classes: Names of the classes, as they were numbered in the training.
            **how: `k`, the number of classes, and `threshold`, the smallest probability of what is said.

        Raises UserError for data that cannot be read, or an option that has no effect.
        """
        raise NotImplementedError(f"{type(self).__name__} does not ask in a way of its own")
