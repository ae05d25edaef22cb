from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from selftaught import encoders
from selftaught.errors import UserError
from selftaught.method import Clock
from selftaught.methods.contrast.infomax import ConcatAndConvolve, EncodeAndDot, InfoMax, estimate, told_apart

SMALL = {"units": 32}
"""Arguments that fit the method to the toys of the contract."""
VARIANTS = ({"objective": "jsd", "alpha": 1.0, "discriminator": "concat"}, {"objective": "dv", "gamma": 0.0})
"""More arguments with which its gradients are checked."""

OTHERS: dict[str, Any] = {
    "objective": "dv",
    "discriminator": "concat",
    "alpha": 0.5,
    "beta": 0.3,
    "gamma": 0.0,
    "layer": -1,
    "dim": 7,
    "units": 9,
    "crop": 0.4,
    "flip": 1.0,
}


def at(step: int, seed: int = 0) -> Clock:
    clock = Clock(seed)
    clock.step = step
    return clock


def naive(objective: str, scores: Tensor) -> float:
    """The definitions, one pair at a time, place by place."""
    n, _, places = scores.shape
    found = []
    for l in range(places):  # noqa: E741 - the paper's index
        joint = [float(scores[i, i, l]) for i in range(n)]
        apart = [float(scores[i, j, l]) for i in range(n) for j in range(n) if i != j]
        if objective == "jsd":
            positive = sum(math.log(2) - math.log(1 + math.exp(-t)) for t in joint) / n
            found.append(positive - sum(math.log(1 + math.exp(t)) - math.log(2) for t in apart) / len(apart))
        elif objective == "dv":
            found.append(sum(joint) / n - math.log(sum(math.exp(t) for t in apart) / len(apart)))
        else:
            total = 0.0
            for i in range(n):
                others = sum(math.exp(float(scores[i, j, m])) for j in range(n) if j != i for m in range(places))
                total -= math.log(1 + others / math.exp(joint[i]))
            found.append(math.log(1 + (n - 1) * places) + total / n)
    return sum(found) / places


@pytest.mark.parametrize("objective", ["jsd", "dv", "info_nce"])
def test_the_estimates_are_the_papers(objective: Any) -> None:
    scores = torch.randn(5, 5, 3, generator=torch.Generator().manual_seed(1))
    assert estimate(objective, scores).item() == pytest.approx(naive(objective, scores), rel=1e-5)
    assert estimate(objective, torch.zeros(5, 5, 3)).item() == pytest.approx(0, abs=1e-6)
    order = torch.tensor([0, 3, 2, 1, 4])  # pictures 1 and 3 change places, on both sides
    assert estimate(objective, scores[order][:, order]).item() == pytest.approx(
        estimate(objective, scores).item(), rel=1e-5
    )


def test_swapping_two_negatives_changes_nothing() -> None:
    scores = torch.randn(5, 5, 3)
    swapped = scores.clone()
    swapped[0, 1], swapped[0, 2] = scores[0, 2], scores[0, 1]
    for objective in ("jsd", "dv", "info_nce"):
        assert torch.allclose(estimate(objective, swapped), estimate(objective, scores), atol=1e-6)


def test_the_bounds_of_the_estimates() -> None:
    sure = 50 * (2 * torch.eye(6)[:, :, None].expand(6, 6, 4) - 1)
    assert estimate("jsd", sure).item() == pytest.approx(2 * math.log(2), rel=1e-6)
    assert estimate("info_nce", sure).item() == pytest.approx(math.log(1 + 5 * 4), rel=1e-6)
    for seed in range(20):
        scores = 3 * torch.randn(6, 6, 4, generator=torch.Generator().manual_seed(seed))
        assert estimate("jsd", scores) <= 2 * math.log(2)
        assert estimate("info_nce", scores) <= math.log(21)


