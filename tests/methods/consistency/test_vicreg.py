from __future__ import annotations

from typing import Any, final

import pytest
import torch
from torch import Tensor, nn

from selftaught import methods
from selftaught.contract.ranks import Ranks
from selftaught.errors import UserError
from selftaught.methods.consistency.vicreg import VICReg, lack_of_variance, redundancy
from selftaught.optimizer import build
from selftaught.recipe import Recipe
from selftaught.views.image import Augment

SMALL = {"dim": 128, "crop": 0.8, "solarise": 0.0}
"""Arguments that fit the method to the toys of the contract."""

OTHERS: dict[str, Any] = {
    "dim": 7,
    "depth": 2,
    "invariance": 1.0,
    "variance": 1.0,
    "covariance": 30.0,
    "crop": 0.9,
    "strength": 0.1,
    "flip": 0.0,
    "grey": 0.9,
    "blur": 1.0,
    "other_blur": 1.0,
    "solarise": 0.9,
}


def make(bench: Any, **arguments: Any) -> VICReg:
    return VICReg(bench.encoder(), **({"dim": 6} | arguments))


def looped(x: Tensor, y: Tensor, weights: tuple[float, float, float]) -> float:
    """The loss of two projections [N, D], term by term."""
    n, d = x.shape
    invariance = sum(float(x[i, j] - y[i, j]) ** 2 for i in range(n) for j in range(d)) / (n * d)
    variance = covariance = 0.0
    for z in (x, y):
        mean = [float(z[:, j].sum()) / n for j in range(d)]
        cov = [
            [sum((float(z[b, i]) - mean[i]) * (float(z[b, j]) - mean[j]) for b in range(n)) / (n - 1) for j in range(d)]
            for i in range(d)
        ]
        variance += sum(max(0.0, 1 - (cov[j][j] + 1e-4) ** 0.5) for j in range(d)) / d / 2
        covariance += sum(cov[i][j] ** 2 for i in range(d) for j in range(d) if i != j) / d
    return weights[0] * invariance + weights[1] * variance + weights[2] * covariance


@pytest.mark.parametrize("weights", [(25.0, 25.0, 1.0), (1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)])
def test_the_loss_is_the_papers(bench: Any, weights: tuple[float, float, float]) -> None:
    method = make(bench, **dict(zip(("invariance", "variance", "covariance"), weights, strict=True))).eval()
    batch = bench.batch(method)
    with torch.no_grad():
        method.head[-1].weight.mul_(120)  # variances on both sides of 1
        x, y = (method.head(method.encoder(batch[v])) for v in ("first", "second"))
        assert (x.var(0) > 1).any() and (x.var(0) < 1).any()
        outputs = method(**batch)
    assert outputs["loss"].item() == pytest.approx(looped(x.double(), y.double(), weights), rel=1e-4)


def test_a_constant_lacks_all_variance() -> None:
    assert lack_of_variance(torch.ones(8, 5)).item() == pytest.approx(0.99)  # 1 - sqrt(1e-4)
    assert lack_of_variance(torch.randn(50, 5) * 10).item() == 0


def test_orthonormal_features_are_not_redundant() -> None:
    q = torch.linalg.qr(torch.cat([torch.ones(32, 1), torch.randn(32, 6)], 1).double())[0][:, 1:]  # orthonormal, mean 0
    z = q * 31**0.5  # variance 1
    assert redundancy(z).item() == pytest.approx(0, abs=1e-12)
    assert lack_of_variance(z).item() == pytest.approx(0, abs=1e-12)
    twice = torch.cat([z[:, :1], z[:, :1]], 1)
    assert redundancy(twice).item() == pytest.approx(1)  # two entries of 1, over two features


def test_the_order_of_images_does_not_matter(bench: Any) -> None:
    method = make(bench).eval()
    batch = bench.batch(method)
    order = torch.randperm(16)
    shuffled = {name: batch[name][order] for name in ("first", "second")}
    assert torch.allclose(method(**batch)["loss"], method(**shuffled)["loss"], rtol=1e-5)


