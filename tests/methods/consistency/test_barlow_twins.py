from __future__ import annotations

from typing import Any, final

import pytest
import torch
from torch import Tensor

from selftaught import methods
from selftaught.contract.ranks import Ranks
from selftaught.errors import UserError
from selftaught.methods.consistency.barlow_twins import BarlowTwins, standardised
from selftaught.optimizer import build, set_rates
from selftaught.parts.norm import BatchNorm1d
from selftaught.recipe import Recipe
from selftaught.views.image import Augment

SMALL = {"dim": 128, "crop": 0.8, "solarise": 0.0}
"""Arguments that fit the method to the toys of the contract."""

OTHERS: dict[str, Any] = {
    "dim": 7,
    "depth": 2,
    "redundancy": 0.5,
    "bias_rate": 0.1,
    "crop": 0.9,
    "strength": 0.1,
    "flip": 0.0,
    "grey": 0.9,
    "blur": 1.0,
    "other_blur": 1.0,
    "solarise": 0.9,
}


def make(bench: Any, **arguments: Any) -> BarlowTwins:
    return BarlowTwins(bench.encoder(), **({"dim": 6} | arguments))


def looped(one: Tensor, two: Tensor, weight: float) -> float:
    """The loss of two projections [N, D], entry by entry of the correlation matrix."""
    total, n = 0.0, len(one)
    for i in range(one.shape[1]):
        for j in range(two.shape[1]):
            a, b = one[:, i], two[:, j]
            covariance = ((a - a.mean()) * (b - b.mean())).sum() / n
            c = float(covariance / (a.var(correction=0) * b.var(correction=0)).sqrt())
            total += (1 - c) ** 2 if i == j else weight * c**2
    return total


@final
class Fixed(torch.nn.Module):
    """A head that gives the two views' projections that it was made with, in turn, whatever it is asked."""

    def __init__(self, *outputs: Tensor) -> None:
        super().__init__()
        self.outputs = list(outputs)

    def forward(self, x: Tensor) -> Tensor:
        self.outputs.append(self.outputs.pop(0))
        return self.outputs[-1]


def loss(bench: Any, one: Tensor, two: Tensor, **arguments: Any) -> float:
    method = make(bench, **arguments).eval()
    batch = bench.batch(method)
    method.head = Fixed(one, two)
    return method(**batch)["loss"].item()


@pytest.mark.parametrize("weight", [0.0051, 0.3])
def test_equals_the_double_loop(bench: Any, weight: float) -> None:
    one, two = torch.randn(2, 40, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(0)).unbind(0)
    two = 0.5 * one + two
    assert loss(bench, one, two, redundancy=weight) == pytest.approx(looped(one, two, weight), rel=1e-4)


def test_forward_correlates_the_projections(bench: Any) -> None:
    method = make(bench, redundancy=0.1).eval()
    batch = bench.batch(method)
    with torch.no_grad():
        method.head[-1].weight.mul_(100)  # beside these variances the 1e-5 is nothing
        one, two = (method.head(method.encoder(batch[v])).double() for v in ("first", "second"))
        outputs = method(**batch)
    assert outputs["loss"].item() == pytest.approx(looped(one, two, 0.1), rel=1e-3)


def test_equal_uncorrelated_features_cost_nothing(bench: Any) -> None:
    q = torch.linalg.qr(torch.cat([torch.ones(32, 1), torch.randn(32, 6)], 1).double())[0][:, 1:]  # orthonormal, mean 0
    z = q * 32**0.5
    assert loss(bench, z, z) == pytest.approx(0, abs=1e-6)


def test_scale_and_shift_of_a_feature_do_not_matter(bench: Any) -> None:
    one, two = torch.randn(2, 40, 6, dtype=torch.float64).unbind(0)
    moved = two * torch.rand(6).add(0.5) * 3 + torch.randn(6)
    assert loss(bench, one, moved) == pytest.approx(loss(bench, one, two), rel=1e-3)


def test_swapping_the_views_transposes_and_changes_nothing(bench: Any) -> None:
    one, two = torch.randn(2, 40, 6, dtype=torch.float64).unbind(0)
    assert loss(bench, one, two) == pytest.approx(loss(bench, two, one), rel=1e-5)


def test_standardising_is_batch_norms(bench: Any) -> None:
    z = torch.randn(20, 6) * 3 + 2
    assert torch.allclose(standardised(z), BatchNorm1d(6, affine=False)(z), atol=1e-5)
    assert torch.allclose(standardised(z).square().mean(0), torch.ones(6), atol=1e-4)  # the biased variance


