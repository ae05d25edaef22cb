from __future__ import annotations

from typing import Any

import pytest
import torch

from selftaught import methods
from selftaught.errors import UserError
from selftaught.method import Clock
from selftaught.methods.consistency.lejepa.image import LeJEPA
from selftaught.parts.directions import directions
from selftaught.parts.sigreg import sigreg

SMALL = {"hidden": 64, "dim": 32, "crop": 0.6}
"""Arguments that fit the method to the toys of the contract."""

OTHERS: dict[str, Any] = {
    "dim": 7,
    "hidden": 9,
    "depth": 2,
    "weight": 0.5,
    "directions": 3,
    "full": 3,
    "small": 1,
    "small_size": 7,
    "crop": 0.9,
    "small_crop": 0.02,
    "strength": 0.1,
    "flip": 0.0,
    "grey": 0.9,
    "blur": 1.0,
    "solarise": 0.9,
}
STAGE: dict[str, dict[str, Any]] = {"small_size": {"small": 1}, "small_crop": {"small": 1}}
"""What must be on for an argument to matter."""


def make(bench: Any, **arguments: Any) -> LeJEPA:
    torch.manual_seed(1)
    return LeJEPA(bench.encoder(), **({"dim": 6, "hidden": 16, "small": 0, "directions": 32} | arguments))


def later(step: int = 5) -> Clock:
    clock = Clock(3, 100)
    clock.step = step
    return clock


@pytest.mark.parametrize(("full", "small", "weight"), [(2, 0, 0.05), (2, 2, 0.3), (1, 2, 0.9)])
@torch.no_grad()
def test_the_loss_is_the_papers(bench: Any, full: int, small: int, weight: float) -> None:
    method = make(bench, full=full, small=small, weight=weight).eval()
    batch = bench.batch(method)
    z = [method.head(method.encoder(view)).double() for view in batch["views"]]
    centre = sum(z[:full]) / full
    apart = sum(float(((centre - one) ** 2).mean()) for one in z) / len(z)
    along = directions(6, 32, 3, 5, z[0])
    test = sum(float(sigreg(one, along)) for one in z) / len(z)  # of each view by itself
    outputs = method(clock=later(), **batch)
    assert outputs["loss"].item() == pytest.approx((1 - weight) * apart + weight * test, rel=1e-4)
    assert outputs["invariance"].item() == pytest.approx(apart, rel=1e-4)
    assert outputs["normality"].item() == pytest.approx(test, rel=1e-4)


@pytest.mark.parametrize("argument", OTHERS)
def test_every_argument_matters(bench: Any, argument: str) -> None:
    assert list(OTHERS) == [a.name for a in methods.describe("lejepa").arguments]
    stage = STAGE.get(argument, {})
    changed = bench.fingerprint(make(bench, **stage, **{argument: OTHERS[argument]}))
    assert changed != bench.fingerprint(make(bench, **stage))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"depth": 0}, "depth and directions of lejepa must be at least 1, not 0 and 32"),
        ({"directions": 0}, "depth and directions of lejepa must be at least 1, not 3 and 0"),
        ({"weight": 1.0}, "weight of lejepa must be between 0 and 1, not 1.0"),
        ({"full": 0, "small": 3}, "at least 1 full view and 2 views in all, not 0 and 3"),
        ({"full": 1}, "at least 1 full view and 2 views in all, not 1 and 1"),
        ({"small": -1}, "2 views in all|must be at least 0"),
    ],
)
def test_values_out_of_range_are_refused(bench: Any, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        make(bench, **arguments)
