"""The classifier's loop against numpy, one text at a time."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from selftaught.kernels.bag_classifier import HIERARCHICAL, NEGATIVE, ONE_VS_ALL, SOFTMAX, learn, means, number_runs
from selftaught.kernels.subwords import hashes
from selftaught.parts.alias import alias
from selftaught.parts.huffman import of_classes
from selftaught.parts.read_only import read_only

WORDS = ["a", "film", "näive", "</s>", "rare"]
BUCKET = 1000
COUNTS = np.array([5, 9, 1])  # of the classes
MASK, STEP = 2**64 - 1, 0x9E3779B97F4A7C15


def mix(z: int) -> int:
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9 & MASK
    z = (z ^ z >> 27) * 0x94D049BB133111EB & MASK
    return z ^ z >> 31


class Toy:
    """Texts over five words, the last without a row; "film" and "näive" share an n-gram."""

    def __init__(self, longest: int = 3) -> None:
        draw = np.random.default_rng(0)
        self.ids = draw.integers(0, 5, 40).astype(np.int32)
        self.begins, self.ends = np.array([0, 7, 7, 20, 39]), np.array([7, 7, 20, 39, 40])
        self.ids[39] = 4  # a text of nothing known
        self.labels = np.array([0, 1, 2, 1, 0])
        self.bags = [[0], [1, 4], [2, 4], [3], []]
        self.starts = np.cumsum([0, *map(len, self.bags)])
        self.rows = np.concatenate(self.bags).astype(np.int32)
        self.ids = read_only(self.ids)
        self.longest, self.hashes = longest, hashes(WORDS)
        self.row_of = np.full(BUCKET, -1, np.int32)
        count = number_runs(self.ids, self.begins, self.ends, self.hashes, longest, self.row_of)
        self.table, self.out = draw.normal(size=(5, 6)).astype(np.float32), draw.normal(size=(3, 6)).astype(np.float32)
        self.grams = draw.normal(size=(count, 6)).astype(np.float32)

    def given(self) -> tuple[Any, ...]:
        return self.starts, self.rows, self.table, self.hashes, self.longest, self.row_of, self.grams

    def learned(
        self,
        order: Any,
        rate: float,
        loss: int = SOFTMAX,
        negatives: int = 4,
        seed: int = 3,
        epoch: int = 2,
        draws: Any = None,
    ) -> Any:
        """Learn in place; the totals."""
        totals = np.zeros(4)
        learn(
            self.ids,
            self.begins,
            self.ends,
            self.labels,
            np.asarray(order),
            *self.given(),
            self.out,
            loss,
            *of_classes(COUNTS),
            negatives,
            *(draws or alias(COUNTS**0.5)),
            seed,
            epoch,
            rate,
            totals,
        )
        return totals

    def targets(
        self, text: int, loss: int, negatives: int = 4, seed: int = 3, epoch: int = 2
    ) -> list[tuple[int, bool]]:
        """The rows of `out` that a text meets, and whether it is to say yes there."""
        label = int(self.labels[text])
        if loss == ONE_VS_ALL:
            return [(k, k == label) for k in range(3)]
        if loss == HIERARCHICAL:
            paths = of_classes(COUNTS)
            path = slice(paths.ends[label], paths.ends[label + 1])
            return [(int(node), bool(left)) for node, left in zip(paths.nodes[path], paths.left[path], strict=True)]
        threshold, other = alias(COUNTS**0.5)
        state = mix(seed + STEP & MASK)
        state = mix((state ^ epoch) + STEP & MASK)
        state = mix((state ^ int(self.begins[text])) + STEP & MASK)
        found = [(label, True)]
        while len(found) <= negatives:
            state = state + STEP & MASK
            bits = mix(state)
            slot = (bits >> 32) * 3 >> 32
            drawn = slot if bits & 2**32 - 1 < threshold[slot] else int(other[slot])
            if drawn != label:
                found.append((drawn, False))
        return found

    def runs(self, text: int) -> list[int]:
        """Buckets of the text's runs, with Python's integers."""
        found = []
        words = [int(self.hashes[i]) for i in self.ids[self.begins[text] : self.ends[text]]]
        for i in range(len(words)):
            h = words[i]
            for j in range(i + 1, min(i + self.longest, len(words))):
                h = (h * 116049371 + words[j]) % 2**64
                found.append(h % BUCKET)
        return found


def test_runs_are_numbered_by_first_sight() -> None:
    toy = Toy()
    seen: dict[int, int] = {}
    for text in range(5):
        for bucket in toy.runs(text):
            seen.setdefault(bucket, len(seen))
    assert {b: r for b, r in enumerate(toy.row_of) if r >= 0} == seen and len(toy.grams) == len(seen)


@pytest.mark.parametrize("longest", [1, 2, 3])
def test_it_moves_what_softmax_regression_moves(longest: int) -> None:
    toy, rate = Toy(longest), 0.3
    table, grams, out = (each.astype(np.float64) for each in (toy.table, toy.grams, toy.out))
    loss = right = 0.0
    order = np.array([3, 0, 4, 2, 0])
    for text in order:
        rows = [row for i in toy.ids[toy.begins[text] : toy.ends[text]] for row in toy.bags[i]]
        runs = [int(toy.row_of[b]) for b in toy.runs(text)]
        if not rows + runs:
            continue
        h = (table[rows].sum(0) + grams[runs].sum(0)) / (len(rows) + len(runs))
        p = np.exp(out @ h) / np.exp(out @ h).sum()
        loss -= np.log(p[toy.labels[text]])
        right += p.argmax() == toy.labels[text]
        error = rate * (np.eye(3)[toy.labels[text]] - p)
        change = error @ out / (len(rows) + len(runs))
        out += np.outer(error, h)
        np.add.at(table, rows, change)
        np.add.at(grams, runs, change)
    before = toy.table.copy(), toy.grams.copy()
    totals = toy.learned(order, rate)
    np.testing.assert_allclose(toy.table, table, atol=1e-5)
    np.testing.assert_allclose(toy.grams, grams, atol=1e-5)
    np.testing.assert_allclose(toy.out, out, atol=1e-5)
    np.testing.assert_allclose(totals, [loss, 4, right, 7 + 19 + 1 + 13 + 7], rtol=1e-5)
    assert (toy.table != before[0]).any() and (longest == 1 or (toy.grams != before[1]).any())


@pytest.mark.parametrize("loss", [HIERARCHICAL, NEGATIVE, ONE_VS_ALL])
@pytest.mark.parametrize("longest", [1, 2])
def test_it_moves_what_logistic_regressions_move(loss: int, longest: int) -> None:
    toy, rate = Toy(longest), 0.3
    if loss == HIERARCHICAL:
        toy.out = toy.out[:2].copy()
    table, grams, out = (each.astype(np.float64) for each in (toy.table, toy.grams, toy.out))
    total = right = 0.0
    order = [3, 0, 4, 2, 0]
    for text in order:
        rows = [row for i in toy.ids[toy.begins[text] : toy.ends[text]] for row in toy.bags[i]]
        runs = [int(toy.row_of[b]) for b in toy.runs(text)]
        if not rows + runs:
            continue
        h = (table[rows].sum(0) + grams[runs].sum(0)) / (len(rows) + len(runs))
        right += loss == ONE_VS_ALL and (out @ h).argmax() == toy.labels[text]
        change = np.zeros(6)
        for row, yes in toy.targets(text, loss):  # a negative that is drawn twice has moved by the second time
            p = 1 / (1 + np.exp(-(out[row] @ h)))
            total -= np.log(p if yes else 1 - p)
            change += rate * (yes - p) * out[row]
            out[row] += rate * (yes - p) * h
        np.add.at(table, rows, change / (len(rows) + len(runs)))
        np.add.at(grams, runs, change / (len(rows) + len(runs)))
    totals, before = toy.learned(order, rate, loss), Toy(longest)
    np.testing.assert_allclose(toy.table, table, atol=1e-5)
    np.testing.assert_allclose(toy.grams, grams, atol=1e-5)
    np.testing.assert_allclose(toy.out, out, atol=1e-5)
    np.testing.assert_allclose(totals, [total, 4, right, 7 + 19 + 1 + 13 + 7], rtol=1e-5)
    assert (toy.table != before.table).any() and (toy.out != before.out[: len(out)]).any()


@pytest.mark.parametrize("loss", [SOFTMAX, HIERARCHICAL, NEGATIVE, ONE_VS_ALL])
def test_moves_are_the_gradient_of_the_loss(loss: int) -> None:
    def fresh() -> Toy:
        toy = Toy(2)
        toy.out = toy.out[: 2 if loss == HIERARCHICAL else 3].copy()
        return toy

    moved, rate, nudge = fresh(), 1e-3, 1e-2
    moved.learned([2], rate, loss)
    for name in ("table", "grams", "out"):
        for row in range(min(len(getattr(moved, name)), 5)):
            for column in (0, 5):
                two_sides = []
                for step in (nudge, -nudge):
                    toy = fresh()
                    getattr(toy, name)[row, column] += step
                    two_sides.append(toy.learned([2], 0.0, loss)[0])
                slope = (two_sides[0] - two_sides[1]) / (2 * nudge)
                change = (getattr(moved, name) - getattr(fresh(), name))[row, column]
                assert -change / rate == pytest.approx(slope, abs=3e-3), (name, row, column)


def test_each_argument_of_the_draws_matters() -> None:
    def table(**changed: Any) -> Any:
        toy = Toy()
        toy.learned([0, 2, 3], 0.3, NEGATIVE, **changed)
        return toy.table

    base = table()
    assert np.array_equal(base, table())
    for changed in ({"negatives": 5}, {"seed": 4}, {"epoch": 3}, {"draws": alias(np.array([1.0, 1.0, 9.0]))}):
        assert not np.array_equal(base, table(**changed)), changed


def test_negatives_are_drawn_in_proportion_among_the_other_classes() -> None:
    toy, rate = Toy(1), 1e-6
    toy.out[:] = 0
    toy.learned([0], rate, NEGATIVE, 4000)  # every draw moves its row by the same
    times = np.linalg.norm(toy.out, axis=1) / np.linalg.norm(toy.out[0])
    assert times[1] + times[2] == pytest.approx(4000, rel=0.01)
    assert times[1] / times[2] == pytest.approx(3, rel=0.1)  # the roots of 9 and 1


def test_large_scores_have_finite_losses() -> None:
    for loss in (SOFTMAX, HIERARCHICAL, NEGATIVE, ONE_VS_ALL):
        toy = Toy()
        toy.out = toy.out[: 2 if loss == HIERARCHICAL else 3] * np.float32(1e4)
        totals = toy.learned([0, 2, 3], 0.1, loss)
        assert np.isfinite(totals).all() and totals[0] > 100 and np.isfinite(toy.table).all()


def test_means_pass_over_what_is_unknown() -> None:
    toy = Toy()
    toy.row_of[toy.row_of > 3] = -1  # runs that training never saw
    found = np.empty((5, 6), np.float32)
    means(toy.ids, toy.begins, toy.ends, *toy.given(), found)
    for text in range(5):
        rows = [row for i in toy.ids[toy.begins[text] : toy.ends[text]] for row in toy.bags[i]]
        runs = [int(toy.row_of[b]) for b in toy.runs(text) if toy.row_of[b] >= 0]
        vectors = np.concatenate([toy.table[rows], toy.grams[runs]])
        np.testing.assert_allclose(found[text], vectors.mean(0) if len(vectors) else np.zeros(6), atol=1e-5)
