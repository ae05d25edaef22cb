"""Data sources: folders, files, arrays and public data sets.

Each kind of sample has its own folder, and `open_source` finds the kind.

Importing this package imports numpy only. Modules that need torch, Pillow or optional packages import them later.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from selftaught.kind import Progress, Split, find, names, of_data, silent

if TYPE_CHECKING:
    from selftaught.source import Source


def open_source(
    data: Any, split: Split = "train", limit: int | None = None, *, kind: str | None = None, labels: Any = None,
    seed: int = 0, groups: Any = None, progress: Progress = silent, **options: Any,
) -> Source:  # fmt: skip
    """Open data as a source.

    >>> import numpy as np
    >>> images = np.zeros((10, 8, 8, 1), np.uint8)
    >>> images[:, 0, 0, 0] = range(10)
    >>> source = open_source(images, "all", labels=[0, 1] * 5)
    >>> len(source), source.samples, source.labelled
    (10, 'images', True)

    Args:
        data: The name of a data set in the catalog, a path, an object (an array, a list, ``(x, y)``, a dict of the
            parts train and test, a Hugging Face data set), or a source, which is returned unchanged.
        split: "train", "test" or "all". Data without a test part are split by content, 80/20.
        limit: Use only N samples, drawn from all classes alike, see `data.subset.drawn`.
        kind: The kind of sample, "image", "signal" or "text". By default it is inferred from `data`.
        labels: Labels of an object in memory: integers or names, one per sample.
        seed: Draws the samples of a limit.
        groups: Which samples stay on one side of a split, see `data.groups`: a column, a file, a regular expression for
            the paths, or one group per sample.
        progress: Called as (done, total) while many files are read.
        **options: Options of the kind: `size`, `range`, `bands`, `pages` and `channel_axis` for images; `length`,
            `channels` and `channel_axis` for signals; `tokens`, `lower`, `errors` and `column` for text.

    Raises:
        UserError: If `data` cannot be read; one sentence says what is wrong and how to fix it.
    """
    from selftaught.data import catalog

    known = find(kind or of_data(data, names(), catalog.listed()))
    return known(**options).read(data, split, limit, progress, labels, seed=seed, groups=groups)


__all__ = ["open_source"]
