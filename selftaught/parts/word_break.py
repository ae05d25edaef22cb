"""Where words begin and end: the word boundaries of Unicode (UAX #29), with what a vocabulary needs beside them.

Every code point has a class, a single letter: ``CLASSES`` lists them. They are read from the categories of
`unicodedata` and from the short lists below, which are those of WordBreakProperty.txt (Unicode 14 to 17) that no
category gives. `kernels/scan` has the same rules as a loop over bytes.

What differs from UAX #29, and why:

- Hyphens join letters and digits, which UAX #29 leaves to the language: mother-in-law.
- An apostrophe also joins a letter and a digit: 1990's.
- Underscores join (new_york), but a word does not begin or end with them, as in _emphasis_.
- Other numbers belong to words: m², ⅷ.
- Thai, Lao, Khmer and Burmese, which are written without spaces, stay whole between spaces; UAX #29 leaves them to a
  dictionary.
- U+202F, a space, separates.
- Format characters (soft hyphen, marks of direction) are left out of the word that they are in, and U+200C at its end.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from typing import final

LETTER, DIGIT, HEBREW, KATAKANA, ALONE, MARK, INVISIBLE, NON_JOINER = "LDHKAMIN"
UNDERSCORE, HYPHEN, APOSTROPHE, DOUBLE_QUOTE, MID_LETTER, MID_NUMBER, MID_BOTH, SEPARATOR = "_-'\":,. "
CLASSES = "LDHKAMIN_-'\":,. "
"""Of letters and numbers: letters of any script; decimal digits; Hebrew letters; Katakana; Han and Hiragana, each a
word. Continue what is before them: marks and U+200D; format characters; U+200C. Join what is on both sides: the rest.
"""

HYPHENS = "-\u058a\u2010\u2011\ufe63\uff0d"
APOSTROPHES = "'\u2018\u2019\uff07\u05f3"
DOUBLE_QUOTES = '"\u05f4'
MID_LETTERS = ":\u00b7\u0387\u055f\u2027\ufe13\ufe55\uff1a"
MID_NUMBERS = ",;\u037e\u0589\u060c\u060d\u066b\u066c\u07f8\u2044\ufe10\ufe14\ufe50\ufe54\uff0c\uff1b"
MID_BOTHS = ".\u2024\ufe52\uff0e"
JOINING = {
    character: kind
    for kind, characters in (
        (HYPHEN, HYPHENS), (APOSTROPHE, APOSTROPHES), (DOUBLE_QUOTE, DOUBLE_QUOTES), (MID_LETTER, MID_LETTERS),
        (MID_NUMBER, MID_NUMBERS), (MID_BOTH, MID_BOTHS),
    )
    for character in characters
}  # fmt: skip
PLAIN = {
    character: plain
    for plain, characters in (("-", HYPHENS), ("'", APOSTROPHES), ('"', DOUBLE_QUOTES))
    for character in characters
    if character != plain
}
"""Typographic hyphens and apostrophes are replaced by ASCII ones inside words, so that both spellings are one word."""

BLOCKS: dict[str, tuple[tuple[int, int], ...]] = {
    HEBREW: ((0x5D0, 0x5F2), (0xFB1D, 0xFB28), (0xFB2A, 0xFB4F)),
    KATAKANA: (
        (0x3031, 0x3035), (0x309B, 0x309C), (0x30A0, 0x30FA), (0x30FC, 0x30FF), (0x31F0, 0x31FF), (0x32D0, 0x32FE),
        (0x3300, 0x3357), (0xFF66, 0xFF9D), (0x1AFF0, 0x1B000), (0x1B120, 0x1B122), (0x1B155, 0x1B155),
        (0x1B164, 0x1B167),
    ),
    ALONE: (
        (0x3006, 0x3007), (0x3021, 0x3029), (0x3038, 0x303A), (0x3041, 0x3096), (0x309D, 0x309F), (0x3400, 0x4DBF),
        (0x4E00, 0x9FFF), (0xF900, 0xFAFF), (0x16FE4, 0x16FE4), (0x17000, 0x18D1E), (0x1B001, 0x1B11F),
        (0x1B132, 0x1B132), (0x1B150, 0x1B152), (0x1B170, 0x1B2FF), (0x20000, 0x3347F),
    ),
    LETTER: (
        (0x2C2, 0x2C5), (0x2D2, 0x2D7), (0x2DE, 0x2DF), (0x2E5, 0x2EB), (0x2ED, 0x2ED), (0x2EF, 0x2FF),
        (0x55A, 0x55C), (0x55E, 0x55E), (0x24B6, 0x24E9), (0xA708, 0xA716), (0xA720, 0xA721), (0xA789, 0xA78A),
        (0xAB5B, 0xAB5B), (0x1F130, 0x1F149), (0x1F150, 0x1F169), (0x1F170, 0x1F189),
    ),
    MARK: ((0x200D, 0x200D), (0xFF9E, 0xFF9F)),
    NON_JOINER: ((0x200C, 0x200C),),
    SEPARATOR: ((0x200B, 0x200B),),
}  # fmt: skip
"""Code points that have a class whatever their category, first and last of each block. Of Hebrew, Katakana and Han
blocks only those that are letters, or symbols (U+309B, the squared words)."""
MOST = {"L": LETTER, "N": LETTER, "M": MARK, "Nd": DIGIT, "Cf": INVISIBLE, "Pc": UNDERSCORE}
"""The class of a category, for what is in no list above."""


def kind(character: str) -> str:
    """Return the class of a character, one of CLASSES."""
    if character in JOINING:
        return JOINING[character]
    code, category = ord(character), unicodedata.category(character)
    for found, blocks in BLOCKS.items():
        # marks and what is not assigned keep the class of their category
        if any(first <= code <= last for first, last in blocks) and (category[0] not in "MC" or found in "MN "):
            return found
    return MOST.get(category) or MOST.get(category[0]) or SEPARATOR


@final
class _Kinds(dict[int, str]):
    """The class of each code point, for `str.translate`."""

    def __missing__(self, code: int) -> str:
        found = self[code] = kind(chr(code))
        return found


_KINDS = _Kinds()
_REST = "[MIN]*"
_RUN = (
    f"(?:L{_REST}(?:[:.]{_REST}(?=[LH])|[-']{_REST}(?=[LDH]))?"
    f"|H{_REST}(?:[:.]{_REST}(?=[LH])|-{_REST}(?=[LDH])|'{_REST}|\"{_REST}(?=H))?"
    f"|D{_REST}(?:[,.]{_REST}(?=D)|[-']{_REST}(?=[LDH]))?)+"
)
_PART = f"(?:{_RUN}|(?:K{_REST})+)"
WORD = f"{_PART}(?:_[_MIN]*(?=[LDHK]){_PART})*|A{_REST}"
"""A word in classes: letters and digits, each with the one character that joins it to the next; or Katakana."""
_WORD = re.compile(WORD)


def words(text: str) -> Iterator[str]:
    """Yield the words of `text`, in order, each with plain hyphens and apostrophes and without format characters.

    >>> list(words("Don’t pay 3.14 to new_york, _please_!"))
    ["Don't", 'pay', '3.14', 'to', 'new_york', 'please']
    """
    for word, _, _ in located(text):
        yield word


def located(text: str) -> Iterator[tuple[str, int, int]]:
    """Yield the words of `text` as `words` does, each with where it begins and ends in `text`."""
    kinds = text.translate(_KINDS)
    for found in _WORD.finditer(kinds):
        first, last = found.span()
        word = text[first:last]
        if not word.isascii():
            word = "".join(
                PLAIN.get(character, character)
                for character, what in zip(word, kinds[first:last], strict=True)
                if what != INVISIBLE
            ).rstrip("\u200c")
        yield word, first, last


def characters(text: str) -> list[str]:
    """Return the characters of `text` without white space, each with the marks that follow it.

    >>> [len(character) for character in characters("e\u0301 a")]
    [2, 1]
    """
    found: list[str] = []
    open_ = False
    for character in text:
        if character.isspace():
            open_ = False
        elif open_ and continues(character):
            found[-1] += character
        else:
            found.append(character)
            open_ = True
    return found


def continues(character: str) -> bool:
    """Return whether a character belongs to the one before it: marks, U+200C and U+200D, and conjoining jamo.

    Jamo are vowels and final consonants of Hangul: with them, both forms of a syllable are one character.
    """
    code = ord(character)
    return code > 0x2FF and (
        0x1160 <= code <= 0x11FF or code in (0x200C, 0x200D) or unicodedata.category(character)[0] == "M"
    )
