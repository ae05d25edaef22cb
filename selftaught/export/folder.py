"""A folder of files that is there whole, or not at all."""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Mapping
from pathlib import Path

from selftaught.errors import UserError
from selftaught.parts.packed import Parts
from selftaught.run import check_writable, sync_folder, write_synced

Files = Mapping[str, bytes | Parts]
"""The content of each file by its path inside the folder."""


def check(path: Path) -> None:
    """Raises UserError if something is at `path`, or a folder cannot be made there. Call it before the work."""
    if path.is_dir() and not any(path.iterdir()):
        return
    if path.exists():
        raise UserError(f"{path} exists already: choose another --out, or remove it")
    check_writable(path)


def write(path: Path, files: Files) -> None:
    """Write a new folder. Raises UserError if something is there, or the disk is full; then there is none."""
    check(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}-{threading.get_ident()}.tmp")
    try:
        for name, content in files.items():
            (temporary / name).parent.mkdir(parents=True, exist_ok=True)
            write_synced(temporary / name, content)
        for folder in {(temporary / name).parent for name in files} | {temporary}:
            sync_folder(folder)
        os.replace(temporary, path)
        sync_folder(path.absolute().parent)
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror}") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
