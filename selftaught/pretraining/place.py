"""The folder of a run: its name, its creation, and its removal when the run fails before its first step."""

from __future__ import annotations

import hashlib
import importlib.metadata
import os
import re
import shutil
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from selftaught import methods
from selftaught.config import LENGTHS, Config, Layer
from selftaught.errors import UserError
from selftaught.method import Source
from selftaught.parts.packed import opens
from selftaught.pretraining.progress import Watch
from selftaught.pretraining.result import stored
from selftaught.run import RunFolder, to_json, write_atomically

RUNS = Path("runs")
"""The folder for runs without ``--out``."""


def rank() -> int:
    """The rank of this process under torchrun; 0 for a single process."""
    return int(os.environ.get("RANK", 0))


def create(path: Path, config: Config, notes: Mapping[str, Any]) -> RunFolder:
    """The run folder, written by rank 0 alone. Raises UserError when something is there."""
    sections = config.as_dict() | {"version": importlib.metadata.version("selftaught")} | dict(notes)
    if methods.is_file(config.method):
        sections["method_file"] = _digest(config.method)
    return RunFolder.create(path, sections) if rank() == 0 else RunFolder(path, sections)


def free(config: Config, watch: Watch | None) -> Path:
    """runs/METHOD-DATA, or with the first number that is free."""
    first = RUNS / f"{Path(config.method).stem}-{called(config)}"
    path = unused(first)
    if watch:
        watch.say(f"the run goes to {path}" + (f" ({first} exists already)" if path != first else ""))
    return path


def called(config: Config) -> str:
    """What the name of a run folder says of the data."""
    return re.split(r"[-_]?[.{]", Path(config.data["source"] or "memory").name)[0] or "data"


def unused(first: Path) -> Path:
    """`first`, or `first` with the first number from 2 that is free."""
    path, number = first, 1
    while path.exists():
        number += 1
        path = first.with_name(f"{first.name}-{number}")
    return path


def must_agree(config: Config, folder: RunFolder) -> None:
    """Raises UserError when `config` is not that of the run: continuing would be neither the old run nor a new one."""
    now, then = Layer.of(config.as_dict()).values, Layer.of(stored(folder).as_dict()).values
    # fit replaced the minutes by the steps they came to
    chosen = "chosen_for_minutes" in folder.config.get("recipe", {})
    for key, value in now.items():
        if value != then.get(key) and not (chosen and key in LENGTHS):
            raise UserError(
                f"the run {folder.path} was started with {key} {then.get(key)}, not {value}: "
                f"continue it as it is with 'selftaught resume {folder.path}', or choose another --out"
            )


def same_file(config: Config, folder: RunFolder) -> None:
    """Raises UserError when the file of your own method is not what the run was started with.

    Other code gives other weights.
    """
    if methods.is_file(config.method) and folder.config.get("method_file") != _digest(config.method):
        raise UserError(
            f"{config.method} has changed since the run {folder.path} was started: restore it, or start a new run"
        )


def _digest(path: str) -> str:
    try:
        return hashlib.sha256(Path(path).read_bytes()).hexdigest()
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}") from error


def forget(folder: RunFolder) -> None:
    """Remove the folder of a run that failed before its first step."""
    with suppress(OSError):
        if not folder.metrics() and not any((folder.path / "checkpoints").iterdir()):
            shutil.rmtree(folder.path)


def finished(folder: RunFolder, watch: Watch | None) -> bool:
    """Whether nothing is left to do; says so.

    A run whose weights cannot be opened is not finished: it is continued from its last checkpoint, which writes them.
    """
    summary, planned = folder.summary, folder.resolved.get("steps", 0)
    weights = (folder.path / "encoder.safetensors", folder.path / "method.safetensors")
    done = bool(summary.get("finished")) and all(map(opens, weights))
    done = done and summary.get("steps", 0) >= planned  # or it was continued beyond its first end, and not yet there
    if done and watch:
        watch.say(f"the run {folder.path} is finished already, at step {summary.get('steps')}")
    return done


def name_classes(source: Source, folder: RunFolder) -> None:
    """RUN/classes.json: the names of the classes, so that predictions can be named without the data."""
    if rank() == 0:
        folder.write_json("classes.json", list(source.classes))


def name_skipped(source: Source, folder: RunFolder, watch: Watch | None) -> None:
    """RUN/skipped.jsonl: what could not be read, one line each with its reason."""
    skipped = source.skipped
    if skipped and rank() == 0:
        write_atomically(folder.path / "skipped.jsonl", b"".join(to_json(entry, indent=None) for entry in skipped))
        if watch:
            watch.say(f"{len(skipped):,} skipped: {folder.path / 'skipped.jsonl'} says why")
