"""Convert a corpus of words to one of byte pairs or word pieces.

Every different word is split once, whatever the length of the text.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from selftaught.data.text.bpe import BytePairs
from selftaught.data.text.corpus import Corpus, Words
from selftaught.data.text.draft import TOGETHER, Draft
from selftaught.data.text.kept import kept
from selftaught.errors import UserError
from selftaught.kernels import scan as kernel
from selftaught.parts.tokens import Way, model_of
from selftaught.source import digest_of

PREFIX = "bpe:"
REPEAT = 1 << 12  # copies of a word that are counted together
BATCH = 1 << 14  # words that are split together


def size_of(tokens: str) -> int:
    """Return the number of tokens of "bpe:8000". Raises UserError if it is not a number."""
    size = tokens.removeprefix(PREFIX)
    if not (size.isascii() and size.isdecimal() and len(size) < 10):
        raise UserError(f"tokens must give the number of byte pairs, such as bpe:8000, not '{tokens}'")
    return int(size)


def learnt(corpus: Corpus, size: int) -> BytePairs:
    """Learn byte pairs from the words of `corpus`, weighted by their counts."""
    return BytePairs.train(_repeated(corpus), size)


def _repeated(corpus: Corpus) -> Iterator[str]:
    for word, count in zip(corpus.words, corpus.counts.tolist(), strict=True):
        for start in range(0, count, REPEAT):
            yield f" {word}" * min(REPEAT, count - start)


def split(corpus: Corpus, how: Way) -> Corpus:
    """Return the same documents and sentences in pieces of words, kept in the cache, for a corpus of words."""
    model = model_of(how)
    assert model is not None
    pairs = BytePairs(model)
    key = digest_of("pieces", corpus.fingerprint, model)
    split_ = corpus.split | {"tokens": how}
    found = kept(key, "these documents", split_, lambda draft: _fill(draft, corpus, pairs))
    found.notes, found.skipped, found.called = corpus.notes, corpus.skipped, corpus.names
    return found


def _fill(draft: Draft, corpus: Corpus, pairs: BytePairs) -> None:
    sizes, found = list[int](), list[int]()
    for start in range(0, len(corpus.words), BATCH):
        words = corpus.words[start : start + BATCH]
        for numbers in pairs.encode_all([f" {word}" for word in words]):
            sizes.append(len(numbers))
            found += numbers
    begins, pieces = np.cumsum([0, *sizes], dtype=np.int64), np.array(found, np.int32)
    names = Words.of(pairs.tokens)
    rank = np.full(len(names), -1, np.int32)
    order, counts, known, total = np.empty(len(names), np.int64), np.zeros(len(names), np.int64), 0, 0
    for start in range(0, len(corpus.ids), TOGETHER):
        ids = corpus.ids[start : start + TOGETHER]
        out, ends = np.empty(int((begins[ids + 1] - begins[ids]).sum()), np.int32), np.empty(len(ids), np.int64)
        kernel.expand(ids, begins, pieces, out, ends)
        first, last = np.searchsorted(corpus.sentences, [start + 1, start + len(ids) + 1])
        draft.sentences.write(total + ends[corpus.sentences[first:last] - start - 1])
        known = kernel.sight(out, rank, order, counts, known)
        draft.ids.write(out)
        total += len(out)
    draft.counts = counts[:known]
    draft.words, draft.ends = names.taken(order[:known])
    draft.keep(corpus)
    draft.documents.frombytes(np.ascontiguousarray(corpus.documents[1:], np.int64).tobytes())
