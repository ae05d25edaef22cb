from __future__ import annotations

import numpy as np
import pytest
import torch

from selftaught import encoders, views
from selftaught.data.signal import toy
from selftaught.errors import UserError
from selftaught.method import given
from selftaught.views.hidden import Hidden

INPUT = {"kind": "image", "size": 12, "channels": 3, "mean": [0.5] * 3, "std": [0.2] * 3}
SERIES = views.crop(encoders.build("wave_transformer", toy.seen(), width=8, heads=2))


def hidden(grid: tuple[int, ...], share: float, span: int, n: int = 200, epoch: int = 0) -> np.ndarray:
    return Hidden(SERIES, grid, share, span).hidden(np.arange(n), epoch, 0).reshape(n, *grid)


@pytest.mark.parametrize("grid", [(12,), (6, 6), (3, 4, 5)])
@pytest.mark.parametrize("share", [0.01, 0.3, 0.65, 0.999])
@pytest.mark.parametrize("span", [1, 3])
def test_the_share_is_hidden_in_every_sample(grid: tuple[int, ...], share: float, span: int) -> None:
    count = min(max(round(share * np.prod(grid)), 1), np.prod(grid) - 1)
    assert (hidden(grid, share, span).reshape(200, -1).sum(1) == count).all()


def test_hidden_positions_are_blocks() -> None:
    def alone(found: np.ndarray) -> float:
        """Share of hidden positions without a hidden neighbour."""
        padded = np.pad(found, ((0, 0), (1, 1), (1, 1)))
        beside = padded[:, :-2, 1:-1] | padded[:, 2:, 1:-1] | padded[:, 1:-1, :-2] | padded[:, 1:-1, 2:]
        return float((found & ~beside).sum() / found.sum())

    assert alone(hidden((8, 8), 0.3, 3)) < 0.05 < 0.15 < alone(hidden((8, 8), 0.3, 1))
    # nine cells are a whole block of 3 x 3 where it is inside
    found = hidden((8, 8), 9 / 64, 3, 400)
    whole = [np.ptp(np.argwhere(one), 0).tolist() == [2, 2] for one in found]
    assert np.mean(whole) > 0.3


def test_every_position_is_hidden_as_often() -> None:
    for grid, span in (((16,), 4), ((6, 6), 3)):
        often = np.mean([hidden(grid, 0.4, span, 500, epoch) for epoch in range(8)], axis=(0, 1))
        assert abs(often - 0.4).max() < 0.06


def test_what_is_hidden_depends_on_sample_epoch_and_seed_alone() -> None:
    made = Hidden(SERIES, (16,), 0.5, 2)
    whole = made.sample(np.arange(8), 1, 0)["hide"]
    parts = [made.sample(np.arange(i, i + 2), 1, 0)["hide"] for i in range(0, 8, 2)]
    assert np.array_equal(whole, np.concatenate(parts))
    for other in (
        made.sample(np.arange(8), 2, 0),
        made.sample(np.arange(8), 1, 5),
        made.sample(np.arange(8, 16), 1, 0),
    ):
        assert not np.array_equal(whole, other["hide"])


@pytest.mark.parametrize(("grid", "share", "span"), [((1,), 0.5, 1), ((4,), 0.5, 5), ((4, 2), 0.5, 3), ((4,), 0.0, 1)])
def test_values_out_of_range_are_refused(grid: tuple[int, ...], share: float, span: int) -> None:
    with pytest.raises(UserError, match=r"smaller patches or strides|span from 1 to"):
        Hidden(SERIES, grid, share, span)


def test_the_view_of_a_kind_is_named_sample() -> None:
    source = toy.source(6, uneven=True)
    encoder = encoders.build("wave_transformer", toy.seen(uneven=True), width=8, heads=2)
    made = Hidden(views.crop(encoder), encoder.grid, 0.5, 2)
    index = np.arange(6)
    batch = made.apply(source.fetch(index), made.sample(index, 0, 0), torch.device("cpu"))
    assert list(batch) == ["sample", "mask", "hide", "label", "index"]
    assert batch["sample"].shape == (6, 1, 48)
    assert batch["mask"].sum(1).tolist() == [len(row[0]) for row in source.fetch(index)["signal"]]
    assert batch["hide"].shape == (6, encoder.grid[0])


def test_crops_are_what_the_encoder_takes() -> None:
    index = np.arange(4)
    rng = np.random.default_rng(0)
    images = {"image": rng.integers(0, 255, (4, 20, 20, 3), dtype=np.uint8), "index": index}
    vit = encoders.build("vit", INPUT, width=12, depth=1, heads=2, patch=2)
    for encoder, raw in ((vit, images),):
        made = views.crop(encoder)
        one, other = (made.apply(raw, made.sample(index, epoch, 0), torch.device("cpu")) for epoch in (0, 1))
        x, masks = given(one)
        assert encoder(x, **masks).shape == (4, encoder.dim)
        assert not torch.equal(x, given(other)[0])
    series = toy.source(4)
    one, other = (SERIES.apply(series.fetch(index), SERIES.sample(index, e, 0), torch.device("cpu")) for e in (0, 1))
    assert list(one)[:2] == ["signal", "mask"] and not torch.equal(one["signal"], other["signal"])
    plain = views.plain(toy.seen())
    still = plain.apply(series.fetch(index), plain.sample(index, 0, 0), torch.device("cpu"))["signal"]
    assert 0.05 < (one["signal"] - still).std() < 0.5  # noise, and other heights


def test_a_kind_without_crops_is_told() -> None:
    lookup = encoders.build("lookup", {"kind": "text", "tokens": "words", "lower": True, "words": ["a"], "counts": [9]})
    with pytest.raises(UserError, match="read by the encoder transformer, not by lookup: use --encoder transformer"):
        views.crop(lookup)
