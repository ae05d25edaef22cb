"""Our ways to split text as a ``tokenizer.json`` of the package tokenizers, which gives the same numbers.

Normal form, lower case and the borders of words become patterns, in which each class of characters of
`parts/word_break` is written out. Phrases cannot be held. What the package does otherwise: it finds its marks ([MASK])
in a text, too.
"""

from __future__ import annotations

import json
import sys
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple

from selftaught.errors import UserError
from selftaught.parts import word_break
from selftaught.parts.tokens import called, finished, model_of
from selftaught.parts.word_break import CLASSES, INVISIBLE, PLAIN

Json = dict[str, Any]


class Symbols(NamedTuple):
    """What a tokenizer numbers, in order."""

    words: Sequence[str]
    marks: Sequence[str]
    """Other words first."""
    rare: Sequence[str]
    """Pieces that the encoder does not know, but that others are made of. They stand for other words."""

    @property
    def numbers(self) -> dict[str, int]:
        """The number of each."""
        return {symbol: number for number, symbol in enumerate([*self.words, *self.marks, *self.rare])}


def symbols(input: Mapping[str, Any], words: Sequence[str], marks: Sequence[str]) -> Symbols:
    """Return the symbols for the `words` of an encoder. Marks that are words get underscores.

    Raises UserError if no tokenizer.json can split text like this.
    """
    how, known = input["tokens"], set(words)
    if isinstance(how, Mapping) and model_of(how) is None:
        raise UserError(
            f"the run reads {called(how)}, which a Hugging Face tokenizer cannot join: train without --phrases"
        )
    free = list[str]()
    for mark in marks:
        while mark in known:
            mark = f"{mark[:-1]}_{mark[-1]}"
        free.append(mark)
    model = model_of(how)
    if model is None:
        return Symbols(words, free, ())
    made = json.loads(model)["model"]
    # byte pairs that no known piece is made of are missed by no one
    needed = {part for merge in made.get("merges", ()) for part in _parts(merge)} if "bpe" in how else made["vocab"]
    known |= set(free)
    return Symbols(words, free, [piece for piece in made["vocab"] if piece in needed and piece not in known])


def _parts(merge: Any) -> tuple[str, str, str]:
    """Return the two parts of a merge, and what they make."""
    first, second = merge.split(" ") if isinstance(merge, str) else merge
    return first, second, first + second


def tokenizer(input: Mapping[str, Any], given: Symbols, template: tuple[str, str]) -> Json:
    """Return the content of tokenizer.json.

    Args:
        input: Of the encoder.
        given: What `symbols` returned.
        template: What a text and a pair of texts become: "$A" and "$B" with marks between them.
    """
    how, numbers = input["tokens"], given.numbers
    form, lower = input.get("form", "nfc"), input["lower"]
    model = model_of(how)
    normal = _normal(form, lower, final=how != "characters")
    decoder: Json | None = None
    if model is not None:
        old = json.loads(model)
        own = old["normalizer"]
        normal += [*_replaced(f"[{_escaped(str.isspace)}]+", " "), _STRIP, {"type": "Prepend", "prepend": " "}]
        normal += [own] if own else []
        before, decoder = old["pre_tokenizer"], old["decoder"]
        fitted = dict(old["model"], vocab=numbers, unk_token=given.marks[0])
    else:
        fitted = {"type": "WordLevel", "vocab": numbers, "unk_token": given.marks[0]}
        if how == "words":
            normal = _replaced(f"[{_class(INVISIBLE)}]", "") + _plain() + normal
            before = _sequence([_split(_words()), _split("\u200c+\\z", keep=False)], "pretokenizers")
        elif how == "whitespace":
            before = _split(f"[^{_escaped(str.isspace)}]+")
        elif how == "characters":
            before = _split(f"[^{_escaped(str.isspace)}][{_escaped(word_break.continues)}]*")
        else:  # each code point by itself, so that none is composed with the next
            normal = ([{"type": "Lowercase"}] if lower else []) + (_alone(given.words) if form == "nfc" else [])
            before = _split("(?m:.)")
        decoder = {"type": "Fuse"} if how in ("characters", "exact") else None
    added = [
        {"id": numbers[mark], "content": mark, "single_word": False, "lstrip": False, "rstrip": False,
         "normalized": False, "special": True}
        for mark in given.marks
    ]  # fmt: skip
    return {
        "version": "1.0", "truncation": None, "padding": None, "added_tokens": added,
        "normalizer": _sequence(normal, "normalizers") if normal else None, "pre_tokenizer": before,
        "post_processor": _template(template, numbers), "decoder": decoder, "model": fitted,
    }  # fmt: skip


