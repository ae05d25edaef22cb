"""Files of disparities: by how many pixels what is at a pixel of the left picture lies further left in the right."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from selftaught.data.image.decode import Unreadable, decode
from selftaught.data.numpy_arrays import load
from selftaught.errors import UserError

SUFFIXES = (".npy", ".npz", ".pfm", ".png")
SCALE = 256.0
"""Numbers of a PNG of 16 bits for each pixel of disparity, as in KITTI's; 0 is unknown."""
NAMES = ("disparity", "disp", "arr_0")
"""The array of an .npz file, if it has several."""
HEADER = re.compile(rb"P([fF])\s+(\d+)\s+(\d+)\s+([-+.\deE]+)[ \t\r]*\n")
"""Of a PFM file: Pf for one channel; width and height; the sign of the last number says in which order bytes are."""


def read(path: Path, scale: float | None = None) -> NDArray[np.float32]:
    """Return float32 [H, W], at least 0, NaN where the disparity is not known.

    Args:
        path: .npy, .npz or PFM of pixels (NaN, infinite or negative numbers are unknown), or a PNG (0 is unknown).
        scale: Numbers of a PNG for each pixel; by default `SCALE` for 16 bits. Of 8 bits there is no default.

    Raises Unreadable.
    """
    suffix = path.suffix.lower()
    try:
        if suffix == ".png":
            return _png(path.read_bytes(), scale)
        values = _pfm(path.read_bytes()) if suffix == ".pfm" else _npz(path) if suffix == ".npz" else load(path)
    except OSError as error:
        raise Unreadable(f"cannot be read: {error.strerror or error}") from None
    except UserError as error:
        raise Unreadable(str(error).removeprefix(f"{path}: ")) from None
    return known(values)


def known(values: Any) -> NDArray[np.float32]:
    """Return disparities [H, W] as float32, NaN where they are not finite or negative. Raises Unreadable."""
    array = np.asarray(values)
    if array.ndim == 3 and 1 in (array.shape[0], array.shape[2]):
        array = array[0] if array.shape[0] == 1 else array[:, :, 0]
    if array.ndim != 2 or array.dtype.kind not in "iuf":
        raise Unreadable(f"an array of shape {array.shape} and type {array.dtype}, not height x width numbers")
    found = array.astype(np.float32)
    with np.errstate(invalid="ignore"):
        return np.where(np.isfinite(found) & (found >= 0), found, np.float32(np.nan))


def _png(data: bytes, scale: float | None) -> NDArray[np.float32]:
    pixels = decode(data)
    if pixels.shape[2] != 1:
        raise Unreadable("a PNG in colour: disparities are grey, of 16 bits")
    if scale is None and pixels.dtype == np.uint8:
        raise Unreadable("a PNG of 8 bits, whose scale is not known: set disparity_scale")
    values = pixels[:, :, 0].astype(np.float32) / np.float32(scale or SCALE)
    return np.where(pixels[:, :, 0] > 0, values, np.float32(np.nan))


def _pfm(data: bytes) -> NDArray[Any]:
    header = HEADER.match(data)
    if header is None:
        raise Unreadable("no header of a PFM file")
    if header[1] == b"F":
        raise Unreadable("a PFM file in colour: disparities have one channel")
    width, height = int(header[2]), int(header[3])
    order = "<f4" if header[4].startswith(b"-") else ">f4"
    if len(data) - header.end() < 4 * width * height or not width * height:
        raise Unreadable(f"ends before {width}x{height} numbers")
    values = np.frombuffer(data, order, width * height, header.end())
    return values.reshape(height, width)[::-1]  # the lowest row comes first


def _npz(path: Path) -> NDArray[Any]:
    try:
        with np.load(path, allow_pickle=False) as arrays:
            names = [name for name in NAMES if name in arrays.files] if len(arrays.files) > 1 else arrays.files
            if not names:
                raise Unreadable(f"has the arrays {', '.join(arrays.files[:5])}, none called {', '.join(NAMES[:2])}")
            return np.asarray(arrays[names[0]])
    except (Unreadable, OSError):
        raise
    except Exception as error:  # numpy raises almost any error on a damaged archive
        raise Unreadable(f"damaged: {str(error).splitlines()[0][:200] if str(error) else 'not an archive'}") from None
