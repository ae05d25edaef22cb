from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from selftaught.data.agent import toy
from selftaught.data.agent.source import Observations
from selftaught.data.subset import Subset
from selftaught.errors import UserError
from selftaught.method import Views
from selftaught.views import plain, show
from selftaught.views.agent import Stretches, StretchViews, palette


def numbered(ends: list[int], n: int = 12) -> Observations:
    over = np.isin(np.arange(n), ends)
    seen = np.arange(n, dtype=np.uint8).reshape(n, 1, 1, 1)
    return Observations(seen, np.arange(n) % 3, np.arange(n, dtype=np.float32), over)


def test_a_stretch_marks_where_episodes_begin() -> None:
    bound = Stretches(numbered([1, 5]), 4)
    assert len(bound) == 5  # at 0, 2, 4, 6, 8
    batch = bound.fetch(np.array([0, 2]))
    assert batch["agent"][..., 0, 0, 0].tolist() == [[0, 1, 2, 3], [4, 5, 6, 7]]
    assert batch["start"].tolist() == [[True, False, True, False], [False, False, True, False]]
    assert batch["action"].tolist() == [[0, 1, 2, 0], [1, 2, 0, 1]] and batch["reward"][1].tolist() == [4, 5, 6, 7]


def test_moments_that_are_missing_count_as_the_end_of_an_episode() -> None:
    part = Subset(numbered([]), np.array([0, 1, 2, 5, 6, 7]))
    assert Stretches(part, 6).fetch(np.array([0]))["start"].tolist() == [[True, False, False, True, False, False]]


def test_fewer_moments_than_a_stretch_are_refused() -> None:
    with pytest.raises(UserError, match="12 observations are fewer than a stretch of 13"):
        Stretches(numbered([]), 13)


def applied(views: Views, raw: dict[str, Any]) -> dict[str, Any]:
    return views.apply(raw, views.sample(np.arange(2), 0, 0), torch.device("cpu"))


def test_numbers_are_divided_by_the_scale() -> None:
    source = toy.source(4, pixels=True)
    raw = source.fetch(np.arange(4))
    seen = applied(plain(toy.seen(pixels=True)), raw)["agent"]
    assert seen.shape == (4, 3, 5, 5) and seen.max() == 1 and seen.dtype == torch.float32
    views = StretchViews(toy.seen(pixels=True), 4)
    stretch = applied(views, views.bind(source).fetch(np.arange(2)))
    assert set(stretch) == {"observation", "start", "label", "index"}
    assert torch.equal(stretch["observation"][0], seen)
    assert set(applied(StretchViews(toy.seen(pixels=True), 4, acted=True), raw)) == {
        "observation",
        "action",
        "reward",
        "label",
        "index",
    }
    with pytest.raises(UserError, match=r"the encoder sees observations of shape \[2, 5, 5\], not \[3, 5, 5\]"):
        applied(plain(toy.seen()), raw)


def test_the_plain_view_of_a_stretch_is_its_middle() -> None:
    bound = Stretches(numbered([]), 5)
    seen = applied(
        plain({"kind": "agent", "channels": 1, "height": 1, "width": 1, "scale": 1.0}), bound.fetch(np.arange(2))
    )
    assert seen["agent"].flatten().tolist() == [2, 4]


def test_every_channel_has_a_colour_and_pixels_have_their_own() -> None:
    raw = toy.source(1).fetch(np.arange(2))["agent"]
    painted = show("agent", raw, toy.seen())
    viewed = show("agent", torch.from_numpy(raw).float(), toy.seen())
    assert painted is not None and viewed is not None
    for row in (painted, viewed):
        image = row.images[0]  # type: ignore[union-attr]
        for channel in (0, 1):
            row_, column = np.argwhere(raw[0, channel])[0]
            assert np.abs(image[row_, column] - palette(2)[channel]).max() <= 1
        assert len(np.unique(image.reshape(-1, 3), axis=0)) == 3
    pixels = toy.source(1, pixels=True).fetch(np.arange(2))["agent"]
    shown = show("agent", pixels, toy.seen(pixels=True))
    assert shown is not None and (shown.images[1] == pixels[1].transpose(1, 2, 0)).all()  # type: ignore[union-attr]
    assert show("start", torch.zeros(2, 5), toy.seen()) is None
