"""Windows of the stream of a text, against a list of its symbols."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from selftaught.views.stream import Stream

START, END, OTHER = 10 + 2, 10 + 1, 10


def symbols(documents: list[list[list[int]]]) -> list[int]:
    found = []
    for document in documents:
        found += [START] if document else []
        for sentence in document:
            found += [*(min(token, OTHER) for token in sentence), END]
    return found


def stream(documents: list[list[list[int]]], length: int, reach: int, table: bool = False) -> Stream:
    ids = np.array([token for document in documents for sentence in document for token in sentence], np.int32)
    sentences = np.cumsum([0, *(len(sentence) for document in documents for sentence in document)])
    borders = np.cumsum([0, *map(len, documents)])
    rows = np.minimum(np.arange(30), OTHER).astype(np.int32) if table else None
    return Stream(ids, sentences, borders, 10, length, reach, rows)


SENTENCE = st.lists(st.integers(0, 12), max_size=4)
DOCUMENTS = st.lists(st.lists(SENTENCE, max_size=3), min_size=1, max_size=4).filter(any)


@given(documents=DOCUMENTS, length=st.integers(1, 5), reach=st.integers(1, 9), table=st.booleans())
@settings(max_examples=200, deadline=None)
def test_every_window_is_the_list_from_there_on(
    documents: list[list[list[int]]], length: int, reach: int, table: bool
) -> None:
    made, wanted = stream(documents, length, reach, table), symbols(documents)
    assert made.size == len(wanted) and len(made) == -(-len(wanted) // length)
    around = wanted * (2 + reach // len(wanted) + length)
    found = made.fetch(np.arange(len(made)))["tokens"]
    for row, tokens in enumerate(found.tolist()):
        assert tokens == around[row * length : row * length + reach]
