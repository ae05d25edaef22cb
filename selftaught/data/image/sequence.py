"""Any sequence of arrays, images, or (image, label) pairs: lists, PyTorch data sets, ..."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from threading import Lock
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from selftaught.data.image.axes import axes
from selftaught.data.image.decode import Unreadable, native
from selftaught.data.image.items import Items
from selftaught.data.labels import Given
from selftaught.errors import UserError


@final
class SequenceItems(Items):
    """Images `data[i]`: arrays [H, W], [H, W, C] or [C, H, W], bytes, PIL images, tensors, or pairs with a label.

    `asked` says that the user gave `labels` as labels, not with the data.
    """

    where = "sequence"

    def __init__(self, data: Sequence[Any], labels: Any = None, asked: bool = False) -> None:
        if len(data) == 0:
            raise UserError("sequence: it is empty, but at least one image is needed")
        self._data = data
        # Other libraries' data sets are rarely thread-safe; lists are.
        self._turn: AbstractContextManager[Any] = nullcontext() if isinstance(data, list | tuple) else Lock()
        example = _at(data, 0)
        self._paired = isinstance(example, tuple | list) and len(example) == 2 and axes(example[1]) == 0
        # Items in memory gain nothing from a copy in the cache.
        self.pack = not isinstance(example[0] if self._paired else example, np.ndarray)
        self.asked = asked
        values = self._known() if labels is None and self._paired else labels
        own = getattr(data, "classes", None)
        self.given = Given(values, len(data), own if isinstance(own, list | tuple) else ())

    def _known(self) -> Any:
        known = getattr(self._data, "targets", None)  # torchvision's name; avoids decoding every image to get its label
        if known is not None and len(known) == len(self._data):
            return np.asarray(known)
        return [np.asarray(_at(self._data, i)[1]).item() for i in range(len(self._data))]

    def __len__(self) -> int:
        return len(self._data)

    def name(self, position: int) -> str:
        """Return ``[position]``."""
        return f"[{position}]"

    def read(self, position: int) -> bytes | NDArray[Any]:
        """Return the image without its label."""
        with self._turn:
            value = _at(self._data, position)
        return plain(value[0] if self._paired else value)


def _at(data: Sequence[Any], position: int) -> Any:
    try:
        return data[position]
    except Exception as error:
        raise UserError(f"sequence: element {position} cannot be read: {type(error).__name__}: {error}") from error


def plain(value: Any) -> bytes | NDArray[Any]:
    """Convert the image types of other libraries to encoded bytes or an array. Raises Unreadable."""
    if isinstance(value, Mapping):
        value = next(
            (value[key] for key in ("bytes", "image", "img", "pixel_values") if value.get(key) is not None), None
        )
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value)
    if type(value).__module__.startswith("PIL."):
        return native(value)
    try:
        array = np.asarray(value)
    except Exception as error:
        raise Unreadable(f"not an array ({error})") from None
    if array.ndim not in (2, 3) or array.dtype.kind not in "buif":
        raise Unreadable(f"not an image: {type(value).__name__} of shape {array.shape} and type {array.dtype}")
    return array


def stacked(data: Any) -> NDArray[Any] | None:
    """Return one array [N, ...] if `data` is a list or tuple of arrays of one shape and type; else None."""
    if not isinstance(data, list | tuple) or not data or not all(isinstance(one, np.ndarray) for one in data):
        return None
    same = all(one.shape == data[0].shape and one.dtype == data[0].dtype for one in data)
    return np.stack(data) if same and data[0].ndim in (2, 3) else None
