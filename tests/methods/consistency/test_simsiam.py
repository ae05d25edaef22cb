from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import nn

from selftaught import methods
from selftaught.errors import UserError
from selftaught.methods.consistency import simsiam
from selftaught.methods.consistency.simsiam import SimSiam, disagreement
from selftaught.optimizer import build, set_rates
from selftaught.parts.heads import projection
from selftaught.parts.norm import BatchNorm1d
from selftaught.recipe import Recipe
from selftaught.views.image import Augment

SMALL = {"dim": 128, "bottleneck": 32, "crop": 0.8, "jitter": 0.2}
"""Arguments that fit the method to the toys of the contract."""

OTHERS: dict[str, Any] = {
    "dim": 9,
    "depth": 2,
    "bottleneck": 3,
    "constant_rate": False,
    "crop": 0.9,
    "jitter": 0.1,
    "flip": 0.0,
    "grey": 0.9,
    "blur": 1.0,
}


def make(bench: Any, **arguments: Any) -> SimSiam:
    return SimSiam(bench.encoder(), **({"dim": 8, "bottleneck": 4} | arguments))


def test_the_loss_is_the_papers(bench: Any) -> None:
    method = make(bench).eval()
    views = bench.batch(method)["views"]
    with torch.no_grad():
        z1, z2 = (method.head(method.encoder(v)) for v in views)
        p1, p2 = method.predictor(z1), method.predictor(z2)
        loss = method(views=views)["loss"].item()
    total = 0.0
    for p, z in ((p1, z2), (p2, z1)):
        for a, b in zip(p.tolist(), z.tolist(), strict=True):
            total -= sum(x * y for x, y in zip(a, b, strict=True)) / (math.hypot(*a) * math.hypot(*b))
    assert loss == pytest.approx(total / (2 * len(p1)), rel=1e-5)


def test_swapping_the_views_changes_nothing(bench: Any) -> None:
    method = make(bench).eval()
    views = bench.batch(method)["views"]
    assert torch.allclose(method(views=views)["loss"], method(views=views[::-1])["loss"], rtol=1e-6)


def test_it_lies_between_minus_one_and_one() -> None:
    x = torch.randn(20, 6, dtype=torch.float64)
    assert disagreement(x, x).item() == pytest.approx(-1)
    assert disagreement(x, -x).item() == pytest.approx(1)


def test_equal_views_through_an_identity_cost_minus_one(bench: Any) -> None:
    method = make(bench)
    method.predictor = nn.Identity()
    x = bench.batch(method)["views"][0]
    assert method(views=[x, x])["loss"].item() == pytest.approx(-1, abs=1e-5)


def test_the_encoders_gradient_comes_through_the_predictor_alone(bench: Any) -> None:
    method = make(bench).eval()
    with torch.no_grad():
        method.predictor[-1].weight.zero_()  # p is its bias, whatever z
    method(views=bench.batch(method)["views"])["loss"].backward()
    assert all(p.grad is not None and not p.grad.any() for p in method.encoder.parameters())


def test_the_head_ends_in_a_norm_without_parameters_and_the_predictor_in_none(bench: Any) -> None:
    method = make(bench)
    norms = [m for m in method.head if isinstance(m, BatchNorm1d)]
    assert [m.affine for m in norms] == [True, True, False]
    assert method.head[-1] is norms[-1]
    assert [type(m) for m in method.predictor] == [nn.Linear, BatchNorm1d, nn.ReLU, nn.Linear]
    assert method.predictor[0].weight.shape == (4, 8)


@pytest.mark.parametrize("constant", [True, False])
def test_the_predictors_rate_stays_constant(bench: Any, constant: bool) -> None:
    method = make(bench, constant_rate=constant)
    recipe = Recipe(lr=0.1, warmup=0.0)
    optimizer = build(method.players()[0], recipe)
    set_rates(optimizer, recipe, 0.9)
    predictor = set(method.predictor.parameters())
    for group in optimizer.param_groups:
        own = set(group["params"]) <= predictor
        assert own or not set(group["params"]) & predictor
        assert group["lr"] == pytest.approx(0.1 if own and constant else recipe.lr * recipe.factor(0.9))


def train(agreement: Any, change: str = "") -> dict[str, float]:
    method = SimSiam(agreement.encoder(), dim=16, bottleneck=8)
    method.head = projection(method.encoder.dim, 32, 16, 2, last="none")  # a last norm slows a collapse down
    if change == "no predictor":
        method.predictor = nn.Identity()
    return agreement.train(method, lambda one, other: {"views": [one, other]})[-1]


def test_outputs_stay_spread_out(agreement: Any) -> None:
    assert train(agreement)["spread"] > 0.9


def test_without_the_predictor_it_collapses(agreement: Any) -> None:
    assert train(agreement, "no predictor")["spread"] < 0.2


def test_without_the_stopped_gradient_it_collapses(agreement: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(simsiam, "target", lambda name, z: z)
    last = train(agreement)
    assert last["spread"] < 0.2
    assert last["loss"] < -0.95  # the loss does not tell


def test_a_fresh_head_is_healthy(bench: Any) -> None:
    method = make(bench)
    assert float(method(views=bench.batch(method)["views"])["spread"]) > 0.9


def test_half_precision_keeps_the_loss(bench: Any) -> None:
    method = make(bench)
    batch = bench.batch(method)
    full = method(**batch)["loss"].item()
    with torch.autocast("cpu", torch.bfloat16):
        half = method(**batch)
    assert half["loss"].dtype == torch.float32
    assert half["loss"].item() == pytest.approx(full, rel=0.05)


def test_augmentations_are_the_papers(bench: Any) -> None:
    one, two = make(bench, blur=0.5).views.augments
    assert (
        one == two == Augment(crop=(0.2, 1.0), flip=0.5, jitter=(0.4, 0.4, 0.4, 0.1), jitter_p=0.8, grey=0.2, blur=0.5)
    )


@pytest.mark.parametrize("argument", OTHERS)
def test_every_argument_matters(bench: Any, argument: str) -> None:
    assert list(OTHERS) == [a.name for a in methods.describe("simsiam").arguments]
    assert bench.fingerprint(make(bench, **{argument: OTHERS[argument]})) != bench.fingerprint(make(bench))


def test_mistakes_are_named(bench: Any) -> None:
    for wrong in ({"depth": 0}, {"bottleneck": 0}):
        with pytest.raises(UserError, match="depth and bottleneck of simsiam must be at least 1"):
            make(bench, **wrong)
