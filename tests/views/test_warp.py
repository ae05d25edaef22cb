"""Warped copies of patches, held to scipy and to colorsys."""

from __future__ import annotations

import colorsys
from typing import Any

import numpy as np
import pytest
import torch
from scipy.ndimage import map_coordinates

from selftaught.errors import UserError
from selftaught.views.warp import Warp, WarpViews, axes, busiest, toned

CPU = torch.device("cpu")
STILL = Warp(0, 1, 0, 1, 0)


def input_of(channels: int = 3, size: int = 16) -> dict[str, Any]:
    return {"kind": "image", "size": size, "channels": channels, "mean": [0.4] * channels, "std": [0.25] * channels}


def smooth(n: int = 4, side: int = 24, channels: int = 3) -> np.ndarray:
    y, x = np.mgrid[:side, :side] / side * 6
    waves = [np.sin(x * (1 + c) / 2 + i) * np.cos(y + c * i) for i in range(n) for c in range(channels)]
    return (np.stack(waves).reshape(n, channels, side, side).transpose(0, 2, 3, 1) * 90 + 128).astype(np.uint8)


def copies(
    warp: Warp, part: float = 16 / 24, channels: int = 3, epoch: int = 0
) -> tuple[np.ndarray, dict[str, Any], Any]:
    """Copies [V, B, C, S, S] in [0, 1], their parameters and the views."""
    views = WarpViews(input_of(channels), warp, 3, part)
    params = views.sample(np.arange(4), epoch, 0)
    batch = views.apply({"image": smooth(channels=channels), "label": np.arange(4)}, params, CPU)
    assert batch["label"].tolist() == [0, 1, 2, 3]
    return torch.stack(batch["views"]).numpy() * 0.25 + 0.4, params, views


def patches(params: dict[str, Any]) -> tuple[np.ndarray, np.ndarray]:
    canvas = torch.from_numpy(smooth() / 255).permute(0, 3, 1, 2).float()
    return canvas.numpy(), busiest((canvas - 0.4) / 0.25, 16, torch.from_numpy(params["spot"])).numpy()


def test_without_any_change_a_copy_is_the_patch() -> None:
    found, params, _ = copies(STILL)
    canvas, corner = patches(params)
    for b, (y, x) in enumerate(corner):
        for v in range(3):
            np.testing.assert_allclose(found[v, b], canvas[b, :, y : y + 16, x : x + 16], atol=1e-5)


@pytest.mark.parametrize(
    "warp", [Warp(0.2, 1, 0, 1, 0), Warp(0, 1.4, 0, 1, 0), Warp(0, 1, 20, 1, 0), Warp(0.1, 1.2, 30, 1, 0, flip=0.5)]
)
def test_places_are_scipys(warp: Warp) -> None:
    found, params, _ = copies(warp)
    canvas, corner = patches(params)
    assert abs(found - copies(STILL)[0]).max() > 0.05
    unit = (np.arange(16) + 0.5) / 8 - 1
    for b, v in np.ndindex(4, 3):
        x, y = np.einsum("ij,jkl->ikl", params["affine"][b, v], np.stack([*np.meshgrid(unit, unit), np.ones((16, 16))]))
        rows, columns = corner[b, 0] + (y + 1) * 8 - 0.5, corner[b, 1] + (x + 1) * 8 - 0.5
        wanted = map_coordinates(canvas[b, 0], [rows, columns], order=1, mode="reflect")
        np.testing.assert_allclose(found[v, b, 0], wanted, atol=1e-4)


def test_parameters_have_the_papers_ranges() -> None:
    views = WarpViews(input_of(), Warp(flip=0.3), 4, 1.0)
    params = views.sample(np.arange(2000), 0, 0)
    affine = params["affine"]
    size = np.sqrt(abs(np.linalg.det(affine[..., :2])))
    assert 1 / 1.4 <= size.min() < 0.73 and 1.37 < size.max() <= 1.4
    assert np.abs(affine[..., 2]).max() == pytest.approx(0.4, abs=0.01)  # in units of half a side
    assert (np.linalg.det(affine[..., :2]) < 0).mean() == pytest.approx(0.3, abs=0.02)
    angle = np.degrees(np.arcsin(affine[..., 1, 0] / size))
    assert np.abs(angle).max() == pytest.approx(20, abs=0.2)
    low, high = params["tone"].min((0, 1)), params["tone"].max((0, 1))
    np.testing.assert_allclose(low, [0.25, 0.7, -0.1] * 2 + [-0.1], atol=0.01)
    np.testing.assert_allclose(high, [4, 1.4, 0.1] * 2 + [0.1], atol=0.03)
    assert params["colours"].min() == pytest.approx(0.5, abs=0.01) and params["colours"].max() == pytest.approx(
        2, abs=0.01
    )


def test_the_patch_of_a_sample_stays_and_its_copies_change_with_the_epoch() -> None:
    views = WarpViews(input_of(), Warp(), 2, 0.5)
    one, other = views.sample(np.arange(9), 0, 0), views.sample(np.arange(9), 1, 0)
    assert np.array_equal(one["spot"], other["spot"])
    assert not any((one[k] == other[k]).all() for k in ("affine", "colours", "tone"))
    part = views.sample(np.arange(4, 9), 0, 0)
    assert all(np.array_equal(part[k], one[k][4:]) for k in one)
    assert not np.array_equal(views.sample(np.arange(9), 0, 1)["spot"], one["spot"])


