"""An undo journal: what rows outside the checkpoints held before they were overwritten."""

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

# rows in the record, CRC-32 of what follows (indices, int64, and rows, float32), CRC-32 of these two
_HEAD = struct.Struct("<qII")
_NAME = re.compile(r"undo-(\d{12,})")


@final
class Journal:
    """Rows are noted here, synced, before they are overwritten elsewhere; `rewind` puts back what they held.

    Time is a count of writes. Wherever the caller may want to go back to, it calls `mark`; between two marks each row
    is noted once, with what it held at the first of them, so the files of one interval are never larger than all rows.
    Marks that nobody wants any more are dropped, and their notes join those of the mark before. A process may be killed
    at any moment.

    Args:
        folder: Where its files are: ``undo-WRITES``, one for each mark, and ``marks.json``.
        rows: How many rows there are.
        dim: Numbers in a row.
    """

    def __init__(self, folder: Path, rows: int, dim: int) -> None:
        self.folder, self.rows, self.dim = folder, rows, dim
        self.noted = np.zeros(rows, dtype=bool)  # since the newest mark
        self.current = folder  # the newest mark's file, once there is one

    def start(self) -> None:
        """Forget everything: the rows are new and were never overwritten."""
        self.folder.mkdir(parents=True, exist_ok=True)
        for path in self._files().values():
            path.unlink()
        self._remember({})
        self._begin(0)

    def note(self, index: Ints, get: Get) -> None:
        """The rows `index` [B], each once, are about to be overwritten; `get` gives what they hold.

        Returns when the disk has it.
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
                f"cannot write {self.current}: {e.strerror}; the checkpoints are intact: make room and resume"
            ) from e
        self.noted[fresh] = True

    def mark(self, writes: int, step: int, wanted: Collection[int]) -> None:
        """The checkpoint of `step` is about to be written, after so many writes.

        Of older ones, those of the steps `wanted` are there.
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
        """Put back what the rows held after so many writes, and forget what came after.

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
        """What `rewind` put back is safe on the disk, so what came after these writes is no longer needed."""
        for begun, path in sorted(self._files().items(), reverse=True):
            if begun > writes:
                path.unlink()
        self._remember({s: w for s, w in self._marks().items() if w <= writes})
        self._begin(writes)

    def must_be_at(self, writes: int) -> None:
        """Raises UserError when the rows have gone on since so many writes: for readers, who may not rewind."""
        if max(self._files(), default=-1) != writes:
            raise UserError(
                f"the rows in {self.folder} belong to another moment of the run than what was loaded: finish the "
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
        """Its records. The last one may be half written: then nobody acted upon it yet, and it is cut off."""
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
                    break  # zeros: a power cut after the file grew and before its contents came
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
        """Let `older` reach as far as `newer`: it takes those of its rows that it does not have."""
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
        """Steps of checkpoints, and the writes at each."""
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
    """Make what was made, renamed and removed in `folder` survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
