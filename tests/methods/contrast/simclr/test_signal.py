from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch.nn import functional as F

from selftaught import encoders, methods
from selftaught.contract.case import batch
from selftaught.data.signal import toy
from selftaught.errors import UserError
from selftaught.method import Clock
from selftaught.methods.contrast.simclr.signal import SimCLR

SMALL = {"hidden": 32, "dim": 16}
"""Arguments that fit the method to the toys of the contract."""
VARIANTS = ({"depth": 0},)
"""More arguments with which its gradients are checked."""

OTHERS: dict[str, Any] = {
    "dim": 7,
    "hidden": 9,
    "depth": 1,
    "temperature": 1.0,
    "crop": 0.5,
    "scale": 0.9,
    "noise": 1.0,
    "hide": 0.9,
}


def made(uneven: bool = False, **arguments: Any) -> SimCLR:
    torch.manual_seed(0)
    return SimCLR(encoders.build("wave", toy.seen(uneven=uneven), width=6), **({"dim": 5, "hidden": 8} | arguments))


def seen(method: SimCLR, n: int = 6, uneven: bool = False) -> Any:
    return batch(method, toy.source(n, uneven=uneven), range(n))


@pytest.mark.parametrize("uneven", [False, True])
def test_equals_the_double_loop(uneven: bool) -> None:
    method = made(uneven, temperature=0.3).eval()
    views = seen(method, uneven=uneven)
    with torch.no_grad():
        pairs = [
            F.normalize(method.head(method.encoder(x, mask=mask)), dim=1)
            for x, mask in zip(views["views"], views["views_mask"], strict=True)
        ]
        total, flat = 0.0, torch.cat(pairs)
        for i in range(12):
            others = sum(math.exp(flat[i] @ flat[k] / 0.3) for k in range(12) if k != i)
            total -= math.log(math.exp(flat[i] @ flat[(i + 6) % 12] / 0.3) / others)
        found = method(clock=Clock(), **views)
    assert found["loss"].item() == pytest.approx(total / 12, rel=1e-4) and found["negatives"] == 10


def test_views_are_two_windows_with_their_masks() -> None:
    views = seen(made(uneven=True, crop=0.75), uneven=True)
    assert [one.shape for one in views["views"]] == [(6, 1, 36)] * 2
    assert not torch.equal(*views["views"]) and not views["views_mask"][0].all()


@pytest.mark.parametrize("argument", OTHERS)
def test_every_argument_matters(argument: str) -> None:
    assert list(OTHERS) == [one.name for one in methods.describe("simclr", "signal").arguments]

    def fingerprint(**arguments: Any) -> list[Any]:
        method = made(**arguments)
        loss = float(method(clock=Clock(), **seen(method))["loss"].detach())
        return [loss, sum(p.numel() for p in method.parameters())]

    assert fingerprint(**{argument: OTHERS[argument]}) != fingerprint()


def test_a_temperature_of_zero_is_refused() -> None:
    with pytest.raises(UserError, match="temperature of simclr must be greater than 0, not 0"):
        made(temperature=0.0)
