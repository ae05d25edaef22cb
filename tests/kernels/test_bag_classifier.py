"""The classifier's loop against numpy, one text at a time."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from selftaught.kernels.bag_classifier import learn, means, number_runs
from selftaught.kernels.subwords import hashes
from selftaught.parts.read_only import read_only

WORDS = ["a", "film", "näive", "</s>", "rare"]
BUCKET = 1000


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
    totals, before = np.zeros(4), (toy.table.copy(), toy.grams.copy())
    learn(toy.ids, toy.begins, toy.ends, toy.labels, order, *toy.given(), toy.out, rate, totals)
    np.testing.assert_allclose(toy.table, table, atol=1e-5)
    np.testing.assert_allclose(toy.grams, grams, atol=1e-5)
    np.testing.assert_allclose(toy.out, out, atol=1e-5)
    np.testing.assert_allclose(totals, [loss, 4, right, 7 + 19 + 1 + 13 + 7], rtol=1e-5)
    assert (toy.table != before[0]).any() and (longest == 1 or (toy.grams != before[1]).any())


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
