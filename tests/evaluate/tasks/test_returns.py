from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import selftaught
from selftaught import encoders
from selftaught.data.agent import toy
from selftaught.data.agent.source import Observations
from selftaught.errors import UserError
from selftaught.evaluate.tasks.returns import Returns
from selftaught.pretraining import Run


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return selftaught.pretrain(
        "actor_critic", toy.source(64, side=3), out=tmp_path_factory.mktemp("acting") / "run", steps=120, batch_size=64,
        unroll=4, units=24, lr=5e-3, encoder={"name": "grid", **encoders.small("grid")}, progress=False,
    )  # fmt: skip


def test_an_agent_is_judged_by_its_returns_beside_untrained_and_random(run: Run) -> None:
    judged = run.probe(toy.source(64, side=3))["returns"]
    trained, random = judged["trained"], judged["random"]
    assert trained["mean"] - trained["interval"] > random["mean"] + random["interval"]
    assert trained["mean"] > judged["untrained"]["mean"] + 0.1 and trained["length"] < random["length"]
    assert trained["episodes"] == 200 and 0 <= random["mean"] <= trained["mean"] <= 1
    rows = Returns().tables(judged)[0].rows
    assert rows[0]["trained"] == trained["mean"] and rows[2]["random"] == random["length"]
    summary = json.loads(Path(run.path, "summary.json").read_text())
    assert Returns().columns(summary) == {"return": trained["mean"], "at random": random["mean"]}
    assert run.probe(toy.source(64, side=3), quick=True)["returns"]["trained"]["episodes"] == 40


def test_recorded_observations_cannot_be_played(run: Run) -> None:
    given = toy.source(12, side=3)
    seen = given.fetch(np.arange(len(given)))
    alone = Observations(seen["agent"], seen["action"], seen["reward"], np.arange(len(given)) % 8 == 7, actions=4)
    with pytest.raises(UserError, match="cannot be played, it was recorded: name an environment"):
        run.probe(alone)
