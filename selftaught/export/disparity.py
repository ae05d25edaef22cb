"""Disparities as files that other tools read: .npy and PFM."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from selftaught.errors import UserError
from selftaught.run import write_atomically


def write(disparity: NDArray[np.float32], folder: Path, name: str, as_pfm: bool = False) -> Path:
    """Write float32 [H, W] to a file of `folder`, called like the picture `name`; folders in it are kept.

    Raises UserError if the folder cannot be written.
    """
    path = folder / f"{os.path.splitext(name)[0]}{'.pfm' if as_pfm else '.npy'}"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"cannot write {path.parent}: {error.strerror}") from error
    write_atomically(path, pfm(disparity) if as_pfm else _npy(disparity))
    return path


def pfm(values: NDArray[np.floating[Any]]) -> bytes:
    """Return the content of a PFM file with numbers [H, W], the lowest row first; what is not finite is infinite."""
    height, width = values.shape
    rows = np.where(np.isfinite(values), values, np.inf)[::-1].astype("<f4")
    return f"Pf\n{width} {height}\n-1.0\n".encode() + rows.tobytes()


def _npy(values: NDArray[np.float32]) -> bytes:
    file = io.BytesIO()
    np.save(file, values)
    return file.getvalue()
