"""The compiled scanner against the readable reference, on any text, cut into blocks anywhere."""

# ruff: noqa: RUF001
from __future__ import annotations

import unicodedata
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from selftaught.data.text.draft import Draft
from selftaught.data.text.scanner import Scanner
from selftaught.data.text.tables import ASSIGNED, BY_TOKEN, KINDS, tables
from selftaught.errors import UserError
from selftaught.kernels import scan
from selftaught.parts import word_break
from selftaught.parts.tokens import tokenise

HOW = ("words", "whitespace", "characters", "exact")
ALPHABET = st.one_of(
    st.characters(exclude_characters="\0", exclude_categories=("Cs",)),
    st.sampled_from(
        "abAB12  ''’-‐.,:;__\"אבΣσİéßKȺΚ中かナー。٣²ि·\n\r\u2028\u0301\u0300\u200c\u200d\xad\u05f4\u1100\u1161\xa0"
    ),
)
TEXT = st.text(ALPHABET, max_size=60)


def encoded(
    blocks: list[bytes], how: str, lower: bool, records: bool = False, form: str = "nfc"
) -> tuple[list[list[list[str]]], dict[str, int]]:
    """Documents of sentences of words, and the counts."""
    with Draft() as draft:
        scanner = Scanner(draft, how, lower, form)
        for i, block in enumerate(blocks):
            scanner.feed(block, i == len(blocks) - 1, lambda line, _: f"line {line + 1}", records)
        if not records:
            scanner.end_document()
        scanner.finish()
        data = bytes(draft.words)
        words = [data[a:b].decode() for a, b in zip(draft.ends[:-1], draft.ends[1:], strict=True)]
        final = range(len(words)) if draft.final is None else draft.final.tolist()
        ids = [words[final[i]] for block in draft.ids.blocks() for i in block]
        ends = [0, *(int(i) for block in draft.sentences.blocks() for i in block)]
        sentences = [ids[a:b] for a, b in pairwise(ends)]
        assert ends[-1] == len(ids)
        borders = [0, *draft.documents]
    documents = [sentences[a:b] for a, b in pairwise(borders)]
    assert borders[-1] == len(sentences)
    assert len(words) == len(set(words))
    assert list(dict.fromkeys(ids)) == words  # numbered by first occurrence
    return documents, dict(zip(words, draft.counts.tolist(), strict=True))


def expected(text: str, how: str, lower: bool) -> list[list[str]]:
    lines = [text] if how == "exact" else text.splitlines()
    return [found for line in lines if (found := tokenise(line, how, lower))]


@pytest.mark.parametrize("how", HOW)
@given(text=TEXT, lower=st.booleans(), cuts=st.lists(st.integers(0, 200), max_size=5))
@settings(max_examples=200, deadline=None)
@example(text="don't stop-\n'tis mother-in-law's -a- a--b", lower=True, cuts=[4, 5])
@example(text="中文abc中ßK", lower=True, cuts=[1, 2, 7])
@example(text="ΟΔΟΣ οδος cafe\u0301 café", lower=True, cuts=[])
@example(text="ג'_א 3.1,4.a a:\u0301b ז\"א_", lower=True, cuts=[9, 10, 11])
def test_equals_the_reference(how: str, text: str, lower: bool, cuts: list[int]) -> None:
    data = text.encode()
    places = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    documents, counts = encoded([data[a:b] for a, b in pairwise(places)], how, lower)
    assert documents == [expected(text, how, lower)]
    flat = [word for line in documents[0] for word in line]
    assert counts == {word: flat.count(word) for word in flat}


@given(texts=st.lists(TEXT, max_size=6))
@settings(max_examples=100, deadline=None)
def test_records_are_documents_even_when_empty(texts: list[str]) -> None:
    documents, _ = encoded([b"".join(text.encode() + b"\xff" for text in texts)], "words", True, records=True)
    assert documents == [expected(text, "words", True) for text in texts]


@pytest.mark.parametrize("lower", [False, True])
@pytest.mark.parametrize("how", HOW)
def test_every_code_point_is_as_the_reference_has_it(how: str, lower: bool) -> None:
    kinds, folds = tables(how, lower)
    other = {"words": scan.SEPARATOR, "whitespace": scan.LETTER}.get(how, scan.ALONE)
    outside = np.ones(0x110000, np.bool_)
    for first, end in ASSIGNED:
        outside[first:end] = False
    assert set(kinds[outside]) == {other}
    assert (folds[outside] == np.flatnonzero(outside)).all()
    for code in np.flatnonzero(~outside).tolist():
        character = chr(code)
        if kinds[code] in (scan.NEWLINE, scan.REFUSED):
            assert code == 0 or character.isspace()
            continue
        if how == "words":
            wanted = KINDS[word_break.kind(character)]
        elif character.isspace() and how != "exact":
            wanted = scan.SEPARATOR
        else:
            wanted = scan.LOOSE if how == "characters" and word_break.continues(character) else other
        assert kinds[code] == wanted, hex(code)
        folded = character.lower() if lower and character not in BY_TOKEN else character
        if how == "words":
            folded = word_break.PLAIN.get(folded, folded)
        assert chr(folds[code]) == folded, hex(code)


def test_lower_case_keeps_the_class_of_every_letter() -> None:
    assert all(word_break.kind(chr(code)) == word_break.kind(chr(code).lower()[0]) for code in range(0x30000))


