from __future__ import annotations

from typing import Any

import pytest
import torch

from selftaught import encoders, methods
from selftaught.contract.case import batch
from selftaught.data.signal import toy
from selftaught.errors import UserError
from selftaught.method import Clock
from selftaught.methods.consistency.lejepa.signal import LeJEPA
from selftaught.parts.directions import directions
from selftaught.parts.sigreg import sigreg

SMALL = {"hidden": 48, "dim": 16}
"""Arguments that fit the method to the toys of the contract."""
VARIANTS = ({"small": 1},)
"""More arguments with which its gradients are checked."""

OTHERS: dict[str, Any] = {
    "dim": 7,
    "hidden": 9,
    "depth": 2,
    "weight": 0.5,
    "directions": 3,
    "full": 3,
    "small": 2,
    "crop": 0.5,
    "small_crop": 0.2,
    "scale": 0.9,
    "noise": 1.0,
    "hide": 0.9,
}


def made(uneven: bool = False, **arguments: Any) -> LeJEPA:
    torch.manual_seed(1)
    network = encoders.build("wave", toy.seen(uneven=uneven), width=6)
    return LeJEPA(network, **({"dim": 6, "hidden": 16, "small": 1, "directions": 32} | arguments))


def seen(method: LeJEPA, n: int = 8, uneven: bool = False) -> Any:
    return batch(method, toy.source(n, uneven=uneven), range(n))


def later(step: int = 5) -> Clock:
    clock = Clock(3, 100)
    clock.step = step
    return clock


@pytest.mark.parametrize(("full", "small", "weight"), [(2, 0, 0.05), (2, 2, 0.3), (1, 2, 0.9)])
@pytest.mark.parametrize("uneven", [False, True])
@torch.no_grad()
def test_the_loss_is_the_papers(full: int, small: int, weight: float, uneven: bool) -> None:
    method = made(uneven, full=full, small=small, weight=weight).eval()
    views = seen(method, uneven=uneven)
    pairs = zip(views["views"], views["views_mask"], strict=True)
    z = [method.head(method.encoder(x, mask=mask)).double() for x, mask in pairs]
    centre = sum(z[:full]) / full
    apart = sum(float(((centre - one) ** 2).mean()) for one in z) / len(z)
    along = directions(6, 32, 3, 5, z[0])
    test = sum(float(sigreg(one, along)) for one in z) / len(z)  # of each view by itself
    found = method(clock=later(), **views)
    assert found["loss"].item() == pytest.approx((1 - weight) * apart + weight * test, rel=1e-4)
    assert found["invariance"].item() == pytest.approx(apart, rel=1e-4)


def test_long_views_come_first() -> None:
    assert [one.shape[2] for one in seen(made(full=1, small=2, crop=0.75, small_crop=0.25))["views"]] == [36, 12, 12]


@pytest.mark.parametrize("argument", OTHERS)
def test_every_argument_matters(argument: str) -> None:
    assert list(OTHERS) == [one.name for one in methods.describe("lejepa", "signal").arguments]

    def fingerprint(**arguments: Any) -> list[Any]:
        method = made(**arguments)
        loss = float(method(clock=later(), **seen(method))["loss"].detach())
        return [loss, sum(p.numel() for p in method.parameters())]

    assert fingerprint(**{argument: OTHERS[argument]}) != fingerprint()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"depth": 0}, "depth and directions of lejepa must be at least 1, not 0 and 32"),
        ({"weight": 1.0}, r"weight of lejepa must be between 0 and 1, not 1\.0"),
        ({"full": 1, "small": 0}, "at least 1 full view and 2 views in all, not 1 and 1"),
        ({"full": 3, "small": -1}, "2 views in all"),
    ],
)
def test_values_out_of_range_are_refused(arguments: dict[str, Any], sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        made(**arguments)
