"""What every method must do.

Each function is one check: it raises AssertionError, with what is wrong, when a method does not hold it.

The first line of a docstring is what the check is called.
"""

from __future__ import annotations

import math
import os
import signal
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, final

import numpy as np
import torch
from torch import Tensor

from selftaught import methods
from selftaught.contract.case import STEPS, Case, batch
from selftaught.contract.gradients import follows_its_terms
from selftaught.contract.ranks import Ranks
from selftaught.contract.training import StopAfter, state, train
from selftaught.errors import UserError
from selftaught.evaluate.acting import random_returns, returns
from selftaught.evaluate.embed import frozen
from selftaught.method import Acts, Clock, Compiled, Method, Source
from selftaught.run import RunFolder
from selftaught.steps import NonFiniteLoss

Check = Callable[[Case, Path, Callable[[], Ranks]], None]
"""Called with the method, an empty folder, and what gives two processes."""
EPISODES = 200
"""Number of episodes by which a method that acts is judged."""
LEARNING = 160
"""Most steps in which a method must learn a toy."""
RUNNING = ("running_mean", "running_var", "num_batches_tracked")
"""Buffers of batch norm, which every network with one updates as it computes."""


def says_what_it_is(case: Case, folder: Path, ranks: Callable[[], Ranks]) -> None:
    """the class says what it is: final, documented, every argument too"""
    cls, spec = case.type, methods.describe(case.name, case.kind)
    assert getattr(cls, "__final__", False), f"{cls.__name__} must be decorated with @final (from typing)"
    assert cls.__mro__[1] in (Method, Compiled), (
        f"{cls.__name__} must subclass Method (or Compiled) itself, and nothing else"
    )
    assert spec.title.strip() and len(spec.doc) > 200, (
        "the docstring must say more than a line: idea, source, equation, shapes"
    )
    for argument in spec.arguments:
        assert argument.doc, f"the argument {argument.name} is not documented under 'Args:'"
    for promise in ("deterministic", "distributed", "gradient"):
        said = getattr(cls, promise)
        assert said is True or (isinstance(said, str) and said), (
            f"{promise} must be True, or a sentence that says why it is not"
        )


def gradients_reach_the_players_alone(case: Case, folder: Path, ranks: Callable[[], Ranks]) -> None:
    """the loss is finite, and gradients reach what the players own and nothing else"""
    given = case.source(48)
    method = case.prepared(given)
    clock = Clock(0, STEPS)
    everything = dict(method.named_parameters())
    owned: set[Tensor] = set()
    for player in method.players():
        own = {p for g in player.groups for p in g["params"]}
        assert own, f"the player {player.name} owns no parameters"
        owned |= own
        reached: set[Tensor] = set()
        for clock.step in range(STEPS):  # a method may train its layers one after the other
            method.zero_grad(set_to_none=True)
            out = method(player=player.name, clock=clock, **batch(method, given, range(16)))
            assert "loss" in out, "forward must return a dictionary with 'loss'"
            loss = out["loss"]
            assert isinstance(loss, Tensor) and loss.ndim == 0, (
                "the loss must be a tensor without dimensions: take a mean or a sum"
            )
            assert math.isfinite(value := float(loss.detach())), f"the loss is {value}"
            loss.backward()
            with_gradient = {p for p in everything.values() if p.grad is not None}
            for key, p in everything.items():
                assert p in own or len(method.players()) > 1 or p not in with_gradient, (
                    f"a gradient reaches {key}, which no player owns: detach it, or give it to a player"
                )
            reached |= with_gradient
            if own <= reached:
                break
        for key, p in everything.items():
            assert p not in own or p in reached, f"no gradient reaches {key}, which the player {player.name} owns"
    assert set(method.encoder.parameters()) <= owned, "no player trains the encoder"
    lost = [key for key, p in everything.items() if p.requires_grad and p not in owned]
    assert not lost, f"{', '.join(lost[:3])} want gradients, and no player owns them"


def gradients_are_those_of_the_terms(case: Case, folder: Path, ranks: Callable[[], Ranks]) -> None:
    """every gradient is that of the loss by finite differences, and each term moves what the method states"""
    for number, variant in enumerate(({}, *case.variants)):
        given = case.source()
        # Queues and banks are filled, and what waits for the second epoch has begun.
        method, _ = train(partial(case.build, **variant), folder / str(number), given, steps=STEPS)
        try:
            follows_its_terms(method, given)
        except AssertionError as error:
            raise AssertionError(f"with {dict(variant)}: {error}" if variant else str(error)) from None


