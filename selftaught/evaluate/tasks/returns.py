"""What an agent gets in episodes that it never played, beside itself untrained and an agent that acts at random."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, final

from selftaught.data.told import opening
from selftaught.errors import UserError
from selftaught.evaluate.acting import random_returns, returns
from selftaught.evaluate.task import QUICK, Said, Subject, Table, Task
from selftaught.method import Acts

EPISODES, FEW = 200, 40
"""Number of episodes of each side, and in a quick evaluation."""
SIDES = ("trained", "untrained", "random")
NAMES = {"mean": "mean return", "interval": "± 95%", "length": "moments of an episode"}


@final
class Returns(Task):
    """For methods that act."""

    key, order = "returns", 45

    def suits(self, run: Subject, data: Any) -> bool:
        """Return whether the method acts."""
        return self.judges_without_labels(run)

    def judges_without_labels(self, run: Subject) -> bool:
        """Return whether the method acts."""
        return run.learned_by is not None and issubclass(run.learned_by, Acts)

    def judge(
        self, run: Subject, data: Any, *, seed: int = 0, quick: bool = False, say: Said | None = None, **options: Any
    ) -> dict[str, Any]:
        """Return {side: what `evaluate.acting.play` finds}, with "data" and "quick". Actions are drawn, not greedy.

        Raises UserError if the data were recorded, and nothing can be played.
        """
        train, test = run.sources(data, QUICK if quick else (None, None))
        if "environments" not in train.traits:
            raise UserError(f"{run.named(data)} cannot be played, it was recorded: name an environment to judge in")
        if say is not None:
            say(opening(run.named(data), train, test))
            say("playing episodes that the agent never played, with its own policy, untrained, and at random")
        episodes = FEW if quick else EPISODES
        return {
            "trained": returns(run.method(), train, episodes, seed),
            "untrained": returns(run.method_untrained(), train, episodes, seed),
            "random": random_returns(train, episodes, seed),
            "data": run.named(data),
            "quick": quick,
        }

    def tables(self, result: Mapping[str, Any], sections: bool = False) -> list[Table]:
        """One table."""
        title = f"{result['trained']['episodes']} episodes"
        rows = [{title: called, **{side: result[side][name] for side in SIDES}} for name, called in NAMES.items()]
        return [Table(rows, (title,))]

    def columns(self, summary: Mapping[str, Any]) -> dict[str, float | None]:
        """The mean return, and that of an agent that acts at random."""
        judged = summary.get("returns") or {}
        return {
            "return": judged.get("trained", {}).get("mean"),
            "at random": judged.get("random", {}).get("mean"),
        }