@final
class Fixed(nn.Module):
    """A head that gives the two views' projections that it was made with, in turn, whatever it is asked."""

    def __init__(self, *outputs: Tensor) -> None:
        super().__init__()
        self.outputs = list(outputs)

    def forward(self, x: Tensor) -> Tensor:
        self.outputs.append(self.outputs.pop(0))
        return self.outputs[-1]


def test_the_two_sides_are_regularised_apart(bench: Any) -> None:
    """Without invariance the loss is a function of one side plus a function of the other, so they need not share weights."""
    method = make(bench, invariance=0.0)
    batch = bench.batch(method)
    generator = torch.Generator().manual_seed(0)
    sides = [scale * torch.randn(16, 6, dtype=torch.float64, generator=generator) for scale in (0.3, 0.6, 0.9, 2)]

    def loss(one: int, other: int) -> float:
        method.head = Fixed(sides[one], sides[other])
        return method(**batch)["loss"].item()

    assert loss(0, 1) - loss(0, 2) == pytest.approx(loss(3, 1) - loss(3, 2), rel=1e-4)
    assert loss(0, 1) != pytest.approx(loss(0, 2), rel=1e-3)


def test_without_the_variance_term_it_collapses(agreement: Any) -> None:
    spreads = {}
    for weight in (25.0, 0.0):
        method = VICReg(agreement.encoder(), dim=16, depth=1, variance=weight, covariance=1.0 if weight else 0.0)
        agreement.train(method, lambda one, other: {"first": one, "second": other})
        spreads[weight] = method.head(method.encoder(torch.randn(32, 3, 4, 4))).std(0).mean().item()
    assert spreads[25.0] > 0.6
    assert spreads[0.0] < 0.15


def grown(scale: float) -> tuple[float, list[Tensor]]:
    """Loss and gradients of this rank's half of one batch (or of all of it, on one rank)."""
    from selftaught import encoders
    from selftaught.parts.gather import average, rank, world

    torch.manual_seed(0)
    spec = {"kind": "image", "size": 4, "channels": 3, "mean": [0.5] * 3, "std": [0.2] * 3}
    method = VICReg(encoders.build("mlp", spec, width=8, depth=1), dim=5, depth=1)
    views = scale * torch.randn(2, 12, 3, 4, 4)
    mine = slice(rank() * 12 // world(), (rank() + 1) * 12 // world())
    outputs = method(first=views[0, mine], second=views[1, mine])
    outputs["loss"].backward()
    return outputs["loss"].item(), [average(p.grad.clone()) for p in method.parameters() if p.grad is not None]


def test_two_ranks_regularise_what_one_does(ranks: Ranks) -> None:
    value, gradients = grown(2.0)
    for other, theirs in ranks.call("methods.consistency.test_vicreg", "grown", scale=2.0):
        assert other == pytest.approx(value, rel=1e-5)
        assert all(torch.allclose(a, b, rtol=1e-4, atol=1e-4) for a, b in zip(gradients, theirs, strict=True))


def test_norms_and_biases_neither_decay_nor_adapt(bench: Any) -> None:
    for group in build(make(bench).players()[0], Recipe(optimizer="lars", weight_decay=0.1)).param_groups:
        assert {p.ndim >= 2 for p in group["params"]} == {group["adapt"]}
        assert group["weight_decay"] == (0.1 if group["adapt"] else 0)


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
    assert list(OTHERS) == [a.name for a in methods.describe("vicreg").arguments]
    assert bench.fingerprint(make(bench, **{argument: OTHERS[argument]})) != bench.fingerprint(make(bench))


def test_mistakes_are_named(bench: Any) -> None:
    with pytest.raises(UserError, match="depth of vicreg must be at least 1, not 0"):
        make(bench, depth=0)
    for wrong in ({"invariance": -1.0}, {"variance": -1.0}, {"covariance": -1.0}):
        with pytest.raises(UserError, match="the weights of vicreg must be at least 0"):
            make(bench, **wrong)