def forward_writes_no_state(case: Case, folder: Path, ranks: Callable[[], Ranks]) -> None:
    """forward writes no state: momentum copies, queues and banks change in after_step alone"""
    given = case.source(48)
    method = case.prepared(given)
    before = state(method)
    for player in method.players():
        method(player=player.name, clock=Clock(), **batch(method, given, range(16)))
    after = state(method)
    changed = [k for k in before if not k.endswith(RUNNING) and not torch.equal(before[k], after[k])]
    assert not changed, f"forward changed {', '.join(changed[:3])}"
    method.eval()
    for player in method.players():
        method(player=player.name, clock=Clock(), **batch(method, given, range(16)))
    changed = [k for k in before if not torch.equal(after[k], state(method)[k])]
    assert not changed, f"in eval mode forward changed {', '.join(changed[:3])}"


def one_sample_trains_or_is_refused(case: Case, folder: Path, ranks: Callable[[], Ranks]) -> None:
    """a batch of one sample is learned from, or refused with a sentence: never a loss without a comparison"""
    given = case.source(48)
    recipe: dict[str, Any] = {"steps": 2, "batch_size": 1, "batch_norm_groups": 1, "optimizer": "sgd", "lr": 0.1}
    try:
        method, _ = train(case.build, folder / "run", given, weight_decay=0.0, warmup=0.0, **recipe)
    except UserError:
        return
    except NonFiniteLoss:
        raise AssertionError("with one sample the loss is not finite: set `together = 2` in the class") from None
    for line in RunFolder.open(folder / "run").metrics():
        assert line.get("negatives") != 0, "with one sample there are no negatives: set `together = 2` in the class"
    before = state(case.build())
    moved = any(not torch.equal(before[k], v) for k, v in state(method).items() if k in before and v.ndim > 1)
    assert moved, "with one sample nothing is learned: set `together = 2` in the class"


def learns_a_toy(case: Case, folder: Path, ranks: Callable[[], Ranks]) -> None:
    """it learns a toy: unseen samples cost less than untrained, right answers beat chance; acting returns more"""
    training = case.source(256)
    if issubclass(case.type, Acts):
        _returns_more(case, folder, training)
        return

    def build() -> Method:
        return case.build(**case.learns)

    def held_out(method: Method) -> dict[str, float]:
        with frozen(method):
            out = method(
                player=method.players()[0].name, clock=Clock(), **batch(method, case.source(64, seed=1), range(64))
            )
        return {key: float(out[key]) for key in ("loss", "accuracy", "chance") if key in out}

    # Untrained is a run with a learning rate of 0: its queues, banks and running statistics are filled as well.
    idle, _ = train(build, folder / "untrained", training, steps=40, batch_size=64, lr=0.0)
    watch = _Learning(idle, held_out)
    method, _ = train(build, folder / "trained", training, [watch], steps=LEARNING, batch_size=64, lr=5e-3)
    if why := watch.missing(method):
        raise AssertionError(why)


@final
class _Learning:
    """An observer that ends a training once it has learned."""

    def __init__(self, idle: Method, held_out: Callable[[Method], dict[str, float]]) -> None:
        self.before, self.weights, self.held_out = held_out(idle), self._weights(idle), held_out
        self.losses: list[float] = []

    def step(self, clock: Clock, method: Method, scalars: dict[str, float]) -> None:
        """Look every 20 steps, from the 60th on."""
        self.losses.append(scalars["loss"])
        if clock.step >= 60 and clock.step % 20 == 0 and not self.missing(method):
            os.kill(os.getpid(), signal.SIGTERM)

    def finish(self) -> None:
        """Nothing is left to do."""

    def missing(self, method: Method) -> str:
        """Return what is missing of having learned; "" if nothing is."""
        if torch.equal(self._weights(method), self.weights):
            return "the encoder has the weights that it started with"
        # Memories start with random rows, which are easy to tell from a key: only once they are full does the loss mean
        # something.
        start, end = max(np.mean(self.losses[i : i + 4]) for i in range(0, 40, 4)), np.mean(self.losses[-16:])
        if not end < start:
            return f"the loss went from {start:.4g} to {end:.4g} in {len(self.losses)} steps"
        after, before, alone = self.held_out(method), self.before, len(method.players()) == 1
        if "accuracy" in after:
            right, chance, idle = after["accuracy"], after["chance"], before["accuracy"]
            beside = f"{right:.3f}, untrained {idle:.3f}, chance {chance:.3f}"
            if not right > 1.5 * chance:
                return f"the pretext stays at chance on samples that it never saw: {beside}"
            if not alone and not right > idle:  # in a game, the loss of one side says little
                return f"the pretext is solved no better than untrained: {beside}"
        # An untrained network may well have the higher accuracy: it knows pictures by their brightness. Its loss is not
        # the lower one.
        if alone and not after["loss"] < before["loss"] - 0.01 * abs(before["loss"]):
            return f"on samples that it never saw the loss is {after['loss']:.4g}, and {before['loss']:.4g} untrained"
        return ""

    def _weights(self, method: Method) -> Tensor:
        return torch.cat([p.detach().flatten() for p in method.encoder.parameters()])


