"""How text becomes tokens: the readable form of what `kernels/scan` does to bytes, and what encodes a new text for a trained encoder."""

from __future__ import annotations

import unicodedata
from typing import Literal, get_args

from selftaught.errors import unknown

Tokens = Literal["words", "whitespace", "characters"]
"""words: runs of letters, marks and digits, with apostrophes and hyphens kept inside; whitespace: as given; characters: one each."""

SEPARATOR, LETTER, IDEOGRAPH, JOINER = range(4)
JOINERS = "'’-‐"
"""Part of a word between two letters, nothing elsewhere: don't, mother-in-law."""
PLAIN = {"’": "'", "‐": "-"}
"""Typeset joiners become the typed ones, so that both spellings are one word."""
IDEOGRAPHS = ((0x3040, 0x30FF), (0x3400, 0x4DBF), (0x4E00, 0x9FFF), (0xF900, 0xFAFF), (0x20000, 0x323AF))
"""Han and kana, first and last code point of each block: written without spaces, so each is a token."""


def kind(character: str) -> int:
    """SEPARATOR, LETTER (of any script; marks and digits too), IDEOGRAPH or JOINER."""
    if character in JOINERS:
        return JOINER
    if unicodedata.category(character)[0] not in "LMN":
        return SEPARATOR
    return IDEOGRAPH if any(first <= ord(character) <= last for first, last in IDEOGRAPHS) else LETTER


def lowered(character: str) -> str:
    """The lower case of one code point, itself where that would be several."""
    small = character.lower()
    return small if len(small) == 1 else character


def tokenise(text: str, how: Tokens = "words", lower: bool = True) -> list[str]:
    """The tokens of `text`, in order. Raises UserError for an unknown way."""
    if how not in get_args(Tokens):
        raise unknown("way to split text (tokens)", how, get_args(Tokens))
    if lower:
        text = "".join(map(lowered, text))
    if how == "whitespace":
        return text.split()
    if how == "characters":
        return [character for character in text if not character.isspace()]
    found: list[str] = []
    word = ""
    for i, character in enumerate(text):
        what = kind(character)
        joins = what == JOINER and word != "" and i + 1 < len(text) and kind(text[i + 1]) == LETTER
        if what == LETTER or joins:
            word += PLAIN.get(character, character)
            continue
        if word:
            found.append(word)
            word = ""
        if what == IDEOGRAPH:
            found.append(character)
    return [*found, word] if word else found
