"""What files of labelled text hold, one type for each form of task, and a source of them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple, final

import numpy as np
from numpy.typing import NDArray

from selftaught.source import Index, Labels, Raw, Skipped, Source, checked, digest_of


@final
class Texts(NamedTuple):
    """One text or two, with the name of a class or a number; None if that is unknown."""

    texts: tuple[str, ...]
    answer: str | float | None
    where: str


@final
class Tagged(NamedTuple):
    """The words of a sentence, each with its tag in IOB2; no tags if they are unknown."""

    words: tuple[str, ...]
    tags: tuple[str, ...]
    where: str


@final
class Question(NamedTuple):
    """A question about a passage.

    `answers` are texts in the passage with the place of their first character; none if it has no answer, and None if
    that is unknown. An answer that is only to be compared with has the place -1.
    """

    question: str
    passage: str
    answers: tuple[tuple[str, int], ...] | None
    where: str


@final
class Choices(NamedTuple):
    """A beginning and several ways to go on; `right` is the number of the best one, None if that is unknown."""

    beginning: str
    choices: tuple[str, ...]
    right: int | None
    where: str


@final
class Paired(NamedTuple):
    """A text and those that are written for it, such as its translation or replies to it; none if they are unknown.

    Texts with equal `group` stay on one side of a split, "" = its own.
    """

    source: str
    targets: tuple[str, ...]
    group: str
    where: str


Example = Texts | Tagged | Question | Choices | Paired


def known(example: Example) -> bool:
    """Return whether the label of an example is known."""
    if isinstance(example, Texts):
        return example.answer is not None
    if isinstance(example, Tagged | Paired):
        return bool(example.targets if isinstance(example, Paired) else example.tags)
    return (example.answers if isinstance(example, Question) else example.right) is not None


def together(example: Example) -> str | None:
    """Return what an example has in common with those that stay on its side of a split; None if it stands alone."""
    if isinstance(example, Question):
        return example.passage
    return example.group or example.source if isinstance(example, Paired) else None


@final
@dataclass
class Read:
    """What was read from files.

    Args:
        examples: The samples.
        skipped: What could not be read, with reasons.
        notes: What else there is to say, a phrase each.
        form: The name of the published form, "" for one's own.
        used: Names of other files that were read with it.
    """

    examples: list[Example]
    skipped: list[Skipped] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    form: str = ""
    used: list[str] = field(default_factory=list)


@final
class Labelled(Source):
    """Examples as a source: a raw batch has a list of them under "example".

    Args:
        examples: The samples.
        labels: int64 [N], -1 = unknown.
        classes: Names of the classes.
        samples: What several samples are called.
        groups: int64 [N], see `Source.groups`.
    """

    def __init__(
        self,
        examples: Sequence[Example],
        labels: Labels,
        classes: Sequence[str],
        samples: str,
        groups: Labels | None = None,
    ) -> None:
        self.examples, self.classes, self.samples = list(examples), tuple(classes), samples
        self._labels, self._groups = labels, groups

    def __len__(self) -> int:
        return len(self.examples)

    def fetch(self, index: Index) -> Raw:
        """Return "example", a list, "label" and "index", int64 [B]."""
        index = checked(index, len(self))
        return {"example": [self.examples[i] for i in index], "label": self._labels[index], "index": index}

    @property
    def labels(self) -> Labels:
        """int64 [N], -1 = unknown."""
        return self._labels

    @property
    def groups(self) -> Labels | None:
        """int64 [N] or None."""
        return self._groups

    def names(self, index: Index) -> list[str]:
        """Return where the samples stand."""
        return [self.examples[i].where for i in checked(index, len(self))]

    @cached_property
    def digests(self) -> NDArray[np.uint8]:
        """uint8 [N, 32], of the texts without their labels: what is asked, not what is right."""
        rows = [bytes.fromhex(digest_of(*_asked(example))) * 2 for example in self.examples]
        return np.frombuffer(b"".join(rows), np.uint8).reshape(len(self), 32)

    @cached_property
    def fingerprint(self) -> str:
        """A digest of all examples and labels."""
        return digest_of(json.dumps([example[:-1] for example in self.examples]), self._labels.tobytes())


def _asked(example: Example) -> tuple[str, ...]:
    if isinstance(example, Texts):
        return example.texts
    if isinstance(example, Tagged):
        return example.words
    if isinstance(example, Question):
        return example.question, example.passage
    if isinstance(example, Paired):
        return (example.source,)
    return example.beginning, *example.choices
