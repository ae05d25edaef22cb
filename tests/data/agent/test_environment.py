from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from selftaught.data.agent.environment import Environment, Environments, episode_seed
from selftaught.data.agent.kind import made
from selftaught.data.agent.minigrid import MiniGrid, called
from selftaught.data.agent.toy import Errand
from selftaught.errors import UserError

ROOMS = ("minatar/breakout", "minatar/asterix", "minatar/space_invaders", "minigrid/dynamic-obstacles-5x5")


def acted(several: Environments, steps: int, seed: int = 0) -> list[bytes]:
    """What is seen and got in so many steps of actions drawn by the seed."""
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(steps):
        moment = several.act(rng.integers(0, several.actions, len(several.observation)))
        found.append(several.observation.tobytes() + moment.reward.tobytes() + moment.over.tobytes())
    return found


@pytest.mark.parametrize("name", ROOMS)
def test_environments_go_on_from_their_state_as_if_they_had_not_stopped(name: str) -> None:
    pytest.importorskip(name.partition("/")[0])
    whole, stopped = (Environments(made(name), 3, 5) for _ in range(2))
    acted(whole, 60)
    acted(stopped, 60)
    other = Environments(made(name), 3, 5)
    other.restore(stopped.state())
    assert (other.observation == whole.observation).all()
    assert acted(other, 120, seed=1) == acted(whole, 120, seed=1)
    assert acted(Environments(made(name), 3, 6), 60) != acted(Environments(made(name), 3, 5), 60)


def test_every_episode_has_a_seed_of_its_own() -> None:
    seeds = {episode_seed(s, i, e) for s in range(4) for i in range(4) for e in range(4)}
    assert len(seeds) == 64 and all(0 <= one < 2**31 for one in seeds)


def test_the_next_episode_begins_at_once_and_state_holds_only_its_actions() -> None:
    several = Environments(Errand, 2, 0)
    for _ in range(8):  # into the corner, until the longest episode is over
        over = several.act(np.array([0, 0])).over
    state = several.state()
    assert over.any() or state["episode"].any()
    assert (state["acted"] < 8).all() and state["actions"].size == state["acted"].sum()
    assert several.observation[:, 0].sum((1, 2)).tolist() == [1, 1]


def test_one_that_does_not_repeat_itself_is_refused() -> None:
    class Drifting(Environment):
        actions, times = 2, 0

        def start(self, seed: int) -> Any:
            Drifting.times += 1
            return np.full((1, 2, 2), Drifting.times % 256, np.uint8)

        def act(self, action: int) -> Any:
            return np.zeros((1, 2, 2), np.uint8), 0.0, False

    several = Environments(Drifting, 2, 0, "mine")
    with pytest.raises(UserError, match=r"mine does not repeat itself: .* depend on the seed of start"):
        several.restore(several.state())


def test_one_that_raises_is_named_with_what_shows_it_again() -> None:
    class Broken(Environment):
        actions = 2

        def start(self, seed: int) -> Any:
            self.moves = 0
            return np.zeros((1, 2, 2), np.uint8)

        def act(self, action: int) -> Any:
            self.moves += 1
            if self.moves == 3:
                raise RuntimeError("the ball\nis lost")
            return np.zeros((1, 2, 2), np.uint8), 0.0, False

    several = Environments(Broken, 2, 7, "mine")
    acted(several, 2)
    with pytest.raises(UserError) as error:
        acted(several, 1)
    assert str(error.value) == (
        f"mine failed after 3 actions of episode 0 (RuntimeError: the ball is lost): start({episode_seed(7, 0, 0)}) "
        "and the same actions show it again"
    )

    def unmade() -> Environment:
        raise OSError("no screen")

    with pytest.raises(UserError, match=r"mine cannot be made \(OSError: no screen\)"):
        Environments(unmade, 1, 0, "mine")


def test_minigrid_marks_what_is_in_each_cell() -> None:
    pytest.importorskip("minigrid")
    room = MiniGrid("MiniGrid-Empty-5x5-v0")
    seen = room.start(0)
    assert seen.shape == (20, 7, 7) and seen.dtype == np.uint8 and called("MiniGrid-DoorKey-5x5-v0") == "doorkey-5x5"
    assert (seen[:11].sum(0) == 1).all() and (seen[11:17].sum(0) == 1).all() and (seen[17:].sum(0) == 1).all()
    assert seen[8].sum() == 1  # the goal
    with pytest.raises(UserError, match=r"unknown environment of MiniGrid 'emty-5x5': did you mean 'empty-5x5'"):
        MiniGrid("emty-5x5")


def test_minatar_shows_what_the_game_shows() -> None:
    pytest.importorskip("minatar")
    game = made("minatar/breakout")()
    seen = game.start(3)
    assert seen.shape == (4, 10, 10) and seen[0].sum() == 1 and seen[3].sum() == 30
    rewards = [game.act(1 + 2 * (t % 2)) for t in range(7)]
    assert sum(reward for _, reward, _ in rewards) >= 0 and seen.max() == 1


def test_a_missing_package_is_named_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("selftaught.data.agent.installed.find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"need the package minatar: pip install 'selftaught\[rl\]'"):
        made("minatar/breakout")()
