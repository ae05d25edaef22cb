"""How text becomes tokens: the readable form. `tests/kernels/test_scan.py` holds the compiled one to it."""

# ruff: noqa: RUF001
from __future__ import annotations

import unicodedata
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from selftaught.errors import UserError
from selftaught.parts.tokens import joined, located, spellings, tokenise, tokenise_as

TEXT = st.text(st.characters(exclude_categories=("Cs",)), max_size=60)


@pytest.mark.parametrize(("text", "tokens"), [
    ("The cat, the DOG!", ["the", "cat", "the", "dog"]),
    ("don't stop mother-in-law's", ["don't", "stop", "mother-in-law's"]),
    ("don’t mother‐in‐law", ["don't", "mother-in-law"]),  # typeset as typed
    ("'tis -x- dogs' a--b a-", ["tis", "x", "dogs", "a", "b", "a"]),
    ("3.14 and 2024 x_y", ["3.14", "and", "2024", "x_y"]),
    ("naïve cafe\u0301 Ⅷ ²", ["naïve", "café", "ⅷ", "²"]),
    ("我爱NLP和かな", ["我", "爱", "nlp", "和", "か", "な"]),
    ("中-文 a中b 20年", ["中", "文", "a", "中", "b", "20", "年"]),
    ("हिन्दी भाषा", ["हिन्दी", "भाषा"]),
    ("", []),
    (" ,.;\n\t", []),
])  # fmt: skip
def test_words(text: str, tokens: list[str]) -> None:
    assert tokenise(text) == tokens


def test_other_ways() -> None:
    assert tokenise(" A b,\tc\u2003d\n", "whitespace") == ["a", "b,", "c", "d"]
    assert tokenise("A b\n中", "characters", lower=False) == ["A", "b", "中"]
    assert tokenise("Don't", lower=False) == ["Don't"]
    with pytest.raises(UserError, match="did you mean 'words'"):
        tokenise("a", "word")  # type: ignore[arg-type]


def test_lower_case_is_that_of_python() -> None:
    assert tokenise("ΟΔΟΣ Σ ΣΑΣ-ΑΒ") == ["οδος", "σ", "σας-αβ"]  # a sigma at the end is ς
    assert tokenise("İSTANBUL") == ["İSTANBUL".lower()]  # i and a dot above it
    assert tokenise("AÉ\u212a") == ["aék"]


def test_normal_form() -> None:
    assert tokenise("cafe\u0301 CAFÉ \u1100\u1161") == ["café", "café", "가"]
    assert tokenise("cafe\u0301", form="none") == ["cafe\u0301"]
    assert tokenise("e\u0301", "characters") == tokenise("é", "characters") == ["é"]
    assert tokenise_as({"tokens": "whitespace", "lower": False}, "E\u0301,") == ["É,"]
    assert tokenise_as({"tokens": "whitespace", "lower": True, "form": "none"}, "E\u0301") == ["e\u0301"]


def test_spellings_are_those_of_the_vocabulary() -> None:
    assert spellings("ΟΔΟΣ") == ["ΟΔΟΣ", "οδος"]
    assert spellings("cafe\u0301") == ["cafe\u0301", "café"]
    assert spellings("mother\u2011in") == ["mother\u2011in", "mother-in"]


@given(text=TEXT, lower=st.booleans())
@settings(max_examples=200, deadline=None)
def test_both_normal_forms_give_the_same_words(text: str, lower: bool) -> None:
    composed, typed = (unicodedata.normalize(form, text) for form in ("NFC", "NFD"))
    assert tokenise(composed, lower=lower) == tokenise(typed, lower=lower)


def test_exact_keeps_everything() -> None:
    text = "To be,\r\n\tor  not e\u0301"
    assert tokenise(text, "exact", lower=False) == list(text)
    assert joined(tokenise(text, "exact", lower=False), "exact") == text


@given(text=TEXT, how=st.sampled_from(["words", "whitespace", "characters"]), lower=st.booleans())
@settings(max_examples=200, deadline=None)
def test_tokens_joined_split_alike(text: str, how: str, lower: bool) -> None:
    tokens = tokenise(text, how, lower)
    assert tokenise(joined(tokens, how), how, lower) == tokens
    assert all(token and not any(c.isspace() for c in token) for token in tokens)


@given(one=TEXT, other=TEXT)
@settings(max_examples=100, deadline=None)
def test_lines_are_split_one_by_one(one: str, other: str) -> None:
    assert tokenise(f"{one}\n{other}") == tokenise(one) + tokenise(other)


@pytest.mark.parametrize(
    ("how", "text"),
    [
        ("words", "Don’t pay 3.14, ﬁne İstanbul!"),
        ("whitespace", "  Don't\tpay  it. "),
        ("characters", "e\u0301a  b"),
        ("exact", "a b\n"),
        ({"split": "words", "phrases": ""}, "new york"),
    ],
)
def test_tokens_know_where_they_stand(how: Any, text: str) -> None:
    seen = {"tokens": how, "lower": True, "form": "nfc"}
    found = located(seen, text)
    assert [token for token, _, _ in found] == tokenise(text, how)
    for token, begin, end in found:
        assert tokenise(text[begin:end], how) == [token]
    ends = [end for _, _, end in found]
    assert all(begin >= before for (_, begin, _), before in zip(found, [0, *ends], strict=False))
