"""What a page is about: a run's folder, and as much of its encoder, method and data as is at hand."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, final

from selftaught.method import Encoder, Method, Source
from selftaught.parts.word_vectors import Worded, WordVectors
from selftaught.run import RunFolder


@final
@dataclass(frozen=True, eq=False)
class Page:
    """What every section is asked about.

    Args:
        run: The run's folder.
        encoder: The trained encoder.
        method: The method, whose views the samples are seen through.
        source_train: What it was trained on.
        source_test: What it never saw.
        points: Most samples on a map.
    """

    run: RunFolder
    encoder: Encoder | None = None
    method: Method | None = None
    source_train: Source | None = None
    source_test: Source | None = None
    points: int = 3000

    @cached_property
    def summary(self) -> dict[str, Any]:
        """summary.json."""
        return self.run.summary

    @cached_property
    def metrics(self) -> list[dict[str, Any]]:
        """The lines of metrics.jsonl."""
        return list(self.run.metrics())

    @property
    def held_out(self) -> bool:
        """Whether there are samples that the method never saw."""
        return self.source_test is not None and len(self.source_test) > 0

    @property
    def shown(self) -> Source | None:
        """The samples to look at: held-out ones where there are any."""
        return self.source_test if self.held_out else self.source_train

    @property
    def seen(self) -> Source | None:
        """The samples that the method saw, or else might have seen."""
        return self.source_train if self.source_train is not None else self.source_test

    @property
    def worded(self) -> bool:
        """Whether the encoder has vectors of words."""
        return isinstance(self.encoder, Worded)

    @cached_property
    def words(self) -> WordVectors | None:
        """The encoder's words and their vectors, where it has any."""
        return self.encoder.word_vectors() if isinstance(self.encoder, Worded) else None
