"""Recorded trajectories: .npz files with an array for what was seen, and for actions, rewards and ends."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from selftaught.data.agent.source import Observations, check_shape
from selftaught.data.folders import shown
from selftaught.data.numpy_arrays import damaged, headers
from selftaught.errors import UserError
from selftaught.kind import Progress
from selftaught.source import Skipped

SUFFIX = ".npz"
NAMES = {
    "seen": ("observations", "observation", "obs"),
    "action": ("actions", "action"),
    "reward": ("rewards", "reward"),
    "over": ("done", "dones", "terminals", "terminated"),
}
"""What arrays may be called; only the first is needed."""
Arrays = dict[str, NDArray[Any]]


def is_one(path: Path) -> bool:
    """Return whether a file holds observations [T, C, H, W]."""
    found = (headers(path) if path.suffix.lower() == SUFFIX else None) or {}
    return any(name in found and len(found[name][0]) == 4 for name in NAMES["seen"])


def files(folder: Path) -> list[Path]:
    """Return the .npz files below a folder, sorted, without hidden ones."""
    found = (path for path in folder.rglob(f"*{SUFFIX}") if not path.name.startswith("."))
    return sorted(path for path in found if path.is_file())


def read(path: Path) -> Arrays:
    """Return the arrays of one file by the keys of `NAMES`. Raises UserError.

    Without ends, the last moment ends the only episode. Actions and rewards that are not there are 0.
    """
    where = shown(str(path))
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            held = {key: next((name for name in names if name in archive), None) for key, names in NAMES.items()}
            if held["seen"] is None:
                has = ", ".join(archive.files) or "nothing"
                raise UserError(f"{where}: holds {has}, but no array 'observations' of shape [T, C, H, W]")
            found = {key: np.asarray(archive[name]) for key, name in held.items() if name is not None}
    except UserError:
        raise
    except Exception as error:
        raise damaged(path, error) from None
    seen = found["seen"]
    if seen.ndim != 4 or not len(seen):
        raise UserError(f"{where}: observations must be [T, C, H, W], not of shape {list(seen.shape)}")
    check_shape(where, seen[0])
    for key, array in found.items():
        if len(array) != len(seen):
            raise UserError(f"{where}: {held[key]} has {len(array):,} entries for {len(seen):,} observations")
        if key != "seen" and (array.ndim != 1 or array.dtype.kind not in "buif"):
            raise UserError(f"{where}: {held[key]} must be one number for each observation, not {list(array.shape)}")
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            at = int(np.argmin(np.isfinite(array).reshape(len(array), -1).all(1)))
            raise UserError(f"{where}: entry {at:,} of {held[key]} is not a finite number")
    return found


def opened(paths: Sequence[Path], where: str, progress: Progress) -> Observations:
    """Return all moments of some files in order; the end of a file is the end of an episode.

    One file that cannot be read is refused, of several each that cannot, or has observations of another shape, is
    skipped. Raises UserError if none is left.
    """
    kept: list[Arrays] = []
    skipped: list[Skipped] = []
    for done, path in enumerate(paths):
        try:
            one = read(path)
            if kept and one["seen"].shape[1:] != kept[0]["seen"].shape[1:]:
                shapes = [list(arrays["seen"].shape[1:]) for arrays in (one, kept[0])]
                raise UserError(f"{path}: observations of shape {shapes[0]}, not {shapes[1]} as before")
            kept.append(one)
        except UserError as error:
            if len(paths) == 1:
                raise
            skipped.append({"path": shown(str(path)), "reason": str(error)})
        progress(done + 1, len(paths))
    if not kept:
        why = f": {skipped[0]['reason']}" if skipped else ""
        raise UserError(f"{where}: no trajectory in it can be used ({len(skipped)} of {len(paths)} skipped{why})")
    action, reward, over = (_joined(kept, key, dtype) for key, dtype in COLUMNS)
    over[np.cumsum([len(one["seen"]) for one in kept]) - 1] = True
    actions = int(action.max()) + 1 if any("action" in one for one in kept) else 0
    seen = np.concatenate([one["seen"] for one in kept])
    return Observations(seen, action, reward, over, actions=actions, skipped=skipped)


COLUMNS: tuple[tuple[str, Any], ...] = (("action", np.int64), ("reward", np.float32), ("over", np.bool_))


def _joined(kept: Sequence[Arrays], key: str, dtype: Any) -> NDArray[Any]:
    return np.concatenate([one.get(key, np.zeros(len(one["seen"]))).astype(dtype) for one in kept])
