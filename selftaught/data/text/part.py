"""Some documents of a corpus as a corpus with its own words and counts."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from selftaught.data.subset import drawn, split_index
from selftaught.data.text.corpus import Corpus, Words
from selftaught.data.text.draft import TOGETHER, Draft
from selftaught.data.text.kept import kept
from selftaught.kernels import scan as kernel
from selftaught.kind import Split
from selftaught.source import Index, digest_of


def side(corpus: Corpus, split: Split, limit: int | None, seed: int = 0) -> Corpus:
    """Return `limit` documents of one side, see `data.subset.split_index` and `data.subset.drawn`."""
    index = np.arange(len(corpus)) if split == "all" else split_index(corpus, split)
    if limit is not None:
        index = np.sort(index[drawn(corpus.labels[index], seed)[:limit]])
    return part(corpus, index)


def part(corpus: Corpus, index: Index) -> Corpus:
    """Return the documents `index` (int64 [M], increasing), kept in the cache; the corpus itself if these are all."""
    if len(index) == len(corpus):
        return corpus
    key = digest_of("part", corpus.fingerprint, np.ascontiguousarray(index).tobytes())
    found = kept(key, "these documents", corpus.split, lambda draft: _fill(draft, corpus, index))
    found.notes, found.skipped = corpus.notes, corpus.skipped
    found.called = lambda chosen: corpus.names(index[chosen])
    return found


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
    """Return a copy of the ids between two positions that belong to the chosen sentences."""
    first = int(np.searchsorted(corpus.sentences, start, side="right")) - 1
    last = int(np.searchsorted(corpus.sentences, stop, side="left"))
    borders = np.clip(corpus.sentences[first : last + 1], start, stop)
    ids: NDArray[np.int32] = corpus.ids[start:stop][np.repeat(chosen[first:last], borders[1:] - borders[:-1])]
    return ids
