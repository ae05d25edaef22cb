"""word2vec's loop against a naive one that replays its random numbers, in double precision and plain Python."""

import warnings
from typing import NamedTuple

import numpy as np
import pytest
from scipy.special import expit

from selftaught.kernels import word2vec
from selftaught.kernels.words import begin, below, draw, following, keep_thresholds, kept, mix, sigmoid_table
from selftaught.parts.alias import alias
from selftaught.parts.huffman import huffman

TABLE = sigmoid_table()


class Toy(NamedTuple):
    ids: np.ndarray
    borders: np.ndarray
    counts: np.ndarray


def toy(seed=0, sentences=12, longest=30, words=14):
    """Sentences of words by Zipf's law; lengths from 0 up, words often twice in a window."""
    rng = np.random.default_rng(seed)
    lengths = rng.integers(0, longest, sentences)
    p = 1 / np.arange(1, words + 1)
    ids = rng.choice(words, lengths.sum(), p=p / p.sum()).astype(np.int32)
    return Toy(
        ids,
        np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        np.sort(np.bincount(ids, minlength=words) + 1)[::-1],
    )


def tables(size, dim, seed=1, scale=0.3):
    rng = np.random.default_rng(seed)
    return (rng.normal(0, scale, (size, dim)).astype(np.float32) for _ in range(2))


def compiled(
    toy,
    table,
    output,
    *,
    order=None,
    seed=3,
    epoch=2,
    rate=0.05,
    cbow=False,
    share=False,
    window=3,
    negatives=4,
    hierarchical=False,
    pairwise=False,
    sample=0.02,
    power=0.75,
):
    """The kernel on copies of the tables: table, output, loss, pairs."""
    table, output, size = table.copy(), output.copy(), len(table)
    paths = (
        huffman(toy.counts[:size])
        if hierarchical
        else (np.zeros(0, np.int32), np.zeros(0, np.bool_), np.zeros(1, np.int64))
    )
    draws = alias(toy.counts[:size] ** power)
    loss, pairs = word2vec.loop(table.shape[1])(
        toy.ids,
        toy.borders,
        np.array(range(len(toy.borders) - 1) if order is None else order),
        seed,
        epoch,
        np.float32(rate),
        cbow,
        share,
        window,
        0 if hierarchical else negatives,
        pairwise and not cbow and not hierarchical,
        table,
        output,
        *paths,
        keep_thresholds(toy.counts[:size], sample),
        *draws,
        TABLE,
    )
    return table, output, loss, pairs


def logistic(scores):
    """By the kernel's table, which is off by 0.0015 at most (see test_words)."""
    return TABLE[np.clip((scores + 6) * (1024 / 12) + 1, 0, 1025).astype(int)].astype(np.float64)


class Numbers:
    """The generator of a piece of a sentence."""

    def __init__(self, *place):
        self.state = np.uint64(begin(*place))

    def __call__(self):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self.state = np.uint64(following(self.state))
            return np.uint64(mix(self.state))


def naive(toy, table, output, *, order=None, seed=3, epoch=2, rate=0.05, cbow=False, share=False, window=3, negatives=4,
          hierarchical=False, pairwise=False, sample=0.02, power=0.75):  # fmt: skip
    """The definition: rows read and written where they are, one centre after the other."""
    table, output, size = table.astype(np.float64), output.astype(np.float64), len(table)
    counts = toy.counts[:size]
    keep, (threshold, other), paths = keep_thresholds(counts, sample), alias(counts**power), huffman(counts)
    loss, pairs, centres = 0.0, 0, 0

    def step(inputs, targets):
        """Inputs [m, dim] meet targets [(row of output, label)]: the differences of the inputs, the loss.

        Moves the output.
        """
        rows, label = np.array([row for row, _ in targets], int), np.array([one for _, one in targets], float)
        scores = inputs @ output[rows].T
        g = rate * (label - logistic(scores))
        moved = g @ output[rows]
        np.add.at(output, rows, g.T @ inputs)
        return moved, -np.log(np.where(label, expit(scores), expit(-scores))).sum()

    def drawn(centre, numbers):
        words = [int(draw(threshold, other, numbers())) for _ in range(negatives)]
        return [(centre, 1)] + [(word, 0) for word in words if word != centre]

    for piece in range(len(toy.borders) - 1) if order is None else order:
        numbers = Numbers(seed, epoch, toy.borders[piece])
        words = [
            w
            for w in map(int, toy.ids[toy.borders[piece] : toy.borders[piece + 1]])
            if w < size and kept(keep, w, numbers())
        ]
        if len(words) < 2:
            continue
        for c, centre in enumerate(words):
            reach = window - int(below(numbers(), window))
            near = [words[q] for q in range(max(0, c - reach), min(len(words), c + reach + 1)) if q != c]

            here, count = 0.0, 0
            if hierarchical:
                path = slice(*paths.ends[centre : centre + 2])
                targets = list(zip(paths.nodes[path], paths.left[path], strict=True))
            elif not pairwise or cbow:
                targets = drawn(centre, numbers)
            if cbow:
                moved, here = step(table[near].mean(0, keepdims=True), targets)
                np.add.at(table, near, moved / len(near) if share else moved)
                count = 1
            elif pairwise and not hierarchical:
                lists = [drawn(centre, numbers) for _ in near]
                for word, targets in zip(near, lists, strict=True):
                    moved, part = step(table[[word]], targets)
                    table[word] += moved[0]
                    here, count = here + part, count + 1
            else:
                moved, here = step(table[near], targets)
                np.add.at(table, near, moved)
                count = len(near)
            if centres % word2vec.SAMPLED == 0:
                loss, pairs = loss + here, pairs + count
            centres += 1
    return table, output, loss, pairs


