"""One door to everything that users have."""

from __future__ import annotations

from typing import Any, Literal, get_args

from selftaught import errors
from selftaught.data import catalog
from selftaught.data.arrays import from_array
from selftaught.data.progress import Progress, silent
from selftaught.data.source import ImageSource
from selftaught.data.subset import first
from selftaught.errors import UserError

Split = Literal["train", "test", "all"]
SIDES: tuple[Literal["train"], Literal["test"]] = ("train", "test")


def open_source(
    data: Any, split: Split = "train", limit: int | None = None, *, labels: Any = None, size: int | None = None,
    progress: Progress = silent,
) -> ImageSource:
    """A source of images over what a user has.

    Args:
        data: A name of the catalog, a path (folder of images, IDX, .npy, .npz, .parquet), a Hugging Face data set, an array
            [N, H, W] or [N, H, W, C], any sequence of arrays, or a source (returned as it is).
        split: "train", "test" or "all". Data without a test part of their own are split by content, 80/20.
        limit: Only the first so many samples.
        labels: Labels of an array or of a sequence: integers or names, one a sample.
        size: Pack photographs as squares of 1.15 times this many pixels, decoded once (the centre is kept).
        progress: Called as (done, total) while many files are read.

    Raises:
        UserError: One sentence that says what is wrong with `data` and how to mend it.
    """
    if split not in get_args(Split):
        raise errors.unknown("split", str(split), get_args(Split))
    if size is not None and size < 1:
        raise UserError(f"size must be at least 1, not {size}")
    if isinstance(data, str) and data in catalog.FILES:
        return first(_of_catalog(data, split, progress), limit)
    if hasattr(data, "__array__"):
        return first(from_array(data, labels), limit)
    raise errors.unknown("data", str(data), catalog.FILES)


def _of_catalog(name: str, split: Split, progress: Progress) -> ImageSource:
    found = catalog.find(name)
    if split != "all":
        return found.load(split, progress)
    from selftaught.data.joined import Joined

    return Joined([found.load(side, progress) for side in SIDES])