@pytest.mark.parametrize("objective", ["jsd", "dv", "info_nce"])
def test_a_pictures_own_pairs_are_not_among_its_negatives(objective: Any) -> None:
    """Raising the score of a true pair can only raise the estimate."""
    scores = torch.randn(5, 5, 3, requires_grad=True)
    estimate(objective, scores).backward()
    assert scores.grad is not None
    own = scores.grad[torch.arange(5), torch.arange(5)]
    others = scores.grad[~torch.eye(5, dtype=torch.bool)]
    assert (own > 0).all() and (others < 0).all()


@pytest.mark.parametrize("kind", [EncodeAndDot, ConcatAndConvolve])
def test_scores_are_the_loop_over_pairs_and_places(kind: Any) -> None:
    torch.manual_seed(0)
    score = kind(4, 6, 8)
    y, m = torch.randn(3, 4), torch.randn(3, 6, 5)
    scores = score(y, m)
    assert scores.shape == (3, 3, 5)
    for i in range(3):
        for j in range(3):
            for place in range(5):
                if kind is EncodeAndDot:
                    alone = score.summary(y[i]) @ score.place(m[j, :, place])
                else:  # one linear layer on both, side by side
                    weight = torch.cat([score.summary.weight, score.place.weight], 1)
                    hidden = F.linear(torch.cat([y[i], m[j, :, place]]), weight, score.summary.bias)
                    alone = score.rest(hidden).squeeze()
                assert torch.allclose(scores[i, j, place], alone, atol=1e-5)


def test_the_loss_is_the_weighted_sum(bench: Any) -> None:
    method = InfoMax(bench.encoder(), objective="jsd", alpha=0.5, beta=2.0, gamma=0.3, dim=5, units=8).eval()
    image = bench.batch(method)["image"]
    with torch.no_grad():
        layers = method.encoder.layers(image)
        y = method.summary(layers[-1])
        whole = method.whole(y, layers[-2].flatten(1)[:, :, None])
        places = method.places(y, layers[-2].flatten(2))
        prior = -torch.log(method.critic(y.sigmoid()).sigmoid()).mean()
        out = method(image, "main", Clock())
    wanted = -0.5 * naive("jsd", whole) - 2.0 * naive("jsd", places) + 0.3 * float(prior)
    assert out["loss"].item() == pytest.approx(wanted, rel=1e-4)
    assert out["information"].item() == pytest.approx(naive("jsd", places), rel=1e-4)


def test_accuracy_is_the_part_of_summaries_whose_own_picture_scores_highest() -> None:
    scores = torch.zeros(4, 4, 2)
    scores[0, 0], scores[1, 1, 0], scores[2, 3], scores[3, 3] = 1.0, 0.5, 1.0, 2.0
    assert told_apart(scores) == 0.75
    assert told_apart(torch.zeros(4, 4, 2)) == 0


def test_the_critic_is_a_player_of_its_own(bench: Any) -> None:
    method = InfoMax(bench.encoder(), alpha=1.0)
    main, prior = method.players()
    assert (main.name, prior.name) == ("main", "prior")
    assert {id(p) for g in prior.groups for p in g["params"]} == {id(p) for p in method.critic.parameters()}
    assert len({id(p) for pl in (main, prior) for g in pl.groups for p in g["params"]}) == len(
        list(method.parameters())
    )
    batch = bench.batch(method)
    method(player="prior", clock=Clock(), **batch)["loss"].backward()
    assert all(p.grad is not None for p in method.critic.parameters())
    assert all(p.grad is None for p in (*method.encoder.parameters(), *method.summary.parameters()))
    assert [p.name for p in InfoMax(bench.encoder(), gamma=0.0).players()] == ["main"]


