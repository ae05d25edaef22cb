"""A run as the tasks of `evaluate/tasks` see it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol, final

from selftaught import kind as kinds
from selftaught.config import Config
from selftaught.data import catalog
from selftaught.evaluate.probe import fresh
from selftaught.kind import Split
from selftaught.method import Encoder, Method, Source
from selftaught.pretraining.build import type_of, untrained


class Trained(Protocol):
    """The members of a `Run` that judging uses."""

    path: Path

    @property
    def is_run(self) -> bool:
        """Whether there is a run folder."""

    @property
    def config(self) -> Config:
        """The run folder."""

    @property
    def encoder(self) -> Encoder:
        """The trained encoder."""

    def given(self, data: Any = None) -> Any:
        """`data`, or what it was trained on."""

    def open(
        self,
        data: Any,
        split: Split,
        limit: int | None = None,
        *,
        seed: int = 0,
        groups: str | None = None,
        column: str | None = None,
        label_column: str | None = None,
    ) -> Source:
        """Read as the encoder needs it."""

    def sources(self, data: Any, limits: tuple[int | None, int | None], **how: Any) -> tuple[Source, Source]:
        """The training and the test part."""

    def method(self) -> Method:
        """The trained method with its data."""

    def untrained(self) -> Method:
        """The method before its first step."""

    def model(self) -> Method:
        """The trained method alone."""


@final
class Judged:
    """Obeys `evaluate.task.Subject`. `seed` draws the samples of a limit; for the others see `Run.open`."""

    def __init__(self, run: Trained, seed: int = 0, groups: str | None = None, **columns: str | None) -> None:
        self.run = run
        self.how: dict[str, Any] = {"seed": seed, "groups": groups, **columns}
        self.config = run.config if run.is_run else None

    @property
    def encoder(self) -> Encoder:
        """The trained encoder."""
        return self.run.encoder

    @property
    def learned_by(self) -> type[Method] | None:
        """The method's class; None for an encoder alone."""
        return None if self.config is None else type_of(self.config)

    @property
    def labels(self) -> str:
        """The labels that it was trained with."""
        return "all" if self.config is None else self.config.data["labels"] or "all"

    def untrained(self, seed: int) -> Encoder:
        """With the weights that the run started from; of an encoder alone with those of `seed`."""
        return fresh(self.encoder, seed) if self.config is None else untrained(self.config, self.encoder.spec["input"])

    def held_out(self, data: Any) -> bool:
        """Whether data are named, or the run left out a part of its own."""
        return data is not None or (self.config is not None and self.config.data["split"] != "all")

    def own_kind(self, data: Any) -> bool:
        """Whether data are of the encoder's kind, and not of the one that it is like."""
        kind = self.encoder.spec["input"]["kind"]
        return data is None or kinds.read_as(kind, data, catalog.listed()) == kind

    def labelled(self, data: Any) -> bool:
        """Whether the training part has labels."""
        return self.held_out(data) and self.run.open(self.run.given(data), "train", **self.how).labelled

    def sources(self, data: Any, limits: tuple[int | None, int | None]) -> tuple[Source, Source]:
        """The training and the test part."""
        return self.run.sources(data, limits, **self.how)

    def named(self, data: Any) -> str:
        """The name or the path."""
        given = self.run.given(data)
        return str(given) if isinstance(given, str | Path) else "the data in memory"

    def method(self) -> Method:
        """Prepared for what it was trained on: a memory has a row for each sample."""
        return self.run.method()

    def method_untrained(self) -> Method:
        """As it was before its first step."""
        return self.run.untrained()

    def model(self) -> Method:
        """Without its data."""
        return self.run.model()
