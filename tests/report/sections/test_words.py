"""What a page of word vectors holds.

The true neighbours, the groups, countries and capitals, and what people's answers said.
"""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from report import made, made_words

from selftaught import report
from selftaught.parts.word_vectors import WordVectors
from selftaught.report.capitals import CAPITALS
from selftaught.report.sections.capitals import capitals
from selftaught.report.sections.word_map import first_shown, groups, nearest_of_all, word_map
from selftaught.report.sections.word_tests import judged


def data_of(page: Path) -> dict[str, Any]:
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', page.read_text(), re.DOTALL)
    assert found is not None
    return json.loads(found[1])


def unpacked(text: str, dtype: str) -> np.ndarray:
    return np.frombuffer(base64.b64decode(text), dtype)


@pytest.fixture(autouse=True)
def without_tsne(monkeypatch: pytest.MonkeyPatch) -> None:
    """As where the extra [map] is not installed; the browser's page has both layouts."""
    monkeypatch.setattr("selftaught.report.sections.word_map.has_tsne", lambda: False)


def test_a_full_page_holds_words_and_no_pictures(tmp_path: Path) -> None:
    network = made_words.network()
    data = data_of(report.write(made_words.full(tmp_path / "run"), encoder=network, points=90))
    told = data["sections"]
    assert list(told) == ["word_tests", "word_map", "capitals", "learning", "run"]
    assert (told["word_map"]["n"], told["word_map"]["of"]) == (made_words.SHOWN, 120)
    assert told["word_map"]["words"][:60] == list(network.words[:60])
    assert list(told["word_map"]["layouts"]) == ["PCA"]
    assert len(told["capitals"]["pairs"]) == 10
    assert told["word_tests"]["rows"][0]["trained"] == 61.25
    facts = data["facts"]
    assert (facts["samples"], facts["samples_are"], facts["speed"], facts["speed_in"]) == (
        7,
        "documents",
        812345.6,
        "words",
    )


def test_pages_of_pictures_stay_of_pictures(tmp_path: Path) -> None:
    data = data_of(report.write(made.full(tmp_path / "run"), encoder=made.encoder(), source_test=made.Stripes(30)))
    assert list(data["sections"]) == ["warnings", "result", "map", "learning", "saw", "run"]
    assert (data["facts"]["samples_are"], data["facts"]["speed"], data["facts"]["speed_in"]) == (
        "images",
        1234.5,
        "images",
    )


def test_neighbours_are_of_the_whole_vocabulary_and_true() -> None:
    vectors = made_words.network().word_vectors()
    packed = word_map(vectors, made_words.SHOWN)
    assert packed is not None
    near = unpacked(packed["near"], "<u2").reshape(60, packed["k"])
    cosine = unpacked(packed["cosine"], "u1").reshape(60, packed["k"]) / 255
    x = vectors.unit.astype(np.float64)
    for i in range(60):
        expected = sorted((j for j in range(120) if j != i), key=lambda j: -(x[i] @ x[j]))[:8]
        assert [packed["words"][j] for j in near[i]] == [vectors.words[j] for j in expected]
        np.testing.assert_allclose(cosine[i], np.clip(x[expected] @ x[i], 0, 1), atol=0.003)
    assert near.max() >= 60  # some neighbours are not on the map
    np.testing.assert_array_equal(unpacked(packed["counts"], "<u4"), vectors.counts[:60])


def test_blocks_change_no_neighbours_and_ties_go_to_the_more_frequent(monkeypatch: pytest.MonkeyPatch) -> None:
    unit = made_words.network().word_vectors().unit
    whole = nearest_of_all(unit, 100, 5)
    monkeypatch.setattr("selftaught.report.sections.word_map.BLOCK", 7)
    np.testing.assert_array_equal(nearest_of_all(unit, 100, 5)[0], whole[0])
    same = nearest_of_all(np.ones((6, 1), np.float32), 6, 5)
    assert same[0].tolist() == [[j for j in range(6) if j != i] for i in range(6)]


def test_groups_are_named_after_their_own_words() -> None:
    vectors = made_words.network().word_vectors()
    labels, names = groups(vectors, 100)
    assert labels.shape == (100,)
    assert len(names) == 5  # one for each 20 words
    for group, name in enumerate(names):
        assert all(labels[vectors.index[word]] == group for word in name.split(", "))
    assert np.bincount(labels).tolist() == sorted(np.bincount(labels), reverse=True)


def test_few_words_have_a_map_and_fewer_have_none() -> None:
    few = WordVectors(("a", "b", "c"), np.eye(3, dtype=np.float32))
    packed = word_map(few)
    assert packed is not None
    assert (packed["n"], packed["k"], packed["counts"]) == (3, 2, None)
    assert word_map(WordVectors(("a", "b"), np.eye(2, dtype=np.float32))) is None


def test_capitals_are_pairs_in_the_vocabulary_with_countries_on_the_left() -> None:
    vectors = made_words.network().word_vectors()
    found = capitals(vectors)
    assert found is not None
    assert found["pairs"] == [[word.lower() for word in pair] for pair in CAPITALS[:10]]
    assert found["agree"] > 0.95
    xy = unpacked(found["xy"], "<u2").reshape(10, 2, 2).astype(float)
    assert xy[:, 1, 0].mean() > xy[:, 0, 0].mean()
    flipped = capitals(WordVectors(vectors.words, -vectors.matrix))
    assert flipped is not None
    turned = unpacked(flipped["xy"], "<u2").reshape(10, 2, 2).astype(float)
    assert turned[:, 1, 0].mean() > turned[:, 0, 0].mean()
    x = vectors.unit[[vectors.index[w] for pair in found["pairs"] for w in pair]].astype(float)
    spread = np.linalg.svd(x - x.mean(0))[0][:, :2] * np.linalg.svd(x - x.mean(0))[1][:2]
    np.testing.assert_allclose(
        np.linalg.norm(xy[0, 0] - xy[3, 1]) / np.linalg.norm(xy[5, 0] - xy[2, 1]),
        np.linalg.norm(spread[0] - spread[7]) / np.linalg.norm(spread[10] - spread[5]),
        rtol=1e-3,
    )
    assert capitals(WordVectors(vectors.words[:24], vectors.matrix[:24])) is None  # two pairs


def test_the_page_opens_with_a_word_that_says_something() -> None:
    vectors = made_words.network().word_vectors()
    assert first_shown(vectors, 60) == 20
    assert first_shown(vectors, 10) == 5


def test_the_judged_rows_are_told_in_order() -> None:
    found = judged(made_words.judged())
    assert found is not None
    assert [row["name"] for row in found["rows"]] == [
        "WordSim-353, rank correlation x 100",
        "SimLex-999, rank correlation x 100",
        "analogies, % right",
        "analogies of meaning",
    ]
    assert found["rows"][2] == {
        "name": "analogies, % right",
        "trained": 25.0,
        "untrained": 0.0,
        "used": 1200.0,
        "of": 19544.0,
    }
    assert found["rows"][3]["trained"] is None
    assert found["sections"][0]["used"] == 10
    assert judged(None) is None
    assert judged({"sections": {}}) is None
