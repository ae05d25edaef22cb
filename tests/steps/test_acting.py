from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from selftaught.contract.case import Case
from selftaught.contract.training import StopAfter, state, train
from selftaught.data.agent.toy import Errand
from selftaught.errors import UserError
from selftaught.recipe import Recipe
from selftaught.run import RunFolder
from selftaught.steps.acting import Acting

CASE = Case("actor_critic", "agent", {"unroll": 4, "units": 12}, toy={"side": 3})


def stepper(**recipe: Any) -> Acting:
    given = CASE.source(12)
    return Acting(CASE.prepared(given), given, Recipe(**{"batch_size": 16, **recipe}), torch.device("cpu"))


def test_a_stretch_is_what_was_seen_done_and_got_and_the_next_begins_there() -> None:
    one = stepper()
    first = one._play([])
    ended: list[tuple[float, float]] = []
    second = one._play(ended)
    assert first["agent"].shape == (4, 5, 2, 3, 3) and first["start"][:, 0].all()
    assert (first["agent"][:, -1] == second["agent"][:, 0]).all() and (
        first["start"][:, -1] == second["start"][:, 0]
    ).all()
    over = np.concatenate([first["start"][:, 1:], second["start"][:, 1:]], 1)
    got = np.concatenate([first["reward"][:, :-1], second["reward"][:, :-1]], 1)
    assert (over[got == 1]).all()  # the goal ends the episode
    assert sum(moments for _, moments in ended) <= 32 and all(moments <= 8 for _, moments in ended)


def test_returns_of_finished_episodes_are_logged(tmp_path: Path) -> None:
    train(CASE.build, tmp_path / "run", CASE.source(), steps=6)
    lines = list(RunFolder.open(tmp_path / "run").metrics())
    got = [line["return"] for line in lines if "return" in line]
    assert got and all(0 <= one <= 1 for one in got)
    assert max(line["episode_length"] for line in lines if "return" in line) <= 8


def test_a_stop_in_the_middle_of_episodes_changes_no_bit(tmp_path: Path) -> None:
    whole, _ = train(CASE.build, tmp_path / "whole", CASE.source(), steps=9)
    _, part = train(CASE.build, tmp_path / "parts", CASE.source(), steps=9, observers=[StopAfter(4, signal.SIGTERM)])
    assert part.step == 4
    resumed, _ = train(lambda: CASE.build(seed=3), tmp_path / "parts", CASE.source(), steps=9, resume=True)
    assert all(torch.equal(v, state(resumed)[k]) for k, v in state(whole).items())
    keys = ("step", "loss", "return", "episode_length")
    logs = [
        [[line.get(k) for k in keys] for line in RunFolder.open(tmp_path / n).metrics()] for n in ("whole", "parts")
    ]
    assert logs[0] == logs[1] and len(logs[0]) == 9


@pytest.mark.parametrize(
    ("recipe", "sentence"),
    [({"batch_size": 18}, "batch_size 18 must be a multiple of the 4 moments between two updates of ActorCritic")],
)
def test_what_does_not_fit_is_refused(recipe: Any, sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        stepper(**recipe)


def test_an_environment_that_raises_ends_the_run_with_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = CASE.source()

    def broken(self: Errand, action: int) -> Any:
        raise RuntimeError("the door is stuck")

    monkeypatch.setattr(Errand, "act", broken)
    with pytest.raises(
        UserError, match=r"the toy failed after 1 actions of episode 0 \(RuntimeError: the door is stuck\)"
    ):
        train(CASE.build, tmp_path / "run", given, steps=2)
