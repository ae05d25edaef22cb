"""Metrics against scikit-learn and scipy, and against examples counted by hand."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pytest
from scipy import stats
from sklearn import metrics as reference

from selftaught.evaluate.metrics.answers import exact, normal, overlap
from selftaught.evaluate.metrics.classes import accuracy, f1, macro_f1, matthews, micro_f1, named
from selftaught.evaluate.metrics.correlation import pearson, spearman
from selftaught.evaluate.metrics.spans import span_f1, spans


@pytest.mark.parametrize("classes", [2, 3, 6])
def test_classes_are_counted_as_scikit_learn_counts_them(classes):
    rng = np.random.default_rng(classes)
    for n in (5, 60):
        truth = rng.integers(0, classes, n)
        said = np.where(rng.random(n) < 0.5, truth, rng.integers(0, classes, n))
        assert accuracy(said, truth) == pytest.approx(reference.accuracy_score(truth, said))
        assert matthews(said, truth) == pytest.approx(reference.matthews_corrcoef(truth, said))
        assert macro_f1(said, truth) == pytest.approx(reference.f1_score(truth, said, average="macro"))
        assert micro_f1(said, truth) == pytest.approx(reference.f1_score(truth, said, average="micro"))
        some = list(range(1, classes))
        wanted = reference.f1_score(truth, said, labels=some, average="micro", zero_division=0.0)
        assert micro_f1(said, truth, without=0) == pytest.approx(wanted)
        for c in range(classes):
            wanted = reference.f1_score(truth, said, labels=[c], average="macro", zero_division=0.0)
            assert f1(said, truth, c) == pytest.approx(wanted)


def test_matthews_has_a_sign_and_is_zero_for_one_class():
    truth = np.array([1, 0, 1, 1, 0])
    assert (matthews(truth, truth), matthews(1 - truth, truth)) == (1.0, -1.0)
    assert matthews(np.ones(5, np.int64), truth) == 0.0 and matthews(truth, np.ones(5, np.int64)) == 0.0
    assert f1(np.zeros(5, np.int64), truth) == 0.0
    assert list(named([1, 0], [1, 1], 2)) == ["accuracy", "F1", "Matthews"]
    assert named([1, 0, 2], [1, 1, 2], 3)["macro F1"] == pytest.approx(100 * (2 / 3 + 0 + 1) / 3)


def test_correlations_are_those_of_scipy():
    rng = np.random.default_rng(0)
    a = rng.normal(size=50).round(1)  # with ties
    b = a + rng.normal(size=50).round(1)
    assert pearson(a, b) == pytest.approx(stats.pearsonr(a, b)[0])
    assert spearman(a, b) == pytest.approx(stats.spearmanr(a, b)[0])
    assert pearson(3 * a + 1, b) == pytest.approx(pearson(a, b))
    assert spearman(np.exp(a), b) == pytest.approx(spearman(a, b))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert pearson(np.ones(3), a[:3]) is None and spearman(a[:1], b[:1]) is None


def test_spans_are_counted_as_conlleval_counts_them():
    """By hand: LOC 2 found of 2 true, 1 right; PER 2 of 1, 1 right; ORG 0 of 1."""
    truth = [["B-LOC", "I-LOC", "O", "B-PER"], ["B-ORG", "O", "B-LOC"]]
    said = [["B-LOC", "I-LOC", "O", "I-PER"], ["B-PER", "O", "B-LOC"]]
    found = span_f1(said, truth)
    assert found["precision"] == pytest.approx(100 * 3 / 4) and found["recall"] == pytest.approx(100 * 3 / 4)
    assert found["F1"] == pytest.approx(75)
    assert found["macro F1"] == pytest.approx((100 + 2 / 3 * 100 + 0) / 3)
    # a wrong border is one too many and one too few; a neighbour of the same type is a span of its own
    assert span_f1([["B-A", "O"]], [["B-A", "I-A"]])["F1"] == 0
    assert spans(["B-A", "B-A", "I-A", "I-B"]) == {(0, 0, "A"), (1, 2, "A"), (3, 3, "B")}
    assert span_f1([["O"]], [["O"]]) == {"F1": 0.0, "precision": 0.0, "recall": 0.0, "macro F1": 0.0}
    assert span_f1(truth, truth)["F1"] == 100


def test_answers_are_compared_as_squad_compares_them():
    assert normal("The cat.") == normal("cat") == "cat" and normal("an  A-b, the") == "ab"
    assert exact("the Cat!", ["dog", "cat"]) == 1 and exact("cats", ["cat"]) == 0
    assert overlap("a b c", ["b c d"]) == pytest.approx(4 / 5)  # the article is dropped
    assert overlap("b b c", ["b c c"]) == pytest.approx(4 / 6)  # as often as they occur
    assert overlap("x", ["y z", "x y"]) == pytest.approx(2 / 3)  # the best of the references
    assert exact("", []) == overlap("", []) == 1 and exact("x", []) == overlap("x", []) == 0
    assert overlap("", ["x"]) == 0 and math.isclose(overlap("the", ["a"]), 1)
