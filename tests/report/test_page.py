"""The file that `write` leaves: whole, offline, and deaf to what hides in names."""

from __future__ import annotations

import base64
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from report import made

from selftaught import evaluate, report
from selftaught.errors import UserError


def data_of(page: Path) -> dict[str, Any]:
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', page.read_text(), re.DOTALL)
    assert found is not None
    return json.loads(found[1])


@pytest.fixture(autouse=True)
def without_tsne(monkeypatch: pytest.MonkeyPatch) -> None:
    """As where the extra [map] is not installed; the browser's page has both layouts."""
    monkeypatch.setattr("selftaught.report.scatter.has_tsne", lambda: False)


class Tags(HTMLParser):
    """Every start tag of a page, with its attributes."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def test_a_full_page_holds_everything_and_loads_nothing(tmp_path: Path) -> None:
    source, run = made.Stripes(), made.full(tmp_path / "run")
    network = made.encoder()
    page = report.write(run, encoder=network, method=made.Flip(network), source_train=source, source_test=source, points=60)
    assert page == tmp_path / "run" / "report.html"
    tags = Tags()
    tags.feed(page.read_text())
    assert not [(tag, a) for tag, a in tags.found if {"src", "srcset", "data", "onerror"} & a.keys() or tag in ("img", "link", "iframe")]
    assert {a["href"][0] for tag, a in tags.found if tag == "a" and a["href"]} == {"#"}
    assert [tag for tag, _ in tags.found].count("script") == 3
    data = data_of(page)
    assert list(data["map"]["layouts"]) == ["PCA"]
    assert data["map"]["n"] == 60
    assert data["map"]["of"] == 150
    assert data["map"]["classes"] == list(made.Stripes.classes)
    assert [r["name"] for r in data["views"]] == ["original", "view 1", "view 2", "key"]
    assert [r["name"] for r in data["shows"]] == ["mirrored"]
    assert {len(r["images"]) for r in [*data["views"], *data["shows"]]} == {8}
    assert data["skipped"] == {"count": 3, "first": [["a.jpg", "cut short"]] * 3}
    assert data["facts"]["seed"] == 3
    assert len(data["panels"]) == 8
    assert [w["times"] for w in data["warnings"]] == [2]


def test_map_holds_the_true_neighbours_and_labels(tmp_path: Path) -> None:
    source, network = made.Stripes(), made.encoder()
    network.train()
    page = report.write(made.full(tmp_path / "run"), encoder=network, source_test=source)
    assert network.training
    packed = data_of(page)["map"]
    index = np.frombuffer(base64.b64decode(packed["index"]), "<u4")
    labels = np.frombuffer(base64.b64decode(packed["labels"]), "<i2")
    near = np.frombuffer(base64.b64decode(packed["near"]), "<u2").reshape(150, packed["k"])
    assert sorted(index) == list(range(150))
    np.testing.assert_array_equal(labels, source.labels[index])
    x = evaluate.embed(network, source)[index].astype(float)
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    score = x @ x.T - 2 * np.eye(150)
    expected = np.sort(score, 1)[:, ::-1][:, : packed["k"]]
    np.testing.assert_allclose(np.take_along_axis(score, near.astype(int), 1), expected, atol=1e-12)


def test_a_bare_run_has_a_page_and_says_what_is_missing(tmp_path: Path) -> None:
    run = made.bare(tmp_path / "run")
    data = data_of(report.write(str(run.path)))
    assert data["probe"] is None
    assert data["map"] is None
    assert data["views"] is None
    assert data["panels"] == []
    assert data["commands"]["probe"] == f"selftaught probe {run.path}"
    assert data["commands"]["repeat"] == f"selftaught pretrain --config {run.path}/config.yaml --out {run.path}-again"


def test_unlabelled_samples_and_samples_that_are_no_pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    network = made.encoder()
    data = data_of(report.write(made.bare(tmp_path / "a"), encoder=network, source_train=made.Stripes(40, labelled=False)))
    assert data["map"]["accuracy"] is None
    assert not data["map"]["held_out"]
    monkeypatch.setattr("selftaught.report.scatter.embed", lambda encoder, source: np.random.default_rng(0).normal(size=(len(source), 5)))
    method = made.Flip(network)
    data = data_of(report.write(made.bare(tmp_path / "b"), encoder=network, method=method, source_train=made.Texts()))
    assert data["map"]["sheet"] is None
    assert data["views"] is None
    assert data["shows"] is None


def test_writing_leaves_the_random_state_alone(tmp_path: Path) -> None:
    network = made.encoder()
    before = torch.get_rng_state()
    report.write(made.full(tmp_path / "run"), encoder=network, method=made.Flip(network), source_test=made.Stripes(30))
    assert torch.equal(before, torch.get_rng_state())


def test_not_a_run(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is not a run folder"):
        report.write(tmp_path)
