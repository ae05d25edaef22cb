"""What `kernels/scan` is told about every code point, for each way to split: the table form of `parts/tokens`."""

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
"""Code points outside these ranges are unassigned or private: nothing but separators, without case. Tested for every one."""

KINDS = {tokens.SEPARATOR: scan.SEPARATOR, tokens.LETTER: scan.LETTER, tokens.IDEOGRAPH: scan.ALONE, tokens.JOINER: scan.JOINER}
NEWLINES = "\n\r\v\f\x1c\x1d\x1e\x85\u2028\u2029"
"""Where `str.splitlines` splits: a sentence ends there."""
CASED = frozenset(("Lu", "Lt", "Nl", "So"))  # the categories of all that has a lower case of its own


@functools.cache
def _categories() -> dict[int, str]:
    return {code: unicodedata.category(chr(code)) for first, end in ASSIGNED for code in range(first, end)}


@functools.cache
def tables(how: Tokens, lower: bool) -> tuple[NDArray[np.uint8], NDArray[np.int32]]:
    """(kinds uint8 [0x110000], folds int32 [0x110000]) for `scan`; not to be written to."""
    kinds = np.full(CODES, scan.SEPARATOR if how == "words" else scan.LETTER if how == "whitespace" else scan.ALONE, np.uint8)
    folds = np.arange(CODES, dtype=np.int32)
    for code, category in _categories().items():
        character = chr(code)
        if how == "words":
            if category[0] in "LMN" or character in tokens.JOINERS:
                kinds[code] = KINDS[tokens.kind(character)]
                folds[code] = ord(tokens.PLAIN.get(character, character))
        elif character.isspace():
            kinds[code] = scan.SEPARATOR
        if lower and category in CASED:
            folds[code] = ord(tokens.lowered(character))
    for character in NEWLINES:
        kinds[ord(character)] = scan.NEWLINE
    kinds[0] = scan.REFUSED
    return kinds, folds
