"""Tables for `kernels/scan` of the properties of every code point, for each way to split text (see `parts/tokens`)."""

from __future__ import annotations

import functools
import unicodedata

import numpy as np
from numpy.typing import NDArray

from selftaught.kernels import scan
from selftaught.parts import word_break
from selftaught.parts.tokens import Tokens

CODES = 0x110000
ASSIGNED = ((0, 0x34000), (0xE0000, 0xE0200))
"""Code points outside these ranges are unassigned or private: they are separators without case. A test checks every
code point.
"""

NEWLINES = "\n\r\v\f\x1c\x1d\x1e\x85\u2028\u2029"
"""Where `str.splitlines` splits; a sentence ends there."""
CASED = np.array([b"Lu", b"Lt", b"Nl", b"So"])
"""Categories of all code points that have a lower case."""
BY_TOKEN = "\u0130\u03a3"
"""Capital letters whose lower case is not one code point, or depends on the next letter: İ and Σ. They stay as they
are until the whole token is known, see `scanner`."""
KINDS = {
    word_break.LETTER: scan.LETTER,
    word_break.DIGIT: scan.DIGIT,
    word_break.HEBREW: scan.HEBREW,
    word_break.KATAKANA: scan.KATAKANA,
    word_break.ALONE: scan.ALONE,
    word_break.MARK: scan.MARK,
    word_break.INVISIBLE: scan.INVISIBLE,
    word_break.NON_JOINER: scan.NON_JOINER,
    word_break.UNDERSCORE: scan.UNDERSCORE,
    word_break.HYPHEN: scan.HYPHEN,
    word_break.APOSTROPHE: scan.APOSTROPHE,
    word_break.DOUBLE_QUOTE: scan.DOUBLE_QUOTE,
    word_break.MID_LETTER: scan.MID_LETTER,
    word_break.MID_NUMBER: scan.MID_NUMBER,
    word_break.MID_BOTH: scan.MID_BOTH,
    word_break.SEPARATOR: scan.SEPARATOR,
}
"""The number of each class of `parts/word_break` in the kernel."""


@functools.cache
def _categories() -> tuple[NDArray[np.int64], NDArray[np.bytes_]]:
    """Return (the code points of ASSIGNED, their categories as two letters each)."""
    codes = np.concatenate([np.arange(first, end) for first, end in ASSIGNED])
    return codes, np.frombuffer("".join(unicodedata.category(chr(code)) for code in codes).encode(), "S2")


@functools.cache
def tables(how: Tokens, lower: bool) -> tuple[NDArray[np.uint8], NDArray[np.int32]]:
    """Return (kinds uint8 [0x110000], folds int32 [0x110000]) for `scan`. Read-only."""
    codes, categories = _categories()
    other = {"words": scan.SEPARATOR, "whitespace": scan.LETTER, "characters": scan.ALONE, "exact": scan.ALONE}[how]
    kinds = np.full(CODES, other, np.uint8)
    folds = np.arange(CODES, dtype=np.int32)
    if how == "words":
        _words(kinds, codes, categories)
        for joiner, plain in word_break.PLAIN.items():
            folds[ord(joiner)] = ord(plain)
    elif how != "exact":
        for code in codes[np.isin(categories, [b"Zs", b"Zl", b"Zp", b"Cc"])].tolist():
            if chr(code).isspace():
                kinds[code] = scan.SEPARATOR
    if how == "characters":
        marks = np.isin(categories.astype("S1"), [b"M"]) | np.isin(codes, [0x200C, 0x200D])
        kinds[codes[marks | (codes >= 0x1160) & (codes <= 0x11FF)]] = scan.LOOSE
    if lower:
        for code in codes[np.isin(categories, CASED)].tolist():
            if chr(code) not in BY_TOKEN:
                folds[code] = ord(chr(code).lower())
    for character in NEWLINES if how != "exact" else "":
        kinds[ord(character)] = scan.NEWLINE
    kinds[0] = scan.REFUSED
    return kinds, folds


def _words(kinds: NDArray[np.uint8], codes: NDArray[np.int64], categories: NDArray[np.bytes_]) -> None:
    """Enter the classes of `word_break.kind`: categories first, then the blocks, then single characters."""
    first = categories.astype("S1")
    for category, found in word_break.MOST.items():
        kinds[codes[(first if len(category) == 1 else categories) == category.encode()]] = KINDS[found]
    fixed = np.ones(CODES, np.bool_)
    fixed[codes] = np.isin(first, [b"M", b"C"])
    for found, blocks in word_break.BLOCKS.items():
        for begin, last in blocks:
            block = kinds[begin : last + 1]
            block[~fixed[begin : last + 1] if found not in "MN " else ...] = KINDS[found]
    for character, found in word_break.JOINING.items():
        kinds[ord(character)] = KINDS[found]
