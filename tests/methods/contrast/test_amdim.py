from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from selftaught import encoders
from selftaught.errors import UserError
from selftaught.method import Clock
from selftaught.methods.contrast.amdim import AMDIM, TAG, clipped

SMALL = {"dim": 16}
"""Arguments that fit the method to the toys of the contract."""
ENCODER = "unpadded"
"""The encoder that it replaces others with, made small."""

INPUT = {"kind": "image", "size": 16, "channels": 3, "mean": [0.5, 0.4, 0.6], "std": [0.2, 0.3, 0.25]}

OTHERS: dict[str, Any] = {
    "dim": 5,
    "clip": 0.5,
    "penalty": 0.5,
    "padded": True,
    "crop": 0.9,
    "jitter": 0.0,
    "hue": 0.4,
    "flip": 0.0,
    "grey": 0.9,
}


def at(step: int, seed: int = 0) -> Clock:
    clock = Clock(seed)
    clock.step = step
    return clock


def made(**arguments: Any) -> AMDIM:
    torch.manual_seed(0)
    return AMDIM(encoders.build("conv", INPUT, width=4, depth=3), **({"dim": 6} | arguments))


def batch(method: AMDIM, n: int = 5) -> list[Tensor]:
    images = np.random.default_rng(0).integers(0, 256, (n, 16, 16, 3), np.uint8)
    index = np.arange(n)
    found: list[Tensor] = method.views.apply({"image": images}, method.views.sample(index, 0, 0), torch.device("cpu"))[
        "views"
    ]
    return found


def naive(method: AMDIM, views: list[Tensor], clock: Clock) -> tuple[float, float]:
    """NCE and mean squared score, one pair of scales, images and places at a time."""
    n, clip = len(views[0]), method.clip
    maps = [method.encoder.layers(x) for x in views]
    one = [method.phi1(layers[-1].flatten(1)[:, :, None, None])[:, :, 0] for layers in maps]
    five, seven = (
        [phi(layers[i]) for layers in maps] for phi, i in zip((method.phi5, method.phi7), method.scales, strict=True)
    )
    place = np.random.Generator(np.random.Philox(key=[clock.seed, clock.step], counter=[0, 0, 0, TAG])).integers(
        five[0].shape[2], size=n
    )
    losses, squares = [], []
    for mine, other in ((0, 1), (1, 0)):
        from_five = torch.stack([five[mine][i, :, place[i]] for i in range(n)])
        for query, keys in ((one[mine], five[other]), (one[mine], seven[other]), (from_five, five[other])):
            raw = [
                [[float(query[i] @ keys[j, :, p]) / math.sqrt(6) for p in range(keys.shape[2])] for j in range(n)]
                for i in range(n)
            ]
            squares.append(np.mean(np.square(raw)))
            each = []
            for i in range(n):
                others = sum(math.exp(clip * math.tanh(r / clip)) for j in range(n) if j != i for r in raw[i][j])
                for r in raw[i][i]:
                    positive = math.exp(clip * math.tanh(r / clip))
                    each.append(-math.log(positive / (positive + others)))
            losses.append(np.mean(each))
    return float(np.mean(losses)), float(np.mean(squares))


@pytest.mark.parametrize("hyper", [{}, {"clip": 0.5, "penalty": 0.3}, {"padded": True}])
def test_the_loss_is_the_papers(hyper: dict[str, Any]) -> None:
    method = made(**hyper).eval()
    views = batch(method)
    with torch.no_grad():
        for clock in (at(0), at(4, seed=1)):
            nce, square = naive(method, views, clock)
            out = method(views, clock)
            assert out["nce"].item() == pytest.approx(nce, rel=1e-4)
            assert out["square"].item() == pytest.approx(square, rel=1e-4)
            assert out["loss"].item() == pytest.approx(nce + method.penalty * square, rel=1e-4)


def test_swapping_the_views_changes_nothing() -> None:
    method = made().eval()
    one, other = batch(method)
    straight, swapped = method([one, other], at(2)), method([other, one], at(2))
    assert torch.allclose(straight["loss"], swapped["loss"], rtol=1e-5)
    assert not torch.allclose(straight["loss"], method([one, one], at(2))["loss"], rtol=1e-5)


