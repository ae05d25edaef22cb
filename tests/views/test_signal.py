from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from selftaught import views
from selftaught.errors import UserError
from selftaught.views.signal import Look, SignalViews, denormalise

INPUT = {"kind": "signal", "channels": 2, "length": 40, "mean": [1.0, -2.0], "std": [2.0, 0.5]}
CPU = torch.device("cpu")


def rows(n: int = 6, length: int = 40, seed: int = 0) -> np.ndarray[Any, Any]:
    return np.random.default_rng(seed).normal(size=(n, 2, length)).astype(np.float32)


def seen(made: Any, series: Any, epoch: int = 0, index: Any = None) -> Any:
    index = np.arange(len(series)) if index is None else np.asarray(index)
    raw = {"signal": series, "index": index, "label": index % 2}
    return made.apply(raw, made.sample(index, epoch, 0), CPU)


def standard(series: Any) -> Tensor:
    x = torch.as_tensor(series)
    return (x - torch.tensor([[1.0], [-2.0]])) / torch.tensor([[2.0], [0.5]])


def test_plain_is_the_standardised_series_with_a_mask() -> None:
    batch = seen(views.plain(INPUT), rows())
    assert list(batch) == ["signal", "mask", "label", "index"] and batch["mask"].all()
    assert torch.allclose(batch["signal"], standard(rows()))
    assert list(seen(views.raw(INPUT), rows())) == ["signal", "label", "index"]


def test_plain_crops_the_middle_and_pads_the_end() -> None:
    long, short = rows(1, 51)[0], rows(1, 30)[0]
    batch = seen(views.plain(INPUT), [long, short])
    assert torch.allclose(batch["signal"][0], standard(long[:, 5:45])) and batch["mask"][0].all()
    assert torch.allclose(batch["signal"][1, :, :30], standard(short)) and (batch["signal"][1, :, 30:] == 0).all()
    assert batch["mask"][1].tolist() == [True] * 30 + [False] * 10


def test_windows_come_from_the_whole_series_at_random() -> None:
    series = np.tile(np.arange(100, dtype=np.float32), (64, 2, 1))
    found = seen(SignalViews(INPUT, it=Look(crop=0.5)), series)["it"] * 2 + 1  # [64, 2, 20], the first channel
    starts = found[:, 0, 0].round().long()
    assert found.shape == (64, 2, 20) and (found[:, 0].diff(dim=1).round() == 1).all()
    assert starts.min() < 8 and starts.max() > 72 and starts.max() <= 80 and len(starts.unique()) > 30


def test_every_change_is_its_own_and_within_its_range() -> None:
    ones = np.ones((200, 2, 40), np.float32) * np.array([[3.0], [-1.5]], np.float32)  # 1 and 1, standardised
    scaled = seen(SignalViews(INPUT, it=Look(scale=0.4)), ones)["it"]
    assert torch.allclose(scaled, scaled[:, :, :1].expand_as(scaled))  # a channel as a whole
    assert 0.6 <= scaled.min() < 0.63 and 1.37 < scaled.max() <= 1.4
    assert (scaled[:, 0] - scaled[:, 1]).abs().max() > 0.3  # each channel by itself
    noisy = seen(SignalViews(INPUT, it=Look(noise=0.3)), ones)["it"] - 1
    assert noisy.mean().abs() < 0.01 and noisy.std().item() == pytest.approx(0.3, rel=0.02)
    kurtosis = (noisy**4).mean() / noisy.var() ** 2
    assert kurtosis.item() == pytest.approx(3, rel=0.1)  # normal
    hidden = seen(SignalViews(INPUT, it=Look(hide=0.5)), ones)["it"] == 0
    assert torch.equal(hidden[:, 0], hidden[:, 1])  # in all channels
    lengths = hidden[:, 0].sum(1)
    assert (hidden[:, 0].int().diff(dim=1).abs().sum(1) <= 2).all()  # one stretch
    assert lengths.max() in (18, 19) and lengths.min() == 0 and len(lengths.unique()) > 12


def test_padding_stays_zero_and_is_never_hidden_for_a_stretch() -> None:
    look = Look(scale=0.3, noise=0.5, hide=0.5)
    batch = seen(SignalViews(INPUT, it=look), [rows(1, 20)[0]] * 50)
    assert (batch["it"][:, :, 20:] == 0).all() and (batch["it_mask"].sum(1) == 20).all()
    stretch = (batch["it"][:, 0, :20] == 0).sum(1)
    assert stretch.max() <= 10 and stretch.max() >= 8  # a part of the series, not of its padding


def test_channels_keep_their_order() -> None:
    series = rows(50) * 0.01 + np.array([[100.0], [-100.0]], np.float32)
    found = seen(views.augment(INPUT | {"mean": [0.0, 0.0], "std": [1.0, 1.0]}), series)["first"]
    assert (found[:, 0] >= 0).all() and (found[:, 1] <= 0).all()


def test_views_are_a_function_of_seed_epoch_and_sample() -> None:
    made, series = views.augment(INPUT), rows()
    whole, again, other = (seen(made, series, epoch) for epoch in (0, 0, 1))
    assert torch.equal(whole["first"], again["first"]) and not torch.equal(whole["first"], other["first"])
    assert not torch.equal(whole["first"], whole["second"])
    part = seen(made, series[[4, 2]], index=[4, 2])
    assert torch.equal(part["second"], whole["second"][[4, 2]])
    drawn = made.sample(np.arange(6), 0, 1)
    assert not np.array_equal(drawn["window"], made.sample(np.arange(6), 0, 0)["window"])


def test_lists_of_views_have_lists_of_masks() -> None:
    batch = seen(SignalViews(INPUT, views=[Look(), Look(crop=0.5)], alone=Look()), rows())
    assert [one.shape[2] for one in batch["views"]] == [40, 20] == [one.shape[1] for one in batch["views_mask"]]
    assert batch["alone"].shape == (6, 2, 40)


def test_curves_are_shown_in_the_units_of_the_data() -> None:
    batch = seen(views.plain(INPUT), rows())
    shown = views.show("signal", batch["signal"], INPUT)
    assert shown is not None and np.allclose(shown.curves, rows(), atol=1e-5)  # type: ignore[union-attr]
    assert views.show("mask", batch["mask"], INPUT) is None
    assert len(views.show("it", [one[:, :9] for one in rows()], INPUT).curves) == 6  # type: ignore[union-attr]
    assert np.allclose(denormalise(batch["signal"], INPUT), rows(), atol=1e-5)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"crop": 0.0}, "crop of series must be above 0"),
        ({"crop": 1.1}, "crop of series must be above 0 and at most 1, not 1.1"),
        ({"scale": -0.1}, "scale must be in"),
        ({"hide": 1.0}, "hide in"),
        ({"noise": -1.0}, "noise of series must be at least 0"),
    ],
)
def test_values_out_of_range_are_refused(arguments: dict[str, float], sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        Look(**arguments)  # type: ignore[arg-type]


def test_series_of_other_channels_are_refused() -> None:
    with pytest.raises(UserError, match="the encoder takes series of 2 channels, not 3"):
        seen(views.plain(INPUT), np.zeros((2, 3, 40), np.float32))
