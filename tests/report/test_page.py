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
from selftaught.report import about
from selftaught.report.page import Page


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
    page = report.write(
        run, encoder=network, method=made.Flip(network), source_train=source, source_test=source, points=60
    )
    assert page == tmp_path / "run" / "report.html"
    tags = Tags()
    tags.feed(page.read_text())
    assert not [
        (tag, a)
        for tag, a in tags.found
        if {"src", "srcset", "data", "onerror"} & a.keys() or tag in ("img", "link", "iframe")
    ]
    assert {a["href"][0] for tag, a in tags.found if tag == "a" and a["href"]} == {"#"}
    data = data_of(page)
    told = data["sections"]
    assert [a["id"] for tag, a in tags.found if tag == "section"] == list(told)
    assert list(told) == ["warnings", "result", "map", "learning", "saw", "shows", "run"]
    assert [tag for tag, _ in tags.found].count("script") == 3 + len(told)
    assert list(told["map"]["layouts"]) == ["PCA"]
    assert told["map"]["n"] == 60
    assert told["map"]["of"] == 150
    assert told["map"]["classes"] == list(made.Stripes.classes)
    assert [r["name"] for r in told["saw"]["rows"]] == ["original", "view 1", "view 2", "key"]
    assert [r["name"] for r in told["shows"]["rows"]] == ["mirrored"]
    assert {len(r["images"]) for r in [*told["saw"]["rows"], *told["shows"]["rows"]]} == {8}
    assert told["run"]["skipped"] == {"count": 3, "first": [["a.jpg", "cut short"]] * 3}
    assert data["facts"]["seed"] == 3
    assert len(told["learning"]["panels"]) == 8
    assert [w["times"] for w in told["warnings"]["warnings"]] == [2]


def test_map_holds_the_true_neighbours_and_labels(tmp_path: Path) -> None:
    source, network = made.Stripes(), made.encoder()
    network.train()
    page = report.write(made.full(tmp_path / "run"), encoder=network, source_test=source)
    assert network.training
    packed = data_of(page)["sections"]["map"]
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
    missing = {name for name, told in data["sections"].items() if told is None}
    assert missing == {"result", "map", "learning", "saw"}
    assert data["commands"]["probe"] == f"selftaught probe {run.path}"
    assert data["commands"]["repeat"] == f"selftaught pretrain --config {run.path}/config.yaml --out {run.path}-again"


def test_unlabelled_samples_have_a_map_without_classes(tmp_path: Path) -> None:
    network = made.encoder()
    data = data_of(
        report.write(made.bare(tmp_path / "a"), encoder=network, source_train=made.Stripes(40, labelled=False))
    )
    assert data["sections"]["map"]["accuracy"] is None
    assert not data["sections"]["map"]["held_out"]


def test_samples_are_called_what_the_summary_calls_them(tmp_path: Path) -> None:
    run = made.bare(tmp_path / "run")
    assert about.facts(Page(run))["samples_are"] == "samples"
    assert about.facts(Page(run, source_train=made.Stripes(40)))["samples"] == 40
    run.update_summary(samples=12, samples_are="recordings", images=3, clips_per_second=5.5)
    facts = about.facts(Page(run))
    assert (facts["samples"], facts["samples_are"], facts["speed"], facts["speed_in"]) == (
        12,
        "recordings",
        5.5,
        "clips",
    )


def test_writing_leaves_the_random_state_alone(tmp_path: Path) -> None:
    network = made.encoder()
    before = torch.get_rng_state()
    report.write(made.full(tmp_path / "run"), encoder=network, method=made.Flip(network), source_test=made.Stripes(30))
    assert torch.equal(before, torch.get_rng_state())


def test_not_a_run(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is not a run folder"):
        report.write(tmp_path)
