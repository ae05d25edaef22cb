"""An agent that has learned nothing, and the folder of a run in which it learned."""

from __future__ import annotations

from pathlib import Path

from selftaught import encoders
from selftaught.data.agent import toy
from selftaught.methods.action.actor_critic import ActorCritic
from selftaught.run import RunFolder

SIDE = {"mean": 0.5, "interval": 0.1, "episodes": 40, "length": 6.0}


def learned() -> ActorCritic:
    method = ActorCritic(encoders.build("grid", toy.seen(), width=4), unroll=4, units=8)
    method.prepare(toy.source(4))
    return method


def run(path: Path, lines: int = 50) -> RunFolder:
    made = RunFolder.create(path, {"method": {"name": "actor_critic"}, "recipe": {"batch_size": 64}})
    for step in range(lines):
        made.log({"step": 10 * (step + 1), "loss": 1.0, **({} if step == 7 else {"return": float(step % 4)})})
    made.update_summary(
        steps=500, returns={side: SIDE | {"mean": 0.5 + i} for i, side in enumerate(("random", "untrained", "trained"))}
    )
    return made
