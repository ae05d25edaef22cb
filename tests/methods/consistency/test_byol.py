from __future__ import annotations

import math
from typing import Any, final

import pytest
import torch
from torch import Tensor, nn

from selftaught import methods
from selftaught.errors import UserError
from selftaught.method import Clock
from selftaught.methods.consistency import byol
from selftaught.methods.consistency.byol import BYOL, disagreement
from selftaught.optimizer import build
from selftaught.parts.matching import matching
from selftaught.recipe import Recipe
from selftaught.views.image import Augment

SMALL = {"hidden": 128, "crop": 0.8, "strength": 0.5, "solarise": 0.0}
"""Arguments that fit the method to the toys of the contract."""

OTHERS: dict[str, Any] = {
    "dim": 7,
    "hidden": 9,
    "momentum": 0.2,
    "crop": 0.9,
    "strength": 0.1,
    "flip": 0.0,
    "grey": 0.9,
    "blur": 1.0,
    "other_blur": 1.0,
    "solarise": 0.9,
}


def make(bench: Any, **arguments: Any) -> BYOL:
    return BYOL(bench.encoder(), **({"dim": 8, "hidden": 16} | arguments))


def squared_distance(p: Tensor, z: Tensor) -> float:
    """Mean over rows of || p/|p| - z/|z| ||^2, element by element."""
    total = 0.0
    for a, b in zip(p.tolist(), z.tolist(), strict=True):
        length, other = math.hypot(*a), math.hypot(*b)
        total += sum((x / length - y / other) ** 2 for x, y in zip(a, b, strict=True))
    return total / len(p)


def test_the_loss_is_the_papers_in_both_orders(bench: Any) -> None:
    method = make(bench).eval()
    batch = bench.batch(method)
    with torch.no_grad():
        p1, p2 = (method.predictor(method.head(method.encoder(batch[v]))) for v in ("first", "second"))
        z1, z2 = (method.slow(batch[v]) for v in ("first", "second"))
        outputs = method(clock=Clock(), **batch)
    assert outputs["loss"].item() == pytest.approx(squared_distance(p1, z2) + squared_distance(p2, z1), rel=1e-5)
    both = (matching(p1, z2)["accuracy"] + matching(p2, z1)["accuracy"]) / 2
    assert outputs["accuracy"] == both
    assert outputs["chance"] == pytest.approx(1 / 16)


def test_one_order_lies_between_zero_and_four() -> None:
    x = torch.randn(20, 6, dtype=torch.float64)
    assert disagreement(x, 3 * x).item() == pytest.approx(0, abs=1e-6)
    assert disagreement(x, -x).item() == pytest.approx(4)
    assert disagreement(torch.eye(4), torch.eye(4).roll(1, 0)).item() == pytest.approx(2)
    assert 0 < disagreement(x, torch.randn(20, 6, dtype=torch.float64)).item() < 4


def test_swapping_the_views_changes_nothing(bench: Any) -> None:
    method = make(bench).eval()
    batch = bench.batch(method)
    swapped = {"first": batch["second"], "second": batch["first"]}
    assert torch.allclose(method(**batch)["loss"], method(**swapped)["loss"], rtol=1e-6)


def test_no_gradient_reaches_the_target(bench: Any) -> None:
    method = make(bench)
    method(**bench.batch(method))["loss"].backward()
    assert all(p.grad is None for p in method.slow.parameters())
    online = [*method.encoder.parameters(), *method.head.parameters(), *method.predictor.parameters()]
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in online)
    assert {id(p) for p in method.players()[0].groups[0]["params"]} == {id(p) for p in online}


def test_the_predictor_is_on_the_online_side_only(bench: Any) -> None:
    method = make(bench)
    shapes = [p.shape for p in [*method.encoder.parameters(), *method.head.parameters()]]
    assert [p.shape for p in method.slow.parameters()] == shapes


