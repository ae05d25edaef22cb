"""The cost of `fit` compared with a loop written by hand.

`fit` has seeding, logging, interrupts and checks for non-finite losses; the other loop has none of them.

    python -m benchmarks.loop            one thread; the goal is at most 3% of a 2 ms step, 60 microseconds

There are two sizes: a step of about 2 ms, whose ratio on a shared machine varies by more than the goal, and a step so
short that the difference in microseconds is the loop itself.
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

WARM, ROUNDS, BATCH = 50, 9, 64
SIZES = {"2 ms": (384, 450), "short": (8, 2050)}
"""Width of the network, and steps."""


@final
class Vectors(Source):
    """Prepared tensors, so that only the loop itself is measured."""

    def __len__(self) -> int:
        return 4096

    def fetch(self, index: Index) -> Raw:
        return {"index": index}


@final
class Ready(Views):
    """Always the same batch."""

    def __init__(self, width: int) -> None:
        self.x = torch.randn(BATCH, width, generator=torch.Generator().manual_seed(0))

    def sample(self, index: Index, epoch: int, seed: int) -> Params:
        return {}

    def apply(self, raw: Raw, params: Params, device: torch.device) -> Batch:
        return {"x": self.x}


@final
class Perceptron(Encoder):
    """Three layers of one width."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.dim = width
        self.body = nn.Sequential(*(m for _ in range(3) for m in (nn.Linear(width, width), nn.ReLU())))

    def layers(self, x: Tensor, **masks: Tensor) -> list[Tensor]:
        return [self.body(x)]

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.body(x)
        return out


@final
class Autoencoder(Method):
    """Reconstructs its input, and reports two scalars as most methods do."""

    def __init__(self, width: int) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.encoder, self.views = Perceptron(width), Ready(width)

    def forward(self, *, player: str, clock: Clock, x: Tensor, **_: Any) -> Outputs:
        loss = (self.encoder(x) - x).square().mean()
        return {"loss": loss, "accuracy": 0.5, "chance": 0.1}


@final
class Stopwatch:
    """Measures seconds between two steps, without set-up and the last checkpoint."""

    def __init__(self, steps: int) -> None:
        self.steps = steps
        self.began = self.ended = (0.0, 0.0)

    def step(self, clock: Clock, method: Method, scalars: dict[str, float]) -> None:
        self.reach(clock.step)

    def reach(self, step: int) -> None:
        """Record the time if `step` is the first or the last that counts."""
        if step == WARM:
            self.began = (time.perf_counter(), time.process_time())
        if step == self.steps:
            self.ended = (time.perf_counter(), time.process_time())

    def milliseconds(self) -> tuple[float, float]:
        """Return wall and CPU time of one step."""
        wall, cpu = (1e3 * (e - b) / (self.steps - WARM) for b, e in zip(self.began, self.ended, strict=True))
        return wall, cpu

    def finish(self) -> None: ...


def with_fit(width: int, steps: int) -> tuple[float, float]:
    """Return milliseconds per step of `fit`, wall and CPU."""
    watch = Stopwatch(steps)
    with tempfile.TemporaryDirectory() as folder:
        run = RunFolder.create(Path(folder) / "run", {})
        fit(Autoencoder(width), Vectors(), Recipe(steps=steps, batch_size=BATCH, device="cpu", workers=0), run, [watch])
    return watch.milliseconds()


def by_hand(width: int, steps: int) -> tuple[float, float]:
    """Return milliseconds per step of the shortest loop that does the same training, wall and CPU."""
    method, source, device = Autoencoder(width).train(), Vectors(), torch.device("cpu")
    decay = [p for p in method.parameters() if p.ndim > 1]
    rest = [p for p in method.parameters() if p.ndim == 1]
    optimizer = torch.optim.AdamW(
        [{"params": decay, "weight_decay": 1e-4}, {"params": rest, "weight_decay": 0.0}], fused=True
    )
    clock, step, watch = Clock(0, steps), 0, Stopwatch(steps)
    while step < steps:
        order = np.random.default_rng(step).permutation(len(source))
        for b in range(len(order) // BATCH):
            index = order[b * BATCH : (b + 1) * BATCH]
            batch = method.views.apply(source.fetch(index), method.views.sample(index, 0, 0), device)
            optimizer.zero_grad()
            method(player="main", clock=clock, **batch)["loss"].backward()
            optimizer.step()
            step += 1
            watch.reach(step)
            if step == steps:
                break
    return watch.milliseconds()


def compared(width: int, steps: int) -> dict[str, Any]:
    """Return medians over rounds in which both take turns, for wall and CPU time of a step."""
    rounds = []
    for r in range(ROUNDS):
        first, second = (with_fit, by_hand) if r % 2 else (by_hand, with_fit)
        pair = {first: first(width, steps), second: second(width, steps)}
        rounds.append((pair[with_fit], pair[by_hand]))
    row: dict[str, Any] = {}
    for kind, name in enumerate(("wall", "cpu")):
        extra = sorted(1e3 * (ours[kind] - hand[kind]) for ours, hand in rounds)
        hand = median(hand[kind] for _, hand in rounds)
        row[name] = {
            "step_ms_by_hand": round(hand, 3),
            "overhead_us": {"median": round(median(extra), 1), "low": round(extra[0], 1), "high": round(extra[-1], 1)},
            "overhead_percent": round(0.1 * median(extra) / hand, 2),
        }
    return row


def main() -> None:
    """Measure both sizes. The result is the short step's overhead as a share of 2 ms."""
    torch.set_num_threads(1)
    rows = []
    for name, (width, steps) in SIZES.items():
        rows.append({"step": name, "rounds": ROUNDS, **compared(width, steps)})
        print(rows[-1], flush=True)
    percent = round(rows[-1]["cpu"]["overhead_us"]["median"] / 20, 2)
    print(f"overhead: {percent}% of a 2 ms step")
    measure.save("loop", rows, overhead_percent_of_2_ms=percent)


if __name__ == "__main__":
    main()
