"""An undo journal: the previous values of overwritten rows that are not in the checkpoints."""

from __future__ import annotations

import json
import os
import re
import struct
import zlib
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from selftaught.errors import UserError

Ints = NDArray[np.int64]
Floats = NDArray[np.float32]
Get = Callable[[Ints], Floats]
Put = Callable[[Ints, Floats], None]

# number of rows, CRC-32 of the data that follows (indices, int64, and rows, float32), CRC-32 of these two
_HEAD = struct.Struct("<qII")
_NAME = re.compile(r"undo-(\d{12,})")


@final
class Journal:
    """Stores rows on disk before they are overwritten elsewhere. `rewind` restores them.

    Time is measured in writes. Call `mark` at each point to which the caller may return. Between two marks each row is
    stored once, with its value at the first mark, so the files of one interval are never larger than all rows. Marks
    that are no longer needed are removed, and their rows join those of the previous mark. The process may be killed at
    any time.

    Args:
        folder: The folder of its files: ``undo-WRITES``, one for each mark, and ``marks.json``.
        rows: Number of rows.
        dim: Dimension of a row.
    """

    def __init__(self, folder: Path, rows: int, dim: int) -> None:
        self.folder, self.rows, self.dim = folder, rows, dim
        self.noted = np.zeros(rows, dtype=bool)  # since the newest mark
        self.current = folder  # the file of the newest mark, if there is one

    def start(self) -> None:
        """Clear the journal: all rows are new and were never overwritten."""
        self.folder.mkdir(parents=True, exist_ok=True)
        for path in self._files().values():
            path.unlink()
        self._remember({})
        self._begin(0)

    def note(self, index: Ints, get: Get) -> None:
        """Store the rows `index` [B], without repetition, before they are overwritten. `get` returns their values.

        Returns when they are on disk.
        """
        fresh = index[~self.noted[index]]
        if len(fresh) == 0:
            return
        try:
            with self.current.open("ab") as file:
                file.write(self._record(fresh, get(fresh)))
                file.flush()
                os.fsync(file.fileno())
        except OSError as e:
            raise UserError(
                f"cannot write {self.current}: {e.strerror}; the checkpoints are intact: free disk space and resume"
            ) from e
        self.noted[fresh] = True

    def mark(self, writes: int, step: int, wanted: Collection[int]) -> None:
        """Add a mark for the checkpoint of `step`, after `writes` writes.

        Older checkpoints of the steps `wanted` exist.
        """
        if f"undo-{writes:012d}" != self.current.name:
            self._begin(writes)
        marks = {s: w for s, w in self._marks().items() if s in wanted} | {step: writes}
        self._remember(marks)
        older: int | None = None
        for begun, path in sorted(self._files().items()):
            if begun in marks.values():
                older = begun
                continue
            if older is not None:
                self._join(self._files()[older], path)
            path.unlink()

    def rewind(self, writes: int, put: Put) -> None:
        """Restore the rows to their values after `writes` writes, and discard later entries.

        Raises UserError when there is no such mark, or a file is damaged.
        """
        files = self._files()
        if writes not in files:
            raise UserError(
                f"the undo journal in {self.folder} does not reach back to this checkpoint: start a new run"
            )
        for begun in sorted((w for w in files if w >= writes), reverse=True):
            for index, rows in self._read(files[begun]):
                put(index, rows)

    def forget(self, writes: int) -> None:
        """Discard the entries after `writes` writes, because the restored rows are on disk."""
        for begun, path in sorted(self._files().items(), reverse=True):
            if begun > writes:
                path.unlink()
        self._remember({s: w for s, w in self._marks().items() if w <= writes})
        self._begin(writes)

    def must_be_at(self, writes: int) -> None:
        """Raises UserError when the rows were written after `writes` writes. For readers, which may not rewind."""
        if max(self._files(), default=-1) != writes:
            raise UserError(
                f"the rows in {self.folder} belong to a later step of the run than the loaded checkpoint: finish the "
                "run first"
            )

    # --- files --------------------------------------------------------------------------------------------------------

    def _files(self) -> dict[int, Path]:
        if not self.folder.is_dir():
            return {}
        return {int(m[1]): p for p in self.folder.iterdir() if (m := _NAME.fullmatch(p.name))}

    def _begin(self, writes: int) -> None:
        self.current = self.folder / f"undo-{writes:012d}"
        with self.current.open("wb") as file:
            os.fsync(file.fileno())
        _sync(self.folder)
        self.noted[:] = False

    def _record(self, index: Ints, rows: Floats) -> bytes:
        body = np.ascontiguousarray(index, "<i8").tobytes() + np.ascontiguousarray(rows, "<f4").tobytes()
        head = struct.pack("<qI", len(index), zlib.crc32(body))
        return head + struct.pack("<I", zlib.crc32(head)) + body

    def _read(self, path: Path) -> Iterator[tuple[Ints, Floats]]:
        """Return the records of a file. An incomplete last record was never used and is removed."""
        size = path.stat().st_size
        whole = 0
        with path.open("rb") as file:
            while head := file.read(_HEAD.size):
                if len(head) < _HEAD.size:
                    break
                count, checksum, mine = _HEAD.unpack(head)
                if zlib.crc32(head[:-4]) != mine:
                    if any(head + file.read()):
                        raise self._damaged(path)
                    break  # zeros: a power failure after the file grew and before its data was written
                body = file.read(count * (8 + 4 * self.dim))
                if len(body) < count * (8 + 4 * self.dim):
                    break
                if zlib.crc32(body) != checksum:
                    if file.tell() < size:
                        raise self._damaged(path)
                    break
                whole = file.tell()
                index = np.frombuffer(body, "<i8", count).astype(np.int64)
                yield index, np.frombuffer(body, "<f4", offset=8 * count).astype(np.float32).reshape(count, self.dim)
        if whole < size:
            os.truncate(path, whole)

    def _damaged(self, path: Path) -> UserError:
        return UserError(
            f"the undo journal {path} is damaged, so the run cannot go on from this checkpoint: start a new run"
        )

    def _join(self, older: Path, newer: Path) -> None:
        """Add to `older` the rows of `newer` that it does not have."""
        has = np.zeros(self.rows, dtype=bool)
        for index, _ in self._read(older):
            has[index] = True
        with older.open("ab") as file:
            for index, rows in self._read(newer):
                fresh = ~has[index]
                if fresh.any():
                    file.write(self._record(index[fresh], rows[fresh]))
                has[index] = True
            file.flush()
            os.fsync(file.fileno())

    def _marks(self) -> dict[int, int]:
        """Return the steps of the checkpoints and the number of writes at each."""
        marks: dict[str, Any] = json.loads((self.folder / "marks.json").read_bytes())
        return {int(step): int(writes) for step, writes in marks.items()}

    def _remember(self, marks: dict[int, int]) -> None:
        new = self.folder / "marks.new"
        with new.open("w") as file:
            json.dump(marks, file)
            file.flush()
            os.fsync(file.fileno())
        new.replace(self.folder / "marks.json")
        _sync(self.folder)


def _sync(folder: Path) -> None:
    """Sync the folder, so that created, renamed and removed files survive a power failure."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
