from __future__ import annotations

from typing import Any

from benchmarks import acting
from selftaught import methods


def test_every_row_has_arguments_of_the_method() -> None:
    known = {argument.name for argument in methods.describe("actor_critic").arguments}
    assert all(arguments.keys() <= known for arguments in acting.CASES.values())
    assert methods.describe("actor_critic").recipe["batch_size"] == acting.BATCH


def test_rows_are_means_over_seeds_with_their_interval() -> None:
    def side(mean: float) -> dict[str, Any]:
        return {"mean": mean, "interval": 0.1, "episodes": 200, "length": 9.0}

    runs: list[dict[str, Any]] = [
        {
            "data": "minatar/freeway", "case": "cpc-auxiliary", "seed": seed, "steps": 10, "seconds": 1.0,
            "command": "c", "trained": side(mean), "untrained": side(0.5), "random": side(0.25),
        }
        for seed, mean in ((1, 4.0), (0, 2.0))
    ]  # fmt: skip
    (row,) = acting.rows(runs)
    assert (row["trained"], row["untrained"], row["random"], row["seeds"]) == (3.0, 0.5, 0.25, 2)
    assert row["interval"] == 1.96  # 1.96 sqrt(2) / sqrt(2)
    assert "interval" not in acting.rows(runs[:1])[0]
    lines = list(acting.shown([row], {"learning": 5000.0, "game": 60000.0}))
    assert len(lines) == 3 and "3.00    1.96      0.50    0.25" in lines[1] and "game 60,000" in lines[2]
