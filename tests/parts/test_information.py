"""Estimates of mutual information beside the information of Gaussians, which is known, and the theorem of NCE."""

from __future__ import annotations

import math

import pytest
import torch
from torch.nn import functional as F

from selftaught.errors import UserError
from selftaught.parts.information import (
    Gaussians,
    donsker_varadhan,
    estimates,
    info_nce_bound,
    jensen_shannon,
    nwj,
)
from selftaught.parts.nce import nce

SAMPLES = 4096


def bound(pairs: Gaussians, n: int, seed: int = 0) -> float:
    """log N - L with the best score, averaged over batches of n pairs."""
    generator = torch.Generator().manual_seed(seed)
    return float(
        torch.stack([info_nce_bound(pairs.score(*pairs.draw(n, generator))) for _ in range(SAMPLES // n)]).mean()
    )


def test_the_best_score_is_the_logarithm_of_the_ratio_of_densities() -> None:
    pairs = Gaussians(3, 0.8)
    x, y = pairs.draw(5, torch.Generator().manual_seed(0))
    normal = torch.distributions.Normal
    given = normal(0.8 * x[:, None], math.sqrt(1 - 0.8**2)).log_prob(y[None]).sum(2)
    assert torch.allclose(pairs.score(x, y), given - normal(0.0, 1.0).log_prob(y).sum(1), atol=1e-12)


def test_pairs_have_the_correlation_and_the_information_in_closed_form() -> None:
    pairs = Gaussians(2, -0.6)
    x, y = pairs.draw(20_000, torch.Generator().manual_seed(0))
    assert (x * y).mean().item() == pytest.approx(-0.6, abs=0.02)
    assert y.var().item() == pytest.approx(1, abs=0.03)
    assert pairs.score(x[:2000], y[:2000]).diagonal().mean().item() == pytest.approx(pairs.information, abs=0.05)
    assert pairs.information == pytest.approx(-math.log(0.64)) and pairs.jeffreys == pytest.approx(2 * 0.36 / 0.64)


@pytest.mark.parametrize(
    ("rho", "known"),
    [(0.9, {2: 0.344, 8: 0.685, 64: 0.806, 512: 0.820}), (0.99, {2: 0.563, 8: 1.427, 64: 1.866, 512: 1.949})],
)
def test_info_nce_rises_with_n_towards_the_information(rho: float, known: dict[int, float]) -> None:
    pairs = Gaussians(1, rho)
    found = {n: bound(pairs, n) for n in known}
    assert found == pytest.approx(known, abs=0.05)
    assert list(found.values()) == sorted(found.values())
    for n, value in found.items():
        assert value <= math.log(n) and value <= pairs.information + 0.05 and value <= (n - 1) / n * pairs.jeffreys


def test_info_nce_never_exceeds_log_n() -> None:
    pairs = Gaussians(20, 0.9)
    assert pairs.information > 16
    assert 0.9 * math.log(8) < bound(pairs, 8) <= math.log(8)
    assert info_nce_bound(100 * torch.eye(16)).item() == pytest.approx(math.log(16))


def test_each_estimate_finds_a_small_information() -> None:
    pairs = Gaussians(2, 0.5)
    x, y = pairs.draw(SAMPLES, torch.Generator().manual_seed(1))
    found = estimates(pairs.score(x, y))
    for name in ("info_nce", "donsker_varadhan", "nwj"):
        assert found[name].item() == pytest.approx(pairs.information, abs=0.03), name
    assert 0 < found["jensen_shannon"] < 2 * math.log(2)


def test_jensen_shannon_is_twice_the_divergence() -> None:
    p = torch.tensor([[0.3, 0.1], [0.05, 0.55]], dtype=torch.float64)
    q = p.sum(1, keepdim=True) * p.sum(0)
    m = (p + q) / 2
    divergence = ((p * (p / m).log()).sum() + (q * (q / m).log()).sum()) / 2
    count, score = (p * 10_000).round().long(), (p / q).log()
    apart = (q * 1_000_000).round().long()
    joint = score.flatten().repeat_interleave(count.flatten())
    found = jensen_shannon(joint, score.flatten().repeat_interleave(apart.flatten()))
    assert found.item() == pytest.approx(2 * divergence.item(), abs=1e-5)


def test_nwj_is_at_most_donsker_varadhan_and_needs_a_score_that_normalises_itself() -> None:
    generator = torch.Generator().manual_seed(0)
    for _ in range(50):
        joint, apart = torch.randn(20, generator=generator), torch.randn(90, generator=generator)
        assert nwj(joint, apart) <= donsker_varadhan(joint, apart) + 1e-6
        best = apart.logsumexp(0) - math.log(90) - 1  # the constant with which they are equal
        assert torch.allclose(nwj(joint - best, apart - best), donsker_varadhan(joint, apart), atol=1e-5)
        assert torch.allclose(donsker_varadhan(joint + 3, apart + 3), donsker_varadhan(joint, apart), atol=1e-5)
        assert nwj(joint + 3, apart + 3) < nwj(joint - best, apart - best)


def test_independent_pairs_have_no_information_and_shuffling_destroys_it() -> None:
    pairs, generator = Gaussians(2, 0.9), torch.Generator().manual_seed(0)
    x, y = pairs.draw(SAMPLES, generator)
    shuffled = estimates(pairs.score(x, y[torch.randperm(SAMPLES, generator=generator)]))
    assert all(value < 0.05 for value in shuffled.values()) and shuffled["nwj"] < 0
    none = Gaussians(2, 0.0)
    assert none.information == 0
    assert all(abs(value) < 1e-12 for value in estimates(none.score(*none.draw(64, generator))).values())


def test_a_random_score_has_the_loss_of_chance() -> None:
    generator = torch.Generator().manual_seed(0)
    scores = [0.01 * torch.randn(64, 64, generator=generator) for _ in range(200)]
    assert torch.stack([info_nce_bound(s) for s in scores]).mean().item() == pytest.approx(0, abs=1e-3)


@pytest.mark.parametrize("shape", [(3, 4), (1, 1), (5,)])
def test_scores_that_are_no_pairs_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(UserError, match=r"\[N, N\]"):
        estimates(torch.zeros(shape))


@pytest.mark.parametrize(("dims", "rho"), [(0, 0.5), (1, 1.0), (1, -1.0)])
def test_impossible_pairs_are_refused(dims: int, rho: float) -> None:
    with pytest.raises(UserError, match="rho between -1 and 1"):
        Gaussians(dims, rho)


# --- the theorem: what the best contrastive score is, on a population that is known


def population() -> torch.Tensor:
    """p(x, y) of five values each, float64 [5, 5]."""
    return (
        torch.randn(5, 5, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
        .flatten()
        .softmax(0)
        .view(5, 5)
    )


def ranked(s: torch.Tensor, p: torch.Tensor) -> torch.Tensor:
    """The loss of finding y among itself and one y' of the population, exactly: over all x, y, y'."""
    pair = torch.stack([s[:, :, None].expand(5, 5, 5), s[:, None].expand(5, 5, 5)], 3).log_softmax(3)[..., 0]
    return -(p[:, :, None] * p.sum(0) * pair).sum()


def classified(s: torch.Tensor, p: torch.Tensor) -> torch.Tensor:
    """NCE with one draw of the population as noise for each pair, exactly."""
    q = p.sum(1, keepdim=True) * p.sum(0)
    return -(p * F.logsigmoid(s)).sum() - (q * F.logsigmoid(-s)).sum()


@pytest.mark.parametrize("loss", [ranked, classified])
def test_the_best_score_is_found_by_gradients(loss: object) -> None:
    p = population()
    true = (p / (p.sum(1, keepdim=True) * p.sum(0))).log()
    s = torch.zeros(5, 5, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([s], lr=1, max_iter=300, tolerance_grad=1e-10, tolerance_change=1e-14)

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        value: torch.Tensor = loss(s, p)  # type: ignore[operator]
        value.backward()
        return value

    optimizer.step(closure)
    found = s.detach()
    if loss is classified:  # which pins the constant of each x as well
        assert (found - true).abs().max() < 1e-2
    assert ((found - found.mean(1, keepdim=True)) - (true - true.mean(1, keepdim=True))).abs().max() < 1e-2


def test_a_constant_of_each_x_changes_the_classification_and_not_the_ranking() -> None:
    p = population()
    s = torch.randn(5, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    moved = s + torch.arange(5.0, dtype=torch.float64)[:, None]
    assert ranked(moved, p).item() == pytest.approx(ranked(s, p).item(), rel=1e-12)
    assert abs(classified(moved, p).item() - classified(s, p).item()) > 0.1


def test_the_softmax_over_candidates_is_the_posterior_of_the_place() -> None:
    p = population()
    x, candidates = 2, torch.tensor([4, 0, 3])
    score = (p / (p.sum(1, keepdim=True) * p.sum(0))).log()[x, candidates]
    given, free = p[x] / p[x].sum(), p.sum(0)
    # Bayes: the candidate at place i is drawn from p(y|x), the others from p(y)
    likelihood = torch.stack(
        [given[c] * free[torch.cat([candidates[:i], candidates[i + 1 :]])].prod() for i, c in enumerate(candidates)]
    )
    assert torch.allclose(score.softmax(0), likelihood / likelihood.sum(), atol=1e-12)


def test_the_loss_of_the_library_is_this_classification() -> None:
    p = population()
    x = torch.tensor([0, 1, 4])
    y, drawn = torch.tensor([2, 2, 1]), torch.tensor([[0], [3], [1]])
    s = torch.randn(5, 5, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    found = nce(s[x, y], s[x[:, None], drawn], noise=1.0)["loss"]  # one draw each
    true = -(F.logsigmoid(s[x, y]) + F.logsigmoid(-s[x, drawn[:, 0]])).mean()
    assert found.item() == pytest.approx(true.item(), rel=1e-9) and p.sum().item() == pytest.approx(1)
