"""Tokenisation: the readable form of `kernels/scan`, used to encode new texts for a trained encoder."""

from __future__ import annotations

import functools
import re
import unicodedata
from collections.abc import Iterable, Mapping
from typing import Any, Literal, get_args

from selftaught.errors import UserError, unknown
from selftaught.parts import word_break
from selftaught.parts.phrases import JOINT, unpacked
from selftaught.parts.phrases import joined as together
from selftaught.parts.word_break import PLAIN

Tokens = Literal["words", "whitespace", "characters", "exact"]
"""How text is split. words: the words of `parts/word_break` (UAX #29); whitespace: at white space; characters: each
character, with its marks, without white space; exact: each code point, white space and line ends too."""

Way = Tokens | Mapping[str, str]
"""A name; or ``{"bpe": model}`` or ``{"wordpiece": model}``: at white space, then each word into pieces by `model`
(JSON of the package tokenizers, see `data/bpe`); or ``{"split": name, "phrases": pairs}``: by name, then the words of
phrases are joined (see `parts/phrases`)."""
PIECES = {"bpe": ("BPE", "ByteLevel"), "wordpiece": ("WordPiece", "WordPiece")}
"""The model and the decoder that the package tokenizers has for each way to split words into pieces."""

Form = Literal["nfc", "none"]
"""The Unicode normal form of tokens. nfc: one code point for é, however it was typed; none: as typed."""


def finished(token: str, lower: bool, form: Form) -> str:
    """Return a token in lower case and in a normal form.

    Lower case is that of `str.lower`: a sigma at the end of a word is ς, and İ becomes two code points.

    >>> finished("\u039f\u0394\u039f\u03a3", True, "nfc")
    'οδος'
    """
    if token.isascii():
        return token.lower() if lower else token
    if form == "nfc":
        token = unicodedata.normalize("NFC", token)
    if lower:
        token = token.lower()
        if form == "nfc":
            token = unicodedata.normalize("NFC", token)
    return token


def spellings(word: str) -> list[str]:
    """Return the forms of a word to look up, first as written, then plain, then in lower case.

    The words of a phrase may be written with spaces between them.

    >>> spellings("Don’t")
    ['Don’t', "Don't", "don't"]
    >>> spellings("new york")
    ['new york', 'new_york']
    """
    plain = "".join(PLAIN.get(character, character) for character in word)
    found = [word, finished(plain, False, "nfc"), finished(plain, True, "nfc")]
    return list(dict.fromkeys((*found, *(JOINT.join(one.split()) for one in found if one.split()))))


def model_of(how: Way) -> str | None:
    """Return the model by which words are split into pieces, if they are."""
    return next((how[name] for name in PIECES if name in how), None) if isinstance(how, Mapping) else None


def begins_word(piece: str, how: Way) -> bool:
    """Return whether a piece is the first of its word.

    >>> begins_word("Ġpan", {"bpe": "{}"}), begins_word("##ic", {"wordpiece": "{}"}), begins_word("panic", "words")
    (True, False, True)
    """
    if model_of(how) is None:
        return True
    return piece.startswith("Ġ") if "bpe" in how else not piece.startswith("##")


@functools.lru_cache(8)
def splitter(model: str) -> Any:
    """Return the tokenizer that `model` describes.

    Raises UserError if it is no model of byte pairs or word pieces, or the package tokenizers is not installed.
    """
    try:
        from tokenizers import Tokenizer
    except ImportError:
        raise UserError("byte pair encoding needs the package tokenizers: run pip install 'selftaught[bpe]'") from None
    try:
        made = Tokenizer.from_str(model)
    except Exception as error:  # the package raises nothing narrower
        raise UserError(f"not a byte pair encoding model ({str(error)[:100]})") from None
    if (type(made.model).__name__, type(made.decoder).__name__) not in PIECES.values():
        raise UserError("not a byte pair encoding model, but another model of the package tokenizers")
    return made


def called(how: Way) -> str:
    """Return what a way to split text is called in messages, without its byte pairs or phrases.

    >>> called({"split": "words", "phrases": "new york"})
    'words with phrases'
    """
    if isinstance(how, str):
        return how
    if model_of(how) is not None:
        return "byte pairs" if "bpe" in how else "word pieces"
    return f"{how['split']} with phrases"


def joined(tokens: Iterable[str], how: Way) -> str:
    """Return a text that `tokenise` splits into `tokens` again."""
    model = model_of(how)
    if model is not None:
        text: str = splitter(model).decoder.decode(list(tokens))
        return text.removeprefix(" ")
    return ("" if how == "exact" else " ").join(tokens)


def tokenise(text: str, how: Way = "words", lower: bool = True, form: Form = "nfc") -> list[str]:
    """Return the tokens of `text`, in order. Raises UserError for an unknown value of `how`.

    >>> tokenise("Don't panic, Arthur!")
    ["don't", 'panic', 'arthur']
    """
    name = how if isinstance(how, str) else how.get("split", "whitespace")
    if name not in get_args(Tokens):
        raise unknown("way to split text (tokens)", name, get_args(Tokens))
    tokens = [finished(token, lower, form) for token in _split(text, name)]
    model = model_of(how)
    if model is not None:
        pieces: list[str] = splitter(model).encode("".join(f" {word}" for word in tokens)).tokens
        return pieces
    if isinstance(how, Mapping):
        for pairs in unpacked(how["phrases"]):
            tokens = together(tokens, pairs)
    return tokens


def _split(text: str, how: str) -> Iterable[str]:
    if how == "words":
        return word_break.words(text)
    if how == "characters":
        return word_break.characters(text)
    return text if how == "exact" else text.split()


def tokenise_as(input: Mapping[str, Any], text: str) -> list[str]:
    """Return the tokens of `text`, split as the text of an encoder's `input` was."""
    return tokenise(text, input["tokens"], input["lower"], input.get("form", "nfc"))


def located(input: Mapping[str, Any], text: str) -> list[tuple[str, int, int]]:
    """Return the tokens of `text` as `tokenise_as` does, each with the characters of `text` that it stands for.

    Tokens of a word whose spelling changes its length (by case or normal form) stand for the whole word. Words of a
    phrase are not joined.

    >>> located({"tokens": "words", "lower": True}, "Don't panic, Arthur!")
    [("don't", 0, 5), ('panic', 6, 11), ('arthur', 13, 19)]
    """
    how, lower, form = input["tokens"], input["lower"], input.get("form", "nfc")
    name = how if isinstance(how, str) else how.get("split", "whitespace")
    found: Iterable[tuple[str, int, int]]
    if name == "words":
        found = word_break.located(text)
    elif name == "whitespace":
        found = ((match[0], *match.span()) for match in re.finditer(r"\S+", text))
    else:
        found = _characters(text, name)
    tokens = [(finished(token, lower, form), begin, end) for token, begin, end in found]
    model = model_of(how)
    return tokens if model is None else [piece for token in tokens for piece in _pieces(token, model)]


def _characters(text: str, how: str) -> Iterable[tuple[str, int, int]]:
    begin = 0
    for token in _split(text, how):
        begin = text.index(token, begin)
        yield token, begin, begin + len(token)
        begin += len(token)


def _pieces(word: tuple[str, int, int], model: str) -> Iterable[tuple[str, int, int]]:
    token, begin, end = word
    whole = splitter(model).encode(f" {token}")
    for piece, (first, last) in zip(whole.tokens, whole.offsets, strict=True):
        if len(token) == end - begin:  # what comes first is the space
            yield piece, begin + max(first - 1, 0), begin + max(last - 1, 0)
        else:
            yield piece, begin, end
