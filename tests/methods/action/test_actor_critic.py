from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from selftaught import methods
from selftaught.contract.case import Case, batch
from selftaught.contract.training import state, train
from selftaught.data.agent import toy
from selftaught.data.agent.source import Observations
from selftaught.errors import UserError
from selftaught.method import Clock
from selftaught.methods.action.actor_critic import ActorCritic, discounted

SMALL = {"unroll": 4, "units": 24}
"""Arguments that fit the method to the toys of the contract."""
TOY = {"side": 3}
VARIANTS = ({"cpc": 0.5, "ahead": 2, "negatives": 9},)
"""More arguments with which its gradients are checked."""

OTHERS = {
    "unroll": 3, "units": 5, "discount": 0.5, "entropy": 0.3, "value": 2.0, "cpc": 0.5, "ahead": 1, "negatives": 1,
}  # fmt: skip
OF_CPC = ("ahead", "negatives")
"""Arguments without an effect while the weight of the prediction is 0."""
CPC = {"cpc": 0.5, "ahead": 2, "negatives": 9}


def case(**arguments: Any) -> Case:
    return Case("actor_critic", "agent", {**SMALL, **arguments}, toy=TOY)


def made(**arguments: Any) -> Any:
    one = case(**arguments)
    return one.prepared(one.source(12))


def seen(method: Any) -> Any:
    return batch(method, toy.source(12, **TOY), range(20, 30))


def test_returns_are_discounted_up_to_the_end_of_the_episode() -> None:
    reward = torch.tensor([[1.0, 0, 2, 4], [0, 0, 0, 8]])
    over = torch.tensor([[False, True, False, False], [False] * 4])
    found = discounted(reward, over, torch.tensor([16.0, 32.0]), 0.5)
    assert found.tolist() == [[1, 0, 2 + 0.5 * (4 + 8), 4 + 8], [0.125 * 24, 0.25 * 24, 0.5 * 24, 8 + 16]]


def naive(method: Any, views: dict[str, Tensor]) -> tuple[float, float, float]:
    """The three terms, one moment at a time."""
    policy, value, entropy, count = 0.0, 0.0, 0.0, 0
    for n in range(len(views["start"])):
        memory, rows = method.empty(1), []
        for t in range(views["start"].shape[1]):
            memory = memory * float(not views["start"][n, t])
            said, kept = method.memory.cell(method.encoder(views["observation"][n, t : t + 1]), memory.chunk(2, 1))
            memory = torch.cat([said, kept], 1)
            rows.append((method.actor(said)[0].softmax(0), float(method.critic(said)[0, 0])))
        later = rows[-1][1]
        for t in reversed(range(len(rows) - 1)):
            later = float(views["reward"][n, t]) + method.discount * later * float(not views["start"][n, t + 1])
            chances, expected = rows[t]
            policy -= float(chances[views["action"][n, t]].log()) * (later - expected)
            value += (later - expected) ** 2 / 2
            entropy -= float((chances * chances.log()).sum())
            count += 1
    return policy / count, value / count, entropy / count


def test_the_loss_is_that_of_every_moment_by_itself() -> None:
    method = made()
    views = seen(method)
    assert views["start"][:, 1:].any() and views["reward"].any()
    with torch.no_grad():
        found = method(clock=Clock(), **views)
        policy, value, entropy = naive(method, views)
    assert [float(found[k]) for k in ("policy", "value", "entropy")] == pytest.approx(
        [policy, value, entropy], rel=1e-4
    )
    assert float(found["loss"]) == pytest.approx(policy + 0.5 * value - 0.01 * entropy, rel=1e-4)


