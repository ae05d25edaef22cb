"""Patches by the kernel and by torch, held to a naive loop."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from selftaught.errors import UserError
from selftaught.views.image import Augment, ImageViews
from selftaught.views.patches import Grid, PatchViews, cut_torch

CPU = torch.device("cpu")


def input_of(channels: int, size: int) -> dict[str, Any]:
    return {"kind": "image", "size": size, "channels": channels, "mean": [0.4] * channels, "std": [0.25] * channels}


def pictures(n: int, size: int, channels: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (n, size, size, channels), np.uint8)


def naive(image: np.ndarray, grid: Grid, corner: np.ndarray, mirror: np.ndarray, keep: np.ndarray) -> np.ndarray:
    """[C, H, W] to [P, C, p, p], patch by patch."""
    made = []
    for (top, left), turned, only in zip(corner, mirror, keep, strict=True):
        patch = image[:, top : top + grid.size, left : left + grid.size].copy()
        if turned:
            patch = patch[:, :, ::-1].copy()
        for c in range(len(patch)):
            if only not in (-1, c):
                patch[c] = 0
        made.append(patch)
    return np.stack(made)


@settings(max_examples=30, deadline=None)
@given(
    side=st.integers(6, 20), size=st.integers(1, 5), stride=st.integers(1, 7), jitter=st.integers(0, 1),
    channels=st.sampled_from([1, 3, 4]), flip=st.sampled_from([0.0, 0.5]), drop=st.sampled_from([0.0, 0.6]),
)  # fmt: skip
def test_kernel_and_torch_are_the_naive_loop(
    side: int, size: int, stride: int, jitter: int, channels: int, flip: float, drop: float
) -> None:
    if size + 2 * jitter > side:
        return
    grid = Grid(size, stride, jitter, flip, drop)
    views = PatchViews(input_of(channels, side), Augment(crop=(0.5, 1.0), flip=0.5), grid)
    raw = {"image": pictures(3, 24, channels), "index": np.arange(3), "label": np.array([2, 0, 1])}
    params = views.sample(np.arange(3), 1, 5)
    batch = views.apply(raw, params, CPU)
    own = [params.pop(k) for k in ("corner", "mirror", "keep")]
    whole = ImageViews(input_of(channels, side), image=Augment(crop=(0.5, 1.0), flip=0.5))
    images = whole.apply(raw, whole.sample(np.arange(3), 1, 5), CPU)["image"]
    wanted = np.stack([naive(x, grid, *(a[b] for a in own)) for b, x in enumerate(images.numpy())])
    rows = (side - 2 * jitter - size) // stride + 1
    assert batch["patches"].shape == (3, rows, rows, channels, size, size)
    np.testing.assert_array_equal(batch["patches"].flatten(1, 2).numpy(), wanted)
    np.testing.assert_array_equal(cut_torch(images, size, *own).numpy(), wanted)
    assert batch["label"].tolist() == [2, 0, 1]


@pytest.mark.parametrize(
    ("side", "grid", "places"),
    [
        (32, Grid(8, 4), [0, 4, 8, 12, 16, 20, 24]),  # half overlap
        (28, Grid(6, 3), [0, 3, 6, 9, 12, 15, 18, 21]),
        (30, Grid(8, 10), [1, 11, 21]),  # gaps, centred
        (32, Grid(8, 10, jitter=1), [2, 12, 22]),
        (8, Grid(8, 4), [0]),
    ],
)
def test_the_grid_is_centred_and_as_large_as_fits(side: int, grid: Grid, places: list[int]) -> None:
    assert grid.places(side).tolist() == places


def test_patches_stay_inside_and_reach_the_whole_jitter() -> None:
    grid = Grid(8, 10, jitter=2)
    views = PatchViews(input_of(1, 32), Augment(), grid)
    shift = views.sample(np.arange(4000), 0, 0)["corner"] - views.corners
    assert set(np.unique(shift)) == {-2, -1, 0, 1, 2}
    corner = views.corners + shift
    assert corner.min() >= 0 and corner.max() + 8 <= 32
    counts = np.bincount(shift.ravel() + 2) / shift.size
    np.testing.assert_allclose(counts, 0.2, atol=0.01)


def test_probabilities_are_kept_and_colours_are_dropped_evenly() -> None:
    views = PatchViews(input_of(3, 32), Augment(), Grid(8, 4, flip=0.3, drop=0.6))
    params = views.sample(np.arange(500), 0, 0)
    assert params["mirror"].mean() == pytest.approx(0.3, abs=0.02)
    counts = np.bincount(params["keep"].ravel() + 1) / params["keep"].size
    np.testing.assert_allclose(counts, [0.4, 0.2, 0.2, 0.2], atol=0.02)
    grey = PatchViews(input_of(1, 32), Augment(), Grid(8, 4, drop=1.0)).sample(np.arange(9), 0, 0)
    assert (grey["keep"] == -1).all()


def test_parameters_depend_on_seed_epoch_and_index_alone() -> None:
    views = PatchViews(input_of(3, 32), Augment(crop=(0.5, 1.0)), Grid(6, 4, jitter=1, flip=0.5, drop=0.5))
    whole = views.sample(np.arange(12), 3, 7)
    parts = [views.sample(part, 3, 7) for part in (np.arange(5), np.arange(5, 12))]
    for name, value in whole.items():
        np.testing.assert_array_equal(np.concatenate([p[name] for p in parts]), value)
    for other in (
        views.sample(np.arange(12), 4, 7),
        views.sample(np.arange(12), 3, 8),
        views.sample(np.arange(1, 13), 3, 7),
    ):
        assert all((other[name] != whole[name]).any() for name in ("corner", "mirror", "keep", "place"))


def test_what_cannot_be_cut_is_said() -> None:
    with pytest.raises(
        UserError, match="a patch of 8 pixels with a jitter of 2 does not fit into an image of 11 pixels"
    ):
        PatchViews(input_of(1, 11), Augment(), Grid(8, 4, jitter=2))
    with pytest.raises(UserError, match="size and a stride of at least 1"):
        Grid(8, 0)
    with pytest.raises(UserError, match=r"probabilities in \[0, 1\]"):
        Grid(8, 4, flip=1.5)
