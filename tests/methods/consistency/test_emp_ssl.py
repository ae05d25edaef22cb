from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from selftaught import encoders, methods
from selftaught.contract.ranks import Ranks
from selftaught.errors import UserError
from selftaught.methods.consistency.emp_ssl import EMPSSL, coding_rate, largest_rate
from selftaught.views.image import Augment

SMALL = {"hidden": 64, "dim": 32, "patches": 4, "area": 0.6, "solarise": 0.0, "blur": 0.0}
"""Arguments that fit the method to the toys of the contract."""

OTHERS: dict[str, Any] = {
    "dim": 7,
    "hidden": 9,
    "depth": 2,
    "patches": 4,
    "size": 7,
    "area": 0.9,
    "weight": 1.0,
    "epsilon": 1.0,
    "strength": 0.1,
    "flip": 0.0,
    "grey": 0.9,
    "blur": 1.0,
    "solarise": 0.9,
}


def make(bench: Any, **arguments: Any) -> EMPSSL:
    torch.manual_seed(1)
    return EMPSSL(bench.encoder(), **({"dim": 6, "hidden": 16, "patches": 3} | arguments))


@pytest.mark.parametrize(("patches", "weight", "epsilon"), [(2, 200.0, 0.2), (5, 3.0, 0.7)])
@torch.no_grad()
def test_the_loss_is_the_papers(bench: Any, patches: int, weight: float, epsilon: float) -> None:
    method = make(bench, patches=patches, weight=weight, epsilon=epsilon).eval()
    batch = bench.batch(method)
    assert len(batch["views"]) == patches
    z = [F.normalize(method.head(method.encoder(view)), dim=1).double() for view in batch["views"]]
    mean = sum(z) / patches
    near = 0.0
    for one in z:
        for n in range(16):
            near += float(one[n] @ mean[n] / one[n].norm() / mean[n].norm()) / 16 / patches
    rate = sum(0.5 * math.log(float(torch.det(torch.eye(6) + 6 / (16 * epsilon) * one.T @ one))) for one in z) / patches
    outputs = method(**batch)
    assert outputs["loss"].item() == pytest.approx(-weight * near - rate, rel=1e-4)
    assert outputs["similarity"].item() == pytest.approx(near, rel=1e-4)
    assert outputs["coding_rate"].item() == pytest.approx(rate / largest_rate(16, 6, epsilon), rel=1e-4)


