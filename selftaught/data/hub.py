"""Hugging Face data sets, recognised without importing the `datasets` library."""

from __future__ import annotations

from typing import Any

from selftaught.data import layout
from selftaught.data.columns import label_column
from selftaught.data.labels import Given
from selftaught.data.told import Sides
from selftaught.errors import UserError


def is_hub(data: Any) -> bool:
    """Return whether `data` is a Dataset, a DatasetDict or a stream of the `datasets` library."""
    return type(data).__module__.split(".")[0] == "datasets"


def features(data: Any) -> dict[str, Any]:
    """Return the columns of a data set, or of the first part of a DatasetDict, with their types."""
    first = next(iter(data.values()), None) if hasattr(data, "keys") else data
    return dict(getattr(first, "features", None) or {})


def sides(data: Any, label: str | None = None) -> Sides[Any]:
    """Return the parts of a data set.

    The parts of a DatasetDict are "train" and "test" (else "validation"), or "all"; those of a Dataset are "all".
    `label` is the column of labels if its name does not tell. Raises UserError for streams, and for parts whose names
    do not tell what they are.
    """
    if type(data).__name__.startswith("Iterable"):
        raise UserError("a streamed Hugging Face data set has no length: load it with streaming=False")
    if not hasattr(data, "keys"):
        return Sides({"all": data})

    def labelled(names: list[str]) -> bool:
        one = data[names[0]]
        column = label if label in one.features else label_column(list(one.features))
        return column is not None and Given(one[column][:], len(one)).known

    parts, left = layout.named(list(data), labelled)
    if any(len(names) != 1 for names in parts.values()):
        raise UserError(
            "a Hugging Face DatasetDict needs the splits 'train' and 'test', but this one has: "
            f"{', '.join(data) or 'none'}"
        )
    return Sides(
        {part: data[name] for part, [name] in parts.items()},
        {part: name for part, [name] in parts.items()},
        {name: len(data[name]) for name in left},
    )
