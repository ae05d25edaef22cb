"""What `fit` costs over a loop written by hand: seeding, logging, interrupts and checks for non-finite losses against none of them.

    python -m benchmarks.loop            one thread; the goal is at most 3% of a 2 ms step
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any, final

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks import measure
from selftaught.fit import fit
from selftaught.method import Batch, Clock, Encoder, Index, Method, Outputs, Params, Raw, Source, Views
from selftaught.recipe import Recipe
from selftaught.run import RunFolder

STEPS, WARM, ROUNDS, BATCH, WIDTH = 450, 50, 9, 64, 448


@final
class Vectors(Source):
    """Ready tensors, so that only the loop itself is measured."""

    def __len__(self) -> int:
        return 4096

    def fetch(self, index: Index) -> Raw:
        return {"index": index}


@final
class Ready(Views):
    """Always the same batch."""

    x = torch.randn(BATCH, WIDTH, generator=torch.Generator().manual_seed(0))

    def sample(self, index: Index, epoch: int, seed: int) -> Params:
        return {}

    def apply(self, raw: Raw, params: Params, device: torch.device) -> Batch:
        return {"x": self.x}


@final
class Perceptron(Encoder):
    """A body whose step takes about 2 ms on one core."""

    dim = WIDTH

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(*(m for _ in range(3) for m in (nn.Linear(WIDTH, WIDTH), nn.ReLU())))

    def layers(self, x: Tensor, **masks: Tensor) -> list[Tensor]:
        return [self.body(x)]

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.body(x)
        return out


@final
class Autoencoder(Method):
    """Rebuilds its input, and reports two scalars as most methods do."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.encoder, self.views = Perceptron(), Ready()

    def forward(self, *, player: str, clock: Clock, x: Tensor, **_: Any) -> Outputs:
        loss = (self.encoder(x) - x).square().mean()
        return {"loss": loss, "accuracy": 0.5, "chance": 0.1}


@final
class Stopwatch:
    """Seconds between two steps, so that set-up and the last checkpoint do not count."""

    def __init__(self) -> None:
        self.began = self.ended = (0.0, 0.0)

    def step(self, clock: Clock, method: Method, scalars: dict[str, float]) -> None:
        self.reach(clock.step)

    def reach(self, step: int) -> None:
        """Note the time when `step` is the first or the last that counts."""
        if step == WARM:
            self.began = (time.perf_counter(), time.process_time())
        if step == STEPS:
            self.ended = (time.perf_counter(), time.process_time())

    def milliseconds(self) -> tuple[float, float]:
        """Wall and CPU time of one step."""
        wall, cpu = (1e3 * (e - b) / (STEPS - WARM) for b, e in zip(self.began, self.ended, strict=True))
        return wall, cpu

    def finish(self) -> None: ...


def with_fit() -> tuple[float, float]:
    """Milliseconds a step of `fit`, wall and CPU."""
    watch = Stopwatch()
    with tempfile.TemporaryDirectory() as folder:
        run = RunFolder.create(Path(folder) / "run", {})
        fit(Autoencoder(), Vectors(), Recipe(steps=STEPS, batch_size=BATCH, device="cpu", workers=0), run, [watch])
    return watch.milliseconds()


def by_hand() -> tuple[float, float]:
    """Milliseconds a step of the shortest loop that does the same training, wall and CPU."""
    method, source, device = Autoencoder().train(), Vectors(), torch.device("cpu")
    decay = [p for p in method.parameters() if p.ndim > 1]
    rest = [p for p in method.parameters() if p.ndim == 1]
    optimizer = torch.optim.AdamW([{"params": decay, "weight_decay": 1e-4}, {"params": rest, "weight_decay": 0.0}], fused=True)
    clock, step, watch = Clock(0, STEPS), 0, Stopwatch()
    while step < STEPS:
        order = np.random.default_rng(step).permutation(len(source))
        for b in range(len(order) // BATCH):
            index = order[b * BATCH : (b + 1) * BATCH]
            batch = method.views.apply(source.fetch(index), method.views.sample(index, 0, 0), device)
            optimizer.zero_grad()
            method(player="main", clock=clock, **batch)["loss"].backward()
            optimizer.step()
            step += 1
            watch.reach(step)
            if step == STEPS:
                break
    return watch.milliseconds()


def main() -> None:
    """Rounds of both in turns; the median of the rounds' ratios is the number."""
    torch.set_num_threads(1)
    rounds = []
    for r in range(ROUNDS):
        first, second = (with_fit, by_hand) if r % 2 else (by_hand, with_fit)
        pair = {first: first(), second: second()}
        ours, hand = pair[with_fit], pair[by_hand]
        rounds.append((ours, hand))
        print(f"round {r + 1}/{ROUNDS}: fit {ours[0]:.3f} ms, by hand {hand[0]:.3f} ms, {100 * (ours[0] / hand[0] - 1):+.1f}%", flush=True)
    row: dict[str, Any] = {"steps": STEPS - WARM, "rounds": ROUNDS}
    for kind, name in enumerate(("wall", "cpu")):
        ratios = sorted(100 * (ours[kind] / hand[kind] - 1) for ours, hand in rounds)
        row[name] = {
            "step_ms_by_hand": round(median(hand[kind] for _, hand in rounds), 3),
            "step_ms_fit": round(median(ours[kind] for ours, _ in rounds), 3),
            "overhead_percent": round(median(ratios), 2),
            "low": round(ratios[0], 2),
            "high": round(ratios[-1], 2),
        }
    print(row)
    measure.save("loop", [row])


if __name__ == "__main__":
    main()
