"""Measure the memory of a run whose memory bank is in a file and larger than the memory that it may use.

    python -m benchmarks.bank                     4 GB of rows: some minutes, 12 GB of disk
    python -m benchmarks.bank --rows 100000       fewer rows

The method is `instdisc` with its defaults and ``--bank file``: rows start as features of the untrained network, and the
softmax is over all rows. Its samples are tiny and few, repeated: only the bank is large. The goal is a peak of at most
700 MB above what the process needs once everything is imported and compiled.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
import time
from pathlib import Path
from typing import Any, final

import numpy as np
import torch

from benchmarks import measure
from selftaught import encoders
from selftaught.data.image.kind import Image
from selftaught.data.image.source import ImageSource
from selftaught.fit import fit
from selftaught.method import Index, Labels, Raw
from selftaught.methods.contrast.instdisc import InstDisc
from selftaught.recipe import Recipe
from selftaught.run import RunFolder

BYTES, GOAL_MB, SIDE, DIFFERENT, STEPS = 4_000_000_000, 700, 8, 4096, 2


@final
class Repeated(ImageSource):
    """`n` images of noise, of which `DIFFERENT` differ."""

    channels, image_size = 3, (SIDE, SIDE)

    def __init__(self, n: int) -> None:
        self.n, self.skipped = n, []
        self.images = np.random.default_rng(0).integers(0, 256, (DIFFERENT, SIDE, SIDE, 3), np.uint8)

    def __len__(self) -> int:
        return self.n

    def fetch(self, index: Index) -> Raw:
        index = np.asarray(index)
        return {"image": self.images[index % DIFFERENT], "label": np.full(len(index), -1), "index": index}

    @property
    def labels(self) -> Labels:
        return np.broadcast_to(np.int64(-1), self.n)

    @property
    def fingerprint(self) -> str:
        return f"repeated {self.n}"


def memory(key: str) -> float:
    """Return MB of this process: VmRSS now, or VmHWM, the most so far."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(f"{key}:"))
    return int(line.split()[1]) / 1000


def trained(n: int, folder: Path) -> tuple[InstDisc, float]:
    """Return the method after a few steps on `n` samples, and the seconds that they took."""
    source = Repeated(n)
    torch.manual_seed(0)
    method = InstDisc(encoders.build("conv", Image().input(source), width=4, depth=2), bank="file")
    recipe = Recipe(steps=STEPS, batch_size=InstDisc.recipe["batch_size"], device="cpu")
    began = time.perf_counter()
    fit(method, source, recipe, RunFolder.create(folder, {}))
    return method, time.perf_counter() - began


def main() -> None:
    """Train, and save the peak of memory."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=BYTES // (4 * 128))
    asked = parser.parse_args()
    place = Path(tempfile.mkdtemp(prefix="selftaught-bank-", dir=Path.cwd()))
    try:
        trained(2048, place / "warm")  # kernels are compiled, torch's pools are there
        before = memory("VmRSS")
        method, seconds = trained(asked.rows, place / "run")
        bank = method.bank
        row: dict[str, Any] = {
            "method": "instdisc --bank file",
            "rows": bank.n,
            "bank_mb": round(bank.n * bank.dim * 4 / 1e6),
            "peak_above_imports_mb": round(memory("VmHWM") - before),
            "goal_mb": GOAL_MB,
            "steps": STEPS,
            "seconds": round(seconds, 1),
        }
    finally:
        shutil.rmtree(place)
    print(row)
    measure.save("bank", [row])


if __name__ == "__main__":
    main()
