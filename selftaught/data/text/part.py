"""Some documents of a corpus as a corpus of their own, with its own words and counts."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from selftaught.data.corpus import Corpus, Words
from selftaught.data.source import Index, digest_of
from selftaught.data.text.draft import TOGETHER, Draft
from selftaught.data.text.kept import kept
from selftaught.errors import UserError
from selftaught.kernels import scan as kernel

TEST = 0.2  # part of the distinct documents that the test side gets


def side(corpus: Corpus, split: Literal["train", "test", "all"], limit: int | None) -> Corpus:
    """The first `limit` documents of one side. See `split_of`."""
    index = np.arange(len(corpus)) if split == "all" else split_of(corpus, split)
    return part(corpus, index[:limit])


def split_of(corpus: Corpus, split: Literal["train", "test"]) -> Index:
    """The documents of one side of a deterministic 80/20 split by content, in their order.

    The distinct documents (groups, where there are some) are ranked by SHA-256 and the first fifth is the test side: exact duplicates
    share a side, and neither names nor order matter. Raises UserError when there are fewer than two that differ.
    """
    _, first, which = np.unique(corpus.digests.view("V32")[:, 0], return_index=True, return_inverse=True)
    rank = which.astype(np.int64)  # place of each document's digest among all
    if corpus.groups is not None:
        _, group = np.unique(corpus.groups, return_inverse=True)
        smallest = np.full(group.max() + 1, len(first), np.int64)
        np.minimum.at(smallest, group, rank)
        _, rank = np.unique(smallest[group], return_inverse=True)
    distinct = int(rank.max()) + 1
    if distinct < 2:
        many = f"{len(corpus)} document{'s' * (len(corpus) != 1)}"
        raise UserError(f"{many} without two that differ cannot be split into train and test: ask for all of it (split all)")
    held = rank < max(1, round(TEST * distinct))
    return np.flatnonzero(held == (split == "test"))


def part(corpus: Corpus, index: Index) -> Corpus:
    """The documents `index` (int64 [M], rising), kept in the cache; the corpus itself when these are all of them."""
    if len(index) == len(corpus):
        return corpus
    key = digest_of("part", corpus.fingerprint, np.ascontiguousarray(index).tobytes())
    return kept(key, "these documents", corpus.tokens, corpus.lower, lambda draft: _fill(draft, corpus, index))


def _fill(draft: Draft, corpus: Corpus, index: Index) -> None:
    chosen = np.zeros(len(corpus), np.bool_)
    chosen[index] = True
    sentences = np.repeat(chosen, np.diff(corpus.documents))
    draft.sentences.write(np.cumsum(np.diff(corpus.sentences)[sentences]))
    draft.documents.frombytes(np.cumsum(np.diff(corpus.documents)[index], dtype=np.int64).tobytes())
    rank = np.full(len(corpus.words), -1, np.int32)
    order, counts, words = np.empty(len(rank), np.int64), np.zeros(len(rank), np.int64), 0
    for start in range(0, len(corpus.ids), TOGETHER):
        ids = _within(corpus, sentences, start, min(start + TOGETHER, len(corpus.ids)))
        words = kernel.sight(ids, rank, order, counts, words)
        draft.ids.write(ids)
    draft.counts = counts[:words]
    whole = corpus.words if isinstance(corpus.words, Words) else Words.of(corpus.words)
    draft.words, draft.ends = whole.taken(order[:words])
    draft.keep(corpus, index)


def _within(corpus: Corpus, chosen: NDArray[np.bool_], start: int, stop: int) -> NDArray[np.int32]:
    """The ids between two places that belong to chosen sentences, as a copy."""
    first = int(np.searchsorted(corpus.sentences, start, side="right")) - 1
    last = int(np.searchsorted(corpus.sentences, stop, side="left"))
    borders = np.clip(corpus.sentences[first : last + 1], start, stop)
    ids: NDArray[np.int32] = corpus.ids[start:stop][np.repeat(chosen[first:last], borders[1:] - borders[:-1])]
    return ids