def test_clipping_is_soft_and_bounded() -> None:
    scores = torch.tensor([-1e4, -30.0, -1e-3, 0.0, 1e-3, 30.0, 1e4], dtype=torch.float64, requires_grad=True)
    out = clipped(scores, 20.0)
    assert (out.abs() <= 20).all() and (out[1:-1].abs() < 20).all()
    assert out[3] == 0
    out.sum().backward()
    assert scores.grad is not None and scores.grad[3] == 1
    assert (out.diff() >= 0).all()


def test_negatives_are_all_places_of_all_other_images() -> None:
    """Raising a query's scores with every place of its own image can only lower the loss.

    None of them is a negative.
    """
    method = made()
    query, keys = torch.randn(4, 6), torch.randn(4, 6, 9)
    assert method.contrast(query, keys)["negatives"] == 3 * 9
    moved = keys.clone()
    moved[0] += 0.5 * query[0][:, None]  # every place of image 0 fits query 0 better
    alone = [method.contrast(query[:1], k)["loss"] for k in (keys, moved)]
    assert alone[1] < alone[0]


def test_the_loss_starts_near_the_logarithm_of_the_choices() -> None:
    method = made(dim=64)
    out = method(batch(method, 16), Clock())
    side5, side7 = 5, 7  # of 16 pixels
    wanted = (2 * math.log(1 + 15 * side5**2) + math.log(1 + 15 * side7**2)) / 3
    # untrained scores vary a little: that adds about half their variance
    assert out["nce"].item() == pytest.approx(wanted, abs=0.8)
    flat = method.contrast(torch.zeros(8, 64), torch.randn(8, 64, 9))
    assert flat["loss"].item() == pytest.approx(math.log(1 + 7 * 9), rel=1e-5)


def test_the_place_is_a_function_of_seed_and_step() -> None:
    method = made()
    phi5 = torch.zeros(500, 2, 6, 9)
    places = [method.place(phi5, clock) for clock in (at(0), at(0), at(1), at(0, seed=1))]
    assert (
        torch.equal(places[0], places[1])
        and not torch.equal(places[0], places[2])
        and not torch.equal(places[0], places[3])
    )
    assert set(places[0].tolist()) == set(range(9))


def test_gradients_reach_every_scale() -> None:
    method = made()
    method(batch(method), Clock())["loss"].backward()
    assert all(
        p.grad is not None and p.grad.abs().sum() > 0
        for m in (method.phi1, method.phi5, method.phi7)
        for p in m.parameters()
        if p.ndim > 1
    )


def test_what_is_kept_does_not_pad_unless_asked() -> None:
    given = encoders.build("conv", INPUT, width=4, depth=3)
    assert AMDIM(given).encoder.spec["name"] == "unpadded"
    assert AMDIM(given).encoder.spec["width"] == 4
    assert AMDIM(given, padded=True).encoder is given
    own = encoders.build("unpadded", INPUT, width=5)
    assert AMDIM(own).encoder is own
    with pytest.raises(
        UserError, match="amdim needs an encoder with two maps of positions, such as conv or resnet18, not mlp"
    ):
        AMDIM(encoders.build("mlp", INPUT), padded=True)


def test_arguments_reach_the_views_and_bad_values_are_refused() -> None:
    augment = made(crop=0.5, jitter=0.1, hue=0.05, flip=0.2, grey=0.7).views.augments[1]
    assert (augment.crop, augment.jitter, augment.flip, augment.grey) == ((0.5, 1.0), (0.1, 0.1, 0.1, 0.05), 0.2, 0.7)
    with pytest.raises(UserError, match="amdim needs a dim of at least 1, a clip greater than 0"):
        made(clip=0.0)


@pytest.mark.parametrize("argument", OTHERS)
def test_every_argument_matters(bench: Any, argument: str) -> None:
    found = []
    for others in ({}, {argument: OTHERS[argument]}):
        torch.manual_seed(0)
        found.append(bench.fingerprint(AMDIM(bench.encoder(), **others)))
    assert found[0] != found[1]
