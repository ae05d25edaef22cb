"""Tables for `kernels/scan` of the properties of every code point, for each way to split text (see `parts/tokens`)."""

from __future__ import annotations

import functools
import unicodedata

import numpy as np
from numpy.typing import NDArray

from selftaught.kernels import scan
from selftaught.parts import tokens
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


@functools.cache
def _categories() -> tuple[NDArray[np.int64], NDArray[np.bytes_]]:
    """Return (the code points of ASSIGNED, their categories as two letters each)."""
    codes = np.concatenate([np.arange(first, end) for first, end in ASSIGNED])
    return codes, np.frombuffer("".join(unicodedata.category(chr(code)) for code in codes).encode(), "S2")


@functools.cache
def tables(how: Tokens, lower: bool) -> tuple[NDArray[np.uint8], NDArray[np.int32]]:
    """Return (kinds uint8 [0x110000], folds int32 [0x110000]) for `scan`. Read-only."""
    codes, categories = _categories()
    kinds = np.full(
        CODES, scan.SEPARATOR if how == "words" else scan.LETTER if how == "whitespace" else scan.ALONE, np.uint8
    )
    folds = np.arange(CODES, dtype=np.int32)
    if how == "words":
        kinds[codes[np.isin(categories.astype("S1"), [b"L", b"M", b"N"])]] = scan.LETTER
        for first, last in tokens.IDEOGRAPHS:
            block = kinds[first : last + 1]
            block[block == scan.LETTER] = scan.ALONE
        for joiner in tokens.JOINERS:
            kinds[ord(joiner)] = scan.JOINER
            folds[ord(joiner)] = ord(tokens.PLAIN.get(joiner, joiner))
    else:
        for code in codes[np.isin(categories, [b"Zs", b"Zl", b"Zp", b"Cc"])].tolist():
            if chr(code).isspace():
                kinds[code] = scan.SEPARATOR
    if lower:
        for code in codes[np.isin(categories, CASED)].tolist():
            folds[code] = ord(tokens.lowered(chr(code)))
    for character in NEWLINES:
        kinds[ord(character)] = scan.NEWLINE
    kinds[0] = scan.REFUSED
    return kinds, folds
