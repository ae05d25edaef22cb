from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from selftaught.data import open_source
from selftaught.data.agent import toy
from selftaught.data.agent.environment import Environment
from selftaught.data.agent.kind import Agent
from selftaught.data.agent.source import Observations
from selftaught.data.agent.toy import Errand
from selftaught.errors import UserError
from selftaught.kind import of_data
from selftaught.source import Source


def of(episodes: list[int], dtype: Any = np.uint8) -> Observations:
    """Episodes of so many moments; what is seen is the number of the moment."""
    n = sum(episodes)
    over = np.zeros(n, np.bool_)
    over[np.cumsum(episodes) - 1] = True
    seen = np.arange(n).reshape(n, 1, 1, 1).astype(dtype)
    return Observations(seen, np.zeros(n, np.int64), np.zeros(n, np.float32), over)


def moments(source: Source) -> list[int]:
    found: list[int] = source.fetch(np.arange(len(source)))["moment"].tolist()
    return found


def test_a_moment_follows_the_one_before_only_in_an_episode() -> None:
    source = of([3, 1, 2])
    assert moments(source) == [0, 1, 2, 4, 6, 7] and source.groups.tolist() == [0, 0, 0, 1, 2, 2]
    assert source.names(np.array([2, 5])) == ["episode 0, moment 2", "episode 2, moment 1"]


def test_an_environment_is_opened_with_an_agent_that_acts_at_random() -> None:
    first, again = (open_source(Errand, "all", 400, kind="agent") for _ in range(2))
    other = open_source(Errand, "all", 400, kind="agent", seed=1)
    assert len(first) == 400 and first.fingerprint == again.fingerprint != other.fingerprint
    batch = first.fetch(np.arange(400))
    assert batch["agent"].shape == (400, 2, 5, 5) and set(batch["action"].tolist()) == {0, 1, 2, 3}
    lengths = np.unique(first.groups, return_counts=True)[1]
    ends = batch["reward"][lengths.cumsum() - 1]
    assert lengths.max() == 8 and (ends[:-1][lengths[:-1] < 8] == 1).all() and batch["reward"].sum() == ends.sum()
    assert first.traits["environments"](2, 0).observation.shape == (2, 2, 5, 5)
    assert first.notes[-1].endswith("episodes of an agent that acts at random")


def test_the_sides_of_a_split_are_whole_episodes() -> None:
    train, test = (open_source(toy.source(40), side, kind="agent") for side in ("train", "test"))
    assert train.groups is not None and test.groups is not None
    assert not set(train.groups.tolist()) & set(test.groups.tolist())
    assert len(train) + len(test) == 320 and 40 < len(test) < 90
    assert "environments" in train.traits


def test_a_limit_keeps_episodes_whole_but_for_the_last() -> None:
    few = open_source(of([5, 5, 5, 5]), "all", 12, kind="agent")
    counts = np.unique(few.groups, return_counts=True)[1].tolist() if few.groups is not None else []
    assert sorted(counts) == [2, 5, 5] and moments(few) == sorted(moments(few))
    other = open_source(of([5, 5, 5, 5]), "all", 12, kind="agent", seed=4)
    assert moments(other) != moments(few)
    with pytest.raises(UserError, match="limit must be at least 1, not 0"):
        open_source(of([5]), "all", 0, kind="agent")


@pytest.mark.parametrize(
    ("seen", "scale"),
    [(np.uint8([0, 1]), 1.0), (np.uint8([0, 7]), 255.0), (np.float32([-4, 2]), 4.0), (np.float32([0, 0]), 1.0)],
)
def test_the_encoder_is_told_shape_and_scale(seen: Any, scale: float) -> None:
    nothing = np.zeros(2)
    source = Observations(
        np.broadcast_to(seen[:, None, None, None], (2, 3, 4, 5)), nothing.astype(int), nothing, nothing > 0
    )
    assert Agent().input(source) == {"kind": "agent", "channels": 3, "height": 4, "width": 5, "scale": scale}


def test_another_shape_does_not_fit() -> None:
    with pytest.raises(
        UserError, match=r"encoder of run sees observations of shape \[2, 5, 5\], but these have \[1, 1"
    ):
        Agent.fits(toy.seen(), of([2]), "run")