VARIANTS = [
    {},
    {"pairwise": True},
    {"cbow": True},
    {"cbow": True, "share": True},
    {"hierarchical": True},
    {"cbow": True, "hierarchical": True},
]


OTHERS = [
    {},
    {"window": 1},
    {"window": 6, "negatives": 1},
    {"sample": 0.0, "negatives": 11},
    {"power": 0.0, "seed": 9, "epoch": 0},
]


@pytest.mark.parametrize("variant", VARIANTS, ids=lambda v: "-".join(v) or "plain")
@pytest.mark.parametrize("other", OTHERS, ids=lambda o: "-".join(o) or "plain")
def test_the_loop_is_the_naive_one(variant, other):
    text = toy()
    table, output = tables(14, 12)
    found, expected = (f(text, table, output, **variant, **other) for f in (compiled, naive))
    moved = np.abs(expected[0] - table).max()
    assert moved > 0.02
    for a, b in zip(found[:2], expected[:2], strict=True):
        np.testing.assert_allclose(a, b, atol=1e-4 * moved)
    assert found[3] == expected[3] > 0
    np.testing.assert_allclose(found[2], expected[2], rtol=0.02)


@pytest.mark.parametrize("variant", VARIANTS, ids=lambda v: "-".join(v) or "plain")
def test_words_without_a_row_are_passed_over(variant):
    text = toy(seed=4)
    table, output = tables(9, 12)
    assert text.ids.max() >= 9
    found, expected = (f(text, table, output, **variant) for f in (compiled, naive))
    moved = np.abs(expected[0] - table).max()
    for a, b in zip(found[:2], expected[:2], strict=True):
        np.testing.assert_allclose(a, b, atol=1e-4 * moved)


@pytest.mark.parametrize("variant", VARIANTS, ids=lambda v: "-".join(v) or "plain")
def test_only_rows_of_words_seen_or_drawn_move(variant):
    text = Toy(np.array([0, 3, 5, 3, 0, 5], np.int32), np.array([0, 6]), np.array([9, 9, 1, 1, 1, 1]))
    table, output = tables(6, 12)
    found = compiled(text, table, output, power=30.0, sample=0.0, **variant)  # only 0 and 1 are ever drawn
    rows = set(np.flatnonzero((found[0] != table).any(1)))
    assert rows == {0, 3, 5}
    outputs = set(np.flatnonzero((found[1] != output).any(1)))
    paths = huffman(text.counts)
    nodes = {int(node) for w in (0, 3, 5) for node in paths.nodes[paths.ends[w] : paths.ends[w + 1]]}
    assert outputs == (nodes if variant.get("hierarchical") else {0, 1, 3, 5})


@pytest.mark.parametrize("variant", VARIANTS, ids=lambda v: "-".join(v) or "plain")
def test_a_step_goes_down_the_slope_of_the_loss(variant):
    """Two words, each the other's context.

    How far they move against finite differences of the loss that is reported.
    """
    counts = np.array([1000, 3, 2, 1])
    options = {"window": 1, "sample": 0.0, "power": 30.0, **variant}  # only word 0 is ever drawn
    table, output = tables(4, 12)
    ways = [Toy(np.array(ids, np.int32), np.array([0, 2]), counts) for ids in ([1, 2], [2, 1])]

    def loss(t, o):  # what is reported is the loss of the first centre
        return sum(compiled(way, t, o, rate=0.0, **options)[2] for way in ways)

    rate, eps = 2e-3, 2e-2
    after = compiled(ways[0], table, output, rate=rate, **options)
    slope = [(a - b) / -rate for a, b in zip(after[:2], (table, output), strict=True)]
    assert np.abs(slope[0]).max() > 0.1
    rng = np.random.default_rng(0)
    for _ in range(8):
        a, b = (rng.normal(size=table.shape).astype(np.float32) for _ in range(2))
        difference = (loss(table + eps * a, output + eps * b) - loss(table - eps * a, output - eps * b)) / (2 * eps)
        assert difference == pytest.approx((slope[0] * a).sum() + (slope[1] * b).sum(), abs=0.03, rel=0.01)


