from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from selftaught.errors import UserError
from selftaught.views.holes import CELLS, Holes, centre, regions
from selftaught.views.image import Augment

INPUT = {"kind": "image", "size": 12, "channels": 3, "mean": [0.5] * 3, "std": [0.25] * 3}


def holes(region: Any = "random", side: float = 0.5, share: tuple[float, float] = (0.2, 0.3), size: int = 32) -> Holes:
    return Holes(INPUT | {"size": size}, Augment(), region, side, share)


def sampled(views: Holes, index: Any, epoch: int = 0, seed: int = 0) -> Any:
    return views.sample(np.asarray(index), epoch, seed)["hole"]


def test_random_holes_cover_what_was_asked_for() -> None:
    cover = sampled(holes(), np.arange(500)).mean((1, 2))
    assert 0.2 - 1 / 1024 <= cover.min() < 0.205 and 0.295 < cover.max() <= 0.3 + 1 / 1024
    assert cover.mean() == pytest.approx(0.25, abs=0.005)


def test_every_pixel_is_removed_equally_often() -> None:
    often = sampled(holes(), np.arange(1500)).mean(0)
    assert np.abs(often - 0.25).max() < 0.15  # the border of the pattern repeats its cells
    assert often[8:24, 8:24].mean() == pytest.approx(0.25, abs=0.03)


def test_random_holes_are_smooth() -> None:
    hole = sampled(holes(), np.arange(100))
    same = (hole[:, 1:] == hole[:, :-1]).mean()
    assert same > 0.85  # .625 for pixels drawn one by one


def test_a_hole_is_a_function_of_seed_epoch_and_sample() -> None:
    views = holes()
    many = sampled(views, [3, 1, 2])
    assert np.array_equal(sampled(views, [1])[0], many[1])
    for other in (sampled(views, [3], epoch=1), sampled(views, [3], seed=1), sampled(views, [4])):
        assert not np.array_equal(other[0], many[0])


def test_the_pattern_is_enlarged_by_cubic_interpolation() -> None:
    noise = np.random.default_rng(0).random((1, CELLS, CELLS))
    for size in (CELLS, 4 * CELLS):
        enlarged = torch.nn.functional.interpolate(torch.from_numpy(noise)[None], size, mode="bicubic")[0, 0].numpy()
        if size == CELLS:  # torch's cubic has another parameter, but at the cells every cubic is exact
            expected = enlarged <= np.sort(enlarged.ravel())[15]
            assert np.array_equal(regions(noise, np.array([0.25]), size)[0], expected)
        else:
            expected = enlarged <= np.sort(enlarged.ravel())[255]
            assert (regions(noise, np.array([0.25]), size)[0] == expected).mean() > 0.95


def test_the_centre_hole_is_a_square_in_the_middle() -> None:
    hole = sampled(holes("centre", size=12), [0, 5])
    expected = np.zeros((12, 12), bool)
    expected[3:9, 3:9] = True
    assert np.array_equal(hole, np.stack([expected, expected]))
    assert centre(13, 0.5) == slice(3, 9)


def test_apply_gives_image_and_hole() -> None:
    views, index = holes("random", size=12), np.arange(3)
    raw = {"image": np.full((3, 12, 12, 3), 255, np.uint8), "label": index, "index": index}
    params = views.sample(index, 0, 0)
    batch = views.apply(raw, params, torch.device("cpu"))
    assert sorted(batch) == ["hole", "image", "index", "label"]
    assert torch.allclose(batch["image"], torch.full((3, 3, 12, 12), 2.0))
    assert batch["hole"].shape == (3, 1, 12, 12) and np.array_equal(batch["hole"][:, 0].numpy(), params["hole"])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"region": "centre", "side": 1.0}, "a hole of 1 of the side is as large as the image of 32 x 32 pixels"),
        ({"region": "centre", "side": 0.99}, "is as large as the image"),
        ({"region": "centre", "side": 0.0}, "a hole of 0 of the side is of no pixel"),
        ({"share": (0.2, 1.0)}, "not 0.2 and 1: a hole as large as the image leaves nothing to see"),
        ({"share": (0.3, 0.2)}, "the smaller one first, not 0.3 and 0.2"),
        ({"share": (0.0, 0.2)}, "greater than 0"),
    ],
)
def test_a_hole_that_leaves_nothing_or_removes_nothing_is_refused(arguments: Any, message: str) -> None:
    with pytest.raises(UserError, match=message):
        holes(**arguments)
