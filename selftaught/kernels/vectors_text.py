"""Word vectors as text and as word2vec's binary records: reading and writing blocks of bytes.

Decimal to float32 is exact. A number's first 19 digits and a power of ten give a float64 that is off by less than two
units in its last place; it decides the float32 unless it lies within eight such units of the middle between two of
them, or below the normal range. Those few (one in tens of millions) are handed back by position, for the caller to
settle with exact arithmetic.

float32 to decimal is the fewest of 6 to 9 significant digits that any reader reads back as the same float32 (none just
between two of them), zeros at the end dropped: 9 always suffice (Goldberg 1991, "What Every Computer Scientist Should
Know About Floating-Point Arithmetic"), and below the normal range 9 are written.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]
Floats = NDArray[np.float32]
Ints = NDArray[np.int64]

FINE, SHORT, LONG, NOT_A_NUMBER, NOT_FINITE, NO_WORD, NUL, BLANK, FULL = range(9)
"""What stopped a block: nothing; too few or too many numbers; a field that is no number, or none that float32 holds; a
line that begins with a space; a byte 0 in a word; an empty line; no more room for what is to be settled exactly."""
WIDEST = 16
"""Bytes that a written number takes at most, the space before it included."""

_POWERS = np.array([float(f"1e{e}") for e in range(-80, 81)])
_NORMAL = 2.0**-126
_TOO_LARGE = (2.0**128 - 2.0**103) * (1 - 2.0**-50)  # half a step above the largest float32
_MIDDLE, _LOW = np.int64(1 << 28), np.int64((1 << 29) - 1)  # of the 29 bits that float64's fraction has more


@njit(cache=True, nogil=True)
def _is_settled(x: float) -> bool:
    """Whether every real number within a few float64 units of `x` >= 0 rounds to the same float32, a normal one."""
    return x > _NORMAL * 1.0001 and bool(abs((np.float64(x).view(np.int64) & _LOW) - _MIDDLE) > 8)


@njit(cache=True, nogil=True)
def _scaled(digits: np.uint64, exponent: int) -> float:
    """digits * 10**exponent, exponent in [-80, 80]."""
    if exponent < 0 and exponent >= -22:
        return float(np.float64(digits) / _POWERS[80 - exponent])  # 10**22 is the last power that float64 holds exactly
    return float(np.float64(digits) * _POWERS[80 + exponent])


@njit(cache=True, nogil=True)
def _number(text: Bytes, i: int, end: int) -> tuple[float, int, int, bool]:
    """The number that begins at `i`.

    Its value, where it ends, FINE or what is wrong, and whether float32(value) is exact.
    """
    negative = text[i] == 45
    if negative or text[i] == 43:
        i += 1
    digits, kept, exponent, seen = np.uint64(0), 0, 0, False
    point = False
    while i < end:
        c = np.int64(text[i])
        if 48 <= c <= 57:
            seen = True
            if kept < 19:
                digits = digits * np.uint64(10) + np.uint64(c - 48)
                kept += digits != 0
                exponent -= point
            else:
                exponent += not point
        elif c == 46 and not point:
            point = True
        else:
            break
        i += 1
    if not seen:
        return 0.0, i, NOT_A_NUMBER, True
    if i < end and (text[i] == 101 or text[i] == 69):
        i += 1
        below = i < end and text[i] == 45
        if i < end and (text[i] == 45 or text[i] == 43):
            i += 1
        power, seen = 0, False
        while i < end and 48 <= text[i] <= 57:
            power = min(10 * power + int(text[i]) - 48, 99_999)
            seen = True
            i += 1
        if not seen:
            return 0.0, i, NOT_A_NUMBER, True
        exponent += -power if below else power
    if i < end and text[i] != 32 and text[i] != 10 and text[i] != 9 and text[i] != 13:
        return 0.0, i, NOT_A_NUMBER, True
    if digits == 0 or kept + exponent < -50:
        return (-0.0 if negative else 0.0), i, FINE, True
    if kept + exponent > 40:
        return 0.0, i, NOT_FINITE, True
    value = _scaled(digits, exponent)
    if value >= _TOO_LARGE:
        return 0.0, i, NOT_FINITE, True
    return (-value if negative else value), i, FINE, _is_settled(value)


@njit(cache=True, nogil=True)
def parse_lines(
    text: Bytes, start: int, matrix: Floats, row: int, stop: int, words: Bytes, used: int, unsettled: Ints
) -> tuple[int, int, int, int, int, int]:
    """Read lines "word number number ..." of `text` from `start` into rows `row` to `stop` of `matrix`.

    Every line ends there.

    Args:
        text: uint8, whole lines; the last may lack its newline.
        start: Where the first line begins.
        matrix: float32 [V, D], D numbers a line.
        row: The first line's row.
        stop: The row before which to stop.
        words: Takes every word and a newline after it; at least as long as `text`.
        used: Bytes of `words` in use.
        unsettled: int64 [N, 4], takes row, column, start and end of each number that is to be settled exactly.

    Returns:
        The next row, where its line begins, bytes of `words` in use, rows of `unsettled` in use, why it stopped, and
        the column (from 0) that stopped it.
    """
    end, dim, waiting = len(text), matrix.shape[1], 0
    i = start
    while i < end and row < stop:
        line, before = i, used
        while i < end and text[i] != 32 and text[i] != 9 and text[i] != 10 and text[i] != 13:
            if text[i] == 0:
                return row, line, before, waiting, NUL, 0
            words[used] = text[i]
            used += 1
            i += 1
        if used == before:
            return row, line, before, waiting, (NO_WORD if i < end and (text[i] == 32 or text[i] == 9) else BLANK), 0
        words[used] = 10
        used += 1
        before_line = waiting
        for k in range(dim):
            while i < end and (text[i] == 32 or text[i] == 9):
                i += 1
            if i == end or text[i] == 10 or text[i] == 13:
                return row, line, before, before_line, SHORT, k
            first = i
            value, i, found, settled = _number(text, i, end)
            if found != FINE:
                return row, line, before, before_line, found, k
            if not settled and value != 0.0:
                if waiting == len(unsettled):
                    return row, line, before, before_line, FULL, k
                unsettled[waiting, 0], unsettled[waiting, 1], unsettled[waiting, 2], unsettled[waiting, 3] = (
                    row,
                    k,
                    first,
                    i,
                )
                waiting += 1
            matrix[row, k] = np.float32(value)
        while i < end and (text[i] == 32 or text[i] == 9 or text[i] == 13):
            i += 1
        if i < end and text[i] != 10:
            return row, line, before, before_line, LONG, dim
        i += 1
        row += 1
    return row, min(i, end), used, waiting, FINE, 0


@njit(cache=True, nogil=True)
def parse_records(
    data: Bytes, start: int, raw: Bytes, row: int, stop: int, words: Bytes, used: int
) -> tuple[int, int, int, int]:
    """Read records "word space D float32", a newline before or not, from `start` into rows `row` to `stop` of `raw`.

    `raw` is the matrix as uint8 [V, 4 D]. A record that the end of `data` cuts is left for the next call. Otherwise as
    `parse_lines`; returns the next row, where its record begins, bytes of `words` in use, and why it stopped.
    """
    end, width = len(data), raw.shape[1]
    i = start
    while row < stop:
        record, before = i, used
        if i < end and data[i] == 10:
            i += 1
        while i < end and data[i] != 32:
            if data[i] == 0 or data[i] == 10:
                return row, record, before, (NUL if data[i] == 0 else NO_WORD)
            words[used] = data[i]
            used += 1
            i += 1
        if end - i < 1 + width:
            return row, record, before, FINE
        if used == before:
            return row, record, before, NO_WORD
        words[used] = 10
        used += 1
        i += 1
        for k in range(width):
            raw[row, k] = data[i + k]
        i += width
        row += 1
    return row, i, used, FINE


@njit(cache=True, nogil=True)
def _shortest(x: float) -> tuple[np.uint64, int]:
    """Digits and a shift: digits / 10**shift reads back as the float32 `x` > 0."""
    e = int(np.floor(np.log10(x)))
    digits, shift = np.uint64(0), 0
    for count in range(6, 10):
        shift = count - 1 - e
        digits = np.uint64(np.rint(x * _POWERS[80 + shift]))
        back = _scaled(digits, -shift)
        if np.float32(back) == np.float32(x) and _is_settled(back):
            break
    while digits % np.uint64(10) == 0:
        digits //= np.uint64(10)
        shift -= 1
    return digits, shift


@njit(cache=True, nogil=True)
def _print(x: float, out: Bytes, n: int) -> int:
    """Write one float32 at out[n]; returns where it ends."""
    if x < 0 or (x == 0 and np.copysign(1.0, x) < 0):
        out[n] = 45
        n += 1
        x = -x
    if x == 0:
        out[n], out[n + 1], out[n + 2] = 48, 46, 48
        return n + 3
    digits, shift = _shortest(x)
    count, rest = 0, digits
    while rest:
        count += 1
        rest //= np.uint64(10)
    first = count - 1 - shift  # the power of ten of the first digit
    power = 0
    if first < -4 or first > 8:
        power, shift = first, count - 1
        first = 0
    whole = max(first, 0) + 1  # digits before the point
    after = max(shift, 1)
    end = n + whole + 1 + after
    for _ in range(after - max(shift, 0)):
        end -= 1
        out[end] = 48
    for _ in range(max(shift, 0)):
        end -= 1
        out[end] = 48 + digits % np.uint64(10)
        digits //= np.uint64(10)
    end -= 1
    out[end] = 46
    for k in range(whole):
        end -= 1
        if k < -shift:
            out[end] = 48
        else:
            out[end] = 48 + digits % np.uint64(10)
            digits //= np.uint64(10)
    n += whole + 1 + after
    if power != 0:
        out[n], out[n + 1] = 101, 45 if power < 0 else 43
        out[n + 2], out[n + 3] = 48 + abs(power) // 10, 48 + abs(power) % 10
        n += 4
    return n


@njit(cache=True, nogil=True)
def print_lines(words: Bytes, ends: Ints, matrix: Floats, out: Bytes) -> Any:
    """Write "word number number ...", a newline after each, into `out`; returns the bytes written.

    Args:
        words: The words' bytes, one after another.
        ends: Where each of them ends, int64 [V].
        matrix: float32 [V, D], finite.
        out: At least len(words) + V * (1 + D * WIDEST) bytes.
    """
    n = 0
    for row in range(len(ends)):
        for i in range(ends[row - 1] if row else 0, ends[row]):
            out[n] = words[i]
            n += 1
        for k in range(matrix.shape[1]):
            out[n] = 32
            n = _print(matrix[row, k], out, n + 1)
        out[n] = 10
        n += 1
    return n
