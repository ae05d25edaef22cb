"""Recordings with who speaks in each: the groups of the data, and without groups their classes."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any, final

import numpy as np
import torch

from selftaught.errors import UserError
from selftaught.method import Batch, Index, Labels, Params, Raw, Source, Views
from selftaught.source import Wrapped
from selftaught.views.audio import AudioViews, Take


@final
class Spoken(Views):
    """The view "sound" of a recording with its mask, and "speaker", int64 [B], if `who` is to be known.

    Raises UserError if it is not: `bind` needs groups or classes.
    """

    def __init__(self, input: Mapping[str, Any], take: Take, who: bool) -> None:
        self.views, self.who = AudioViews(input, sound=take), who
        self.lengths = self.views.lengths

    def bind(self, source: Source) -> Source:
        """Return the source with a speaker in each of its batches, if that is asked for."""
        return Speakers(source) if self.who else source

    def sample(self, index: Index, epoch: int, seed: int) -> Params:
        """See `AudioViews.sample`."""
        return self.views.sample(index, epoch, seed)

    def apply(self, raw: Raw, params: Params, device: torch.device) -> Batch:
        """Return the view on `device`."""
        said = {"speaker": torch.as_tensor(raw["speaker"]).to(device)} if self.who else {}
        return self.views.apply(raw, params, device) | said


@final
class Speakers(Wrapped):
    """The recordings of `source` with "speaker" in each batch. Raises UserError if it has neither groups nor classes.

    A recording without a class is of a speaker of its own.
    """

    def __init__(self, source: Source) -> None:
        super().__init__(source)
        if source.groups is None and not source.labelled:
            raise UserError(
                "it is not known who speaks in these recordings: say so with --groups (an expression for the paths, or "
                "a file), or use --among mixed or recording"
            )

    @cached_property
    def speakers(self) -> Labels:
        """int64 [N], at least 0."""
        groups, labels = self._source.groups, self._source.labels
        own = labels.max(initial=-1) + 1 + np.arange(len(labels))
        return np.where(labels < 0, own, labels) if groups is None else groups

    def fetch(self, index: Index) -> Raw:
        """See `Source.fetch`."""
        return self._source.fetch(index) | {"speaker": self.speakers[index]}

    @property
    def whole(self) -> Source:
        """The recordings with the labels that are hidden from training."""
        return self._source.whole
