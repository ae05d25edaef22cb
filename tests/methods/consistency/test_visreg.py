from __future__ import annotations

from statistics import NormalDist
from typing import Any

import pytest
import torch
from torch import Tensor

from selftaught import encoders, methods
from selftaught.contract.ranks import Ranks
from selftaught.errors import UserError
from selftaught.method import Clock
from selftaught.methods.consistency.visreg import VISReg, from_normal
from selftaught.parts.directions import directions

SMALL = {"hidden": 64, "dim": 32, "crop": 0.6}
"""Arguments that fit the method to the toys of the contract."""

OTHERS: dict[str, Any] = {
    "dim": 7,
    "hidden": 9,
    "depth": 2,
    "weight": 0.2,
    "shape_weight": 3.0,
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


def make(bench: Any, **arguments: Any) -> VISReg:
    torch.manual_seed(1)
    return VISReg(bench.encoder(), **({"dim": 6, "hidden": 16, "small": 0, "directions": 32} | arguments))


def later(step: int = 5) -> Clock:
    clock = Clock(3, 100)
    clock.step = step
    return clock


@pytest.mark.parametrize(("full", "small", "weight", "shape"), [(2, 0, 0.6, 1.0), (2, 2, 0.3, 2.0), (1, 2, 0.9, 0.0)])
@torch.no_grad()
def test_the_loss_is_the_papers(bench: Any, full: int, small: int, weight: float, shape: float) -> None:
    method = make(bench, full=full, small=small, weight=weight, shape_weight=shape).eval()
    batch = bench.batch(method)
    z = [method.head(method.encoder(view)).double() for view in batch["views"]]
    centre = sum(z[:full]) / full
    apart = sum(float(((centre - one) ** 2).mean()) for one in z) / len(z)
    along = directions(6, 32, 3, 5, z[0])
    regular = sum(sum(w * t for w, t in zip((1, 1, shape), looped(one, along), strict=True)) for one in z) / len(z)
    outputs = method(clock=later(), **batch)
    assert outputs["loss"].item() == pytest.approx((1 - weight) * apart + weight * regular, rel=1e-4)


def looped(z: Tensor, along: Tensor) -> tuple[float, float, float]:
    """Centre, scale and shape of one view, number by number."""
    n, d = z.shape
    normal = NormalDist()
    mean = [sum(float(z[i, j]) for i in range(n)) / n for j in range(d)]
    sigma = [(sum((float(z[i, j]) - mean[j]) ** 2 for i in range(n)) / n) ** 0.5 for j in range(d)]
    shape = 0.0
    for s in range(along.shape[1]):
        x = sorted(
            sum((float(z[i, j]) - mean[j]) / (sigma[j] + 1e-4) * float(along[j, s]) for j in range(d)) for i in range(n)
        )
        shape += sum((x[i] - normal.inv_cdf((i + 1) / (n + 1))) ** 2 for i in range(n)) / n / along.shape[1]
    return sum(m * m for m in mean) / d, sum((1 - one) ** 2 for one in sigma) / d, shape


def sample(kind: str) -> Tensor:
    """256 samples of 32 dimensions."""
    z = torch.randn(256, 32, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    uniform = torch.rand(256, 32, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    return {
        "normal": z, "zeros": 0 * z, "twice": 2 * z, "moved": z + 0.5,
        "one coordinate copied": z[:, :1].expand(-1, 32), "uniform": (uniform - 0.5) * 12**0.5,
    }[kind]  # fmt: skip


ALONG = directions(32, 256, 0, 0, torch.zeros((), dtype=torch.float64))


@pytest.mark.parametrize(
    ("kind", "centre", "scale", "shape"),
    [
        ("normal", 0.0058, 0.0023, 0.0078),
        ("zeros", 0, 1, 0.96314),
        ("twice", None, 1.0004, 0.0078),
        ("moved", 0.248, 0.0023, 0.0078),
        ("one coordinate copied", None, None, 0.402),
        ("uniform", None, None, 0.0072),
    ],
)
def test_known_samples_have_their_measured_values(
    kind: str, centre: float | None, scale: float | None, shape: float
) -> None:
    """Measured on one draw each, so near; those of zeros are exact."""
    found = from_normal(sample(kind), ALONG)
    near: dict[str, Any] = {"abs": 1e-5} if kind == "zeros" else {"rel": 0.25, "abs": 3e-3}
    for value, expected in zip(found, (centre, scale, shape), strict=True):
        assert expected is None or float(value) == pytest.approx(expected, **near)


def test_the_shape_knows_neither_scale_nor_place() -> None:
    z = sample("normal")
    shape = float(from_normal(z, ALONG, 0.0).shape)
    changed = z * torch.linspace(0.1, 5, 32) + torch.linspace(-2, 2, 32)
    assert float(from_normal(changed, ALONG, 0.0).shape) == pytest.approx(shape, rel=1e-9)


@pytest.mark.parametrize(
    ("size", "scale", "shape"),
    [(1e-3, 0.0221, 0.844), (1e-2, 0.0219, 0.0855), (0.1, 0.0199, 0.0086), (1.0, 0.0010, 0.0009)],
)
def test_the_gradient_does_not_fade_near_a_collapse(size: float, scale: float, shape: float) -> None:
    """As measured: that of the scale is constant, that of the shape grows (sigma is a constant to it)."""
    for name, norm in (("scale", scale), ("shape", shape)):
        z = (size * sample("normal")).requires_grad_()
        getattr(from_normal(z, ALONG, 1e-6), name).backward()
        assert float(z.grad.norm()) == pytest.approx(norm, rel=0.15, abs=2e-4)


def test_the_gradient_is_finite_at_a_collapse() -> None:
    z = torch.zeros(256, 32, requires_grad=True)
    sum(from_normal(z, ALONG.float())).backward()
    assert torch.isfinite(z.grad).all() and 10 < z.grad.norm() < 200  # 8.2e3 / 100: epsilon is 1e-4, not 1e-6


def test_free_points_become_normal() -> None:
    z = (1e-2 * sample("normal")[:, :8]).float().requires_grad_()
    optimizer = torch.optim.Adam([z], lr=0.02)
    for step in range(300):
        optimizer.zero_grad()
        sum(from_normal(z, directions(8, 64, 0, step, z.detach()))).backward()
        optimizer.step()
    covariance = torch.cov(z.detach().T)
    assert covariance.diagonal().mean().sqrt() == pytest.approx(0.981, abs=0.03)
    assert (covariance - covariance.diagonal().diag()).abs().max() < 0.03


@pytest.mark.parametrize("argument", OTHERS)
def test_every_argument_matters(bench: Any, argument: str) -> None:
    assert list(OTHERS) == [a.name for a in methods.describe("visreg").arguments]
    stage = STAGE.get(argument, {})
    changed = bench.fingerprint(make(bench, **stage, **{argument: OTHERS[argument]}))
    assert changed != bench.fingerprint(make(bench, **stage))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"depth": 0}, "depth and directions of visreg must be at least 1, not 0 and 32"),
        ({"directions": 0}, "depth and directions of visreg must be at least 1, not 3 and 0"),
        ({"weight": 1.0}, "weight of visreg must be between 0 and 1, shape_weight at least 0, not 1.0 and 1.0"),
        ({"shape_weight": -1.0}, "shape_weight at least 0, not 0.6 and -1.0"),
        ({"full": 0, "small": 3}, "at least 1 full view and 2 views in all, not 0 and 3"),
        ({"full": 1}, "at least 1 full view and 2 views in all, not 1 and 1"),
        ({"small": -1}, "2 views in all|must be at least 0"),
    ],
)
def test_values_out_of_range_are_refused(bench: Any, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        make(bench, **arguments)


def grown(scale: float) -> tuple[float, list[Tensor]]:
    """Loss and gradients of this rank's half of one batch (or of all of it, on one rank)."""
    from selftaught.parts.gather import average, rank, world

    torch.manual_seed(0)
    spec = {"kind": "image", "size": 4, "channels": 3, "mean": [0.5] * 3, "std": [0.2] * 3}
    method = VISReg(encoders.build("mlp", spec, width=8, depth=1), dim=5, depth=1, small=0, directions=8)
    views = scale * torch.randn(2, 12, 3, 4, 4)
    mine = slice(rank() * 12 // world(), (rank() + 1) * 12 // world())
    outputs = method(views=list(views[:, mine]), clock=Clock())
    outputs["loss"].backward()
    return outputs["loss"].item(), [average(p.grad.clone()) for p in method.parameters() if p.grad is not None]


def test_two_ranks_sort_what_one_does(ranks: Ranks) -> None:
    value, gradients = grown(2.0)
    for other, theirs in ranks.call("methods.consistency.test_visreg", "grown", scale=2.0):
        assert other == pytest.approx(value, rel=1e-4)
        assert all(torch.allclose(a, b, rtol=1e-3, atol=1e-4) for a, b in zip(gradients, theirs, strict=True))
