"""IDX files (the format of MNIST), plain or gzipped."""

from __future__ import annotations

import gzip
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from selftaught.errors import UserError

TYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
MOST_AXES = 8


def is_idx(path: Path) -> bool:
    """Return whether `path` has the name of an IDX file: ``train-images-idx3-ubyte``, ``x.idx``, also with .gz."""
    name = path.name.lower().removesuffix(".gz")
    return name.endswith((".idx", "-ubyte", ".idx1", ".idx3")) or "-idx" in name or ".idx" in name


def read(path: Path) -> NDArray[Any]:
    """Return the array in `path`: memory-mapped if plain, in memory if gzipped.

    Raises UserError if the file cannot be read, is not an IDX file, is truncated, or is longer than its header says.
    """
    try:
        with path.open("rb") as file:
            packed = file.read(2) == b"\x1f\x8b"
        if packed:
            with gzip.open(path, "rb") as stream:
                return parse(stream.read(), str(path))
        size = path.stat().st_size
        with path.open("rb") as file:
            dtype, shape, start = _header(file.read(4 + 4 * MOST_AXES), size, str(path))
        if 0 in shape:
            return np.empty(shape, dtype)
        return np.memmap(path, dtype=dtype, mode="r", offset=start, shape=shape)
    except (OSError, EOFError, zlib.error) as error:
        raise UserError(f"{path}: cannot be read: {error}") from None


def with_labels(path: Path) -> tuple[NDArray[Any], NDArray[Any] | None]:
    """Return the images in `path` and the labels in the file beside it, if there is one. Raises UserError."""
    beside = labels_beside(path)
    return read(path), None if beside is None else read(beside)


def parse(data: bytes, where: str) -> NDArray[Any]:
    """Return the array in the bytes of an (unpacked) IDX file."""
    dtype, shape, start = _header(data, len(data), where)
    return np.frombuffer(data, dtype=dtype, offset=start).reshape(shape)


def _header(data: bytes, size: int, where: str) -> tuple[np.dtype[Any], tuple[int, ...], int]:
    if len(data) < 4 or data[:2] != b"\0\0" or data[2] not in TYPES or not 1 <= data[3] <= MOST_AXES:
        raise UserError(f"{where}: not an IDX file (its first bytes are {data[:4].hex() or 'missing'})")
    start = 4 + 4 * data[3]
    if len(data) < start:
        raise UserError(f"{where}: truncated: {size} bytes are too few for the header")
    shape = struct.unpack(f">{data[3]}I", data[4:start])
    dtype = np.dtype(TYPES[data[2]])
    wanted = start + dtype.itemsize * _product(shape)
    if size != wanted:
        raise UserError(f"{where}: damaged: shape {shape} needs {wanted} bytes, but there are {size}")
    return dtype, shape, start


def _product(shape: tuple[int, ...]) -> int:
    total = 1
    for length in shape:  # Python's integers do not overflow, numpy's do
        total *= length
    return total


def labels_beside(path: Path) -> Path | None:
    """Return the labels file of an images file, by its name.

    ``train-images-idx3-ubyte.gz`` -> ``train-labels-idx1-ubyte``.
    """
    name = path.name.removesuffix(".gz")
    other = name.replace("images", "labels").replace("idx3", "idx1").replace("idx4", "idx1")
    if other == name:
        return None
    return next((p for p in (path.with_name(other), path.with_name(other + ".gz")) if p.is_file()), None)
