"""The loop over words and their n-grams against a naive one that draws the same random numbers."""

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

from selftaught.kernels.fasttext import LONGEST, learn
from selftaught.kernels.words import keep_thresholds, sigmoid_table
from selftaught.parts.alias import alias
from selftaught.parts.read_only import read_only

MASK = 2**64 - 1
STEP = 0x9E3779B97F4A7C15


def mix(z: int) -> int:
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9 & MASK
    z = (z ^ z >> 27) * 0x94D049BB133111EB & MASK
    return z ^ z >> 31


class Stream:
    """SplitMix64 from a place in the corpus, in Python's integers."""

    def __init__(self, seed: int, epoch: int, position: int) -> None:
        state = mix(seed + STEP & MASK)
        state = mix((state ^ epoch) + STEP & MASK)
        self.state = mix((state ^ position) + STEP & MASK)

    def bits(self) -> int:
        self.state = self.state + STEP & MASK
        return mix(self.state)


@dataclass
class Toy:
    """A corpus of 5 words of which 4 are known; each has its own row, and words share rows 4 to 7 as n-grams."""

    dim: int = 5
    subwords: bool = True
    sample: float = 0.0
    ids: Any = field(
        default_factory=lambda: np.random.default_rng(3).choice(5, 60, p=[0.4, 0.3, 0.15, 0.1, 0.05]).astype(np.int32)
    )
    sentences: Any = field(default_factory=lambda: np.array([0, 1, 20, 22, 22, 60]))

    def __post_init__(self) -> None:
        bags = [[0, 4, 5], [1, 4, 6, 7, 4], [2, 5], [3]] if self.subwords else [[0], [1], [2], [3]]
        self.starts = np.cumsum([0, *map(len, bags)])
        self.rows = np.concatenate(bags).astype(np.int32)
        draw = np.random.default_rng(0)
        self.table = draw.normal(size=(8, self.dim)).astype(np.float32)
        self.out = draw.normal(size=(4, self.dim)).astype(np.float32)
        counts = np.array([24, 18, 9, 6])
        self.keep = keep_thresholds(counts, self.sample)
        self.threshold, self.other = alias(counts**0.5)

    def learned(self, **changed: Any) -> tuple[Any, Any, Any]:
        """table, out and totals after the compiled loop."""
        asked = {
            "window": 3,
            "negative": 2,
            "cbow": False,
            "shared": True,
            "rate": 0.3,
            "seed": 7,
            "epoch": 2,
            "measure": 1,
        } | changed
        order = np.array(asked.pop("order", range(len(self.sentences) - 1)))
        table, out, totals = self.table.copy(), self.out.copy(), np.zeros(3)
        drawn = (self.keep, self.threshold, self.other, sigmoid_table())
        text = read_only(self.ids), read_only(self.sentences)
        learn(*text, order, self.starts, self.rows, table, out, *drawn, *asked.values(), totals)
        return table, out, totals

    def naive(self, window=3, negative=2, cbow=False, shared=True, rate=0.3, seed=7, epoch=2) -> tuple[Any, Any]:
        """The same in numpy, one vector at a time."""
        table, out = self.table.astype(np.float64), self.out.astype(np.float64)
        bag = [self.rows[self.starts[w] : self.starts[w + 1]] for w in range(4)]
        for s in range(len(self.sentences) - 1):
            for cut in range(self.sentences[s], self.sentences[s + 1], LONGEST):
                stream = Stream(seed, epoch, cut)
                known = [w for w in self.ids[cut : min(cut + LONGEST, self.sentences[s + 1])] if w < 4]
                words = [w for w in known if stream.bits() >> 32 <= self.keep[w]]
                x: dict[int, Any] = {}
                start: dict[int, Any] = {}
                for p in range(len(words) if len(words) > 1 else 0):
                    for q in range(len(x), min(p + window + 1, len(words))):
                        x[q] = table[bag[words[q]]].mean(0)
                        start[q] = x[q].copy()
                    reach = 1 + ((stream.bits() >> 32) * window >> 32)
                    around = [q for q in range(max(p - reach, 0), min(p + reach + 1, len(words))) if q != p]
                    for group in [around] if cbow or shared else [[q] for q in around]:
                        targets = [words[p], *(self.drawn(stream.bits()) for _ in range(negative))]
                        pairs = [(t, float(j == 0)) for j, t in enumerate(targets) if j == 0 or t != words[p]]
                        rows = sum(len(bag[words[q]]) for q in group)
                        inputs = (
                            [sum(len(bag[words[q]]) * x[q] for q in group) / rows] if cbow else [x[q] for q in group]
                        )
                        scores = [[h @ out[t] for t, _ in pairs] for h in inputs]
                        moved = [
                            sum(rate * (y - logistic(f)) * out[t] for (t, y), f in zip(pairs, fs, strict=True))
                            for fs in scores
                        ]
                        changes = [
                            sum(rate * (y - logistic(fs[k])) * h for h, fs in zip(inputs, scores, strict=True))
                            for k, (_, y) in enumerate(pairs)
                        ]
                        for (t, _), change in zip(pairs, changes, strict=True):
                            out[t] = out[t] + change
                        for i, q in enumerate(group):
                            x[q] = x[q] + moved[0 if cbow else i]
                    if p >= window:
                        for row in bag[words[p - window]]:
                            table[row] += x[p - window] - start[p - window]
                for p in range(max(len(words) - window, 0), len(x)):
                    for row in bag[words[p]]:
                        table[row] += x[p] - start[p]
        return table, out

    def drawn(self, bits: int) -> int:
        slot = (bits >> 32) * 4 >> 32
        return slot if bits & 0xFFFFFFFF < self.threshold[slot] else int(self.other[slot])