_STRIP: Json = {"type": "Strip", "strip_left": True, "strip_right": True}


def _sequence(steps: list[Json], name: str) -> Json:
    return steps[0] if len(steps) == 1 else {"type": "Sequence", name: steps}


def _replaced(pattern: str, content: str) -> list[Json]:
    return [{"type": "Replace", "pattern": {"Regex": pattern}, "content": content}]


def _split(pattern: str, keep: bool = True) -> Json:
    """Keep what matches, each as a token, or remove it."""
    return {"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Removed", "invert": keep}


def _normal(form: str, lower: bool, final: bool) -> list[Json]:
    """As `parts.tokens.finished`. The sigma at the end of a word, which the package does not know, comes first."""
    composed: list[Json] = [{"type": "NFC"}] if form == "nfc" else []
    if not lower:
        return composed
    cased, ignored = f"[{_escaped(_cased)}]", f"[{_escaped(_ignored)}]"
    before = "|".join(f"{cased}{ignored * n}" for n in range(4))
    last = _replaced(f"(?<={before})Σ(?!{ignored}*{cased})", "ς") if final else []
    return [*composed, *last, {"type": "Lowercase"}, *composed]


def _cased(character: str) -> bool:
    return character.lower() != character or character.upper() != character or character.istitle()


def _ignored(character: str) -> bool:
    """Whether a character stands between letters without parting them, as Unicode's Case_Ignorable."""
    return character in "'.:\u00b7\u2018\u2019\u2024\u2027" or unicodedata.category(character) in (
        "Mn", "Me", "Cf", "Lm", "Sk",
    )  # fmt: skip


def _plain() -> list[Json]:
    return [
        step
        for plain in sorted(set(PLAIN.values()))
        for step in _replaced(f"[{_ranges(sorted(ord(c) for c, to in PLAIN.items() if to == plain))}]", plain)
    ]


def _alone(words: Sequence[str]) -> list[Json]:
    """Characters that are another one in normal form."""
    known = set(words)
    found = [(c, form) for c, form in _singles() if form in known]
    return [{"type": "Replace", "pattern": {"String": c}, "content": form} for c, form in found]


@cache
def _singles() -> tuple[tuple[str, str], ...]:
    pairs = ((c, finished(c, False, "nfc")) for c in _all())
    return tuple((c, form) for c, form in pairs if form != c and len(form) == 1)


def _words() -> str:
    """Return the pattern of `parts.word_break` with each class written out."""
    found, inside = "", False
    for character in word_break.WORD:
        if character in "[]":
            inside = character == "["
            found += character
        elif inside:
            found += _class(character)
        elif character in CLASSES and character != ":":  # which is a class only inside
            found += f"[{_class(character)}]"
        else:
            found += character
    return found


@cache
def _class(kind: str) -> str:
    return _ranges(_classes()[kind])


@cache
def _classes() -> dict[str, list[int]]:
    """Return the code points of each class."""
    found: dict[str, list[int]] = {kind: [] for kind in CLASSES}
    for character in _all():
        found[word_break.kind(character)].append(ord(character))
    return found


@cache
def _escaped(member: Callable[[str], bool]) -> str:
    """Return the inside of a class of a pattern: all characters for which `member` is true."""
    return _ranges([ord(character) for character in filter(member, _all())])


def _ranges(codes: Sequence[int]) -> str:
    """Return the inside of a class of a pattern for code points in order."""
    found, first, last = [], -2, -2
    for code in (*codes, -2):
        if code != last + 1:
            if last >= 0:
                found.append(f"\\x{{{first:X}}}" + (f"-\\x{{{last:X}}}" if last > first else ""))
            first = code
        last = code
    return "".join(found)


@cache
def _all() -> tuple[str, ...]:
    return tuple(chr(code) for code in range(sys.maxunicode + 1) if not 0xD800 <= code <= 0xDFFF)


def _template(template: tuple[str, str], numbers: Mapping[str, int]) -> Json:
    """Return the step that puts marks around texts. Behind "$B", marks and text are the second segment."""

    def items(text: str) -> list[Json]:
        found, segment = list[Json](), 0
        for part in text.split(" "):
            segment = 1 if part == "$B" else segment
            name, content = ("Sequence", part[1:]) if part.startswith("$") else ("SpecialToken", part)
            found.append({name: {"id": content, "type_id": segment}})
        return found

    marks = {part for text in template for part in text.split(" ") if not part.startswith("$")}
    special = {mark: {"id": mark, "ids": [numbers[mark]], "tokens": [mark]} for mark in sorted(marks)}
    single, pair = map(items, template)
    return {"type": "TemplateProcessing", "single": single, "pair": pair, "special_tokens": special}
