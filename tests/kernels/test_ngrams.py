"""The compiled n-gram model against the definitions, written with dictionaries."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from itertools import pairwise, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from selftaught.kernels import ngrams

Gram = tuple[int, ...]
V = 4
OTHER, END, START = V, V + 1, V + 2
OUTCOMES = range(V + 2)
SENTENCES = st.lists(st.lists(st.integers(0, V), max_size=7), min_size=1, max_size=12)


def counted(
    sentences: Sequence[Sequence[int]], order: int, slots: int = 16
) -> tuple[np.ndarray, np.ndarray, np.ndarray, int, tuple]:
    ids = np.array([w for s in sentences for w in s], np.int32)
    borders = np.cumsum([0, *map(len, sentences)]).astype(np.int64)
    seen = np.zeros(V + 3, np.int64)
    result = ngrams.count(
        ids,
        borders,
        np.ones(len(sentences), np.bool_),
        np.ones(len(sentences), np.bool_),
        order,
        V,
        4.0,
        ngrams.table(slots),
        np.zeros(V + 3 + order, np.int32),
        seen,
        V + 3,
    )
    return result[0], result[1], seen, result[2], result[3:]


def model(
    sentences: Sequence[Sequence[int]],
    order: int,
    discount: np.ndarray,
    kinds: bool,
    types: float = 0.0,
    k: float = 0.0,
) -> tuple[ngrams.Trie, ngrams.Weights]:
    slots, left, seen, used, _ = counted(sentences, order)
    unigrams, begin, word, count = ngrams.arranged(slots, left, seen, used, order, kinds)
    trie = ngrams.Trie(V + 3, begin, word, count)
    return trie, ngrams.weights(trie, unigrams, discount, types, k * (V + 2), k > 0)


def fixed(order: int, d: float = 0.75) -> np.ndarray:
    found = np.zeros((order + 1, 4))
    found[1:, 1:] = d
    return found


def follow(built: tuple[ngrams.Trie, ngrams.Weights], history: Sequence[int], started: bool) -> np.ndarray:
    out = np.empty(V + 2)
    ngrams.follow(*built, np.array(history, np.int32), started, out)
    return out


class Naive:
    """The definitions, one after the other; histories are tuples, START first where the sentence begins."""

    def __init__(self, sentences: Sequence[Sequence[int]], order: int) -> None:
        self.order = order
        self.raw: Counter[Gram] = Counter()
        self.kinds: defaultdict[Gram, set[int]] = defaultdict(set)
        for sentence in sentences:
            tokens = (START, *sentence, END)
            for i in range(1, len(tokens)):
                for length in range(1, min(order, i + 1) + 1):
                    self.raw[tokens[i + 1 - length : i + 1]] += 1
        for gram in self.raw:
            if len(gram) > 1:
                self.kinds[gram[1:]].add(gram[0])

    def adjusted(self, gram: Gram) -> int:
        """How often, or after how many different tokens."""
        if len(gram) == self.order or gram[0] == START:
            return self.raw[gram]
        return len(self.kinds[gram])

    def kneser_ney(self, history: Gram, w: int, d: Callable[[int, int], float]) -> float:
        history = history[-(self.order - 1) :]
        after = {v: self.adjusted((*history, v)) for v in OUTCOMES}
        total, length = sum(after.values()), len(history) + 1
        shorter = self.kneser_ney(history[1:], w, d) if history else 1 / len(OUTCOMES)
        if total == 0:
            return shorter
        left = sum(d(length, c) for c in after.values() if c)
        return (after[w] - (d(length, after[w]) if after[w] else 0)) / total + left / total * shorter

    def witten_bell(self, history: Gram, w: int) -> float:
        history = history[-(self.order - 1) :]
        after = {v: self.raw[(*history, v)] for v in OUTCOMES}
        total, types = sum(after.values()), sum(c > 0 for c in after.values())
        shorter = self.witten_bell(history[1:], w) if history else 1 / len(OUTCOMES)
        return (after[w] + types * shorter) / (total + types) if total else shorter

    def add_k(self, history: Gram, w: int, k: float) -> float:
        history = history[-(self.order - 1) :]
        after = {v: self.raw[(*history, v)] for v in OUTCOMES}
        return (after[w] + k) / (sum(after.values()) + k * len(OUTCOMES))


def histories(order: int) -> list[tuple[Gram, bool]]:
    """All of up to order - 1 words, at the beginning of a sentence and inside one."""
    words = [h for n in range(order) for h in product(range(V + 1), repeat=n)]
    return [(h, started) for h in words for started in (True, False)]


@settings(max_examples=25, deadline=None)
@given(SENTENCES, st.integers(2, 3), st.sampled_from([0.75, 0.3, 1.0]))
def test_kneser_ney_is_its_definition_and_sums_to_one_after_every_history(
    sentences: list[list[int]], order: int, d: float
) -> None:
    built, naive = model(sentences, order, fixed(order, d), kinds=True), Naive(sentences, order)
    for history, started in histories(order):
        p = follow(built, history, started)
        assert abs(p.sum() - 1) < 1e-9
        full = (START, *history) if started else history
        np.testing.assert_allclose(p, [naive.kneser_ney(full, w, lambda *_: d) for w in OUTCOMES], atol=1e-12)


@settings(max_examples=25, deadline=None)
@given(SENTENCES, st.integers(2, 3), st.floats(0.01, 5))
def test_witten_bell_and_add_k_are_their_definitions(sentences: list[list[int]], order: int, k: float) -> None:
    none, naive = np.zeros((order + 1, 4)), Naive(sentences, order)
    bell, added = model(sentences, order, none, kinds=False, types=1.0), model(sentences, order, none, kinds=False, k=k)
    for history, started in histories(order):
        full = (START, *history) if started else history
        p, q = follow(bell, history, started), follow(added, history, started)
        assert abs(p.sum() - 1) < 1e-9 and abs(q.sum() - 1) < 1e-9
        np.testing.assert_allclose(p, [naive.witten_bell(full, w) for w in OUTCOMES], atol=1e-12)
        np.testing.assert_allclose(q, [naive.add_k(full, w, k) for w in OUTCOMES], atol=1e-12)


@settings(max_examples=25, deadline=None)
@given(SENTENCES, st.integers(2, 5), st.booleans())
def test_discounts_are_estimated_from_the_counts_of_counts(sentences: list[list[int]], order: int, three: bool) -> None:
    slots, left, seen, used, _ = counted(sentences, order)
    unigrams, begin, word, count = ngrams.arranged(slots, left, seen, used, order, True)
    found, naive = ngrams.discounts(begin, count, unigrams, order, three, 0.6), Naive(sentences, order)
    for length in range(1, order + 1):
        of = Counter(naive.adjusted(gram) for gram in naive.raw if len(gram) == length)
        wanted = [0.6] * 3
        if of[1] and of[2]:
            y = of[1] / (of[1] + 2 * of[2])
            for c in (1, 2, 3):
                d = y if not three else c - (c + 1) * y * of[c + 1] / of[c] if of[c] else 0
                wanted[c - 1] = d if d > 0 else 0.6
        np.testing.assert_allclose(found[length, 1:], wanted)
    trie = ngrams.Trie(V + 3, begin, word, count)
    built = trie, ngrams.weights(trie, unigrams, found)
    rng = np.random.default_rng(0)
    for _ in range(20):
        history, started = rng.integers(0, V + 1, rng.integers(0, order)).tolist(), bool(rng.integers(2))
        p = follow(built, history, started)
        assert abs(p.sum() - 1) < 1e-9 and (p > 0).all()
        full = (START, *history) if started else tuple(history)
        by_hand = [naive.kneser_ney(full, w, lambda n, c: found[n, min(c, 3)]) for w in OUTCOMES]
        np.testing.assert_allclose(p, by_hand, atol=1e-12)


@settings(max_examples=30, deadline=None)
@given(SENTENCES, SENTENCES, st.integers(2, 5), st.sampled_from(["kneser-ney", "witten-bell", "add-k"]))
def test_a_score_is_the_product_of_the_distributions(
    sentences: list[list[int]], asked: list[list[int]], order: int, smoothing: str
) -> None:
    built = {
        "kneser-ney": lambda: model(sentences, order, fixed(order), kinds=True),
        "witten-bell": lambda: model(sentences, order, np.zeros((order + 1, 4)), kinds=False, types=1.0),
        "add-k": lambda: model(sentences, order, np.zeros((order + 1, 4)), kinds=False, k=0.3),
    }[smoothing]()
    out = np.empty(sum(map(len, asked)) + len(asked))
    ngrams.score(
        *built,
        np.array([w for s in asked for w in s], np.int32),
        np.cumsum([0, *map(len, asked)]).astype(np.int64),
        out,
    )
    wanted = [math.log(follow(built, s[:i], True)[w]) for s in asked for i, w in enumerate([*s, END])]
    np.testing.assert_allclose(out, wanted, atol=1e-10)
    sentence = asked[0]
    if sentence:  # a blank in its middle: what changes is what the score of the whole sentence changes by
        at, candidates, changed = len(sentence) // 2, np.arange(V + 1, dtype=np.int32), np.empty(V + 1)
        before, after = np.array(sentence[:at], np.int32), np.array(sentence[at + 1 :], np.int32)
        ngrams.fill(*built, before, after, candidates, changed)
        whole = np.empty(len(sentence) + 1)
        for c in candidates:
            filled = np.array([*before, c, *after], np.int32)
            ngrams.score(*built, filled, np.array([0, len(filled)], np.int64), whole)
            assert changed[c] == pytest.approx(whole[at : at + order].sum(), abs=1e-10)


@settings(max_examples=30, deadline=None)
@given(SENTENCES, st.integers(2, 5), st.integers(0, 12))
def test_the_trie_is_sorted_and_the_same_however_the_text_was_cut(
    sentences: list[list[int]], order: int, cut: int
) -> None:
    naive = Naive(sentences, order)
    for kinds in (False, True):
        slots, left, seen, used, _ = counted(sentences, order)
        unigrams, begin, word, count = ngrams.arranged(slots, left, seen, used, order, kinds)
        found: dict[Gram, int] = {}
        grams: list[Gram] = [(w,) for w in range(V + 3)]
        for node in range(len(begin) - 1):
            children = word[begin[node] - V - 3 : begin[node + 1] - V - 3]
            assert (np.diff(children) > 0).all()
            grams += [(*grams[node], int(w)) for w in children]
        found = dict(zip(grams[V + 3 :], count.tolist(), strict=True))
        wanted = {g: naive.adjusted(g) if kinds else c for g, c in naive.raw.items() if len(g) > 1}
        assert found == wanted
        single = [naive.adjusted((w,)) if kinds else naive.raw[(w,)] for w in OUTCOMES]
        assert unigrams.tolist() == [*single, 0 if kinds else len(sentences)]
        # the same counted in two goes, in another order
        ids = np.array([w for s in sentences for w in s], np.int32)
        borders = np.cumsum([0, *map(len, sentences)]).astype(np.int64)
        seen, middle = np.zeros(V + 3, np.int64), min(cut, len(sentences))
        state = ngrams.table(16), np.zeros(V + 3 + order, np.int32), seen, V + 3
        for first, last in ((middle, len(sentences)), (0, middle)):
            whole = np.ones(last - first, np.bool_)
            slots, left, used, *_ = ngrams.count(ids, borders[first : last + 1], whole, whole, order, V, 4.0, *state)
            state = slots, left, seen, used
        again = ngrams.arranged(slots, left, seen, used, order, kinds)
        assert all(np.array_equal(a, b) for a, b in zip(again, (unigrams, begin, word, count), strict=True))


@given(sentences=st.lists(st.lists(st.integers(0, V), max_size=30), min_size=1, max_size=4), order=st.integers(2, 5),
       longest=st.integers(5, 12))  # fmt: skip
@settings(max_examples=60, deadline=None)
def test_a_sentence_in_pieces_is_counted_as_in_one(sentences: list[list[int]], order: int, longest: int) -> None:
    slots, left, seen, used, (loss, tokens, _) = counted(sentences, order)
    ids = np.array([w for s in sentences for w in s], np.int32)
    borders = np.cumsum([0, *map(len, sentences)]).astype(np.int64)
    state = ngrams.table(16), np.zeros(V + 3 + order, np.int32), np.zeros(V + 3, np.int64), V + 3
    losses, numbers = 0.0, 0
    for first, last in pairwise(borders.tolist()):
        for begin in range(first, max(last, first + 1), longest):
            lead, end = min(begin - first, order - 1), min(begin + longest, last)
            piece = ids[begin - lead : end], np.array([lead, lead + end - begin])
            flags = np.array([begin == first]), np.array([end == last])
            *state_, part, more, _ = ngrams.count(*piece, *flags, order, V, 4.0, *state)
            state = state_[0], state_[1], state[2], state_[2]
            losses, numbers = losses + part, numbers + more
    assert (losses, numbers) == (pytest.approx(loss), tokens) and np.array_equal(state[2], seen)
    trees = [ngrams.arranged(*one, order, True) for one in (state, (slots, left, seen, used))]
    assert all(np.array_equal(a, b) for a, b in zip(*trees, strict=True))


def test_the_running_loss_predicts_each_token_from_those_before_it() -> None:
    sentences, order, strength = [[0, 1, 0], [0, 1], [3, 1, 0]], 3, 4.0
    so_far: Counter[Gram] = Counter()
    loss = 0.0
    for sentence in sentences:
        tokens = (START, *sentence, END)
        for i in range(1, len(tokens)):
            p = (so_far[(tokens[i],)] + 1) / (sum(so_far[(w,)] for w in OUTCOMES) + len(OUTCOMES))
            for length in range(1, min(order - 1, i) + 1):
                history = tokens[i - length : i]
                seen = sum(so_far[(*history, w)] for w in OUTCOMES)
                p = (so_far[(*history, tokens[i])] + strength * p) / (seen + strength)
            loss -= math.log(p)
            for length in range(1, min(order, i + 1) + 1):
                so_far[tokens[i + 1 - length : i + 1]] += 1
    *_, (found, tokens_seen, fresh) = counted(sentences, order)
    assert found == pytest.approx(loss)
    assert tokens_seen == 11 and fresh == sum(1 for g in so_far if len(g) == order)


def test_a_uniform_model_is_as_perplexed_as_there_are_outcomes() -> None:
    built = model([[0, 1, 2], [3]], 3, np.zeros((4, 4)), kinds=False, k=1e12)
    out = np.empty(5)
    ngrams.score(*built, np.array([0, 1, 2, 3], np.int32), np.array([0, 4], np.int64), out)
    assert math.exp(-out.mean()) == pytest.approx(V + 2)


def test_a_history_never_seen_gives_add_k_nothing_to_tell_words_apart_by() -> None:
    built = model([[0, 1, 2]], 3, np.zeros((4, 4)), kinds=False, k=0.5)
    np.testing.assert_allclose(follow(built, [3, 3], False), 1 / (V + 2))


def test_counts_stay_whole_over_many_doublings_of_the_table() -> None:
    rng = np.random.default_rng(0)
    sentences = [rng.integers(0, V + 1, 30).tolist() for _ in range(300)]
    naive, (slots, left, seen, used, _) = Naive(sentences, 5), counted(sentences, 5)
    assert used - V - 3 == sum(1 for g in naive.raw if len(g) > 1)
    assert 0.3 * len(slots) < used - V - 3 <= 0.7 * len(slots)
    *_, count = ngrams.arranged(slots, left, seen, used, 5, False)
    assert count.sum() == sum(c for g, c in naive.raw.items() if len(g) > 1)