def test_with_one_word_around_the_centre_cbow_is_skip_gram():
    text = Toy(np.array([0, 1, 2, 0, 1, 3], np.int32), np.array([0, 2, 4, 6]), np.array([9, 5, 3, 2]))
    table, output = tables(4, 12)
    for loss in ({}, {"hierarchical": True}):
        skip, bag = (compiled(text, table, output, cbow=cbow, **loss) for cbow in (False, True))
        for a, b in zip(skip, bag, strict=True):
            np.testing.assert_allclose(a, b, atol=1e-6)
        pairwise = compiled(text, table, output, pairwise=True, **loss)
        np.testing.assert_allclose(pairwise[0], skip[0], atol=1e-6)


@pytest.mark.parametrize("cbow", [True, False])
def test_the_words_around_a_centre_are_a_bag(cbow):
    table, output = tables(4, 12)
    ways = [Toy(np.array(ids, np.int32), np.array([0, 3]), np.array([9, 5, 3, 2])) for ids in ([0, 2, 3], [3, 2, 0])]
    one, other = (
        compiled(way, table, output, cbow=cbow, hierarchical=True, window=1, sample=0.0, rate=1e-4) for way in ways
    )
    for a, b, before in zip(one, other, (table, output), strict=False):
        np.testing.assert_allclose(a, b, atol=2e-7)
        assert np.abs(a - before).max() > 1e-5


@pytest.mark.parametrize("variant", VARIANTS, ids=lambda v: "-".join(v) or "plain")
def test_the_same_call_gives_the_same_bytes_and_parts_give_those_of_the_whole(variant):
    text = toy(seed=8)
    table, output = tables(14, 12)
    whole, again = (compiled(text, table, output, **variant) for _ in range(2))
    part = compiled(text, table, output, order=range(5), **variant)
    rest = compiled(text, *part[:2], order=range(5, len(text.borders) - 1), **variant)
    for a, b, c in zip(whole[:2], again[:2], rest[:2], strict=True):
        np.testing.assert_array_equal(a, b)
        np.testing.assert_array_equal(a, c)
    elsewhere = [compiled(text, table, output, **variant, **other)[0] for other in ({"seed": 4}, {"epoch": 3})]
    assert not any(np.array_equal(whole[0], other) for other in elsewhere)


@pytest.mark.parametrize("power", [0.0, 0.75])
@pytest.mark.parametrize("negatives", [1, 4])
def test_the_optimum_is_the_shifted_pointwise_mutual_information(power, negatives):
    """Levy and Goldberg, NIPS 2014, for any noise: x_w . o_c = log(#(w, c) / (k P_n(c) #(w not with c)))."""
    rng = np.random.default_rng(0)
    size = 4
    weight = rng.uniform(1, 6, (size, size)) * np.array([4, 2, 1, 1])
    pairs = rng.choice(size * size, 8000, p=weight.ravel() / weight.sum())
    ids = np.stack(np.divmod(pairs, size), 1).astype(np.int32)
    both = np.zeros((size, size))
    np.add.at(both, (ids[:, 0], ids[:, 1]), 1)
    both += both.T  # each word of a sentence of two is once the centre
    counts = np.sort(both.sum(1))[::-1]
    order = np.argsort(-both.sum(1))
    rank = np.argsort(order).astype(np.int32)
    both = both[order][:, order]
    noise = counts**power / (counts**power).sum()
    expected = np.log(both / (negatives * noise * (both.sum(1, keepdims=True) - both)))
    text = Toy(rank[ids].ravel(), np.arange(0, 2 * len(ids) + 1, 2), counts.astype(np.int64))
    table, output = tables(size, 12, scale=0.1)
    for epoch in range(40):
        table, output, *_ = compiled(
            text,
            table,
            output,
            rate=0.05 * (1 - epoch / 40) + 1e-4,
            window=1,
            negatives=negatives,
            sample=0.0,
            power=power,
            epoch=epoch,
        )
    np.testing.assert_allclose(table @ output.T, expected, atol=0.2)
