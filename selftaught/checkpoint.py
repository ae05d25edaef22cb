"""Checkpoints that survive SIGKILL, power cuts, full disks and flipped bits.

A checkpoint is a folder ``checkpoints/step-00000123`` with a few files and a ``manifest.json`` that has the SHA-256 of
each. It is written under a temporary name, synced and then renamed, so that a folder with its final name was once
complete. Neither torch nor safetensors detects a flipped bit, so the digests are checked before anything is loaded. If
a checkpoint is damaged, the one before it is used.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from selftaught.errors import UserError
from selftaught.parts.packed import Parts
from selftaught.run import RunFolder, sync_folder, to_json, write_synced

_NAME = re.compile(r"step-(\d{8,})")


class Checkpoint(NamedTuple):
    """A checkpoint that was read and verified."""

    step: int
    files: dict[str, bytes]
    damaged: list[str]
    """Newer checkpoints that were skipped, each with the reason."""


def write(run: RunFolder, step: int, files: Mapping[str, bytes | Parts], loss: float, keep: int) -> Path:
    """Save `files` as the checkpoint of `step`, then delete all but the newest `keep` and the one with the lowest loss.

    Raises UserError if the disk is full; the existing checkpoints stay intact.
    """
    folder = run.path / "checkpoints"
    final = folder / f"step-{step:08d}"
    temporary = folder / f".writing-{os.getpid()}"
    try:
        for stale in folder.glob(".writing-*"):  # left by a killed process, because this one holds the lock
            shutil.rmtree(stale)
        temporary.mkdir()
        for name, data in files.items():
            write_synced(temporary / name, data)
        digests = {name: _digest(data) for name, data in files.items()}
        write_synced(temporary / "manifest.json", to_json({"step": step, "loss": loss, "sha256": digests}))
        sync_folder(temporary)
        if final.exists():  # the same step again: the earlier checkpoint was damaged
            shutil.rmtree(final)
        temporary.rename(final)
        sync_folder(folder)
    except OSError as e:
        shutil.rmtree(temporary, ignore_errors=True)
        last = newest(run)
        where = f"the last good checkpoint is {last.name}" if last else "there is no earlier checkpoint"
        raise UserError(
            f"cannot save the checkpoint of step {step} in {folder}: {e.strerror}; {where}: free some space and resume"
        ) from e
    _prune(folder, keep)
    return final


def _digest(data: bytes | Parts) -> str:
    whole = hashlib.sha256()
    for part in [data] if isinstance(data, bytes) else data:
        whole.update(part)
    return whole.hexdigest()


def newest(run: RunFolder) -> Path | None:
    """Return the newest checkpoint by name, unverified."""
    return max(_all(run.path / "checkpoints").values(), default=None)


def steps(run: RunFolder) -> list[int]:
    """Return the steps of all checkpoints by name, unverified, ascending."""
    return sorted(_all(run.path / "checkpoints"))


def load(run: RunFolder) -> Checkpoint | None:
    """Load the newest undamaged checkpoint, or return None if there is none yet.

    Raises UserError if there are checkpoints and all are damaged.
    """
    damaged: list[str] = []
    for step, path in sorted(_all(run.path / "checkpoints").items(), reverse=True):
        try:
            manifest = json.loads((path / "manifest.json").read_bytes())
            files = {name: (path / name).read_bytes() for name in manifest["sha256"]}
            for name, digest in manifest["sha256"].items():
                if hashlib.sha256(files[name]).hexdigest() != digest:
                    raise ValueError(f"{name} does not match its SHA-256")
            if manifest["step"] != step:
                raise ValueError("manifest.json has a different step")
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as e:
            damaged.append(f"{path.name}: {e}")
            continue
        return Checkpoint(step, files, damaged)
    if damaged:
        raise UserError(
            f"every checkpoint in {run.path / 'checkpoints'} is damaged ({'; '.join(damaged)}): start a new run"
        )
    return None


def _all(folder: Path) -> dict[int, Path]:
    if not folder.is_dir():
        return {}
    return {int(m[1]): p for p in folder.iterdir() if (m := _NAME.fullmatch(p.name))}


def _loss(path: Path) -> float:
    try:
        loss: Any = json.loads((path / "manifest.json").read_bytes())["loss"]
        return float(loss) if loss is not None else math.inf
    except (OSError, ValueError, KeyError, TypeError):
        return math.inf


def _prune(folder: Path, keep: int) -> None:
    found = sorted(_all(folder).items())
    best = min(found, key=lambda item: _loss(item[1]))[0] if found else -1
    for step, path in found[:-keep]:
        if step != best:
            # Renamed first, so that a kill during the deletion never leaves half a checkpoint under its final name.
            doomed = path.with_name(f".writing-old-{path.name}")
            path.rename(doomed)
            shutil.rmtree(doomed)