def test_features_stop_repeating_each_other(agreement: Any) -> None:
    repeated = {}
    for weight in (0.0, 0.1):
        method = BarlowTwins(agreement.encoder(), dim=8, depth=1, redundancy=weight)
        with torch.no_grad():
            method.head[-1].weight[4:] = method.head[-1].weight[:4] + 0.01 * torch.randn(4, 32)
        history = agreement.train(method, lambda one, other: {"first": one, "second": other}, steps=60)
        z = method.head(method.encoder(torch.randn(200, 3, 4, 4)))
        repeated[weight] = z.T.corrcoef().fill_diagonal_(0).abs().max().item()
        assert history[-1]["agreement"] > 0.8
        assert z.std(0).min() > 0.05  # a constant is no way out
    assert repeated[0.0] > 0.9
    assert repeated[0.1] < 0.6


def grown(scale: float) -> tuple[float, list[Tensor]]:
    """Loss and gradients of this rank's half of one batch (or of all of it, on one rank)."""
    from selftaught import encoders
    from selftaught.parts.gather import average, rank, world

    torch.manual_seed(0)
    spec = {"kind": "image", "size": 4, "channels": 3, "mean": [0.5] * 3, "std": [0.2] * 3}
    method = BarlowTwins(encoders.build("mlp", spec, width=8, depth=1), dim=5, depth=1)
    views = scale * torch.randn(2, 12, 3, 4, 4)
    mine = slice(rank() * 12 // world(), (rank() + 1) * 12 // world())
    outputs = method(first=views[0, mine], second=views[1, mine])
    outputs["loss"].backward()
    return outputs["loss"].item(), [average(p.grad.clone()) for p in method.parameters() if p.grad is not None]


def test_two_ranks_correlate_what_one_does(ranks: Ranks) -> None:
    value, gradients = grown(2.0)
    for other, theirs in ranks.call("methods.consistency.test_barlow_twins", "grown", scale=2.0):
        assert other == pytest.approx(value, rel=1e-5)
        assert all(torch.allclose(a, b, rtol=1e-4, atol=1e-5) for a, b in zip(gradients, theirs, strict=True))


def test_biases_and_norms_have_a_rate_of_their_own_and_do_not_decay(bench: Any) -> None:
    recipe = Recipe(optimizer="lars", lr=0.2, warmup=0.0, schedule="constant", weight_decay=1e-6)
    optimizer = build(make(bench, bias_rate=0.024).players()[0], recipe)
    set_rates(optimizer, recipe, 0.5)
    for group in optimizer.param_groups:
        biases = {p.ndim < 2 for p in group["params"]} == {True}
        assert group["lr"] == pytest.approx(0.0048 if biases else 0.2)
        assert group["adapt"] != biases
        assert group["weight_decay"] == (0 if biases else 1e-6)


def test_half_precision_keeps_the_loss(bench: Any) -> None:
    method = make(bench)
    batch = bench.batch(method)
    full = method(**batch)["loss"].item()
    with torch.autocast("cpu", torch.bfloat16):
        half = method(**batch)
    assert half["loss"].dtype == torch.float32
    assert half["loss"].item() == pytest.approx(full, rel=0.05)


def test_augmentations_are_the_papers(bench: Any) -> None:
    first, second = make(bench, blur=1.0, other_blur=0.1).views.augments
    shared: dict[str, Any] = {
        "crop": (0.08, 1.0),
        "flip": 0.5,
        "jitter": (0.4, 0.4, 0.2, 0.1),
        "jitter_p": 0.8,
        "grey": 0.2,
    }
    assert first == Augment(**shared, blur=1.0)
    assert second == Augment(**shared, blur=0.1, solarise=0.2)


@pytest.mark.parametrize("argument", OTHERS)
def test_every_argument_matters(bench: Any, argument: str) -> None:
    assert list(OTHERS) == [a.name for a in methods.describe("barlow_twins").arguments]
    assert bench.fingerprint(make(bench, **{argument: OTHERS[argument]})) != bench.fingerprint(make(bench))


def test_mistakes_are_named(bench: Any) -> None:
    with pytest.raises(UserError, match="depth of barlow_twins must be at least 1, not 0"):
        make(bench, depth=0)
    for wrong in ({"redundancy": -1.0}, {"bias_rate": -1.0}):
        with pytest.raises(UserError, match="redundancy and bias_rate of barlow_twins must be at least 0"):
            make(bench, **wrong)
