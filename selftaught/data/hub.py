"""Hugging Face data sets: objects of the `datasets` library, which itself is never imported here."""

from __future__ import annotations

from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from selftaught.data.columns import image_column, label_column
from selftaught.data.decode import Unreadable
from selftaught.data.items import Items
from selftaught.data.labels import as_labels
from selftaught.data.sequence import plain
from selftaught.errors import UserError


def is_hub(data: Any) -> bool:
    """Whether `data` is a Dataset, a DatasetDict or a stream of the `datasets` library."""
    return type(data).__module__.split(".")[0] == "datasets"


def sides(data: Any) -> dict[str, Any]:
    """The parts of a DatasetDict as "train" and "test" (else "validation"), or ``{"all": data}``. Raises UserError for streams."""
    if type(data).__name__.startswith("Iterable"):
        raise UserError("a streamed Hugging Face data set has no length: load it with streaming=False")
    if not hasattr(data, "keys"):
        return {"all": data}
    train = data.get("train")
    test = next((data[name] for name in ("test", "validation", "valid", "val") if name in data), None)
    if train is not None and test is not None:
        return {"train": train, "test": test}
    if len(data) != 1:
        raise UserError(f"a Hugging Face DatasetDict needs the parts 'train' and 'test', but this one has: {', '.join(data) or 'none'}")
    return {"all": next(iter(data.values()))}


@final
class HubItems(Items):
    """The rows of a `datasets.Dataset`: its image column, and its label column if there is one."""

    def __init__(self, data: Any) -> None:
        self.where = "Hugging Face data set"
        self.key = f"hub {getattr(data, '_fingerprint', '')}" if getattr(data, "_fingerprint", "") else ""
        if len(data) == 0:
            raise UserError(f"{self.where}: it is empty, but at least one image is needed")
        kinds = {name: type(feature).__name__ for name, feature in data.features.items()}
        fitting = [name for name, kind in kinds.items() if kind in ("Image", "Array2D", "Array3D")]
        self._column = image_column(list(kinds), fitting, self.where)
        feature = data.features[self._column]
        if kinds[self._column] == "Image":
            data = data.cast_column(self._column, type(feature)(decode=False))
        self._rows = data.select_columns([self._column]).with_format("numpy" if kinds[self._column].startswith("Array") else None)
        label = label_column(list(kinds))
        names = getattr(data.features[label], "names", None) if label else None
        known = None if label is None else [-1 if one is None else one for one in data[label][:]]
        self.labels, self.classes = as_labels(known, len(data), self.where, names or ())

    def __len__(self) -> int:
        return len(self._rows)

    def name(self, position: int) -> str:
        """``row N``."""
        return f"row {position}"

    def read(self, position: int) -> bytes | NDArray[Any]:
        """The encoded picture, or the array."""
        value = self._rows[position][self._column]
        if value is None:
            raise Unreadable("no picture in this row")
        if isinstance(value, dict) and value.get("bytes") is None:
            with open(value.get("path") or "", "rb") as file:
                return file.read()
        return plain(np.asarray(value) if isinstance(value, list) else value)
