"""Word boundaries, held to the test data of Unicode, and to its rules in their own words."""

# ruff: noqa: RUF001
from __future__ import annotations

import re
import unicodedata
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from selftaught.parts import word_break
from selftaught.parts.word_break import characters, kind, words

CASES = [
    [[chr(int(code, 16)) for code in segment.split("×")] for segment in line.strip("÷ ").split("÷")]
    for line in (Path(__file__).parent / "word_break_cases.txt").read_text(encoding="utf-8").splitlines()
    if not line.startswith("#")
]


def wanted(segment: list[str]) -> str:
    """The word that a segment of UAX #29 is here, or "" if it is none (see the differences in `word_break`)."""
    kept = [c for c in segment if kind(c) not in (word_break.INVISIBLE, word_break.SEPARATOR)]
    if not any(kind(c) in "LDHKA" for c in kept):
        return ""
    while kind(kept[0]) not in "LDHKA":
        kept.pop(0)
    while [c for c in kept if kind(c) not in "MN"][-1] == "_":
        kept.pop()
    return "".join(kept).rstrip("\u200c")


def test_the_cases_of_unicode() -> None:
    assert len(CASES) > 1300
    for segments in CASES:
        text = "".join(c for segment in segments for c in segment)
        if re.search("[LH][MIN]*'[MIN]*D|D[MIN]*'[MIN]*[LH]", "".join(map(kind, text))):
            continue  # 1990's is one word here
        assert list(words(text)) == [word for segment in segments if (word := wanted(segment))], ascii(text)


def boundaries(text: str) -> list[str]:
    """The segments by the rules WB5 to WB13b, one pair of neighbours at a time, with the differences stated there."""
    core = [(i, kind(c)) for i, c in enumerate(text) if kind(c) not in "MIN"]
    cuts = set()
    for n, (i, k) in enumerate(core[1:], 1):
        before, after = core[n - 1][1], core[n + 1][1] if n + 1 < len(core) else " "
        further = core[n - 2][1] if n > 1 else " "
        letter, word = "LH", "LHD"
        joined = (
            (before in word and k in word)
            or (before in letter and k in ":." and after in letter)
            or (further in letter and before in ":." and k in letter)
            or (before == "H" and k == "'")
            or (before == "H" and k == '"' and after == "H")
            or (further == "H" and before == '"' and k == "H")
            or (before == "D" and k in ",." and after == "D")
            or (further == "D" and before in ",." and k == "D")
            or (before in word and k in "-'" and after in word)
            or (further in word and before in "-'" and k in word)
            or (before == k == "K")
            or (before in "LDHK_" and k == "_")
            or (further == "H" and before == "'" and k == "_")
            or (before == "_" and k in "LDHK")
        )
        if not joined:
            cuts.add(i)
    places = [0, *sorted(cuts), len(text)]
    return [text[a:b] for a, b in pairwise(places)]


@given(text=st.text(st.sampled_from("aбอ1٣אבカー中の_'\".,:;·- !\u0301\u200d\u200c\xad\U0001f1e6"), max_size=14))
@settings(max_examples=300, deadline=None)
def test_the_rules_of_unicode(text: str) -> None:
    expected = []
    for segment in boundaries(text):
        if segment and kind(segment[0]) in "MIN":  # nothing is before it
            segment = segment.lstrip("\u0301\u200d\u200c\xad")
        trimmed = [(c, kind(c)) for c in segment]
        while trimmed and trimmed[0][1] not in "LDHKA":
            trimmed.pop(0)
        while trimmed and (left := [k for _, k in trimmed if k not in "MIN"]) and left[-1] == "_":
            trimmed.pop()
        if any(k in "LDHKA" for _, k in trimmed):
            expected.append("".join(c for c, k in trimmed if k != "I").rstrip("\u200c"))
    assert list(words(text)) == expected


@pytest.mark.parametrize(("text", "expected"), [
    ("می\u200cخواهم کتاب\u200c ها", ["می\u200cخواهم", "کتاب", "ها"]),
    ("col·lecció paral·lel", ["col·lecció", "paral·lel"]),
    ("mother\u2011in\u2010law", ["mother-in-law"]),
    ("hy\xadphen\u200f \xad", ["hyphen"]),
    ('צה"ל צה\u05f4ל ג\u05f3 ג\'', ['צה"ל', 'צה"ל', "ג'", "ג'"]),
    ("new_york __init__ _so_ a__b _", ["new_york", "init", "so", "a__b"]),
    ("3.14, 1,000.50; 1. 2", ["3.14", "1,000.50", "1", "2"]),
    ("e.g. U.S.A. end.", ["e.g", "U.S.A", "end"]),
    ("don’t 1990’s ’tis dogs’", ["don't", "1990's", "tis", "dogs"]),
    ("テレビを見る ｶﾞｽ", ["テレビ", "を", "見", "る", "ｶﾞｽ"]),
    ("葛\U000e0100城", ["葛\U000e0100", "城"]),
    ("สวัสดีครับ ไทย", ["สวัสดีครับ", "ไทย"]),
    ("Ի՞նչ", ["Ի՞նչ"]),
    ("m² ❤\ufe0f \U0001f468\u200d\U0001f469 \u0301", ["m²"]),
])  # fmt: skip
def test_words_as_readers_see_them(text: str, expected: list[str]) -> None:
    assert list(words(text)) == expected
    assert list(words(" ".join(expected))) == expected


def test_characters_keep_their_marks() -> None:
    assert characters("e\u0301a \u0301\u0301 हि") == ["e\u0301", "a", "\u0301\u0301", "हि"]
    assert characters(unicodedata.normalize("NFD", "한글")) == [unicodedata.normalize("NFD", c) for c in "한글"]
