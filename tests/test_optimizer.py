"""LARS against a loop over its formula, and the grouping of parameters."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from selftaught import optimizer
from selftaught.method import Player
from selftaught.optimizer import LARS
from selftaught.recipe import Recipe


def test_lars_is_its_formula() -> None:
    torch.manual_seed(0)
    w = nn.Parameter(torch.randn(4, 3, dtype=torch.float64))
    opt = LARS([w], lr=0.3, momentum=0.9, weight_decay=0.1, trust=0.02)
    hand, v = w.detach().clone(), torch.zeros(4, 3, dtype=torch.float64)
    for step in range(5):
        opt.param_groups[0]["lr"] = 0.3 / (step + 1)
        x = torch.randn(4, 3, dtype=torch.float64)
        opt.zero_grad()
        (w * x).sum().backward()
        opt.step()
        g = x + 0.1 * hand
        v = 0.9 * v + 0.3 / (step + 1) * 0.02 * hand.norm() / g.norm() * g
        hand = hand - v
        torch.testing.assert_close(w.detach(), hand, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("zero", ["weight", "gradient"])
def test_lars_without_a_norm_is_plain_descent(zero: str) -> None:
    w = nn.Parameter(torch.zeros(3) if zero == "weight" else torch.ones(3))
    w.grad = torch.zeros(3) if zero == "gradient" else torch.ones(3)
    LARS([w], lr=0.5, trust=0.001).step()
    assert w.tolist() == ([-0.5] * 3 if zero == "weight" else [1.0] * 3)


def test_lars_does_not_adapt_where_told() -> None:
    w = nn.Parameter(torch.full((3,), 2.0))
    w.grad = torch.ones(3)
    LARS([{"params": [w], "adapt": False}], lr=0.5).step()
    assert w.tolist() == [1.5] * 3


@pytest.mark.parametrize("name", ["sgd", "adamw", "lars"])
def test_norms_and_biases_do_not_decay_unless_asked(name: str) -> None:
    net = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))
    player = Player("main", [{"params": list(net.parameters()), "lr_scale": 2.0}])
    opt = optimizer.build(player, Recipe(optimizer=name, weight_decay=0.1))  # type: ignore[arg-type]
    assert [(len(g["params"]), g["weight_decay"]) for g in opt.param_groups] == [(1, 0.1), (3, 0.0)]
    if name == "lars":
        assert [g["adapt"] for g in opt.param_groups] == [True, False]
    recipe = Recipe(optimizer=name, weight_decay=0.1, decay_norm_and_bias=True, lr=1.0, warmup=0.0, schedule="constant")  # type: ignore[arg-type]
    opt = optimizer.build(player, recipe)
    assert [(len(g["params"]), g["weight_decay"]) for g in opt.param_groups] == [(4, 0.1)]
    assert optimizer.set_rates(opt, recipe, 0.5) == 1.0
    assert opt.param_groups[0]["lr"] == 2.0


def test_momentum_nesterov_and_betas_arrive() -> None:
    w = [nn.Parameter(torch.ones(2, 2))]
    player = Player("main", [{"params": w}])
    sgd = optimizer.build(player, Recipe(optimizer="sgd", momentum=0.5, nesterov=True)).param_groups[0]
    assert (sgd["momentum"], sgd["nesterov"]) == (0.5, True)
    assert optimizer.build(player, Recipe(betas=(0.5, 0.6))).param_groups[0]["betas"] == (0.5, 0.6)
    assert optimizer.build(player, Recipe(optimizer="lars", momentum=0.3)).param_groups[0]["momentum"] == 0.3
    own = Player("main", [{"params": w, "betas": (0.1, 0.2), "weight_decay": 0.7}])
    group = optimizer.build(own, Recipe()).param_groups[0]
    assert (group["betas"], group["weight_decay"]) == ((0.1, 0.2), 0.7)


@pytest.mark.parametrize("name", ["sgd", "adamw", "lars"])
def test_state_survives_packing_bit_for_bit(name: str) -> None:
    def fresh() -> tuple[nn.Linear, torch.optim.Optimizer]:
        torch.manual_seed(1)
        net = nn.Linear(3, 2)
        return net, optimizer.build(Player("main", [{"params": list(net.parameters())}]), Recipe(optimizer=name))  # type: ignore[arg-type]

    def step(net: nn.Linear, opt: torch.optim.Optimizer, i: int) -> None:
        opt.zero_grad()
        net(torch.full((4, 3), float(i))).square().sum().backward()
        opt.step()

    whole, opt = fresh()
    for i in range(6):
        step(whole, opt, i)
    first, opt = fresh()
    for i in range(3):
        step(first, opt, i)
    second, again = fresh()
    second.load_state_dict(first.state_dict())
    optimizer.unpack(again, {"other.0.exp_avg": torch.ones(1)} | optimizer.pack(opt, "main"), "main")
    for i in range(3, 6):
        step(second, again, i)
    assert all(torch.equal(a, b) for a, b in zip(whole.parameters(), second.parameters(), strict=True))
