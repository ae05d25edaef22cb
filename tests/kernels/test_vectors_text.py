"""The loops under the files of word vectors.

Where they stop, what they leave to the caller, and how wide they write.
"""

from __future__ import annotations

import numpy as np
import pytest

from selftaught.kernels import vectors_text as kernel

RNG = np.random.default_rng(1)


def parse(text: bytes, dim: int, rows: int, start: int = 0, row: int = 0, room: int = 99):
    matrix, words = np.full((rows, dim), np.nan, np.float32), np.zeros(len(text) + 1, np.uint8)
    unsettled = np.zeros((room, 4), np.int64)
    found = kernel.parse_lines(np.frombuffer(text, np.uint8), start, matrix, row, rows, words, 0, unsettled)
    return matrix, words[: found[2]].tobytes(), unsettled[: found[3]], found


def test_it_stops_where_it_is_told_and_goes_on_from_there():
    text = b"a 1 2\nbc 3 4\nd 5 6"
    matrix, words, _, (row, at, _, _, why, _) = parse(text, 2, 2)
    assert (words, row, text[at:], why) == (b"a\nbc\n", 2, b"d 5 6", kernel.FINE)
    assert matrix.tolist() == [[1, 2], [3, 4]]
    matrix, words, _, (row, at, _, _, why, _) = parse(text, 2, 3, at, 2)
    assert (words, row, at, why) == (b"d\n", 3, len(text), kernel.FINE)
    assert matrix[2].tolist() == [5, 6]


@pytest.mark.parametrize(
    ("line", "why", "column"),
    [
        (b"a 1", kernel.SHORT, 1), (b"a", kernel.SHORT, 0), (b"a 1 2 3", kernel.LONG, 2), (b"a 1 2b", kernel.NOT_A_NUMBER, 1),
        (b"a 1 .", kernel.NOT_A_NUMBER, 1), (b"a 1 1e", kernel.NOT_A_NUMBER, 1), (b"a - 1", kernel.NOT_A_NUMBER, 0),
        (b"a 1 1e39", kernel.NOT_FINITE, 1), (b"a 1 " + b"9" * 60, kernel.NOT_FINITE, 1), (b" 1 2", kernel.NO_WORD, 0),
        (b"a\0b 1 2", kernel.NUL, 0), (b"", kernel.BLANK, 0), (b"a 1 0x2", kernel.NOT_A_NUMBER, 1), (b"a 1.2.3 1", kernel.NOT_A_NUMBER, 0),
    ],
)  # fmt: skip
def test_what_stops_a_line(line, why, column):
    text = b"first 1 2\n" + line + b"\nlast 1 2\n"
    _, words, _, (row, at, _, _, found, stopped) = parse(text, 2, 3)
    assert (row, at, words, found, stopped) == (1, len(b"first 1 2\n"), b"first\n", why, column)


def test_numbers_that_float64_cannot_decide_are_left_to_the_caller():
    text = b"a 0.5 1e-45 16777217\nb 0 -1.1e-39 16777219.0000\n"
    _, _, unsettled, (row, *_) = parse(text, 3, 2)
    assert row == 2
    assert [text[a:b] for _, _, a, b in unsettled] == [b"1e-45", b"16777217", b"-1.1e-39", b"16777219.0000"]
    assert unsettled[:, :2].tolist() == [[0, 1], [0, 2], [1, 1], [1, 2]]
    _, words, unsettled, (row, at, _, _, why, _) = parse(text, 3, 2, room=3)  # no room for the second line's
    assert (words, row, at, why, len(unsettled)) == (b"a\n", 1, text.index(b"b"), kernel.FULL, 2)


def test_long_and_odd_numbers():
    fields = [
        "1",
        "+1.",
        "-.5",
        "1e5",
        "1E-05",
        "00012.50",
        "0.000000000000000000000000000123",
        "123456789012345678901234567890",
        "1e-60",
        "-0",
    ]
    matrix, _, unsettled, _ = parse(f"w {' '.join(fields)}\n".encode(), len(fields), 1)
    assert len(unsettled) == 0
    np.testing.assert_array_equal(matrix[0], np.array([float(field) for field in fields], np.float32))
    assert np.signbit(matrix[0, -1])


def test_records_that_are_cut_wait_for_the_rest():
    x = RNG.normal(size=(3, 4)).astype("<f4")
    data = b"\n".join(word + b" " + row.tobytes() for word, row in zip((b"a", b"bcd", b"e"), x, strict=True))
    whole = np.frombuffer(data, np.uint8)
    for cut in range(len(data)):
        matrix, words = np.zeros((3, 4), "<f4"), np.zeros(len(data) + 1, np.uint8)
        row, at, used, why = kernel.parse_records(whole[:cut], 0, matrix.view(np.uint8), 0, 3, words, 0)
        assert why == kernel.FINE
        row, _, used, why = kernel.parse_records(whole, at, matrix.view(np.uint8), row, 3, words, used)
        assert (row, why, words[:used].tobytes()) == (3, kernel.FINE, b"a\nbcd\ne\n")
        np.testing.assert_array_equal(matrix, x)


def test_no_number_is_wider_than_promised():
    bits = RNG.integers(0, 1 << 32, 50_000, dtype=np.uint32).view(np.float32)
    x = np.concatenate(
        [bits[np.isfinite(bits)], RNG.normal(size=10_000) * 10.0 ** RNG.integers(-8, 12, 10_000)]
    ).astype(np.float32)[None]
    out = np.empty(1 + 1 + x.size * kernel.WIDEST, np.uint8)
    used = kernel.print_lines(np.frombuffer(b"w", np.uint8), np.array([1]), x, out)
    fields = out[:used].tobytes()[:-1].split(b" ")[1:]
    assert max(map(len, fields)) + 1 <= kernel.WIDEST
    np.testing.assert_array_equal(np.array([float(field) for field in fields]).astype(np.float32), x[0])
