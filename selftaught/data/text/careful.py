"""Read around what is not text: the lines that cannot be read are left out and named, the others are kept.

Text is read without these checks first (the scanner makes them on the way); only when that fails is it read again, line
by line.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from selftaught.data.folders import shown
from selftaught.data.text import files, records
from selftaught.data.text.files import NUL, File, How, NotText
from selftaught.kernels.scan import LONGEST
from selftaught.parts.tokens import tokenise

PIECE = 1 << 17
"""Bytes of a line that are judged together: a longer line, such as a whole text without line ends, is cut at spaces."""
MANY = 10
"""Lines that must be unreadable before a file is taken to be of another encoding, unless they are half of it."""

Told = Callable[[int, str], None]
"""Is told the line number of each line that was left out, and the reason."""


def fault(data: bytes, how: How) -> str:
    """Return why `data` is not text, or "". A reason has at most four of the bytes."""
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        return f"not UTF-8 (bytes {files.hexadecimal(data[error.start :])})"
    if b"\0" in data:
        return NUL
    if len(data) > LONGEST and max(map(len, data.split()), default=0) > LONGEST:
        longest = max(len(token.encode()) for token in tokenise(text, how.tokens, how.lower, how.form))
        return f"a word of more than {LONGEST:,} bytes" if longest > LONGEST else ""
    return ""


def pieces(path: Path, how: How) -> Iterator[tuple[int, bytes]]:
    """Yield (line number, from 1; the line with its end, or a piece of a long line) of a file."""
    number, left = 1, b""
    for block in files.blocks(path, how.errors, how.encoding):
        *lines, left = (left + block).split(b"\n")
        for line in lines:
            for piece in _pieces(line + b"\n"):
                yield number, piece
            number += 1
        *done, left = _pieces(left)
        for piece in done:
            yield number, piece
    if left:
        yield number, left


def _pieces(line: bytes) -> list[bytes]:
    """Return a line in pieces of at most PIECE bytes; one, perhaps empty, if it is not longer."""
    found = list[bytes]()
    while len(line) > PIECE:
        cut = _cut(line)
        found.append(line[:cut])
        line = line[cut:]
    return [*found, line]


def _cut(line: bytes) -> int:
    """Return where to cut a long line: after its last space within PIECE bytes, or between two characters."""
    cut = max(line.rfind(b" ", 0, PIECE), line.rfind(b"\t", 0, PIECE)) + 1
    if cut == 0:
        cut = PIECE
        while cut > PIECE - 4 and line[cut] & 0xC0 == 0x80:
            cut -= 1
    return cut


def kept(path: Path, how: How, told: Told) -> Iterator[bytes]:
    """Yield the bytes of a file, with a line end, or a space, for each line or piece that is not text."""
    batch, size = list[bytes](), 0
    for number, line in pieces(path, how):
        if reason := fault(line, how):
            told(number, reason)
            line = b"\n" if line.endswith(b"\n") else b" "
        batch.append(line)
        size += len(line)
        if size >= files.BLOCK:
            yield b"".join(batch)
            batch, size = [], 0
    yield b"".join(batch)


def whole_fault(file: File, how: How) -> str:
    """Return why nothing of `file` should be read, or "": it is damaged, or of another encoding.

    It is of another encoding if half of its lines are not UTF-8, or a tenth (and most of those that are not ASCII).
    """
    name = shown(str(file.path))
    try:
        if file.kind == "table":
            for _ in records.rows(file.path, how):
                pass
            return ""
        lines = wide = bad = nul = 0
        first = ""
        for number, line in pieces(file.path, how):
            if not line.strip():
                continue
            lines += 1
            wide += not line.isascii()
            if reason := fault(line, how):
                bad += 1
                nul += b"\0" in line
                first = first or f"line {number}: {reason}"
    except NotText as error:
        return str(error).removeprefix(f"{name}: ")
    if 2 * nul > lines:
        return f"{first}: this is not text, or it is UTF-16: then read it with --encoding utf-16"
    if 2 * bad > lines or (bad >= MANY and 10 * bad > lines and 2 * bad > wide):
        return (
            f"{first}, and {bad:,} of its {lines:,} lines are not: name its encoding, such as --encoding latin-1, "
            "cp1252, gb18030 or utf-16, or replace the bytes with --errors replace"
        )
    return ""
