"""Learn to play games of MinAtar, with predictive coding and without, and judge by the returns of new episodes.

    python -m benchmarks.acting
        All rows that results/acting.json does not have yet.
    python -m benchmarks.acting actor_critic cpc-auxiliary --data minatar/breakout
        Only these rows.
    python -m benchmarks.acting --seeds 1
        One seed of each.
    python -m benchmarks.acting --speed
        Observations a second: learning, and its limits, the bare game and the network alone.
    python -m benchmarks.acting --table
        Print the results.

A run plays 500,000 moments. Then 200 episodes are played that it never played, by its own policy, by the same method
untrained, and at random. `cpc-auxiliary` has the contrastive loss of `cpc` as a second task; `cpc-first` starts from an
encoder that learned by `cpc` from the 20,000 observations of an agent that acts at random, for as many steps.
"""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import torch

import selftaught
from benchmarks import measure
from selftaught.data import open_source
from selftaught.evaluate.acting import of_method
from selftaught.method import Acts, Clock

DATA = ("minatar/breakout", "minatar/freeway", "minatar/space_invaders")
MOMENTS, BATCH, SEEDS = 500_000, 640, (0, 1, 2, 3, 4)
CASES: dict[str, dict[str, Any]] = {"actor_critic": {}, "cpc-auxiliary": {"cpc": 0.5}, "cpc-first": {}}
"""Arguments of each row, which are explained in the docstring of the method."""
SIDES = ("trained", "untrained", "random")
RUNS = Path("runs") / "acting"


def measured(data: str, case: str, seed: int, moments: int = MOMENTS) -> dict[str, Any]:
    """Play and judge one row with one seed."""
    out = RUNS / f"{data.replace('/', '-')}-{case}-{seed}"
    steps = moments // BATCH
    given: dict[str, Any] = {"steps": steps, "batch_size": BATCH, **CASES[case]}
    shutil.rmtree(out, ignore_errors=True)
    if case == "cpc-first":
        first = out.with_name(f"{out.name}-observations")
        shutil.rmtree(first, ignore_errors=True)
        measure.whole(selftaught.pretrain("cpc", data, out=first, seed=seed, steps=steps, progress=False))
        given["init"] = str(first)
    run = measure.whole(selftaught.pretrain("actor_critic", data, out=out, seed=seed, progress=False, **given))
    judged = run.probe()["returns"]
    shutil.rmtree(run.path / "checkpoints", ignore_errors=True)
    return {
        "data": data, "case": case, "seed": seed, "steps": run.summary["steps"], "seconds": run.summary["seconds"],
        "command": f"selftaught pretrain actor_critic {data} {measure.flags(given)}",
        **{side: judged[side] for side in SIDES},
    }  # fmt: skip


def rows(runs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return one row per game and case: mean returns over its seeds; "interval" is half of 95%, over seeds."""
    table: list[dict[str, Any]] = []
    for data in DATA:
        for case in CASES:
            mine = sorted((r for r in runs if (r["data"], r["case"]) == (data, case)), key=lambda r: r["seed"])
            if not mine:
                continue
            means = {side: [r[side]["mean"] for r in mine] for side in SIDES}
            found: dict[str, Any] = {side: round(float(np.mean(values)), 3) for side, values in means.items()}
            if len(mine) > 1:
                found["interval"] = round(1.96 * float(np.std(means["trained"], ddof=1)) / len(mine) ** 0.5, 3)
            about = {key: mine[0][key] for key in ("command", "steps", "seconds")}
            table.append({"method": case, "data": data, "seeds": len(mine), **about, **found})
    return table


def speed(data: str = DATA[0], moments: int = 64_000) -> dict[str, float]:
    """Return observations a second: "learning", the "game" alone, and the "network" alone, acting and updates."""
    out = RUNS / "speed"
    shutil.rmtree(out, ignore_errors=True)
    run = selftaught.pretrain("actor_critic", data, out=out, steps=moments // BATCH, batch_size=BATCH, progress=False)
    source = open_source(data, "all")
    method = run.method().train()
    assert isinstance(method, Acts)
    stretch = method.stretch()
    count = BATCH // stretch
    games = source.traits["environments"](count, 0)
    actions = np.random.default_rng(0).integers(0, games.actions, (moments // count, count))
    policy = of_method(method, games.key)
    seen = np.repeat(games.observation[:, None], stretch + 1, 1)
    start = np.zeros((count, stretch + 1), np.bool_)
    raw = {games.key: seen, "start": start, "action": np.zeros(start.shape, np.int64)}
    batch = method.views.apply({**raw, "reward": np.zeros(start.shape, np.float32)}, {}, torch.device("cpu"))
    optimizer = torch.optim.AdamW(method.parameters())

    def game() -> None:
        for row in actions:
            games.act(row)

    def network() -> None:
        for _ in range(moments // BATCH):
            for _ in range(stretch):
                policy(seen[:, 0], start[:, 0])
            optimizer.zero_grad()
            method(clock=Clock(), memory=method.empty(count), **batch)["loss"].backward()
            optimizer.step()

    timings = measure.interleaved({"game": game, "network": network}, rounds=3)
    alone = {name: round(moments / float(np.median(timing.wall))) for name, timing in timings.items()}
    return {"learning": round(moments / run.summary["seconds"]), **alone}


def shown(table: list[dict[str, Any]], fast: dict[str, float]) -> Iterable[str]:
    """Yield the rows as lines of text."""
    yield f"{'game':24} {'row':14} {'seeds':>5} {'return':>8} {'± 95%':>7} {'untrained':>9} {'random':>7}"
    for row in table:
        interval = f"{row['interval']:7.2f}" if "interval" in row else f"{'-':>7}"
        numbers = f"{row['trained']:8.2f} {interval} {row['untrained']:9.2f} {row['random']:7.2f}"
        yield f"{row['data']:24} {row['method']:14} {row['seeds']:5} {numbers}"
    if fast:
        yield "observations a second: " + ", ".join(f"{name} {value:,.0f}" for name, value in fast.items())


def main() -> None:
    """Measure what is missing, row by row, and save after each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", nargs="*", help="rows to measure; by default all")
    parser.add_argument("--data", nargs="+", choices=DATA, default=list(DATA))
    parser.add_argument("--seeds", type=int, default=len(SEEDS))
    parser.add_argument("--speed", action="store_true", help="observations a second, and nothing else")
    parser.add_argument("--table", action="store_true", help="print the results, measure nothing")
    asked = parser.parse_args()
    old = measure.saved("acting")
    runs, fast = old.get("runs", []), old.get("speed", {})
    if strange := set(asked.cases) - CASES.keys():
        parser.error(f"unknown rows {', '.join(sorted(strange))}: choose from {', '.join(CASES)}")

    def save() -> None:
        measure.save("acting", rows(runs), runs=runs, speed=fast)

    if asked.speed:
        fast = speed()
        save()
    elif not asked.table:
        seeds = SEEDS[: asked.seeds]
        wanted = [(data, case, seed) for seed in seeds for data in asked.data for case in asked.cases or CASES]
        measure.fill(runs, wanted, ("data", "case", "seed"), measured, save)
    print("\n".join(shown(rows(runs), fast)))


if __name__ == "__main__":
    main()
