"""The two halves of a sample, of every kind that has them."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from selftaught import views
from selftaught.data.image import toy as images
from selftaught.data.signal import toy as series
from selftaught.data.text import toy as texts
from selftaught.errors import UserError

CPU = torch.device("cpu")


def test_images_are_cut_into_left_and_right() -> None:
    made, index = views.halves(images.seen(channels=3)), np.arange(5)
    raw = images.source(8, channels=3).fetch(index)
    batch = made.apply(raw, made.sample(index, 0, 0), CPU)
    assert list(batch) == ["first", "second", "label", "index"]
    first, second = batch["first"], batch["second"]
    assert first.shape == second.shape == (5, 3, 16, 16)
    assert not first[:, :, :, 8:].any() and not second[:, :, :, :8].any()
    again = made.apply(raw, made.sample(index, 0, 0), CPU)
    other = made.apply(raw, made.sample(index, 1, 0), CPU)
    assert torch.equal(again["first"], first) and not torch.equal(other["first"], first)
    crop = made.whole.apply(raw, made.sample(index, 0, 0), CPU)["image"]
    assert torch.equal(first + second, crop)


@pytest.mark.parametrize("uneven", [False, True])
def test_series_are_cut_into_past_and_future(uneven: bool) -> None:
    made, index = views.halves(series.seen(uneven=uneven)), np.arange(9)
    raw = series.source(9, uneven=uneven).fetch(index)
    batch = made.apply(raw, made.sample(index, 0, 0), CPU)
    whole = made.whole.apply(raw, made.sample(index, 0, 0), CPU)
    assert batch["first"].shape == batch["second"].shape == (9, 1, 24)
    for n, row in enumerate(raw["signal"]):
        length = row.shape[1]
        ends = {name: int(batch[f"{name}_mask"][n].sum()) for name in ("first", "second")}
        assert ends == {"first": length // 2, "second": length - length // 2}
        halves = [batch[name][n, :, :end] for name, end in ends.items()]
        assert torch.equal(torch.cat(halves, 1), whole["whole"][n, :, :length])
        assert all(not batch[name][n, :, end:].any() for name, end in ends.items())


def test_texts_are_cut_into_what_comes_first_and_what_follows() -> None:
    source = texts.source(6, seed=1)
    made = views.halves(texts.seen())
    batch = made.apply(source.fetch(np.arange(6)), {}, CPU)
    assert [len(one) for one in batch["first"]] == [5] * 6
    assert [a + b for a, b in zip(batch["first"], batch["second"], strict=True)] == [
        text.split() for text in source.fetch(np.arange(6))["text"]
    ]


def test_a_kind_without_halves_is_told() -> None:
    with pytest.raises(UserError, match="samples of kind 'stream' have no views called halves"):
        views.halves({"kind": "stream"})  # a file of views, and no kind