def logistic(score: float) -> float:
    """In the middle of one of 1,024 steps from -6 to 6, as the compiled loop takes it."""
    step = 12 / 1024
    return 1 / (1 + math.exp(-((score // step + 0.5) * step))) if abs(score) < 6 else float(score > 0)


VARIANTS = {"window": {"shared": True}, "pair": {"shared": False}, "cbow": {"cbow": True}}


@pytest.mark.parametrize("subwords", [True, False])
@pytest.mark.parametrize("variant", VARIANTS)
def test_it_moves_what_the_naive_loop_moves(variant: str, subwords: bool) -> None:
    """Without n-grams this is word2vec.

    The row of a context word against the output vectors of the centre and its negatives.
    """
    toy = Toy(subwords=subwords, sample=0.2, dim=19)
    table, out, _ = toy.learned(**VARIANTS[variant], rate=0.05)
    expected_table, expected_out = toy.naive(**VARIANTS[variant], rate=0.05)
    assert np.abs(table - toy.table).max() > 0.1
    # a score that rounds into the next step of the table: 1e-4
    np.testing.assert_allclose(table, expected_table, atol=3e-4)
    np.testing.assert_allclose(out, expected_out, atol=3e-4)


def test_without_ngrams_one_pair_is_word2vecs_gradient() -> None:
    """Two words, one pair each way, no draw that differs from the centre: by hand."""
    toy = Toy(subwords=False, ids=np.array([2, 3], np.int32), sentences=np.array([0, 2]))
    toy.threshold, toy.other = alias(np.array([0.0, 0.0, 0.0, 1.0]))  # every negative is word 3
    table, out, _ = toy.learned(negative=1, rate=0.1)
    v, o = toy.table.astype(np.float64), toy.out.astype(np.float64)
    positive, false = 0.1 * (1 - logistic(v[3] @ o[2])), 0.1 * logistic(v[3] @ o[3])  # centre 2, context 3, negative 3
    o3, v3 = o[3] - false * v[3], v[3] + positive * o[2] - false * o[3]
    o2 = o[2] + positive * v[3]
    last = 0.1 * (1 - logistic(v[2] @ o3))  # centre 3, context 2; the negative is the centre and is passed over
    np.testing.assert_allclose(table[2], v[2] + last * o3, atol=1e-3)
    np.testing.assert_allclose(table[3], v3, atol=1e-3)
    np.testing.assert_allclose(out[2], o2, atol=1e-3)
    np.testing.assert_allclose(out[3], o3 + last * v[2], atol=1e-3)


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_step_is_the_gradient_of_the_loss_of_the_means(variant: str) -> None:
    """One sentence of two words, by finite differences.

    A row's move is the gradient at the mean, not that part of it.
    """
    toy = Toy(ids=np.array([0, 1], np.int32), sentences=np.array([0, 2]))
    toy.threshold, toy.other = alias(np.array([0.0, 0.0, 1.0, 0.0]))
    rate = 1e-3

    def loss(x: Any, out: Any) -> float:
        total = 0.0
        for centre, context in ((0, 1), (1, 0)):
            scores = [(x[context] @ out[centre], 1)] + [(x[context] @ out[2], -1)] * 2
            total += sum(math.log1p(math.exp(-sign * score)) for score, sign in scores)
        return total

    table, _, _ = toy.learned(**VARIANTS[variant], rate=rate)
    bags = [toy.rows[toy.starts[w] : toy.starts[w + 1]] for w in (0, 1)]
    x = np.stack([toy.table[bag].astype(np.float64).mean(0) for bag in bags])
    gradient = np.zeros_like(x)
    for i in np.ndindex(x.shape):
        up, down = x.copy(), x.copy()
        up[i] += 1e-5
        down[i] -= 1e-5
        gradient[i] = (loss(up, toy.out) - loss(down, toy.out)) / 2e-5
    expected = toy.table.astype(np.float64)
    for bag, direction in zip(bags, gradient, strict=True):
        for row in bag:
            expected[row] -= rate * direction
    np.testing.assert_allclose((table - toy.table) / rate, (expected - toy.table) / rate, atol=0.03)


def test_only_rows_of_words_that_were_seen_move() -> None:
    toy = Toy(ids=np.array([2, 3, 2, 4], np.int32), sentences=np.array([0, 4]))
    table, _, totals = toy.learned()
    assert [row for row in range(8) if (table[row] != toy.table[row]).any()] == [2, 3, 5]
    assert totals[2] == 4


def test_a_lonely_word_teaches_nothing() -> None:
    toy = Toy(ids=np.array([0, 1, 2], np.int32), sentences=np.array([0, 1, 2, 3]))
    table, out, totals = toy.learned()
    assert (table == toy.table).all() and (out == toy.out).all()
    assert list(totals) == [0, 0, 3]


def test_sentences_are_learned_alike_alone_and_with_others_before() -> None:
    """What is drawn depends on a sentence's place, so a slice may begin anywhere."""
    toy = Toy(sample=0.2)
    whole = toy.learned()[:2]
    table, out, totals = toy.learned(order=range(2))
    toy.table, toy.out = table, out
    parts = toy.learned(order=range(2, len(toy.sentences) - 1))
    assert all((a == b).all() for a, b in zip(whole, parts, strict=False))
    assert totals[2] + parts[2][2] == 60


def test_long_sentences_are_cut() -> None:
    """The second part of a sentence that is too long is learned as a sentence that begins there."""
    ids = np.random.default_rng(0).integers(0, 4, LONGEST + 30).astype(np.int32)
    one = Toy(ids=ids, sentences=np.array([0, len(ids)])).learned()
    two = Toy(ids=ids, sentences=np.array([0, LONGEST, len(ids)])).learned()
    assert all((a == b).all() for a, b in zip(one, two, strict=True))


@pytest.mark.parametrize(
    "changed",
    [{"window": 1}, {"negative": 4}, {"cbow": True}, {"shared": False}, {"rate": 0.1}, {"seed": 8}, {"epoch": 3}],
)
def test_each_argument_matters(changed: dict[str, Any]) -> None:
    toy = Toy()
    assert (toy.learned()[0] != toy.learned(**changed)[0]).any()


def test_the_measured_loss_is_that_of_its_pairs() -> None:
    """With output vectors of zero and no rate, every pair costs (1 + negatives) log 2."""
    ids = np.tile(np.arange(3), 400).astype(np.int32)
    toy = Toy(ids=ids, sentences=np.arange(0, 1201, 12))
    toy.out[:] = 0
    toy.threshold, toy.other = alias(np.array([0.0, 0.0, 0.0, 1.0]))
    _, _, totals = toy.learned(rate=0.0)
    assert totals[0] / totals[1] == pytest.approx(3 * math.log(2), rel=1e-6)
    pairs = toy.learned(rate=0.0, measure=16)[2][1]
    assert 0.5 < 16 * pairs / totals[1] < 2
