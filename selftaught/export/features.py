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
    """Raises UserError when no format goes by the file's ending, or its package is missing.

    Before hours of work, not after.

    `local`: the features are to have positions, which the rows of a table cannot hold.
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

    .npy holds them alone, .parquet and .safetensors also the labels [N].

    Raises UserError when the format is unknown or the disk is full; what was there before is then intact.
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
