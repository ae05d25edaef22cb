"""Hugging Face data sets, recognised without importing the `datasets` library."""

from __future__ import annotations

from typing import Any

from selftaught.errors import UserError


def is_hub(data: Any) -> bool:
    """Return whether `data` is a Dataset, a DatasetDict or a stream of the `datasets` library."""
    return type(data).__module__.split(".")[0] == "datasets"


def features(data: Any) -> dict[str, Any]:
    """Return the columns of a data set, or of the first part of a DatasetDict, with their types."""
    first = next(iter(data.values()), None) if hasattr(data, "keys") else data
    return dict(getattr(first, "features", None) or {})


def sides(data: Any) -> dict[str, Any]:
    """Return the parts of a DatasetDict as "train" and "test" (else "validation"), or ``{"all": data}``.

    Raises UserError for streams.
    """
    if type(data).__name__.startswith("Iterable"):
        raise UserError("a streamed Hugging Face data set has no length: load it with streaming=False")
    if not hasattr(data, "keys"):
        return {"all": data}
    train = data.get("train")
    test = next((data[name] for name in ("test", "validation", "valid", "val") if name in data), None)
    if train is not None and test is not None:
        return {"train": train, "test": test}
    if len(data) != 1:
        raise UserError(
            "a Hugging Face DatasetDict needs the splits 'train' and 'test', but this one has: "
            f"{', '.join(data) or 'none'}"
        )
    return {"all": next(iter(data.values()))}
