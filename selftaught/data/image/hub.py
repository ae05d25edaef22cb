"""Images in Hugging Face data sets, read without importing the `datasets` library."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from selftaught.data.columns import label_column
from selftaught.data.groups import absent
from selftaught.data.image.columns import COLUMNS, image_column, is_image
from selftaught.data.image.decode import Unreadable
from selftaught.data.image.items import Items
from selftaught.data.image.sequence import plain
from selftaught.data.labels import Given
from selftaught.errors import UserError


@final
class HubItems(Items):
    """The rows of a `datasets.Dataset`: its image column, and its label column if there is one.

    `image` and `label` name the columns where their names or types do not tell.
    """

    def __init__(self, data: Any, image: str | None = None, label: str | None = None) -> None:
        self.where = "Hugging Face data set"
        self.key = f"hub {getattr(data, '_fingerprint', '')}" if getattr(data, "_fingerprint", "") else ""
        if len(data) == 0:
            raise UserError(f"{self.where}: it is empty, but at least one image is needed")
        self._all = data
        kinds = {name: type(feature).__name__ for name, feature in data.features.items()}
        fitting = [name for name, feature in data.features.items() if is_image(feature)]
        self._column = image_column(list(kinds), fitting, self.where, image)
        feature = data.features[self._column]
        if kinds[self._column] == "Image":
            data = data.cast_column(self._column, type(feature)(decode=False))
        self._rows = data.select_columns([self._column]).with_format(
            "numpy" if kinds[self._column].startswith("Array") else None
        )
        self.asked = label is not None
        self.columns = COLUMNS
        self.label = label_column(list(kinds), label, self.where)
        names = getattr(data.features[self.label], "names", None) if self.label else None
        self.given = Given(None if self.label is None else data[self.label][:], len(data), names or ())

    def __len__(self) -> int:
        return len(self._rows)

    def column(self, name: str) -> Sequence[Any]:
        """Return a column of the data set. Raises UserError if there is none of this name."""
        if name not in self._all.features:
            raise absent(name, self.where, list(self._all.features))
        return list(self._all[name][:])

    def name(self, position: int) -> str:
        """Return ``row N``."""
        return f"row {position}"

    def read(self, position: int) -> bytes | NDArray[Any]:
        """Return the encoded image, or the array."""
        value = self._rows[position][self._column]
        if value is None:
            raise Unreadable("no image in this row")
        if isinstance(value, dict) and value.get("bytes") is None:
            with open(value.get("path") or "", "rb") as file:
                return file.read()
        return plain(np.asarray(value) if isinstance(value, list) else value)