def test_colours_in_hsv_are_colorsys() -> None:
    pixels = torch.rand(3, 3, 5, 5, generator=torch.Generator().manual_seed(0))
    pixels[0, :, 0, 0] = 0.5
    pixels[0, :, 0, 1] = 0
    tone = torch.tensor(
        [[2, 1.2, 0.05, 0.5, 0.8, -0.1, 0.1], [0.3, 0.7, -0.1, 3, 1.4, 0.1, -0.1], [1, 1, 0, 1, 1, 0, 0]]
    )
    found = toned(pixels, tone)
    for b, y, x in np.ndindex(3, 5, 5):
        h, s, v = colorsys.rgb_to_hsv(*pixels[b, :, y, x].tolist())
        t = tone[b].tolist()
        s = min(max(s ** t[0] * t[1] + t[2], 0), 1) if s > 0 else 0
        v = min(max(v ** t[3] * t[4] + t[5], 0), 1)
        np.testing.assert_allclose(found[b, :, y, x], colorsys.hsv_to_rgb((h + t[6]) % 1, s, v), atol=1e-5)
    grey = toned(pixels[:, :1], tone)
    np.testing.assert_allclose(grey[0, 0], (pixels[0, 0] ** 0.5 * 0.8 - 0.1).clamp(0, 1), atol=1e-6)


def test_contrast_is_along_the_principal_components() -> None:
    found, params, views = copies(Warp(0, 1, 0, 2, 0))
    still = copies(STILL)[0]
    views.components = axes(torch.from_numpy(smooth()).flatten(0, 2).float())
    assert np.allclose(views.components.T @ views.components, np.eye(3))
    batch = views.apply({"image": smooth()}, params, CPU)
    found = torch.stack(batch["views"]).numpy() * 0.25 + 0.4
    for v, b in np.ndindex(3, 4):
        middle = still[v, b].mean((1, 2))
        scores = views.components.T @ (still[v, b].reshape(3, -1) - middle[:, None]) * params["colours"][b, v][:, None]
        wanted = (views.components @ scores + middle[:, None]).clip(0, 1)
        np.testing.assert_allclose(found[v, b].reshape(3, -1), wanted, atol=1e-4)


def test_patches_lie_where_the_gradients_are() -> None:
    images = torch.zeros(1, 1, 20, 20)
    images[0, 0, 12:, 13:] = torch.randn(8, 7, generator=torch.Generator().manual_seed(0))
    spots = torch.linspace(0.001, 0.999, 200)
    corner = busiest(images.expand(200, -1, -1, -1), 6, spots)
    assert corner.min() >= 6 and corner.max() <= 14
    energy = np.zeros((20, 20))
    picture = images[0, 0].numpy()
    energy[:-1, :-1] = np.diff(picture, axis=0)[:, :-1] ** 2 + np.diff(picture, axis=1)[:-1] ** 2
    inside = np.array([[energy[y : y + 6, x : x + 6].sum() for x in range(15)] for y in range(15)])
    wanted = inside / inside.sum()
    counts = np.zeros((15, 15))
    np.add.at(counts, tuple(corner.numpy().T), 1 / 200)
    np.testing.assert_allclose(counts, wanted, atol=0.01)
    blank = busiest(torch.zeros(500, 3, 10, 10), 8, torch.linspace(0, 0.999, 500))
    assert blank.min() == 0 and blank.max() == 2  # anywhere
    assert busiest(torch.zeros(2, 3, 8, 8), 8, torch.tensor([0.0, 0.99])).tolist() == [[0, 0], [0, 0]]


@pytest.mark.parametrize("channels", [1, 2, 3])
def test_any_number_of_channels(channels: int) -> None:
    found, _, _ = copies(Warp(), channels=channels)
    assert np.isfinite(found).all() and found.min() >= -1e-6 and found.max() <= 1 + 1e-6


def test_values_out_of_range() -> None:
    with pytest.raises(UserError, match="shift, turn and colour must be at least 0, scale and contrast at least 1"):
        Warp(scale=0.5)
    with pytest.raises(UserError, match=r"a patch must be a part of the image in \(0, 1\], not 1.5"):
        WarpViews(input_of(), Warp(), 2, 1.5)


@pytest.mark.parametrize(
    ("warp", "channels"), [(Warp(flip=0.5), 3), (Warp(0.5, 2, 90, 3, 0), 3), (Warp(), 1), (Warp(), 2)]
)
def test_kernel_and_torch_agree(warp: Warp, channels: int) -> None:
    views = WarpViews(input_of(channels), warp, 3, 0.6)
    views.components = axes(torch.randn(50, channels, generator=torch.Generator().manual_seed(0)))
    params = views.sample(np.arange(30), 0, 0)
    canvas = torch.randn(30, channels, 27, 27, generator=torch.Generator().manual_seed(1))
    canvas = canvas.cumsum(2).cumsum(3) / 10
    own = [params[k] for k in ("spot", "affine", "colours", "tone")]
    for one, other in zip(views.compiled(canvas, *own), views.batched(canvas, *own), strict=True):
        assert (one - other).abs().max() < 1e-3 and (one - other).abs().mean() < 1e-5