@pytest.mark.parametrize(("step", "momentum"), [(0, 0.9), (5, 0.95), (10, 1.0)])
def test_the_slow_copy_follows_ever_more_slowly(bench: Any, step: int, momentum: float) -> None:
    method = make(bench, momentum=0.9)
    with torch.no_grad():
        for p in method.encoder.parameters():
            p.add_(1)
    before = [p.clone() for p in method.slow.parameters()]
    clock = Clock(0, 10)
    clock.step = step
    method.after_step(clock, {})
    online = [*method.encoder.parameters(), *method.head.parameters()]
    for now, old, new in zip(method.slow.parameters(), before, online, strict=True):
        assert torch.allclose(now, momentum * old + (1 - momentum) * new, atol=1e-6)
        assert momentum < 1 or torch.equal(now, old)


def test_without_the_predictor_it_collapses(agreement: Any) -> None:
    spreads = {}
    for kept in (True, False):
        method = BYOL(agreement.encoder(), dim=8, hidden=16, momentum=0.9)
        if not kept:
            method.predictor = nn.Identity()
        spreads[kept] = agreement.train(method, lambda one, other: {"first": one, "second": other})[-1]["spread"]
    assert spreads[True] > 0.9
    assert spreads[False] < 0.5


@final
class Online(nn.Module):
    """What `slow` becomes when nothing is slow and nothing stops the gradient."""

    def __init__(self, method: BYOL) -> None:
        super().__init__()
        self.parts = (method.encoder, method.head)  # a tuple: these modules stay the method's

    def forward(self, x: Tensor) -> Tensor:
        with torch.enable_grad():
            return self.parts[1](self.parts[0](x))


def test_with_a_gradient_through_the_target_it_collapses(agreement: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    method = BYOL(agreement.encoder(), dim=8, hidden=16)
    method.slow = Online(method)
    monkeypatch.setattr(byol, "follow", lambda *_: None)
    assert agreement.train(method, lambda one, other: {"first": one, "second": other})[-1]["spread"] < 0.3


def test_norms_and_biases_neither_decay_nor_adapt(bench: Any) -> None:
    player = make(bench).players()[0]
    groups = build(player, Recipe(optimizer="lars", weight_decay=0.1)).param_groups
    exempt = [g for g in groups if not g["adapt"]]
    assert all(g["weight_decay"] == 0 for g in exempt)
    assert {p.ndim for g in exempt for p in g["params"]} == {1}
    assert all(p.ndim > 1 for g in groups if g["adapt"] for p in g["params"])


def test_half_precision_keeps_the_loss(bench: Any) -> None:
    method = make(bench)
    batch = bench.batch(method)
    full = method(clock=Clock(), **batch)["loss"].item()
    with torch.autocast("cpu", torch.bfloat16):
        half = method(clock=Clock(), **batch)
    assert half["loss"].dtype == torch.float32
    assert half["loss"].item() == pytest.approx(full, rel=0.05)
    method.after_step(Clock(), half)


def test_augmentations_are_the_papers(bench: Any) -> None:
    first, second = make(bench, blur=1.0, other_blur=0.1).views.augments
    shared: dict[str, Any] = {
        "crop": (0.08, 1.0),
        "flip": 0.5,
        "jitter": (0.4, 0.4, 0.2, 0.1),
        "jitter_p": 0.8,
        "grey": 0.2,
    }
    assert first == Augment(**shared, blur=1.0, blur_sigma=(0.1, 2.0))
    assert second == Augment(**shared, blur=0.1, blur_sigma=(0.1, 2.0), solarise=0.2)


@pytest.mark.parametrize("argument", OTHERS)
def test_every_argument_matters(bench: Any, argument: str) -> None:
    assert list(OTHERS) == [a.name for a in methods.describe("byol").arguments]
    assert bench.fingerprint(make(bench, **{argument: OTHERS[argument]})) != bench.fingerprint(make(bench))


@pytest.mark.parametrize("momentum", [-0.1, 1.1])
def test_a_momentum_out_of_range_is_named(bench: Any, momentum: float) -> None:
    with pytest.raises(UserError, match=r"momentum of byol must be in \[0, 1\]"):
        make(bench, momentum=momentum)