def test_without_the_weight_it_is_plain_a2c_to_the_last_bit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the other arguments of the contrastive loss nor its parameters change anything: the same start, and where
    it is taken out of the loss of the other agent, the same end.
    """
    given = case().source()
    plain, _ = train(case().build, tmp_path / "a", given, steps=6)
    other, _ = train(case(**CPC | {"cpc": 0.0}).build, tmp_path / "b", given, steps=6)
    for k, v in state(plain).items():
        assert torch.equal(v, state(other)[k])
    nothing = {"loss": torch.zeros(()), "accuracy": torch.zeros(()), "chance": torch.zeros(())}
    with_it, _ = train(case(**CPC).build, tmp_path / "c", given, steps=6)
    assert not torch.equal(with_it.memory.cell.weight_ih, plain.memory.cell.weight_ih)  # type: ignore[union-attr]
    monkeypatch.setattr("selftaught.methods.action.actor_critic.ahead", lambda *given: dict(nothing))
    without, _ = train(case(**CPC).build, tmp_path / "d", given, steps=6)
    assert {k for k in state(without) if k not in state(plain)} == {"maps.0.weight", "maps.1.weight"}
    for k, v in state(plain).items():
        assert torch.equal(v, state(without)[k])


def test_prediction_moves_encoder_and_memory_and_neither_actor_nor_critic() -> None:
    method = made(**CPC)
    method(clock=Clock(), **seen(method))["prediction"].backward()
    moved = {name.partition(".")[0] for name, p in method.named_parameters() if p.grad is not None and p.grad.any()}
    assert moved == {"encoder", "memory", "maps"}


def test_no_target_is_beyond_the_end_of_an_episode() -> None:
    method = made(**CPC)
    views = seen(method)
    views["start"][:] = True
    found = method(clock=Clock(), **views)
    assert found["prediction"] == 0
    views["start"][:, 1] = False
    assert method(clock=Clock(), **views)["prediction"] > 0


def test_the_memory_is_empty_where_an_episode_begins() -> None:
    method = made().eval()
    x = torch.rand(3, 1, 2, 3, 3)
    start = torch.tensor([[True], [False], [True]])
    full, empty = torch.ones(3, 48), method.empty(3)
    with torch.no_grad():
        _, after = method.act(full, greedy=True, observation=x, start=start)
        _, anew = method.act(empty, greedy=True, observation=x, start=start)
    assert [torch.equal(a, b) for a, b in zip(after, anew, strict=True)] == [True, False, True]


@pytest.mark.parametrize("argument", [name for name in OTHERS if name not in OF_CPC])
def test_every_argument_matters(argument: str) -> None:
    def fingerprint(**arguments: Any) -> float:
        method = made(**arguments)
        return float(method(clock=Clock(), **seen(method))["loss"].detach())

    fixed = {"ahead": 2} if argument == "cpc" else {}
    assert fingerprint(**fixed, **{argument: OTHERS[argument]}) != fingerprint(**fixed)


@pytest.mark.parametrize("argument", OF_CPC)
def test_arguments_of_the_prediction_matter_with_it(argument: str) -> None:
    losses = []
    for arguments in (CPC, CPC | {argument: OTHERS[argument]}):
        method = made(**arguments)
        losses.append(float(method(clock=Clock(), **seen(method))["loss"].detach()))
    assert losses[0] != losses[1]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"unroll": 0}, "unroll, units, ahead and negatives of actor_critic must be at least 1, not 0, 24, 5 and 64"),
        ({"discount": 1.5}, r"discount of actor_critic must be in \[0, 1\]"),
        ({"cpc": -1.0}, "entropy, value and cpc at least 0"),
        ({"cpc": 1.0}, "ahead of actor_critic must be less than unroll 4, not 5"),
    ],
)
def test_values_out_of_range_are_refused(arguments: Any, sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        made(**arguments)


def test_recorded_data_are_refused_with_what_is_missing(tmp_path: Path) -> None:
    given = toy.source(12, **TOY)
    everything = given.fetch(torch.arange(len(given)).numpy())
    over = torch.zeros(len(given), dtype=torch.bool).numpy()
    for actions, sentence in ((4, "learns by acting, but these data were recorded"), (0, "at least 2 actions, not 0")):
        alone = Observations(everything["agent"], everything["action"], everything["reward"], over, actions=actions)
        with pytest.raises(UserError, match=sentence):
            train(case().build, tmp_path / str(actions), alone, steps=1)


def test_the_contract_finds_it() -> None:
    assert case().type is ActorCritic and methods.describe("actor_critic").stepper == "acting"
