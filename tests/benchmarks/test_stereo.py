from __future__ import annotations

from typing import Any

from benchmarks import stereo
from selftaught import methods


def scores(value: float) -> dict[str, float]:
    return dict.fromkeys(stereo.NUMBERS, value)


def test_every_row_has_arguments_of_the_method() -> None:
    known = {argument.name for argument in methods.describe("monodepth").arguments}
    assert all(arguments.keys() <= known for arguments in stereo.CASES.values())


def test_rows_are_means_over_seeds_with_the_baselines_last() -> None:
    runs: list[dict[str, Any]] = [
        {
            "case": "both-eyes", "seed": seed, "steps": 10, "command": "c",
            "trained": scores(value), "untrained": scores(9.0),
        }
        for seed, value in ((1, 4.0), (0, 2.0))
    ]  # fmt: skip
    table = stereo.rows(runs, {"median": 30.0, "constant": scores(8.0), "matching": scores(1.0)})
    assert [row["method"] for row in table] == ["both-eyes", "constant", "matching"]
    assert table[0]["trained"]["abs"] == 3.0 and table[0]["spread"]["abs"] == 1.414 and table[0]["seeds"] == 2
    lines = list(stereo.shown(table))
    assert len(lines) == 4 and "3.000" in lines[1] and "9.000" in lines[1] and "1.000" in lines[3]
