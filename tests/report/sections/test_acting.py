from __future__ import annotations

import base64
import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from report import made_agent

from selftaught.data.agent import toy
from selftaught.data.agent.source import Observations
from selftaught.report.page import Page
from selftaught.report.sections import acting
from selftaught.run import RunFolder


def test_the_curve_is_the_mean_of_parts_with_an_interval_over_their_lines(tmp_path: Path) -> None:
    made = made_agent.run(tmp_path / "run", 8)
    found = acting.curve(Page(made))
    # returns 0 1 2 3 0 1 2: one part
    values = np.array([0, 1, 2, 3, 0, 1, 2])
    half = 2.4469 * values.std(ddof=1) / 7**0.5
    assert found is not None and found["x"] == [2560] and found["mean"] == [pytest.approx(9 / 7, abs=1e-4)]
    assert found["high"] == [pytest.approx(9 / 7 + half, abs=1e-3)]
    assert found["low"] == [pytest.approx(9 / 7 - half, abs=1e-3)]
    many = acting.curve(Page(made_agent.run(tmp_path / "many", 900)))
    assert many is not None and len(many["x"]) == acting.PARTS and many["x"] == sorted(many["x"], key=float)
    assert acting.curve(Page(made_agent.run(tmp_path / "none", 0))) is None
    (one,) = (acting.curve(Page(made_agent.run(tmp_path / "one", 1))),)
    assert one is not None and one["low"] == [None] and one["mean"] == [0]


def test_the_agent_plays_one_whole_episode_beside_one_at_random(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    method = made_agent.learned()
    page = Page(made_agent.run(tmp_path / "run"), method.encoder, method, source_train=toy.source(4))
    assert acting.suits(page)
    films = acting.films(page)
    assert [film["name"] for film in films] == ["the agent", "at random"]
    assert films == acting.films(page), "the same episode every time"
    first = []
    for film in films:
        sheet, count = film["frames"], film["frames"]["count"]
        assert 1 <= count == film["of"] <= toy.LONGEST and len(film["returns"]) == count + 1
        assert film["returns"][0] == 0 and film["returns"][-1] in (0, 1)
        picture = np.asarray(Image.open(io.BytesIO(base64.b64decode(sheet["uri"].partition(",")[2]))).convert("RGB"))
        first.append(picture[: sheet["cell"], : sheet["cell"]])
    np.testing.assert_array_equal(*first)
    monkeypatch.setattr(acting, "FRAMES", 2)
    cut = acting.films(page)
    assert [film["frames"]["count"] for film in cut] == [min(film["of"], 2) for film in films]
    assert [film["of"] for film in cut] == [film["of"] for film in films]


def test_without_environments_there_are_curves_alone_and_without_anything_a_message(tmp_path: Path) -> None:
    method, given = made_agent.learned(), toy.source(4)
    everything: Any = given.fetch(np.arange(len(given)))
    over = np.zeros(len(given), np.bool_)
    recorded = Observations(everything["agent"], everything["action"], everything["reward"], over, actions=4)
    found = acting.data(Page(made_agent.run(tmp_path / "a"), method.encoder, method, source_train=recorded))
    assert (
        found is not None
        and found["films"] == []
        and found["curve"]
        and found["sides"] == {"untrained": 1.5, "random": 0.5}
    )
    bare = RunFolder.create(tmp_path / "b", {})
    assert acting.data(Page(bare, method.encoder, method, source_train=recorded)) is None
    assert not acting.suits(Page(bare, method.encoder))
