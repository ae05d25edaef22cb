"""Features in a file."""

from __future__ import annotations

import io
import types
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from selftaught.errors import UserError
from selftaught.run import write_atomically

FORMATS = (".npy", ".parquet", ".safetensors")


def check(path: Path, local: bool = False) -> None:
    """Raises UserError if the file name extension is unknown, or the package for the format is missing.

    Call it before the work, so that an error comes early.

    `local`: the features have positions, which the rows of a table cannot store.
    """
    if path.suffix not in FORMATS:
        raise UserError(f"{path} must end in {', '.join(FORMATS[:-1])} or {FORMATS[-1]}")
    if not path.absolute().parent.is_dir():
        raise UserError(f"{path} cannot be written: there is no folder {path.parent}")
    if path.suffix == ".parquet" and local:
        raise UserError(f"{path} cannot store features with positions: write .npy or .safetensors")
    if path.suffix == ".parquet":
        _parquet_writer()


def write(path: Path, features: NDArray[np.float32], labels: NDArray[np.int64]) -> None:
    """Write features [N, D], or [N, C, *positions], to `path`.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "features.npy"
    ...     write(path, np.zeros((5, 3), np.float32), labels=np.zeros(5, np.int64))
    ...     np.load(path).shape
    (5, 3)

    .npy stores only the features, .parquet and .safetensors also the labels [N].

    Raises UserError if the format is unknown or the disk is full. An existing file is not changed by an error.
    """
    check(path, features.ndim > 2)
    write_atomically(
        path, {".npy": _npy, ".parquet": _parquet, ".safetensors": _safetensors}[path.suffix](features, labels)
    )


def _npy(features: NDArray[np.float32], labels: NDArray[np.int64]) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, features, allow_pickle=False)
    return buffer.getvalue()


def _safetensors(features: NDArray[np.float32], labels: NDArray[np.int64]) -> bytes:
    from safetensors.numpy import save

    return bytes(save({"embedding": np.ascontiguousarray(features), "label": np.ascontiguousarray(labels)}))


def _parquet(features: NDArray[np.float32], labels: NDArray[np.int64]) -> bytes:
    pyarrow, parquet = _parquet_writer()
    embedding = pyarrow.FixedSizeListArray.from_arrays(pyarrow.array(features.reshape(-1)), features.shape[1])
    buffer = io.BytesIO()
    parquet.write_table(
        pyarrow.table({"index": np.arange(len(features)), "label": labels, "embedding": embedding}), buffer
    )
    return buffer.getvalue()


def _parquet_writer() -> tuple[types.ModuleType, types.ModuleType]:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise UserError("writing Parquet needs the extra 'parquet': pip install 'selftaught[parquet]'") from error
    return pyarrow, pyarrow.parquet