def frame(k: int) -> Tensor:
    """Each of the first k of 32 directions, equally often."""
    return torch.eye(32, dtype=torch.float64)[:k].repeat(32 // k, 1)


@pytest.mark.parametrize(
    ("k", "rate"), [(1, 2.5407), (2, 4.3944), (4, 7.4271), (8, 12.1781), (16, 19.1832), (32, 28.6682)]
)
def test_a_balanced_frame_has_its_exact_rate(k: int, rate: float) -> None:
    assert float(coding_rate(frame(k), 0.2)) == pytest.approx(rate, abs=1e-4)
    assert rate == pytest.approx(k / 2 * math.log(1 + 32 / (0.2 * k)), abs=1e-4)
    assert largest_rate(k, 32, 0.2) == pytest.approx(rate, abs=1e-4)


@pytest.mark.parametrize(
    ("epsilon", "random", "collapsed"),
    [(0.01, 71.08, 4.04), (0.05, 46.21, 3.23), (0.2, 26.86, 2.54), (0.5, 16.48, 2.09), (1.0, 10.49, 1.75)],
)
def test_random_and_equal_rows_have_their_rates(epsilon: float, random: float, collapsed: float) -> None:
    z = F.normalize(torch.randn(100, 32, dtype=torch.float64, generator=torch.Generator().manual_seed(0)), dim=1)
    assert float(coding_rate(z, epsilon)) == pytest.approx(random, rel=0.02)
    assert float(coding_rate(z[:1].expand(100, -1), epsilon)) == pytest.approx(collapsed, abs=0.006)
    assert float(coding_rate(z[:1].expand(100, -1), epsilon)) == pytest.approx(0.5 * math.log(1 + 32 / epsilon))


def test_wide_rows_have_their_rates() -> None:
    """More dimensions than rows: the smaller matrix gives the same determinant."""
    z = F.normalize(torch.randn(100, 1024, dtype=torch.float64, generator=torch.Generator().manual_seed(0)), dim=1)
    assert float(coding_rate(z, 0.2)) == pytest.approx(195.37, rel=2e-3)
    whole = torch.logdet(torch.eye(1024) + 1024 / (100 * 0.2) * z.T @ z) / 2
    assert float(coding_rate(z, 0.2)) == pytest.approx(float(whole))
    assert float(coding_rate(z[:1].expand(100, -1), 0.2)) == pytest.approx(4.2705525, abs=1e-6)
    assert largest_rate(100, 1024, 0.2) == pytest.approx(197.754, abs=1e-3)
    assert -200 * 1 - largest_rate(100, 1024, 0.2) == pytest.approx(-397.754, abs=1e-3)  # the best loss


def test_rotations_do_not_matter() -> None:
    z = F.normalize(torch.randn(20, 8, dtype=torch.float64), dim=1)
    q = torch.linalg.qr(torch.randn(8, 8, dtype=torch.float64))[0]
    assert float(coding_rate(z @ q, 0.2)) == pytest.approx(float(coding_rate(z, 0.2)), rel=1e-10)


def test_equal_rows_do_not_move_along_the_sphere() -> None:
    z = torch.full((16, 4), 0.5, dtype=torch.float64, requires_grad=True)
    coding_rate(F.normalize(z, dim=1), 0.2).backward()
    assert z.grad.abs().max() < 1e-10


def test_the_gradient_is_that_of_the_formula_with_or_without_a_fixed_mean(bench: Any) -> None:
    """The mean is the direction that is nearest to all patches, so what flows through it adds up to nothing."""
    method = make(bench, patches=2)
    views = bench.batch(method)["views"]
    method.eval()
    views[0].requires_grad_()
    z = [F.normalize(method.head(method.encoder(view)), dim=1) for view in views]
    mean = (z[0] + z[1]) / 2
    expected = -200 * (F.cosine_similarity(z[0], mean).mean() + F.cosine_similarity(z[1], mean).mean()) / 2
    expected = expected - (coding_rate(z[0], 0.2) + coding_rate(z[1], 0.2)) / 2
    (wanted,) = torch.autograd.grad(expected, views[0])
    (found,) = torch.autograd.grad(method(views=views)["loss"], views[0])
    assert torch.allclose(found, wanted, rtol=1e-3, atol=1e-4)
    z = [F.normalize(method.head(method.encoder(view)), dim=1) for view in views]
    fixed = ((z[0] + z[1]) / 2).detach()
    stopped = -200 * (F.cosine_similarity(z[0], fixed).mean() + F.cosine_similarity(z[1], fixed).mean()) / 2
    (other,) = torch.autograd.grad(stopped - (coding_rate(z[0], 0.2) + coding_rate(z[1], 0.2)) / 2, views[0])
    assert torch.allclose(found, other, rtol=1e-3, atol=1e-4)
    assert found.abs().max() > 0.01


def test_patches_are_the_released_codes(bench: Any) -> None:
    look: dict[str, Any] = {"flip": 0.5, "jitter": (0.4, 0.4, 0.4, 0.2), "jitter_p": 0.8, "grey": 0.2}
    patch = Augment(crop=(0.25, 0.25), ratio=(1.0, 1.0), size=12, blur=0.1, solarise=0.1, **look)
    method = make(bench, patches=20)
    assert method.views.augments == [patch] * 20
    assert method.patched(128).augments == [patch] * 128
    box = method.views.sample(torch.arange(4).numpy(), 0, 0)["place"]
    assert box.shape[:2] == (4, 20) and len({tuple(place) for place in box[0]}) == 20  # each lies elsewhere


def test_without_the_coding_rate_it_collapses(agreement: Any) -> None:
    spreads = {}
    for weight in (1.0, 1e6):  # the optimiser does not know the scale of a loss, only the share of its terms
        method = EMPSSL(agreement.encoder(), dim=16, depth=1, weight=weight, patches=2)
        history = agreement.train(method, lambda one, other: {"views": [one, other]})
        spreads[weight] = history[-1]["spread"]
    assert spreads[1.0] > 0.9
    assert spreads[1e6] < 0.5


def test_half_precision_keeps_the_loss(bench: Any) -> None:
    method = make(bench)
    batch = bench.batch(method)
    full = method(**batch)["loss"].item()
    with torch.autocast("cpu", torch.bfloat16):
        half = method(**batch)
    assert half["loss"].dtype == torch.float32
    assert half["loss"].item() == pytest.approx(full, rel=0.02)


@pytest.mark.parametrize("argument", OTHERS)
def test_every_argument_matters(bench: Any, argument: str) -> None:
    assert list(OTHERS) == [a.name for a in methods.describe("emp_ssl").arguments]
    assert bench.fingerprint(make(bench, **{argument: OTHERS[argument]})) != bench.fingerprint(make(bench))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"depth": 0}, "depth of emp_ssl must be at least 1 and patches at least 2, not 0 and 3"),
        ({"patches": 1}, "depth of emp_ssl must be at least 1 and patches at least 2, not 3 and 1"),
        ({"weight": -1.0}, "weight of emp_ssl must be at least 0 and epsilon greater than 0, not -1.0 and 0.2"),
        ({"epsilon": 0.0}, "weight of emp_ssl must be at least 0 and epsilon greater than 0, not 200.0 and 0.0"),
        ({"area": 0.0}, "a view's crop must be a range"),
        ({"size": -1}, "must be at least 0"),
    ],
)
def test_values_out_of_range_are_refused(bench: Any, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        make(bench, **arguments)


def test_an_encoder_of_one_size_takes_patches_of_that_size(bench: Any) -> None:
    mlp = encoders.build("mlp", bench.input, width=4)
    with pytest.raises(UserError, match="encoder mlp takes images of 12 pixels only"):
        EMPSSL(mlp, size=6)
    assert EMPSSL(mlp, patches=2).views.sides == [12, 12]


def grown(scale: float) -> tuple[float, list[Tensor]]:
    """Loss and gradients of this rank's half of one batch (or of all of it, on one rank)."""
    from selftaught.parts.gather import average, rank, world

    torch.manual_seed(0)
    spec = {"kind": "image", "size": 4, "channels": 3, "mean": [0.5] * 3, "std": [0.2] * 3}
    method = EMPSSL(encoders.build("mlp", spec, width=8, depth=1), dim=5, depth=1, patches=3)
    views = scale * torch.randn(3, 12, 3, 4, 4)
    mine = slice(rank() * 12 // world(), (rank() + 1) * 12 // world())
    outputs = method(views=list(views[:, mine]))
    outputs["loss"].backward()
    return outputs["loss"].item(), [average(p.grad.clone()) for p in method.parameters() if p.grad is not None]


def test_two_ranks_span_what_one_does(ranks: Ranks) -> None:
    value, gradients = grown(2.0)
    for other, theirs in ranks.call("methods.consistency.test_emp_ssl", "grown", scale=2.0):
        assert other == pytest.approx(value, rel=1e-4)
        assert all(torch.allclose(a, b, rtol=1e-3, atol=1e-3) for a, b in zip(gradients, theirs, strict=True))