def test_the_critics_noise_is_uniform_and_a_function_of_seed_and_step(bench: Any) -> None:
    method = InfoMax(bench.encoder(), dim=3)
    y = torch.randn(16, 3)
    seen: list[Tensor] = []
    method.critic.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    for clock in (at(0), at(0), at(1), at(0, seed=1)):
        method.distinguish(y, clock)
    noise, codes = seen[::2], seen[1::2]
    assert (
        torch.equal(noise[0], noise[1]) and not torch.equal(noise[0], noise[2]) and not torch.equal(noise[0], noise[3])
    )
    assert torch.equal(codes[0], y.sigmoid())
    many = torch.cat([method_noise(seen, method, step) for step in range(60)])
    np.testing.assert_allclose(many.mean(0), 0.5, atol=0.05)
    np.testing.assert_allclose(many.std(0), 12**-0.5, atol=0.03)


def method_noise(seen: list[Tensor], method: InfoMax, step: int) -> Tensor:
    seen.clear()
    method.distinguish(torch.zeros(16, 3), at(step))
    return seen[0]


def test_a_critic_that_meets_the_prior_itself_cannot_tell(bench: Any) -> None:
    """Where the codes already follow the prior, the best critic's log odds are 0 everywhere."""
    torch.manual_seed(0)
    method = InfoMax(bench.encoder(), dim=2)
    optimizer = torch.optim.Adam(method.critic.parameters(), lr=2e-3)
    with torch.no_grad():
        method.critic[-1].bias.fill_(0.5)
    generator = torch.Generator().manual_seed(0)
    for step in range(80):
        loss = method.distinguish(torch.rand(256, 2, generator=generator).logit(), at(step))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        odds = method.critic(torch.rand(1000, 2, generator=generator))
    assert odds.abs().mean() < 0.25
    assert loss.item() == pytest.approx(2 * math.log(2), abs=0.06)


def test_the_prior_spreads_the_summaries(bench: Any) -> None:
    """With the prior alone in charge, summaries that began in one corner move towards the middle of (0, 1)."""
    method = InfoMax(bench.encoder(), beta=1e-6, gamma=1.0, dim=2, units=4)
    with torch.no_grad():
        method.summary[1].bias.fill_(3.0)
    batch = bench.batch(method)
    sides = {
        p.name: torch.optim.Adam([q for g in p.groups for q in g["params"]], lr=3e-2 if p.name == "main" else 1e-3)
        for p in method.players()
    }
    before = method.summary(method.encoder.layers(batch["image"])[-1]).sigmoid().mean().item()
    for step in range(12):
        for name, side in sides.items():
            method.zero_grad()
            method(player=name, clock=at(step), **batch)["loss"].backward()
            side.step()
    after = method.summary(method.encoder.layers(batch["image"])[-1]).sigmoid().mean().item()
    assert before > 0.8 and abs(after - 0.5) < abs(before - 0.5) - 0.1


def test_places_are_of_the_layer_that_was_asked_for(bench: Any) -> None:
    for layer, channels in ((-2, 4), (0, 4), (-1, 8), (1, 8)):
        assert InfoMax(bench.encoder(), layer=layer).places.place[0].in_features == channels
    with pytest.raises(UserError, match="the encoder has no layer 2: use a smaller layer of infomax"):
        InfoMax(bench.encoder(), layer=2)
    with pytest.raises(UserError, match="infomax needs an encoder with positions, such as conv or resnet18, not mlp"):
        InfoMax(encoders.build("mlp", bench.input))


def test_what_has_no_weight_has_no_parameters(bench: Any) -> None:
    local, whole = InfoMax(bench.encoder(), gamma=0.0), InfoMax(bench.encoder(), alpha=1.0, beta=0.0, gamma=0.0)
    assert (local.whole, local.critic) == (None, None)
    assert (whole.places, whole.critic) == (None, None)
    assert whole.whole.place[0].in_features == 4 * 6 * 6


@pytest.mark.parametrize("argument", OTHERS)
def test_every_argument_matters(bench: Any, argument: str) -> None:
    found = []
    for others in ({}, {argument: OTHERS[argument]}):
        torch.manual_seed(0)
        found.append(bench.fingerprint(InfoMax(bench.encoder(), **others)))
    assert found[0] != found[1]
