"""Sources with most labels hidden, to learn from few labels."""

from __future__ import annotations

from functools import cached_property
from typing import final

import numpy as np

from selftaught.data.budget import parse, subset
from selftaught.data.told import no_classes
from selftaught.errors import UserError
from selftaught.source import Index, Labels, Raw, Source, Wrapped, checked, digest_of


@final
class HiddenLabels(Wrapped):
    """All samples of `source`, of which only those at `known` (int64 [M]) keep their labels. The other labels are -1.

    `whole` is the source with all its labels. Evaluation may use it, training may not.
    """

    def __init__(self, source: Source, known: Index) -> None:
        super().__init__(source)
        self._known = checked(known, len(source))

    @property
    def whole(self) -> Source:
        """The source with all its labels."""
        return self._source

    def fetch(self, index: Index) -> Raw:
        """See `Source.fetch`."""
        index = checked(index, len(self))
        return self.whole.fetch(index) | {"label": self.labels[index]}

    @cached_property
    def labels(self) -> Labels:
        """int64 [N], -1 = unknown or hidden."""
        labels = np.full(len(self.whole), -1, dtype=np.int64)
        labels[self._known] = self.whole.labels[self._known]
        return labels

    @cached_property
    def fingerprint(self) -> str:
        """A digest of the whole source and of the positions of the kept labels."""
        return digest_of(self.whole.fingerprint, self._known.tobytes())


def hide(source: Source, labels: str | None, seed: int) -> Source:
    """Hide all labels of `source` except as many as `labels` says ("10/class", "10%", "all" or None = all).

    >>> import numpy as np
    >>> from selftaught.data import open_source
    >>> images = np.arange(20, dtype=np.uint8).reshape(20, 1, 1, 1)
    >>> source = open_source(images, "all", labels=[0, 1] * 10)
    >>> few = hide(source, "3/class", seed=0)
    >>> len(few), int((few.labels >= 0).sum()), int((few.whole.labels >= 0).sum())
    (20, 6, 20)

    Which labels are kept is a pure function of the labels and the seed. All classes keep equally many, and a smaller
    budget keeps a subset of a larger one. Raises UserError if the budget is invalid or larger than the number of
    labels.
    """
    if labels is None:
        return source
    budget = parse(labels)
    there = np.flatnonzero(source.labels >= 0)
    if not len(there):
        why = no_classes(source)
        fix = "" if why else "use one folder per class, or "
        raise UserError(f"labels {labels} hides labels, but this data has none{why}: {fix}omit labels")
    y = source.labels[there]
    if isinstance(budget, int):
        sizes = np.bincount(y)
        least = min(np.unique(y).tolist(), key=lambda c: int(sizes[c]))
        if sizes[least] < budget:
            name = source.classes[least] if least < len(source.classes) else least
            most = f"{sizes[least]}/class"
            raise UserError(
                f"labels {labels} is more than the {sizes[least]} labels of class '{name}': use at most {most}"
            )
    known = there[subset(y, budget, seed)]
    if len(known) == len(there):
        return source
    kept = np.full(len(source), -1, np.int64)
    kept[known] = source.labels[known]
    return source.relabelled(kept) or HiddenLabels(source, known)