def test_words_with_one_final_form_are_one_word() -> None:
    text = "ab ΟΔΟΣ οδος cafe\u0301 ab café ΟΔΟΣ ΟΔΟΣ"
    documents, counts = encoded([text.encode()], "words", True)
    assert documents == [[["ab", "οδος", "οδος", "café", "ab", "café", "οδος", "οδος"]]]
    assert counts == {"ab": 2, "οδος": 4, "café": 2}
    assert encoded([text.encode()], "words", False, form="none")[1]["cafe\u0301"] == 1


def test_tables_know_every_assigned_code_point() -> None:
    outside = set(range(0x110000)) - {code for first, end in ASSIGNED for code in range(first, end)}
    assert {unicodedata.category(chr(code)) for code in outside} <= {"Cn", "Co", "Cs"}
    assert not any(chr(code).isspace() for code in outside)


@given(data=st.binary(max_size=12))
@settings(max_examples=500, deadline=None)
@example(b"\xc0\x80")
@example(b"\xed\xa0\x80")
@example(b"\xf4\x90\x80\x80")
@example(b"\xe0\x9f\xbf")
@example(b"ab\xf0\x9f\x98")
def test_takes_exactly_what_is_utf8(data: bytes) -> None:
    data = data.replace(b"\0", b" ")
    fault = None
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        fault = error.start
    if fault is None:
        assert encoded([data], "words", True)[0] == [expected(text, "words", True)]
    else:
        with pytest.raises(UserError, match=rf"line {data[:fault].count(10) + 1}: not UTF-8 \(bytes {data[fault]:02x}"):
            encoded([data], "words", True)


def test_grows_in_words_and_in_bytes_and_keeps_every_count() -> None:
    words = [f"{i}{'x' * (i % 90)}" for i in range(40_000)]
    documents, counts = encoded([" ".join(words).encode(), b" " + " ".join(words[::2]).encode()], "whitespace", False)
    assert documents == [[[*words, *words[::2]]]]
    assert set(counts.values()) == {1, 2} and sum(counts.values()) == 60_000


def test_words_that_share_a_slot_stay_apart() -> None:
    """Every word enters a full circle of taken slots when the table is as small as it gets."""
    text = np.frombuffer(b"a b c d e f g h a c", np.uint8)
    kinds, folds = tables("whitespace", False)
    slots, state = np.zeros(16, np.uint64), np.zeros(9, np.int64)
    ends, counts, ids = np.zeros(9, np.int64), np.zeros(8, np.int64), np.empty(20, np.int32)
    why = scan.scan(
        text,
        len(text),
        True,
        -1,
        kinds,
        folds,
        slots,
        np.empty(8, np.uint64),
        ends,
        counts,
        np.empty(scan.LONGEST + 99, np.uint8),
        ids,
        np.empty(20, np.int64),
        np.empty(20, np.int64),
        state,
    )
    assert why == scan.FULL  # eight words are there, and room for eight: it asks before it looks
    assert ids[:8].tolist() == list(range(8)) and state[scan.AT] == 16
    larger = np.zeros(64, np.uint64)
    scan.rehash(np.array([1, 1, 1], np.uint64), 3, larger)  # equal hashes: one after the other
    assert sorted((larger[larger > 0] & np.uint64(0xFFFFFFFF)).tolist()) == [1, 2, 3]


def test_refuses_nul_and_endless_words() -> None:
    with pytest.raises(UserError, match="line 2: a NUL byte"):
        encoded([b"a\nb\0c"], "whitespace", True)
    with pytest.raises(UserError, match="line 1: a word of more than 65,536 bytes"):
        encoded([b"a" * 40_000, b"a" * 40_000], "words", True)
    assert encoded([b"a" * 65_536], "words", True)[1] == {"a" * 65_536: 1}


def test_gather_and_renumber() -> None:
    arena, ends = np.frombuffer(b"onetwothree", np.uint8), np.array([0, 3, 6, 11])
    out, out_ends = np.empty(11, np.uint8), np.empty(3, np.int64)
    scan.gather(arena, ends, np.array([2, 0, 1]), out, out_ends)
    assert bytes(out) == b"threeonetwo" and out_ends.tolist() == [5, 8, 11]
    ids = np.array([0, 1, 2, 1], np.int32)
    scan.renumber(ids, np.array([5, 7, 9], np.int32))
    assert ids.tolist() == [5, 7, 9, 7]


def test_sight_goes_on_over_blocks() -> None:
    rank, order, counts = np.full(6, -1, np.int32), np.zeros(6, np.int64), np.zeros(6, np.int64)
    first, second = np.array([5, 2, 5], np.int32), np.array([2, 0, 5], np.int32)
    words = scan.sight(first, rank, order, counts, 0)
    assert (words, first.tolist()) == (2, [0, 1, 0])
    words = scan.sight(second, rank, order, counts, words)
    assert (words, second.tolist()) == (3, [1, 2, 0])
    assert order[:3].tolist() == [5, 2, 0] and counts[:3].tolist() == [3, 2, 1]


def test_expand() -> None:
    out, ends = np.empty(5, np.int32), np.empty(3, np.int64)
    scan.expand(np.array([1, 0, 1], np.int32), np.array([0, 1, 3]), np.array([7, 8, 9], np.int32), out, ends)
    assert out.tolist() == [8, 9, 7, 8, 9] and ends.tolist() == [2, 3, 5]
