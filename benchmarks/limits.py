"""Compare the training speed of every image method with its limit, the speed of its network alone.

    python -m benchmarks.limits                       every method, two threads
    python -m benchmarks.limits moco cpc --rounds 9   these rows again, with more rounds

The goal is a loop within 10% of the network alone, with the encoder of `benchmarks.vision` at 32 px. The network alone
is forward, backward, optimiser and `after_step` on one prepared batch; the loop makes its batches (`benchmarks.views`
measures that speed alone). Work between epochs (clustering) is in neither. The two take turns, so a busy machine slows
both.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any, final

import numpy as np
import torch

from benchmarks import measure
from benchmarks.vision import network
from selftaught import encoders, methods, optimizer
from selftaught.data import open_source
from selftaught.data.image.kind import Image
from selftaught.fit import fit
from selftaught.method import Clock, Method, Source
from selftaught.parts.norm import set_groups
from selftaught.recipe import Recipe
from selftaught.run import RunFolder

IMAGES, SIDE, STEPS, WARM, ROUNDS = 4096, 32, 16, 3, 5
CPU = torch.device("cpu")


def colour_images() -> Source:
    """Labelled noise; the content does not affect the speed."""
    generator = np.random.default_rng(0)
    return open_source(
        generator.integers(0, 256, (IMAGES, SIDE, SIDE, 3), np.uint8), labels=generator.integers(0, 10, IMAGES)
    )


def build(name: str, source: Source) -> Method:
    torch.manual_seed(0)
    return methods.load(name)(encoders.build(input=Image().input(source), **network(name)))


def prepared(name: str, source: Source) -> tuple[Method, Source]:
    """Return the method ready for its first batch, and the source it iterates over."""
    method = build(name, source)
    bound = method.views.bind(source)
    method.prepare(bound)
    return method.train(), bound


def recipe_of(name: str) -> Recipe:
    """Return the method's own recipe, so short that only steps are measured."""
    own = {k: v for k, v in methods.describe(name).recipe.items() if k != "minutes"}
    return Recipe(**{**own, "steps": STEPS, "device": "cpu", "workers": 0, "log_every": 10**6})


def alone(name: str, source: Source) -> float:
    """Return seconds per step of the network on one batch."""
    recipe, (method, bound) = recipe_of(name), prepared(name, source)
    set_groups(method, recipe.batch_norm_groups or 1)
    clock = Clock(0, STEPS)
    order = method.order(0, 0, len(bound))
    index = np.asarray(order[: recipe.batch_size])
    batch = method.views.apply(bound.fetch(index), method.views.sample(index, 0, 0), CPU)
    players = method.players()
    optimizers = {player.name: optimizer.build(player, recipe) for player in players}
    seconds = []
    for _ in range(STEPS):
        began, outputs = time.perf_counter(), {}
        for player in players:
            for _ in range(player.turns):
                method.zero_grad(set_to_none=True)
                found = method(player=player.name, clock=clock, **batch)
                found["loss"].backward()
                optimizers[player.name].step()
                outputs |= {k: v.detach() if isinstance(v, torch.Tensor) else v for k, v in found.items()}
                del found  # its graph would be in memory beside that of the next step, as in no loop
        with torch.no_grad():
            method.after_step(clock, outputs)
        clock.step += 1
        seconds.append(time.perf_counter() - began)
    return median(seconds[WARM:])


@final
class Intervals:
    """Records seconds between steps."""

    def __init__(self) -> None:
        self.seconds: list[float] = []
        self.last = time.perf_counter()

    def step(self, clock: Clock, method: Method, scalars: dict[str, float]) -> None:
        now = time.perf_counter()
        self.seconds.append(now - self.last)
        self.last = now

    def finish(self) -> None: ...


def looped(name: str, source: Source) -> float:
    """Return seconds per step of `fit`."""
    watch = Intervals()
    with tempfile.TemporaryDirectory() as folder:
        fit(build(name, source), source, recipe_of(name), RunFolder.create(Path(folder) / "run", {}), [watch])
    return median(watch.seconds[WARM:])


def measured(name: str, source: Source, count: int) -> dict[str, Any]:
    """Return one row, with medians over the rounds."""
    rounds = [(alone(name, source), looped(name, source)) for _ in range(count)]
    batch = recipe_of(name).batch_size * sum(player.turns for player in prepared(name, source)[0].players())
    return {
        "method": name,
        "alone_per_second": round(batch / median(a for a, _ in rounds)),
        "loop_per_second": round(batch / median(b for _, b in rounds)),
        "loop_over_alone": {
            "median": round(median(b / a for a, b in rounds), 3),
            "low": round(min(b / a for a, b in rounds), 3),
        },
        "rounds": count,
    }


def main() -> None:
    """Measure every method, or the named ones. Each row is saved at once and replaces an older one."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("methods", nargs="*", default=methods.names("image"))
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    asked = parser.parse_args()
    rows = {row["method"]: row for row in measure.saved("limits").get("rows", [])}
    source = colour_images()
    for name in asked.methods:
        rows[name] = measured(name, source, asked.rounds)
        print(rows[name], flush=True)
        measure.save("limits", [rows[method] for method in sorted(rows)])


if __name__ == "__main__":
    main()