def _returns_more(case: Case, folder: Path, training: Source) -> None:
    """Check a method that acts by its returns: the value of its loss says nothing about them."""
    found = {}
    for name, lr in (("trained", 5e-3), ("untrained", 0.0)):
        method, _ = train(
            lambda: case.build(**case.learns), folder / name, training, steps=LEARNING, batch_size=64, lr=lr
        )
        found[name] = returns(method, training, EPISODES)
    found["random"] = random_returns(training, EPISODES)
    low = found["trained"]["mean"] - found["trained"]["interval"]
    for other in ("untrained", "random"):
        high = found[other]["mean"] + found[other]["interval"]
        assert low > high, (
            f"it returns {found['trained']['mean']:.3f} an episode, and {found[other]['mean']:.3f} {other}: the 95% "
            "intervals must not overlap"
        )


def resumes_to_the_same_bits(case: Case, folder: Path, ranks: Callable[[], Ranks]) -> None:
    """stopping and resuming gives the bits of never stopping"""
    given = case.source()
    whole, _ = train(case.build, folder / "whole", given, steps=STEPS, workers=0)
    _, part = train(case.build, folder / "parts", given, steps=STEPS, observers=[StopAfter(3)])
    assert part.interrupted == signal.SIGTERM and part.step == 3, "the training did not stop where it was told to"
    resumed, _ = train(lambda: case.build(seed=7), folder / "parts", given, steps=STEPS, resume=True, workers=2)
    for k, v in state(whole).items():
        assert torch.equal(v, state(resumed)[k]), (
            f"{k} differs after a stop and a resume: is all of the state in parameters and buffers?"
        )
    a, b = (folder / p / "method.safetensors" for p in ("whole", "parts"))
    assert a.read_bytes() == b.read_bytes(), "the two method.safetensors differ"


def ranks_agree(case: Case, folder: Path, ranks: Callable[[], Ranks]) -> None:
    """one process and two give the same parameters, within 1e-5"""
    # Plain descent with a small step: Adam divides by the root of tiny moments, which magnifies rounding into
    # differences.
    groups = min(2, case.type.recipe.get("batch_norm_groups", 2))  # 1 = one group over both
    recipe: dict[str, Any] = {"steps": STEPS, "optimizer": "sgd", "lr": 1e-3, "batch_norm_groups": groups}
    one, _ = train(case.build, folder / "one", case.source(), **recipe)
    first, second = ranks().call(__name__, "train_on_rank", case=case, path=str(folder / "two"), **recipe)
    moved = 0.0
    start = state(case.build())
    for k, v in state(one).items():
        assert torch.equal(first[k], second[k]), f"the two processes differ in {k}: gather before you write to it"
        torch.testing.assert_close(
            first[k], v, rtol=1e-5, atol=1e-5, msg=f"one process and two differ by more than 1e-5 in {k}"
        )
        if k in start and v.is_floating_point():
            moved = max(moved, float((v - start[k]).abs().max()))
    assert moved > 1e-4, "nothing was trained, so nothing was compared"


def train_on_rank(case: Case, path: str, **recipe: Any) -> dict[str, Tensor]:
    """What each of the two processes runs."""
    from selftaught.parts.gather import barrier, rank

    if rank() == 0:
        RunFolder.create(path, {"method": {"name": case.name}})
    barrier()
    method, _ = train(case.build, path, case.source(), resume=True, **recipe)
    return state(method)


def sees_every_toy(case: Case, folder: Path, ranks: Callable[[], Ranks]) -> None:
    """other samples of the kind work too: images in colour"""
    for variant in case.toys.VARIANTS:
        other = replace(case, toy=variant)
        given = other.source(32)
        method = other.prepared(given)
        out = method(player=method.players()[0].name, clock=Clock(), **batch(method, given, range(16)))
        assert math.isfinite(value := float(out["loss"].detach())), f"with {dict(variant)} the loss is {value}"


CHECKS: dict[Check, str] = {
    says_what_it_is: "",
    gradients_reach_the_players_alone: "gradient",
    gradients_are_those_of_the_terms: "gradient",
    forward_writes_no_state: "gradient",
    one_sample_trains_or_is_refused: "gradient",
    learns_a_toy: "gradient",
    sees_every_toy: "gradient",
    resumes_to_the_same_bits: "deterministic",
    ranks_agree: "distributed",
}
"""Every check, and the promise of `Method` that it holds a method to; "" = every method."""
