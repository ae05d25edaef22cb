from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch

from selftaught import encoders, methods
from selftaught.contract.case import Case, batch
from selftaught.data.agent import toy
from selftaught.errors import UserError
from selftaught.method import Clock
from selftaught.methods.contrast.cpc.agent import CPC

SMALL = {"context": 12, "steps": 2, "negatives": 48, "length": 8}
"""Arguments that fit the method to the toys of the contract."""

OTHERS: dict[str, Any] = {"steps": 1, "negatives": 9, "context": 5, "length": 6}


def made(**arguments: Any) -> CPC:
    torch.manual_seed(0)
    network = encoders.build("grid", toy.seen(), width=4, features=6)
    return CPC(network, **({"context": 7, "steps": 2, "negatives": 20, "length": 8} | arguments))


def seen(method: CPC, n: int = 5) -> Any:
    return batch(method, toy.source(12), range(n))


def test_at_the_start_it_costs_the_logarithm_of_the_candidates() -> None:
    method = made()
    for weight in method.maps.parameters():
        torch.nn.init.zeros_(weight)
    found = method(clock=Clock(), **seen(method))
    assert found["loss"].item() == pytest.approx(math.log(1 + float(found["negatives"])), abs=0.02)
    assert found["chance"] == pytest.approx(1 / 21, rel=0.05)


def test_no_target_is_beyond_the_start_of_an_episode() -> None:
    """What is seen after the last episode has begun changes no prediction from before it."""
    method = made(negatives=1, steps=4)
    with torch.no_grad():
        views = seen(method, 1)
        views["start"][:] = False
        views["start"][0, [0, 5]] = True
        codes = method.encoder(views["observation"][0])
        context, _ = method.memory(codes[None], views["start"])
        other = codes.clone()
        other[5:] = 9.0
        again, _ = method.memory(other[None], views["start"])
        assert torch.equal(context[:, :5], again[:, :5]) and not torch.equal(context[:, 5:], again[:, 5:])
    queries: list[int] = []
    method.maps[3].register_forward_pre_hook(lambda module, given: queries.append(len(given[0])))
    method(clock=Clock(), **views)
    assert queries == [1]  # four moments ahead: from moment 0 alone


def test_contexts_see_the_past_alone() -> None:
    method = made()
    x = torch.rand(1, 8, 2, 5, 5, requires_grad=True)
    codes = method.encoder(x.flatten(0, 1)).unflatten(0, (1, 8))
    context, _ = method.memory(codes, torch.zeros(1, 8, dtype=torch.bool))
    slope = torch.autograd.grad(context[0, 3].sum(), x)[0][0].flatten(1).any(1)
    assert slope.tolist() == [True] * 4 + [False] * 4


def test_it_recognises_what_comes_next_of_episodes_that_it_never_saw() -> None:
    """Beside chance, and beside itself untrained."""
    method = made(context=24, negatives=48)
    held_out = batch(method, toy.source(24, seed=1), range(24))
    before = float(method(clock=Clock(), **held_out)["accuracy"])
    optimizer = torch.optim.Adam(method.parameters(), 1e-2)
    bound = method.views.bind(toy.source(64))
    for step in range(120):
        index = np.random.default_rng(step).permutation(len(bound))[:16]
        clock = Clock()
        clock.step = step
        views = method.views.apply(bound.fetch(index), {}, torch.device("cpu"))
        optimizer.zero_grad()
        method(clock=clock, **views)["loss"].backward()
        optimizer.step()
    after = method(clock=Clock(), **held_out)
    assert float(after["accuracy"]) > max(2 * before, 3 * float(after["chance"]))


@pytest.mark.parametrize("argument", OTHERS)
def test_every_argument_matters(argument: str) -> None:
    assert list(OTHERS) == [one.name for one in methods.describe("cpc", "agent").arguments]

    def fingerprint(**arguments: Any) -> float:
        method = made(**arguments)
        return float(method(clock=Clock(), **seen(method))["loss"].detach())

    assert fingerprint(**{argument: OTHERS[argument]}) != fingerprint()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"steps": 0}, "steps, negatives and context of cpc must be at least 1, not 0, 20 and 7"),
        ({"length": 2}, "length of cpc must be greater than steps 2, not 2"),
    ],
)
def test_values_out_of_range_are_refused(arguments: Any, sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        made(**arguments)


def test_the_contract_finds_it() -> None:
    assert Case("cpc", "agent").type is CPC and "agent" in methods.sees("cpc")
