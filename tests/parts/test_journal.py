from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from selftaught.errors import UserError
from selftaught.parts.journal import Journal

N, DIM = 12, 3


class Kept:
    """Rows in an array, noted before they are overwritten."""

    def __init__(self, folder: Path) -> None:
        self.rows = np.arange(N * DIM, dtype=np.float32).reshape(N, DIM)
        self.writes = 0
        self.journal = Journal(folder, N, DIM)
        self.journal.start()

    def write(self, index: list[int], value: float) -> None:
        at = np.array(sorted(set(index)), dtype=np.int64)
        self.journal.note(at, lambda i: self.rows[i])
        self.rows[at] = value
        self.writes += 1

    def put(self, index: Any, rows: Any) -> None:
        self.rows[index] = rows


def rewound(kept: Kept, folder: Path, writes: int) -> np.ndarray[Any, Any]:
    """What another process that finds the same files makes of the same rows."""
    journal = Journal(folder, N, DIM)
    journal.rewind(writes, kept.put)
    return kept.rows


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_any_mark_that_is_wanted_can_be_gone_back_to(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("journal")
    kept = Kept(folder)
    wanted: dict[int, tuple[int, Any]] = {}
    for step in range(data.draw(st.integers(1, 12))):
        kept.write(data.draw(st.lists(st.integers(0, N - 1), min_size=1, max_size=5)), float(step))
        if data.draw(st.booleans()):
            kept.journal.mark(kept.writes, step, list(wanted))
            wanted[step] = (kept.writes, kept.rows.copy())
            for gone in data.draw(st.lists(st.sampled_from(sorted(wanted)), max_size=2)):
                if len(wanted) > 1:
                    wanted.pop(gone, None)
    for writes, rows in sorted(wanted.values(), reverse=True, key=lambda pair: pair[0]):
        assert np.array_equal(rewound(kept, folder, writes), rows)
        journal = Journal(folder, N, DIM)
        if data.draw(st.booleans()):
            journal.forget(writes)


def test_a_record_that_was_cut_short_is_nobodys(tmp_path: Path) -> None:
    kept = Kept(tmp_path)
    kept.write([1, 2], -1)
    file = tmp_path / "undo-000000000000"
    whole = file.read_bytes()
    kept.journal.note(np.array([3, 4]), lambda i: kept.rows[i])
    longer = file.read_bytes()
    start = np.arange(N * DIM, dtype=np.float32).reshape(N, DIM)
    for size in range(len(whole), len(longer)):
        file.write_bytes(longer[:size])
        kept.rows[[1, 2]] = -1
        assert np.array_equal(rewound(kept, tmp_path, 0), start)
        assert file.read_bytes() == whole
    file.write_bytes(whole + bytes(4096))  # a power cut after the file grew
    assert np.array_equal(rewound(kept, tmp_path, 0), start)


@pytest.mark.parametrize("at", [0, 9, 13, 40])
def test_a_flipped_bit_is_found_out(at: int, tmp_path: Path) -> None:
    kept = Kept(tmp_path)
    kept.write([1, 2], -1)
    kept.write([3], -1)
    file = tmp_path / "undo-000000000000"
    data = bytearray(file.read_bytes())
    data[at] ^= 4
    file.write_bytes(data)
    with pytest.raises(UserError, match="is damaged, so the run cannot go on"):
        rewound(kept, tmp_path, 0)


def test_a_row_is_noted_once_between_two_marks(tmp_path: Path) -> None:
    kept = Kept(tmp_path)
    kept.write([1, 2], -1)
    size = (tmp_path / "undo-000000000000").stat().st_size
    kept.write([2, 1], -2)
    assert (tmp_path / "undo-000000000000").stat().st_size == size
    kept.journal.mark(2, 7, [])
    kept.write([1], -3)
    assert (tmp_path / "undo-000000000002").stat().st_size > 0
    assert not (tmp_path / "undo-000000000000").exists()  # no checkpoint stands there


def test_notes_reach_the_disk_before_the_rows_change(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = Kept(tmp_path)
    synced: list[str] = []
    real = os.fsync
    monkeypatch.setattr(os, "fsync", lambda fd: (synced.append(os.readlink(f"/proc/self/fd/{fd}")), real(fd)))
    kept.journal.note(np.array([5]), lambda i: kept.rows[i])
    assert [Path(p).name for p in synced] == ["undo-000000000000"]


def test_a_full_disk_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = Kept(tmp_path)

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(UserError, match="No space left on device; the checkpoints are intact"):
        kept.journal.note(np.array([5]), lambda i: kept.rows[i])


def test_what_was_forgotten_is_gone(tmp_path: Path) -> None:
    kept = Kept(tmp_path)
    with pytest.raises(UserError, match="does not reach back"):
        kept.journal.rewind(3, kept.put)
    kept.write([1], -1)
    kept.journal.mark(1, 1, [])
    kept.journal.must_be_at(1)
    with pytest.raises(UserError, match="another moment of the run"):
        kept.journal.must_be_at(0)
