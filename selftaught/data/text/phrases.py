"""Find the phrases of a corpus and join their words, see `parts/phrases`.

The score of a pair is that of the authors' tool: (count(ab) - discount) / (count(a) count(b)) times the number of words
in the text; pairs above a threshold are joined. Not as in the tool, pairs are not counted across line ends, all of them
are counted whatever the memory, and scores are computed in double precision.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from selftaught.data.text.corpus import Corpus, Words
from selftaught.data.text.draft import TOGETHER, Draft
from selftaught.data.text.kept import kept
from selftaught.errors import UserError
from selftaught.kernels import phrases as kernel
from selftaught.kernels import scan
from selftaught.parts.phrases import JOINT, Pair, packed, unpacked
from selftaught.source import digest_of

ROOM = 1 << 22
"""Number of different pairs that are counted in one reading of the text, about; a table of them takes 128 MB."""
NAMED = 3
"""Phrases that are named as examples."""


@final
@dataclass(frozen=True)
class Pairs:
    """Pairs of words of a corpus, by their numbers: int32 [P] each."""

    first: NDArray[np.int32]
    second: NDArray[np.int32]


def check(thresholds: Sequence[float], discount: int) -> None:
    """Raises UserError for values that phrases cannot be found with."""
    for threshold in thresholds:
        if not 0 <= threshold < np.inf:
            raise UserError(f"phrases must be thresholds of at least 0, such as 100, not {threshold:g}")
    if discount < 0:
        raise UserError(f"phrase_count must be at least 0, not {discount}")


def learnt(corpus: Corpus, thresholds: Sequence[float], discount: int) -> Corpus:
    """Return the corpus after one pass for each threshold, kept in the cache."""
    for threshold in thresholds:
        key = digest_of("phrases", corpus.fingerprint, repr(float(threshold)), str(discount))
        corpus = _passed(corpus, key, partial(found, threshold=threshold, discount=discount))
    corpus.notes = (*corpus.notes, _told(corpus))
    return corpus


def split(corpus: Corpus, how: Mapping[str, str]) -> Corpus:
    """Return a corpus of words with the phrases of another one, whose way to split text is `how`."""
    for pairs in unpacked(how["phrases"]):
        lines = packed([sorted(pairs)])
        corpus = _passed(corpus, digest_of("of phrases", corpus.fingerprint, lines), partial(_there, pairs=pairs))
    corpus.tokens = dict(how)  # also the phrases that this text does not have
    return corpus


def found(corpus: Corpus, threshold: float, discount: int) -> Pairs:
    """Return the pairs whose score is above the threshold, by first and then second word."""
    total, counts = len(corpus.ids), corpus.counts
    # the score is less than total / count of either word, so the most frequent words are in no phrase; a word that is
    # no more frequent than the discount is in none either
    words = np.array([corpus.size(int(min(-(-total // threshold) if threshold else total, total)) + 1), 0], np.int64)
    words[1] = corpus.size(discount + 1)
    kept_first, kept_second = [np.empty(0, np.int32)], [np.empty(0, np.int32)]
    for firsts, room in _rounds(counts, words):
        keys = np.zeros(1 << (2 * room).bit_length(), np.uint64)
        tally = np.zeros(len(keys), np.int64)
        kernel.count(corpus.ids, corpus.sentences, firsts, words, keys, tally)
        there = np.flatnonzero(tally > discount)
        pairs = keys[there] - np.uint64(1)
        first, second = (pairs >> np.uint64(32)).astype(np.int32), (pairs & np.uint64(0xFFFFFFFF)).astype(np.int32)
        good = (tally[there] - discount) / counts[first] / counts[second] * total > threshold
        order = np.lexsort((second[good], first[good]))
        kept_first.append(first[good][order])
        kept_second.append(second[good][order])
    return Pairs(np.concatenate(kept_first), np.concatenate(kept_second))


def _rounds(counts: NDArray[np.int64], words: NDArray[np.int64]) -> Iterator[tuple[NDArray[np.int64], int]]:
    """Yield the first words of each reading, and the most pairs that they can be in."""
    low, high = words.tolist()
    if low >= high:
        return
    most = np.cumsum(np.minimum(counts[low:high], high - low))
    at = 0
    while at < len(most):
        before = int(most[at - 1]) if at else 0
        to = max(at + 1, int(np.searchsorted(most, before + ROOM, side="right")))
        yield np.array([low + at, low + to], np.int64), int(most[to - 1]) - before
        at = to


def _there(corpus: Corpus, pairs: frozenset[Pair]) -> Pairs:
    """Return the pairs both of whose words the corpus has."""
    wanted = {word for pair in pairs for word in pair}
    number = {word: i for i, word in enumerate(corpus.words) if word in wanted}
    rows = sorted((number[a], number[b]) for a, b in pairs if a in number and b in number)
    both = np.array(rows, np.int32).reshape(-1, 2)
    return Pairs(both[:, 0].copy(), both[:, 1].copy())


def _passed(corpus: Corpus, key: str, choose: Callable[[Corpus], Pairs]) -> Corpus:
    def fill(draft: Draft) -> None:
        _fill(draft, corpus, choose(corpus))

    done = kept(key, "these documents", corpus.split, fill)
    done.notes, done.skipped, done.called = corpus.notes, corpus.skipped, corpus.names
    return done


def _fill(draft: Draft, corpus: Corpus, pairs: Pairs) -> None:
    named = list(zip(_words(corpus, pairs.first), _words(corpus, pairs.second), strict=True))
    names = [f"{a}{JOINT}{b}" for a, b in named]
    words, made = _named(corpus, names)
    keys = np.zeros(1 << (2 * len(names) + 1).bit_length(), np.uint64)
    values = np.zeros(len(keys), np.int32)
    kernel.enter(pairs.first, pairs.second, made, keys, values)
    both = np.concatenate([pairs.first, pairs.second])
    within = np.array([both.min(), both.max() + 1] if len(both) else [0, 0], np.int64)
    rank = np.full(len(words), -1, np.int32)
    order, counts, known, total = np.empty(len(words), np.int64), np.zeros(len(words), np.int64), 0, 0
    state = np.zeros(2, np.int64)
    while (at := int(state[kernel.AT])) < len(corpus.ids):
        stop = min(at + TOGETHER, len(corpus.ids))
        out = np.empty(stop - at + 1, np.int32)
        closing = int(np.searchsorted(corpus.sentences, stop + 1, side="right") - state[kernel.SENTENCE])
        ends = np.empty(max(closing, 0), np.int64)
        n, closed = kernel.join(corpus.ids, corpus.sentences, stop, within, keys, values, state, out, ends)
        draft.sentences.write(total + ends[:closed])
        known = scan.sight(out[:n], rank, order, counts, known)
        draft.ids.write(out[:n])
        total += n
    draft.counts = counts[:known]
    draft.words, draft.ends = words.taken(order[:known])
    draft.keep(corpus)
    draft.documents.frombytes(np.ascontiguousarray(corpus.documents[1:], np.int64).tobytes())
    draft.tokens = _after(corpus, named)


def _words(corpus: Corpus, numbers: NDArray[np.int32]) -> list[str]:
    return [corpus.words[i] for i in numbers.tolist()]


def _after(corpus: Corpus, pairs: Sequence[Pair]) -> dict[str, str]:
    """Return how text is split after one more pass."""
    how: Any = corpus.tokens
    if isinstance(how, Mapping):
        return {"split": how["split"], "phrases": f"{how['phrases']}\n\n{packed([pairs])}"}
    return {"split": how, "phrases": packed([pairs])}


def _named(corpus: Corpus, phrases: Sequence[str]) -> tuple[Words, NDArray[np.int32]]:
    """Return the words of the corpus and behind them the phrases that are new, and the number of each phrase.

    The text may have had new_york before, and two pairs may become the same word.
    """
    whole = corpus.words if isinstance(corpus.words, Words) else Words.of(corpus.words)
    wanted = set(phrases)
    number = {word: i for i, word in enumerate(whole) if word in wanted} if wanted else {}
    new = [phrase for phrase in dict.fromkeys(phrases) if phrase not in number]
    number |= {phrase: len(whole) + i for i, phrase in enumerate(new)}
    more, start = Words.of(new), whole.ends[-1] if len(whole) else 0
    words = Words(np.concatenate([whole.data, more.data]), np.concatenate([whole.ends, start + more.ends]))
    return words, np.array([number[phrase] for phrase in phrases], np.int32)


def _told(corpus: Corpus) -> str:
    """Return the note on the phrases: how many, and the most frequent ones."""
    assert isinstance(corpus.tokens, Mapping)
    phrases = {f"{a}{JOINT}{b}" for pairs in unpacked(corpus.tokens["phrases"]) for a, b in pairs}
    frequent = list(islice((word for word in corpus.words if word in phrases), NAMED))
    more = ", ..." if len(phrases) > len(frequent) else ""
    return f"{len(phrases):,} phrases" + (f" ({', '.join(frequent)}{more})" if frequent else "")
