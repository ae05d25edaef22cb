"""The scores against their formulas, and what all losses over them have in common."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from selftaught.errors import UserError
from selftaught.parts.contrastive_margin import contrastive_margin
from selftaught.parts.info_nce import info_nce
from selftaught.parts.n_pairs import n_pairs
from selftaught.parts.nce import nce
from selftaught.parts.scores import Bilinear, Cosine, Dot, Score, SquaredDistance, ranking
from selftaught.parts.triplet import triplet

Loss = Callable[[Tensor, Tensor], dict[str, Tensor]]
LOSSES: dict[str, Loss] = {
    "info_nce": lambda p, n: info_nce(p, n, 0.5),
    "nce": lambda p, n: nce(p, n, 1 / 20, 0.5, 30.0),
    "triplet": lambda p, n: triplet(p, n, 0.7),
    "soft triplet": lambda p, n: triplet(p, n, None),
    "semi-hard triplet": lambda p, n: triplet(p, n, 0.7, "semi_hard"),
    "hard triplet": lambda p, n: triplet(p, n, 0.7, "hard"),
    "contrastive margin": lambda p, n: contrastive_margin(p, n, 1.5),
    "n pairs": lambda p, n: n_pairs(p, n, torch.ones(len(p), 3)),
}
every = pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES.keys())


def rows(n: int, width: int, seed: int) -> Tensor:
    return torch.randn(n, width, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def scores(queries: int = 5, negatives: int = 7, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Below 0, as minus a squared distance is, so that they serve every loss."""
    return -rows(queries, 1, seed)[:, 0].square(), -rows(queries, negatives, seed + 1).square()


def matrix() -> Bilinear:
    torch.manual_seed(0)
    return Bilinear(4, 6).double()


@pytest.mark.parametrize(
    ("score", "formula", "widths"),
    [
        (Dot(), lambda q, k: q @ k, (4, 4)),
        (Cosine(0.07), lambda q, k: q @ k / (q.norm() * k.norm() * 0.07), (4, 4)),
        (SquaredDistance(), lambda q, k: -((q - k) ** 2).sum(), (4, 4)),
        (matrix(), lambda q, k: k @ matrix().map.weight @ q, (4, 6)),
    ],
    ids=["dot", "cosine", "squared distance", "bilinear"],
)
def test_scores_are_their_formulas(
    score: Score, formula: Callable[[Tensor, Tensor], Tensor], widths: tuple[int, int]
) -> None:
    q, k = rows(3, widths[0], 0), rows(5, widths[1], 1)
    expected = torch.stack([torch.stack([formula(a, b) for b in k]) for a in q])
    torch.testing.assert_close(score.table(q, k), expected, rtol=1e-10, atol=1e-10)
    torch.testing.assert_close(score.pairs(q, k[:3]), expected.diagonal(), rtol=1e-10, atol=1e-10)
    # keys of each query's own
    torch.testing.assert_close(score.table(q[:, None], k.expand(3, -1, -1)).squeeze(1), expected)
    torch.testing.assert_close(score.query(q) @ score.key(k).T, expected)  # what `streamed_info_nce` relies on


def test_only_the_bilinear_score_learns() -> None:
    assert [len(list(s.parameters())) for s in (Dot(), Cosine(), SquaredDistance(), Bilinear(4, 6))] == [0, 0, 0, 1]
    score = matrix()
    score.pairs(rows(3, 4, 0), rows(3, 6, 1)).sum().backward()
    assert score.map.weight.grad is not None and score.map.weight.shape == (6, 4)


def test_a_cosine_needs_a_temperature() -> None:
    with pytest.raises(UserError, match="temperature of a cosine must be greater than 0, not 0"):
        Cosine(0)


def test_ranking_counts() -> None:
    p = torch.tensor([1.0, 0.0, 2.0, 0.5])
    n = torch.tensor([[0.5, 0.9], [0.5, -1.0], [1.0, -torch.inf], [0.5, 0.0]])
    assert ranking(p, n) == {"accuracy": 0.5, "chance": pytest.approx(4 / 11), "negatives": 1.75}  # the last one ties


@every
def test_the_order_of_the_negatives_does_not_matter(loss: Loss) -> None:
    p, n = scores()
    for name, value in loss(p, n).items():
        torch.testing.assert_close(loss(p, n[:, torch.randperm(7)])[name], value, msg=name)


@every
def test_the_order_of_the_queries_does_not_matter(loss: Loss) -> None:
    (p, n), order = scores(), torch.randperm(5)
    for name, value in loss(p, n).items():
        torch.testing.assert_close(loss(p[order], n[order])[name], value, msg=name)


# which meets another negative as the positive rises
@pytest.mark.parametrize("name", sorted(LOSSES.keys() - {"semi-hard triplet"}))
def test_the_loss_falls_when_the_positive_rises(name: str) -> None:
    (p, n), loss = scores(), LOSSES[name]
    values = [float(loss(p + up, n)["loss"]) for up in (0.0, 0.05, 0.1, 0.15)]
    assert values == sorted(values, reverse=True) and values[0] > values[-1]


@every
def test_the_loss_never_falls_when_a_negative_rises(loss: Loss) -> None:
    p, n = scores()
    for j in range(7):
        nearer = n.clone()
        nearer[:, j] += 1e-3
        assert loss(p, nearer)["loss"] >= loss(p, n)["loss"]


@every
def test_minus_infinity_is_no_negative(loss: Loss) -> None:
    p, n = scores()
    padded = torch.cat([n, torch.full((5, 3), -torch.inf, dtype=torch.float64)], 1)[
        :, torch.randperm(10)
    ].requires_grad_()
    outputs = loss(p, padded)
    for name, value in loss(p, n).items():
        torch.testing.assert_close(outputs[name], value, msg=name)
    outputs["loss"].backward()
    assert padded.grad is not None and padded.grad.isfinite().all()
    assert (padded.grad[padded == -torch.inf] == 0).all()


@every
@pytest.mark.parametrize("seed", range(3))
def test_gradients_agree_with_finite_differences(loss: Loss, seed: int) -> None:
    p, n = (x - 0.1 for x in scores(4, 6, 10 * seed))  # away from 0, where a distance bends sharply
    assert torch.autograd.gradcheck(lambda p, n: loss(p, n)["loss"], (p.requires_grad_(), n.requires_grad_()))


@given(st.floats(-4, 4), st.floats(-4, 4))
def test_with_one_negative_they_are_functions_of_the_difference(p: float, n: float) -> None:
    one, other = torch.tensor([p], dtype=torch.float64), torch.tensor([[n]], dtype=torch.float64)
    difference = torch.tensor(n - p, dtype=torch.float64)
    softplus = torch.nn.functional.softplus(difference)
    torch.testing.assert_close(triplet(one, other, 0.0)["loss"], difference.clamp(min=0))  # a hinge
    for loss in (info_nce(one, other), triplet(one, other, None), n_pairs(one, other, torch.zeros(1, 3))):
        torch.testing.assert_close(loss["loss"], softplus)
