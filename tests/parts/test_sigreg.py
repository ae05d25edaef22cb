"""Measured values of the statistic of Epps and Pulley, most of them exact."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from selftaught.contract.ranks import Ranks
from selftaught.parts.directions import directions
from selftaught.parts.gather import average, rank
from selftaught.parts.sigreg import sigreg

LINE = torch.ones(1, 1, dtype=torch.float64)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def normal(n: int, d: int, seed: int = 0) -> Tensor:
    return torch.randn(n, d, dtype=torch.float64, generator=generator(seed))


def along(d: int, count: int = 256, seed: int = 0) -> Tensor:
    return directions(d, count, seed, 0, LINE)


def looped(x: list[float]) -> float:
    """The statistic of numbers, knot by knot."""
    total = 0.0
    for k in range(17):
        t = 3 * k / 16
        real = sum(math.cos(t * v) for v in x) / len(x) - math.exp(-t * t / 2)
        imaginary = sum(math.sin(t * v) for v in x) / len(x)
        total += (0.5 if k in (0, 16) else 1) * 2 * 3 / 16 * math.exp(-t * t / 2) * (real**2 + imaginary**2)
    return total * len(x)


def test_equals_the_loop() -> None:
    z, lines = normal(6, 4), along(4, 5)
    projected = (z @ lines).T.tolist()
    assert float(sigreg(z, lines)) == pytest.approx(sum(map(looped, projected)) / 5)


@pytest.mark.parametrize(
    ("x", "value"), [([0], 0.4020476), ([1], 1.1860058), ([-1, 1], 0.2056593), ([-1, 0, 1], 0.0329465)]
)
def test_single_samples_have_their_exact_values(x: list[float], value: float) -> None:
    z = torch.tensor(x, dtype=torch.float64)[:, None]
    assert float(sigreg(z, LINE)) == pytest.approx(value, abs=1e-6)


@pytest.mark.parametrize(("n", "value"), [(256, 102.924), (1024, 411.697)])
def test_a_collapse_costs_in_proportion_to_the_batch(n: int, value: float) -> None:
    assert float(sigreg(torch.zeros(n, 32), along(32).float())) == pytest.approx(value, rel=1e-4)


@pytest.mark.parametrize(
    ("mean", "scale", "value"),
    [
        (0, 0.1, 0.38688), (0, 0.5, 0.15119), (0, 0.9, 0.005144), (0, 1.1, 0.004505), (0, 2, 0.23609), (0, 10, 1.14523),
        (0.1, 1, 0.004820), (0.5, 1, 0.11812), (1, 1, 0.44434), (2, 1, 1.40837),
    ],
)  # fmt: skip
def test_other_normal_distributions_have_their_exact_values(mean: float, scale: float, value: float) -> None:
    """A very large sample: the quantiles of the distribution, evenly."""
    even = torch.special.ndtri((torch.arange(200_000, dtype=torch.float64) + 0.5) / 200_000)
    z = (mean + scale * even)[:, None]
    assert float(sigreg(z, LINE)) / len(z) == pytest.approx(value, rel=2e-3, abs=2e-5)


def test_a_normal_sample_costs_about_one_whatever_its_size() -> None:
    """The expectation is the integral of (1 - phi^2) times the weight: 1.05246."""
    t = torch.linspace(0, 3, 17, dtype=torch.float64)
    phi = torch.exp(-(t**2) / 2)
    rule = torch.full((17,), 3 / 8, dtype=torch.float64)
    rule[[0, -1]] /= 2
    assert float((rule * phi).sum()) == pytest.approx(2.4996663, abs=1e-6)
    expected = float((rule * phi * (1 - phi**2)).sum())
    assert expected == pytest.approx(1.05246, abs=1e-5)
    draws = [float(sigreg(normal(n, 1, seed), LINE)) for n in (64, 256) for seed in range(500)]
    assert sum(draws) / len(draws) == pytest.approx(expected, abs=0.12)
    for n in (16, 1024):
        assert all(0.5 < float(sigreg(normal(n, 32, seed), along(32, seed=seed))) < 2.5 for seed in range(3))


def test_what_is_not_normal_costs_more() -> None:
    z, lines = normal(256, 32), along(32)
    found = {
        "twice": 2 * z,
        "half": z / 2,
        "tenth": z / 10,
        "moved": z + 0.5,
        "one coordinate copied": z[:, :1].expand(-1, 32),
        "8 live coordinates": z * (torch.arange(32) < 8),
        "rows equal": z[:1].expand(256, -1),
        "length one": torch.nn.functional.normalize(z, dim=1),
    }
    cost = {name: float(sigreg(x, lines)) for name, x in found.items()}
    measured = {"twice": 63.8, "half": 39.4, "tenth": 99.1, "moved": 29.3, "one coordinate copied": 42.9,
                "8 live coordinates": 39.6, "rows equal": 290, "length one": 91.4}  # fmt: skip
    for name, value in measured.items():
        assert cost[name] == pytest.approx(value, rel=0.2), name
    assert float(sigreg(32**0.5 * found["length one"], lines)) < 3  # a sphere of radius sqrt(D) passes


def test_it_is_blind_to_what_random_slices_make_normal() -> None:
    uniform = (torch.rand(256, 32, dtype=torch.float64, generator=generator()) - 0.5) * 12**0.5
    assert float(sigreg(uniform, along(32))) < 2.5
    sign = torch.tensor([-1.0, 1.0], dtype=torch.float64).repeat(128)[:, None]
    assert float(sigreg(sign, LINE)) > 20  # in one dimension it sees two points


def test_the_rule_is_fine_enough() -> None:
    z, lines = normal(256, 32), along(32)
    exact = float(sigreg(z, lines, knots=401))
    assert float(sigreg(z, lines)) == pytest.approx(exact, rel=1e-3)
    assert float(sigreg(z, lines, knots=5)) == pytest.approx(exact, rel=1e-2)
    one, three, five = (float(sigreg(z, lines, reach=reach, knots=41)) for reach in (1, 3, 5))
    assert one < 0.6 * three and three == pytest.approx(five, rel=0.02)


def test_more_directions_steady_it() -> None:
    z = normal(256, 32)
    spread = {
        count: torch.tensor([float(sigreg(z, along(32, count, seed))) for seed in range(20)]).std().item()
        for count in (1, 16, 256)
    }
    assert spread[1] > 2 * spread[16] > 4 * spread[256]
    assert spread[256] < 0.2


def test_order_and_sign_do_not_matter() -> None:
    z, lines = normal(40, 8) + 0.3, along(8)
    value = float(sigreg(z, lines))
    assert float(sigreg(z[torch.randperm(40, generator=generator())], lines)) == pytest.approx(value, rel=1e-12)
    assert float(sigreg(-z, lines)) == pytest.approx(value, rel=1e-12)
    assert float(sigreg(torch.cat([z, z]), lines)) == pytest.approx(2 * value)  # so views are not put into one sample


@pytest.mark.parametrize(("scale", "norm"), [(1e-3, 0.0092), (1e-2, 0.092), (0.1, 0.89), (0.3, 1.98)])
def test_the_gradient_fades_near_a_collapse(scale: float, norm: float) -> None:
    z = (scale * normal(256, 32)).requires_grad_()
    sigreg(z, along(32)).backward()
    assert float(z.grad.norm()) == pytest.approx(norm, rel=0.1)


def test_the_gradient_is_zero_at_a_collapse() -> None:
    z = torch.zeros(256, 32, requires_grad=True)
    sigreg(z, along(32).float()).backward()
    assert not z.grad.any()


def test_free_points_become_normal() -> None:
    z = (1e-2 * normal(256, 8)).float().requires_grad_()
    optimizer = torch.optim.Adam([z], lr=0.02)
    for step in range(300):
        optimizer.zero_grad()
        sigreg(z, directions(8, 16, 0, step, z.detach())).backward()
        optimizer.step()
    covariance = torch.cov(z.detach().T)
    assert covariance.diagonal().mean().sqrt() == pytest.approx(0.955, abs=0.05)
    assert (covariance - covariance.diagonal().diag()).abs().max() < 0.1


def test_half_precision_is_compared_in_float32() -> None:
    z, lines = normal(64, 8).float(), along(8).float()
    with torch.autocast("cpu", torch.bfloat16):
        assert sigreg(z, lines).dtype == torch.float32
        assert float(sigreg(z, lines)) == pytest.approx(float(sigreg(z.double(), lines.double())), rel=1e-4)


def grown(weight: Tensor, x: Tensor) -> tuple[float, Tensor]:
    """The value and the averaged gradient of a linear map of this rank's half of x, or of all of it."""
    from selftaught.parts.gather import world

    weight = weight.clone().requires_grad_()
    mine = x.chunk(world())[rank()]
    value = sigreg(mine @ weight, along(5))
    value.backward()
    assert weight.grad is not None
    return value.item(), average(weight.grad)


def test_two_ranks_test_the_samples_of_both(ranks: Ranks) -> None:
    weight, x = normal(7, 5), normal(12, 7, 1)
    value, gradient = grown(weight, x)
    for other, theirs in ranks.call("parts.test_sigreg", "grown", weight=weight, x=x):
        assert other == pytest.approx(value)
        assert torch.allclose(theirs, gradient)
