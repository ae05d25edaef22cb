"""Patches by the kernel and by torch, held to a naive loop."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

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
    first = np.repeat(own[0][:, :, None], channels, axis=2)
    whole = ImageViews(input_of(channels, side), image=Augment(crop=(0.5, 1.0), flip=0.5))
    images = whole.apply(raw, whole.sample(np.arange(3), 1, 5), CPU)["image"]
    wanted = np.stack([naive(x, grid, *(a[b] for a in own)) for b, x in enumerate(images.numpy())])
    rows = (side - 2 * jitter - size) // stride + 1
    assert batch["patches"].shape == (3, rows, rows, channels, size, size)
    np.testing.assert_array_equal(batch["patches"].flatten(1, 2).numpy(), wanted)
    np.testing.assert_array_equal(cut_torch(images, size, first, *own[1:]).numpy(), wanted)
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


def cut_up(grid: Grid, n: int = 6, side: int = 24, channels: int = 3) -> tuple[np.ndarray, dict[str, Any]]:
    """Patches [B, P, C, p, p] of whole pictures, and their parameters."""
    views = PatchViews(input_of(channels, side), Augment(), grid)
    params = views.sample(np.arange(n), 0, 0)
    raw = {"image": pictures(n, side, channels)}
    return views.apply(raw, params, CPU)["patches"].flatten(1, 2).numpy(), params


def test_colours_are_shifted_each_by_itself_and_stay_inside() -> None:
    grid = Grid(5, 7, jitter=1, split=2, count=2)
    plain, _ = cut_up(Grid(24, 24))
    patches, params = cut_up(grid)
    assert set(np.unique(params["shift"])) == {-2, -1, 0, 1, 2}
    assert (params["shift"][:, :, 0] != params["shift"][:, :, 1]).any()
    for b, p, c in np.ndindex(6, 4, 3):
        top, left = params["corner"][b, p] + params["shift"][b, p, c]
        assert 0 <= top <= 24 - 5 and 0 <= left <= 24 - 5
        np.testing.assert_array_equal(patches[b, p, c], plain[b, 0, c, top : top + 5, left : left + 5])
    assert "shift" not in cut_up(grid, channels=1)[1]


def test_a_count_takes_so_many_patches_from_the_middle() -> None:
    assert Grid(4, 6, count=2).places(30).tolist() == [10, 16]
    with pytest.raises(
        UserError, match="3 x 3 patches of 8 pixels every 10 with a jitter of 2 need images of at least 32 pix"
    ):
        Grid(8, 10, jitter=1, split=1, count=3).places(31)


def test_coarse_patches_are_shrunk_and_enlarged() -> None:
    patches, params = cut_up(Grid(8, 8, coarse=0.5), n=40)
    plain, _ = cut_up(Grid(8, 8), n=40)
    level = params["level"]
    assert (level < 8).mean() == pytest.approx(0.5, abs=0.05)
    assert set(np.unique(level)) == {3, 4, 5, 6, 7, 8}
    np.testing.assert_array_equal(patches[level == 8], plain[level == 8])
    half = F.interpolate(torch.from_numpy(plain[level == 4]), size=4, mode="bilinear", antialias=True)
    wanted = F.interpolate(half, size=8, mode="bilinear")
    np.testing.assert_allclose(patches[level == 4], wanted.numpy(), atol=1e-5)


@pytest.mark.parametrize("contrast", ["patch", "channel"])
def test_contrast_is_that_of_the_patch(contrast: Any) -> None:
    patches, _ = cut_up(Grid(6, 6, contrast=contrast))
    plain, _ = cut_up(Grid(6, 6))
    np.testing.assert_allclose(patches.mean((3, 4)), 0, atol=1e-5)
    axes = (3, 4) if contrast == "channel" else (2, 3, 4)
    np.testing.assert_allclose(patches.std(axes), 1, atol=2e-3)
    middle = plain - plain.mean((3, 4), keepdims=True)
    np.testing.assert_allclose(patches, middle / (middle.std(axes, keepdims=True) + 1e-3), atol=1e-4)
    blank = PatchViews(input_of(3, 12), Augment(), Grid(6, 6, contrast=contrast))
    black = blank.apply({"image": np.zeros((1, 12, 12, 3), np.uint8)}, blank.sample(np.arange(1), 0, 0), CPU)
    assert black["patches"].abs().max() < 1e-3


def test_dropped_colours_get_noise_and_projected_ones_no_opponent() -> None:
    grid = Grid(10, 12, drop=0.5, noise=0.25)
    patches, params = cut_up(grid)
    plain, _ = cut_up(Grid(10, 12))
    kept = params["keep"]
    assert (kept == -1).any() and (kept >= 0).any()
    for b, p in np.ndindex(kept.shape):
        if kept[b, p] < 0:
            np.testing.assert_array_equal(patches[b, p], plain[b, p])
            continue
        others = [c for c in range(3) if c != kept[b, p]]
        np.testing.assert_array_equal(patches[b, p, kept[b, p]], plain[b, p, kept[b, p]])
        noise = patches[b, p, others] / plain[b, p, kept[b, p]].std() / 0.25
        assert abs(noise).max() < 3**0.5 and noise.std() == pytest.approx(1, abs=0.15)
        assert abs(np.corrcoef(noise.reshape(2, -1))[0, 1]) < 0.4
    grey, _ = cut_up(Grid(10, 12, drop=0.5, noise=0.25, project=True), channels=1)
    np.testing.assert_array_equal(grey, cut_up(Grid(10, 12), channels=1)[0])
    seen = input_of(3, 24) | {"mean": [0.5, 0.4, 0.3], "std": [0.2, 0.3, 0.25]}
    views = PatchViews(seen, Augment(), Grid(24, 24, project=True))
    cut_out = views.apply({"image": pictures(2, 24, 3)}, views.sample(np.arange(2), 0, 0), CPU)["patches"][:, 0, 0]
    pixels = cut_out.numpy() * np.array(seen["std"])[:, None, None] + np.array(seen["mean"])[:, None, None]
    wanted = pictures(2, 24, 3) / 255
    onto = np.eye(3) - np.outer([-1, 2, -1], [-1, 2, -1]) / 6
    np.testing.assert_allclose(pixels.transpose(0, 2, 3, 1), wanted @ onto, atol=1e-5)


def test_any_device_finishes_patches_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    grid = Grid(6, 7, jitter=1, split=1, drop=0.5, noise=0.1, coarse=0.5, contrast="channel")
    views = PatchViews(input_of(3, 24), Augment(), grid)
    params, seen = views.sample(np.arange(4), 0, 0), []
    original = views._finished
    monkeypatch.setattr(views, "_finished", lambda patches, own: original(seen.append(patches.clone()) or patches, own))
    batch = views.apply({"image": pictures(4, 24, 3)}, params, CPU)["patches"]
    first = params["corner"][:, :, None] + params["shift"]
    images = ImageViews(input_of(3, 24), image=Augment())
    whole = images.apply({"image": pictures(4, 24, 3)}, images.sample(np.arange(4), 0, 0), CPU)["image"]
    by_torch = cut_torch(whole, 6, first, params["mirror"], params["keep"])
    torch.testing.assert_close(by_torch, seen[0])
    torch.testing.assert_close(original(by_torch, params), batch.flatten(1, 2))
