"""Features in a file."""

from __future__ import annotations

import csv
import io
import types
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from selftaught.errors import UserError
from selftaught.run import check_writable, write_atomically

FORMATS = (".npy", ".parquet", ".safetensors")


def check(path: Path, local: bool = False) -> None:
    """Raises UserError if the ending is unknown, a package is missing, or the file cannot be written.

    Call it before the work, so that an error comes early.

    `local`: the features have positions, which the rows of a table cannot store.
    """
    if path.suffix not in FORMATS:
        raise UserError(f"{path} must end in {', '.join(FORMATS[:-1])} or {FORMATS[-1]}")
    if path.suffix == ".parquet" and local:
        raise UserError(f"{path} cannot store features with positions: write .npy or .safetensors")
    if path.suffix == ".parquet":
        _parquet_writer()
    for file in (path, *([beside(path)] if path.suffix == ".npy" else [])):
        check_writable(file)


def beside(path: Path) -> Path:
    """Return the table of the samples of a .npy file, which holds the features alone."""
    return path.with_suffix(".names.csv")


def write(
    path: Path,
    features: NDArray[np.float32],
    labels: NDArray[np.int64],
    names: Sequence[str] | None = None,
    classes: Sequence[str] = (),
) -> None:
    """Write features [N, D], or [N, C, *positions], to `path`.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "features.npy"
    ...     write(path, np.zeros((2, 3), np.float32), np.array([1, -1]), ["a.png", "b.png"], ["cat", "dog"])
    ...     np.load(path).shape, beside(path).read_text()
    ((2, 3), 'name,label,class\\na.png,1,dog\\nb.png,-1,\\n')

    .npy stores only the features, .parquet and .safetensors also the labels [N], -1 = unknown. With `names`, one a
    sample, these and the names of the classes are stored too: in FILE.names.csv beside .npy; in the columns "name" and
    "class" of .parquet; in "name" [N, W] and "classes" [K, W] of .safetensors, UTF-8 in rows that end with zeros.

    Raises UserError if the format is unknown or the disk is full. An existing file is not changed by an error.
    """
    check(path, features.ndim > 2)
    named = None if names is None else (list(names), [classes[y] if 0 <= y < len(classes) else None for y in labels])
    if path.suffix == ".npy":
        if named is not None:
            write_atomically(beside(path), _csv(labels, *named))
        write_atomically(path, _npy(features))
    elif path.suffix == ".parquet":
        write_atomically(path, _parquet(features, labels, named))
    else:
        write_atomically(path, _safetensors(features, labels, named and named[0], classes))


def _npy(features: NDArray[np.float32]) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, features, allow_pickle=False)
    return buffer.getvalue()


def _csv(labels: NDArray[np.int64], names: list[str], classes: list[str | None]) -> bytes:
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(("name", "label", "class"))
    table.writerows(zip(names, labels.tolist(), classes, strict=True))
    return text.getvalue().encode("utf-8", "backslashreplace")


def _safetensors(
    features: NDArray[np.float32], labels: NDArray[np.int64], names: list[str] | None, classes: Sequence[str]
) -> bytes:
    from safetensors.numpy import save

    tensors: dict[str, NDArray[Any]] = {
        "embedding": np.ascontiguousarray(features),
        "label": np.ascontiguousarray(labels),
    }
    if names is not None:
        tensors |= {"name": _rows(names)} | ({"classes": _rows(classes)} if classes else {})
    return bytes(save(tensors))


def _rows(texts: Sequence[str]) -> NDArray[np.uint8]:
    """UTF-8 [N, W]; ``rows.view(f"S{rows.shape[1]}")[:, 0]`` are the texts again."""
    fixed = np.array([text.encode("utf-8", "backslashreplace") for text in texts])
    wide = np.zeros((len(fixed), max(1, fixed.dtype.itemsize)), np.uint8)
    wide[:, : fixed.dtype.itemsize] = fixed.view(np.uint8).reshape(len(fixed), -1)
    return wide


def _parquet(
    features: NDArray[np.float32], labels: NDArray[np.int64], named: tuple[list[str], list[str | None]] | None
) -> bytes:
    pyarrow, parquet = _parquet_writer()
    embedding = pyarrow.FixedSizeListArray.from_arrays(pyarrow.array(features.reshape(-1)), features.shape[1])
    columns = {"index": np.arange(len(features)), "label": labels, "embedding": embedding}
    if named is not None:
        columns |= {
            "name": pyarrow.array(named[0], pyarrow.string()),
            "class": pyarrow.array(named[1], pyarrow.string()),
        }
    buffer = io.BytesIO()
    parquet.write_table(pyarrow.table(columns), buffer)
    return buffer.getvalue()


def _parquet_writer() -> tuple[types.ModuleType, types.ModuleType]:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise UserError("writing Parquet needs the extra 'parquet': pip install 'selftaught[parquet]'") from error
    return pyarrow, pyarrow.parquet
