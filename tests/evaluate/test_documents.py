"""Documents as averaged vectors: SIF against the formula, and the probe that uses it."""

from __future__ import annotations

import importlib

import numpy as np
import pytest
import torch
from toys import text

from selftaught import encoders
from selftaught.data.text.corpus import Corpus
from selftaught.encoders.lookup import Lookup
from selftaught.errors import UserError
from selftaught.evaluate.documents import Sif, documents
from selftaught.parts.word_vectors import WordVectors


def table(corpus: Corpus, dim: int = 6, min_count: int = 1, seed: int = 0) -> Lookup:
    torch.manual_seed(seed)
    network = Lookup(corpus.input(), dim, min_count)
    torch.nn.init.normal_(network.table)
    return network


def tokens(corpus: Corpus) -> list[list[str]]:
    return [corpus.text(i).split() for i in range(len(corpus))]


def by_formula(network: Lookup, documents: list[list[str]], a: float) -> np.ndarray:
    """Rows v_s of the docstring, not yet without what is common."""
    x, total = network.table.detach().numpy().astype(np.float64), network.counts.sum()
    rows = []
    for document in documents:
        known = [network.index[w] for w in document if w in network.index]
        parts = [a / (a + network.counts[i] / total) * x[i] for i in known]
        rows.append(np.sum(parts, axis=0) / len(known) if known else np.zeros(x.shape[1]))
    return np.asarray(rows)


@pytest.mark.parametrize("a", [1e-3, 0.1])
def test_sif_is_the_formula(a: float) -> None:
    corpus = text(40)
    network = table(corpus, min_count=12)
    assert len(network.words) < len(corpus.words)
    made = Sif.of(network, corpus, a, batch_size=7)
    v = by_formula(network, tokens(corpus), a)
    u = np.linalg.svd(v)[2][0]
    new = [["sea1", "the", "never"], ["nothing", "known"], []]
    for given in (tokens(corpus), new):
        v = by_formula(network, given, a)
        np.testing.assert_allclose(made(given).numpy(), v - np.outer(v @ u, u), atol=1e-5)
    assert not made(new)[1:].any()


def test_an_unseen_word_weighs_fully() -> None:
    parts = {"new": np.asarray([0, 2], np.float32)}
    vectors = WordVectors(("a",), np.asarray([[1, 0]], np.float32), np.asarray([9]), parts.get)
    made = Sif(vectors, {"kind": "text"}, smooth=1.0)
    np.testing.assert_allclose(made.pooled([["a", "new", "none"]]), [[0.25, 1.0]])


def test_a_word_is_made_of_its_parts_once() -> None:
    asked: list[str] = []
    vectors = WordVectors(("a",), np.ones((1, 2), np.float32), np.asarray([9]), asked.append)
    made = Sif(vectors, {"kind": "text"})
    made([["new", "a"], ["new", "other"]])
    made([["other"]])
    assert asked == ["new", "other"]


def test_the_probe_says_how_words_were_pooled_and_pooling_matters() -> None:
    train, test = text(160), text(90, seed=1)
    network = table(train)
    with torch.no_grad():
        for word, row in network.index.items():
            network.table[
                row, ["sea", "sky", "wood", "town"].index(word.rstrip("0123456789")) if word[-1].isdigit() else 5
            ] += 4
    found = {pool: documents(network, train, test, pool=pool, budgets=(), k=5) for pool in ("mean", "sif")}  # type: ignore[arg-type]
    for pool, result in found.items():
        assert result["protocol"]["pool"] == pool
        assert result["linear"]["trained"] > 95
        assert result["linear"]["raw"] > 90
    assert found["mean"]["fits"]["raw"] == found["sif"]["fits"]["raw"]
    for side in ("trained", "untrained"):
        assert found["mean"]["fits"][side]["weights"] != found["sif"]["fits"][side]["weights"]


def test_the_untrained_side_is_the_one_given(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = {}

    def probe(encoder: Sif, train: Corpus, test: Corpus, seed: int, untrained: Sif) -> dict[str, dict[str, str]]:
        seen["untrained"] = untrained
        return {"protocol": {}}

    monkeypatch.setattr(importlib.import_module("selftaught.evaluate.documents"), "probe", probe)
    corpus = text(20)
    network, other = table(corpus), table(corpus, seed=3)
    documents(network, corpus, corpus, untrained=other, pool="sif")
    np.testing.assert_array_equal(seen["untrained"].vectors.matrix, other.table.detach().numpy())
    documents(network, corpus, corpus, pool="sif")
    torch.manual_seed(0)
    fresh = encoders.build(**network.spec)
    np.testing.assert_array_equal(seen["untrained"].vectors.matrix, fresh.table.detach().numpy())


def test_bad_values_are_told() -> None:
    corpus = text(20)
    with pytest.raises(UserError, match="'mean' or 'sif', not 'max'"):
        documents(table(corpus), corpus, corpus, pool="max")  # type: ignore[arg-type]
    with pytest.raises(UserError, match="no word counts"):
        Sif(WordVectors(("a",), np.ones((1, 2), np.float32)), {"kind": "text"})
    with pytest.raises(UserError, match="greater than 0, not 0"):
        Sif(table(corpus).word_vectors(), {"kind": "text"}, 0)
