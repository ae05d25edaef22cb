"""What users have: sources from folders, files, arrays and public data sets.

A folder a kind of sample; `open_source` finds the kind.

Importing this costs numpy only: torch, Pillow and optional packages are loaded by what needs them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from selftaught.kind import Progress, Split, find, names, of_data, silent

if TYPE_CHECKING:
    from selftaught.source import Source


def open_source(
    data: Any, split: Split = "train", limit: int | None = None, *, kind: str | None = None, labels: Any = None,
    progress: Progress = silent, **options: Any,
) -> Source:  # fmt: skip
    """A source over what a user has.

    >>> import numpy as np
    >>> pictures = np.zeros((10, 8, 8, 1), np.uint8)
    >>> pictures[:, 0, 0, 0] = range(10)
    >>> source = open_source(pictures, "all", labels=[0, 1] * 5)
    >>> len(source), source.samples, source.labelled
    (10, 'images', True)

    Args:
        data: A name of the catalog, a path, an object (an array, a list, a Hugging Face data set), or a source, which
            is taken as it is.
        split: "train", "test" or "all". Data without a test part of their own are split by content, 80/20.
        limit: Only the first so many samples.
        kind: The kind of sample, "image" or "text"; by default the one that `data` looks like.
        labels: Labels of an object in memory: integers or names, one a sample.
        progress: Called as (done, total) while many files are read.
        **options: How samples of this kind are read: `size` of images, `tokens`, `lower`, `errors` and `column` of
            text.

    Raises:
        UserError: One sentence that says what is wrong with `data` and how to fix it.
    """
    from selftaught.data import catalog

    known = find(kind or of_data(data, names(), catalog.listed()))
    return known(**options).open(data, split, limit, progress, labels)


__all__ = ["open_source"]
