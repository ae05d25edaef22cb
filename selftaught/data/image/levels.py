"""Pixels of more than 8 bits, mapped to uint8 by one range for the whole data set.

Values of type uint8 and bool keep their meaning. For all others the range is, unless a user gives it:

1. 0 to 1, if all values are in it and of a floating type;
2. 0 to 255, if all values are whole numbers in it;
3. from the 0.1 to the 99.9 percentile of a sample of pixels, drawn evenly from the whole training part: one range for
   all channels of grey and colour images, which keeps colours in balance, and one for each channel of all others. What
   lies outside becomes 0 or 255.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from selftaught.data.image.reading import Ranges, written
from selftaught.data.image.source import Pixels
from selftaught.errors import UserError

PERCENTILES = (0.1, 99.9)
IMAGES = 128
"""Images of the sample, evenly spaced over the set."""
POINTS = 1 << 16
"""Pixels of each image of the sample, evenly spaced over the image."""
PLAIN: tuple[Ranges, Ranges] = (((0.0, 1.0),), ((0.0, 255.0),))
"""The ranges of the first two rules. They are not stored with a run: they are the same for all data of such types."""
COLOURS = 3
"""Up to so many channels share one range."""
OUTSIDE = 0.05
"""Share of values outside a given range from which a remark is made."""


def is_wide(values: NDArray[Any]) -> bool:
    """Return whether the values need a range: they are neither uint8 nor bool."""
    return values.dtype != np.uint8 and values.dtype.kind != "b"


def as_bytes(values: NDArray[Any], ranges: Ranges | None) -> Pixels:
    """Convert [..., C] to uint8 of the same shape. bool becomes 0 and 255, uint8 stays, others are mapped by `ranges`.

    Rounds to the nearest, ties to even. `ranges` None means that of the type, see `of_type`.
    """
    if values.dtype == np.uint8:
        return np.ascontiguousarray(values)
    if values.dtype.kind == "b":
        return values.astype(np.uint8) * np.uint8(255)
    low, high = np.array(ranges or of_type(values.dtype), np.float64).T
    # float32 counts the values of 16 bits exactly; with a far larger offset it would not
    kind = np.float32 if values.dtype.itemsize <= 2 or not low.any() else np.float64
    scaled = values.astype(kind) - low.astype(kind) if low.any() else values.astype(kind)
    scaled *= (255 / (high - low)).astype(kind)
    return np.asarray(np.rint(np.clip(scaled, 0, 255, out=scaled)), dtype=np.uint8)


def of_type(dtype: np.dtype[Any]) -> Ranges:
    """Return the range of a type: 0 to 1 for floats, the least to the largest value for integers."""
    if dtype.kind == "f":
        return ((0.0, 1.0),)
    return ((float(np.iinfo(dtype).min), float(np.iinfo(dtype).max)),)


def check_type(values: NDArray[Any], where: str) -> None:
    """Raises UserError if the values are not numbers that can be pixels, or not finite. Reads every float."""
    if values.dtype.kind not in "buif":
        raise UserError(f"{where}: images are of type {values.dtype}: give integers or floats")
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        raise UserError(f"{where}: images have values that are not finite (nan or inf): remove them")


def plain_range(parts: Iterable[NDArray[Any]]) -> Ranges | None:
    """Return the range of rule 1 or 2 if it applies to all values, else None."""
    fraction = byte = True
    for values in parts:
        if not (fraction or byte):
            break
        if is_wide(values) and values.size:
            low, high = values.min(), values.max()
            fraction = fraction and values.dtype.kind == "f" and bool(low >= 0 and high <= 1)
            byte = byte and bool(low >= 0 and high <= 255 and (np.rint(values) == values).all())
    return PLAIN[0] if fraction else PLAIN[1] if byte else None


def thinned(values: NDArray[Any]) -> NDArray[Any]:
    """Return [P, C]: at most about `POINTS` evenly spaced pixels of an image [H, W, C]."""
    flat = values.reshape(-1, values.shape[-1])
    return flat[:: 1 + len(flat) // POINTS]


def decide(sample: Sequence[NDArray[Any]], said: Ranges | Literal["auto", "type"], where: str) -> tuple[Ranges, str]:
    """Return the ranges, and a note that states them if the data decided them ("" if a user or plain rules did).

    Args:
        sample: Pixels [P, C] of some images of the set, all of more than 8 bits.
        said: The user's choice.
        where: The name of the data.
    """
    if said == "type":
        return of_type(np.result_type(*(values.dtype for values in sample))), ""
    if said == "auto" and (plain := plain_range(sample)) is not None:
        return plain, ""
    same = len({values.shape[1] for values in sample}) == 1
    alike = sample if same else [values.reshape(-1, 1) for values in sample]  # grey and colour have one range
    whole = np.concatenate(alike).astype(np.float64)  # [P, C]
    if said != "auto":
        return said, _outside(whole, said, where)
    channels = whole.T if whole.shape[1] > COLOURS else whole.reshape(1, -1)
    ranges = tuple(_percentiles(channel) for channel in channels)
    shown = written(ranges) if len(ranges) == 1 else f"{written(ranges[:2])}, ... for each of {len(ranges)} channels"
    drawn = f"the {PERCENTILES[0]} and {PERCENTILES[1]} percentiles of {len(sample)} images"
    return ranges, f"pixels of more than 8 bits: {shown} ({drawn}) become 0..255 (--range)"


def stored(ranges: Ranges | None) -> dict[str, str]:
    """Return the option that gives the same range to other data; nothing for plain ranges, which all data have."""
    return {} if ranges is None or ranges in PLAIN else {"range": written(ranges)}


def _percentiles(values: NDArray[np.float64]) -> tuple[float, float]:
    low, high = np.percentile(values, PERCENTILES)
    high = high if low < high else low + max(1.0, abs(low) * 1e-6)
    digits = 3 - math.floor(math.log10(high - low))  # four more than tell them apart: far less than a level
    return float(f"{round(float(low), digits):.15g}"), float(f"{round(float(high), digits):.15g}")


def _outside(values: NDArray[np.float64], ranges: Ranges, where: str) -> str:
    if len(ranges) not in (1, values.shape[1]):
        raise UserError(
            f"{where}: range has {len(ranges)} pairs, but the images have {values.shape[1]} channels: give one pair, "
            "or one for each channel"
        )
    low, high = np.array(ranges).T
    share = float(((values < low) | (values > high)).mean())
    if share < OUTSIDE:
        return ""
    found = written((_percentiles(values.reshape(-1)),))
    return f"{share:.0%} of the values are outside the range {written(ranges)}; most are in {found} (--range)"