def test_names_of_environments_and_recorded_trajectories_are_accepted(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", observations=np.zeros((4, 2, 5, 5), np.uint8))
    np.savez(tmp_path / "b.npz", x=np.zeros((4, 5, 5), np.uint8))
    accepted = {
        str(data): Agent.accepts(data) for data in ("minatar/breakout", "minigrid/no", "other/no", "minatar", 7)
    }
    assert list(accepted.values()) == [True, True, False, False, False]
    assert Agent.accepts(Errand) and not Agent.accepts(int) and not Agent.accepts("")
    assert Agent.accepts(tmp_path / "a.npz") and not Agent.accepts(tmp_path / "b.npz") and Agent.accepts(tmp_path)
    assert of_data(tmp_path / "a.npz", ["agent", "image", "signal", "text"], {}) == "agent"
    assert of_data(tmp_path / "b.npz", ["agent", "image", "text"], {}) == "image"


def saved(path: Path, n: int = 6, **arrays: Any) -> Path:
    seen = np.arange(n * 18, dtype=np.uint8).reshape(n, 2, 3, 3)
    np.savez(path, **({"observations": seen} | arrays))
    return path


def test_trajectories_are_read_with_what_was_done_and_got(tmp_path: Path) -> None:
    done = np.array([0, 0, 1, 0, 0, 0], bool)
    path = saved(tmp_path / "a.npz", actions=[0, 1, 2, 0, 1, 2], rewards=[0, 0, 1, 0, 0, 0.5], done=done)
    source = open_source(path, "all")
    assert source.samples == "observations" and source.traits["actions"] == 3
    batch = source.fetch(np.arange(6))
    assert batch["reward"].tolist() == [0, 0, 1, 0, 0, 0.5] and batch["moment"].tolist() == [0, 1, 2, 4, 5, 6]
    assert source.notes[-1] == "2 episodes of a recorded agent" and "environments" not in source.traits
    alone = open_source(saved(tmp_path / "b.npz"), "all")
    assert moments(alone) == [0, 1, 2, 3, 4, 5] and alone.traits["actions"] == 0


def test_a_folder_is_read_file_by_file_and_what_cannot_be_read_is_skipped_and_counted(tmp_path: Path) -> None:
    saved(tmp_path / "a.npz")
    saved(tmp_path / "b.npz", 4)
    (tmp_path / "c.npz").write_bytes(b"PK\x03\x04 cut")
    saved(tmp_path / "d.npz", observations=np.zeros((3, 1, 3, 3), np.uint8))
    source = open_source(tmp_path, "all", kind="agent")
    assert moments(source) == [0, 1, 2, 3, 4, 5, 7, 8, 9, 10]
    reasons = [one["reason"] for one in source.skipped]
    assert len(reasons) == 2 and "not [2, 3, 3] as before" in reasons[1]


@pytest.mark.parametrize(
    ("arrays", "sentence"),
    [
        ({"observations": np.zeros((6, 3, 3))}, r"observations must be \[T, C, H, W\], not of shape \[6, 3, 3\]"),
        ({"observations": np.zeros((0, 1, 3, 3))}, "observations must be"),
        ({"observations": np.full((6, 1, 3, 3), "a")}, "must be numbers with the axes channel, row and column"),
        ({"rewards": np.zeros(5)}, "rewards has 5 entries for 6 observations"),
        ({"actions": np.zeros((6, 2))}, r"actions must be one number for each observation, not \[6, 2\]"),
        ({"rewards": np.array([0, 0, np.nan, 0, 0, 0])}, "entry 2 of rewards is not a finite number"),
        ({"done": np.array([None] * 6)}, "contains Python objects, which are not unpickled"),
    ],
)
def test_trajectories_that_cannot_be_used_are_refused(tmp_path: Path, arrays: Any, sentence: str) -> None:
    path = saved(tmp_path / "a.npz", **arrays)
    with pytest.raises(UserError, match=rf"a\.npz: .*{sentence}|a\.npz.*{sentence}"):
        open_source(path, "all", kind="agent")


@pytest.mark.parametrize(
    ("data", "options", "sentence"),
    [
        ("minatar/brekout", {}, "unknown game of MinAtar 'brekout': did you mean 'breakout'"),
        ("elsewhere/pong", {}, "unknown data 'elsewhere/pong'"),
        (7, {}, "int: this is no environment: give a name such as minatar/breakout"),
        (Errand, {"labels": [1]}, "observations have no labels"),
        (Errand, {"groups": "a"}, "the groups of observations are their episodes"),
    ],
)
def test_what_is_no_environment_is_refused(data: Any, options: Any, sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        open_source(data, "all", kind="agent", **options)


def test_what_an_environment_shows_must_have_three_axes() -> None:
    class Flat(Environment):
        actions = 2

        def start(self, seed: int) -> Any:
            return np.zeros(4, np.float32)

        def act(self, action: int) -> Any:
            return np.zeros(4, np.float32), 0.0, False

    with pytest.raises(UserError, match=r"environment Flat shows arrays of shape \[4\] and type float32"):
        open_source(Flat, "all", kind="agent")


def test_the_catalog_tells_of_an_environment() -> None:
    told = Agent.tell(toy.source(10))
    assert told["samples"] == 80 and told["shape"] == [2, 5, 5] and told["actions"] == 4
    assert told["episodes"] >= 10 and 0 < told["reward"] < 1
