"""How text becomes tokens: the readable form of what `kernels/scan` does to bytes, and what encodes a new text for a trained encoder."""

from __future__ import annotations

import functools
import unicodedata
from collections.abc import Iterable, Mapping
from typing import Any, Literal, get_args

from selftaught.errors import UserError, unknown

Tokens = Literal["words", "whitespace", "characters"]
"""words: runs of letters, marks and digits, with apostrophes and hyphens kept inside; whitespace: as given; characters:
one each."""

Way = Tokens | Mapping[str, str]
"""A name, or ``{"bpe": model}``: words as given, each split into byte pairs as `model` (JSON, see `data/bpe`) says."""

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


@functools.lru_cache(8)
def byte_pairs(model: str) -> Any:
    """The tokenizer that `model` describes.

    Raises UserError where it is none of byte pairs, or its package is missing.
    """
    try:
        from tokenizers import Tokenizer
    except ImportError:
        raise UserError("byte pair encoding needs the package tokenizers: pip install 'selftaught[bpe]'") from None
    try:
        made = Tokenizer.from_str(model)
    except Exception as error:  # the package raises nothing narrower
        raise UserError(f"not a model of byte pairs ({str(error)[:100]})") from None
    if type(made.model).__name__ != "BPE" or type(made.decoder).__name__ != "ByteLevel":
        raise UserError("not a model of byte pairs, but another one of the package tokenizers")
    return made


def joined(tokens: Iterable[str], how: Way) -> str:
    """A text that `tokenise` splits into `tokens` again."""
    if isinstance(how, Mapping):
        text: str = byte_pairs(how["bpe"]).decoder.decode(list(tokens))
        return text.removeprefix(" ")
    return " ".join(tokens)


def tokenise(text: str, how: Way = "words", lower: bool = True) -> list[str]:
    """The tokens of `text`, in order. Raises UserError for an unknown way."""
    if not isinstance(how, Mapping) and how not in get_args(Tokens):
        raise unknown("way to split text (tokens)", how, get_args(Tokens))
    if lower:
        text = "".join(map(lowered, text))
    if isinstance(how, Mapping):
        pieces: list[str] = byte_pairs(how["bpe"]).encode("".join(f" {word}" for word in text.split())).tokens
        return pieces
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
