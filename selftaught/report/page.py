"""The content of a page: a run's folder, and its encoder, method and data if available."""

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
    """The run and its data, as given to every section.

    Args:
        run: The run's folder.
        encoder: The trained encoder.
        method: The method with its views.
        source_train: The training data.
        source_test: Held-out data.
        points: Largest number of samples on a map.
    """

    run: RunFolder
    encoder: Encoder | None = None
    method: Method | None = None
    source_train: Source | None = None
    source_test: Source | None = None
    points: int = 3000

    @cached_property
    def summary(self) -> dict[str, Any]:
        """The content of summary.json."""
        return self.run.summary

    @cached_property
    def metrics(self) -> list[dict[str, Any]]:
        """The lines of metrics.jsonl."""
        return list(self.run.metrics())

    @property
    def held_out(self) -> bool:
        """Whether there are held-out samples."""
        return self.source_test is not None and len(self.source_test) > 0

    @property
    def shown(self) -> Source | None:
        """The samples to show: held-out ones if there are any."""
        return self.source_test if self.held_out else self.source_train

    @property
    def seen(self) -> Source | None:
        """The training samples, if available, otherwise the held-out ones."""
        return self.source_train if self.source_train is not None else self.source_test

    @property
    def worded(self) -> bool:
        """Whether the encoder has word vectors."""
        return isinstance(self.encoder, Worded)

    @cached_property
    def words(self) -> WordVectors | None:
        """The encoder's words and their vectors, if it has any."""
        return self.encoder.word_vectors() if isinstance(self.encoder, Worded) else None
