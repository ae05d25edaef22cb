"""What lejepa (of images) and visreg share: views, directions, and what happens without the terms that spread out."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from selftaught import encoders, methods
from selftaught.errors import UserError
from selftaught.method import Clock, Method
from selftaught.views.image import Augment

pytestmark = pytest.mark.parametrize("name", ["lejepa", "visreg"])
ALONG = {"lejepa": "normality", "visreg": "shape"}
"""The term that depends on the directions."""


def make(bench: Any, name: str, **arguments: Any) -> Method:
    torch.manual_seed(1)
    given = {"dim": 6, "hidden": 16, "small": 0, "directions": 32} | arguments
    return methods.load(name, "image")(bench.encoder(), **given)


def later(step: int = 5) -> Clock:
    clock = Clock(3, 100)
    clock.step = step
    return clock


def test_directions_are_drawn_anew_in_each_step(bench: Any, name: str) -> None:
    method = make(bench, name).eval()
    batch = bench.batch(method)
    first, again, other = (method(clock=later(step), **batch)[ALONG[name]] for step in (1, 1, 2))
    assert torch.equal(first, again) and not torch.equal(first, other)


def test_the_views_are_the_papers(bench: Any, name: str) -> None:
    arguments = {"crop": 0.3, "small_crop": 0.05, "blur": 0.5, "solarise": 0.2, "full": 2, "small": 6}
    look: dict[str, Any] = {
        "flip": 0.5, "jitter": (0.4, 0.4, 0.2, 0.1), "jitter_p": 0.8, "grey": 0.2, "blur": 0.5, "solarise": 0.2,
    }  # fmt: skip
    assert make(bench, name, **arguments).views.augments == [  # type: ignore[attr-defined]
        *[Augment(crop=(0.3, 1.0), **look)] * 2,
        *[Augment(crop=(0.05, 0.3), size=5, **look)] * 6,
    ]


def test_every_view_moves_the_encoder(bench: Any, name: str) -> None:
    """No stop-gradient: the loss as a function of one view's pixels changes through the mean and through the test."""
    method = make(bench, name, full=2, small=1)
    views = [view.requires_grad_() for view in bench.batch(method)["views"]]
    method(views=views, clock=later())["loss"].backward()
    assert all(view.grad is not None and view.grad.abs().sum() > 0 for view in views)


def test_without_what_spreads_out_it_collapses(agreement: Any, name: str) -> None:
    healthy = {"lejepa": 0.3, "visreg": 0.6}[name]
    spreads = {}
    for weight in (healthy, 1e-9):
        method = methods.load(name, "image")(
            agreement.encoder(), dim=16, depth=1, weight=weight, directions=32, small=0
        )
        agreement.train(method, lambda one, other: {"views": [one, other]})
        z = method.head(method.encoder(torch.randn(32, 3, 4, 4)))  # type: ignore[operator]
        spreads[weight] = z.std(0).mean().item()
    assert spreads[healthy] > 0.5
    assert spreads[1e-9] < 0.15


def test_half_precision_keeps_the_loss(bench: Any, name: str) -> None:
    method = make(bench, name)
    batch = bench.batch(method)
    full = method(clock=later(), **batch)["loss"].item()
    with torch.autocast("cpu", torch.bfloat16):
        half = method(clock=later(), **batch)
    assert half["loss"].dtype == torch.float32
    assert half["loss"].item() == pytest.approx(full, rel=0.05)


def test_an_encoder_of_one_size_is_refused_but_without_small_crops(bench: Any, name: str) -> None:
    mlp = encoders.build("mlp", bench.input, width=4)
    made = methods.load(name, "image")
    with pytest.raises(UserError, match="encoder mlp takes images of 12 pixels only"):
        made(mlp, small=1)
    assert made(mlp, full=4, small=0).views.sides == [12] * 4  # type: ignore[attr-defined]
