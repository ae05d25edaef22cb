"""Results of the untrained encoder and the raw input, kept for the next run on the same data."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import numpy as np

from selftaught.data import cache
from selftaught.data.budget import Labels
from selftaught.evaluate.few_labels import FewLabels

MOST = 256 << 20
"""Maximum size of the folder in bytes; the results that were not used for longest are deleted first."""


@final
@dataclass(frozen=True)
class Judged:
    """Classifiers fitted on one set of features, and their predictions for the test samples. Uses no test labels.

    Attributes:
        fit: How the linear probe was fitted; "weights" is a digest of its weights.
        linear_says: int64 [M], the classes that the linear probe predicts.
        k: Number of neighbours that vote.
        knn_says: int64 [M], the classes that the neighbours predict.
        few: Predictions with few labels, by budget.
    """

    fit: dict[str, Any]
    linear_says: Labels
    k: int
    knn_says: Labels
    few: dict[str, FewLabels]


def load(key: str) -> Judged | None:
    """Return the results kept under `key`; None if there are none, or the file is damaged."""
    path = _folder() / key
    try:
        data = path.read_bytes()
        if hashlib.sha256(data[32:]).digest() != data[:32]:
            return None
        with np.load(io.BytesIO(data[32:]), allow_pickle=False) as arrays:
            found = _judged(arrays)
        os.utime(path)
    except (OSError, ValueError, KeyError, TypeError, zipfile.BadZipFile):
        return None
    return found


def keep(key: str, judged: Judged) -> None:
    """Keep `judged` under `key`, and make room for it. Does nothing if the cache cannot be written."""
    about = {
        "fit": judged.fit,
        "k": judged.k,
        "few": {budget: [few.labels, few.l2] for budget, few in judged.few.items()},
    }
    arrays: dict[str, Any] = {f"few {i}": few.predictions for i, few in enumerate(judged.few.values())}
    arrays |= {
        "about": np.frombuffer(json.dumps(about).encode(), np.uint8),
        "linear": judged.linear_says,
        "knn": judged.knn_says,
    }
    out = io.BytesIO()
    np.savez_compressed(out, **arrays)
    data = out.getvalue()
    with contextlib.suppress(cache.Unwritable):
        with cache.replacing(_folder() / key) as file:
            file.write(hashlib.sha256(data).digest() + data)
        _make_room()


def _folder() -> Path:
    return cache.folder() / "judged"


def _judged(arrays: Any) -> Judged:
    about = json.loads(arrays["about"].tobytes())
    few = {}
    for i, (budget, (labels, l2)) in enumerate(about["few"].items()):
        few[budget] = FewLabels(labels, arrays[f"few {i}"], tuple(l2))
    return Judged(about["fit"], arrays["linear"], about["k"], arrays["knn"], few)


def _make_room() -> None:
    with contextlib.suppress(OSError):  # another process makes room too
        files = sorted(
            ((stat.st_mtime, stat.st_size, path) for path in _folder().iterdir() for stat in [path.stat()]),
            reverse=True,
        )
        held = 0
        for _, size, path in files:
            held += size
            if held > MOST:
                path.unlink()
