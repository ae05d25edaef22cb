"""The contrastive softmax in constant memory: SimCLR's loss, forward and backward, streamed and plain.

    python -m benchmarks.info_nce                  measure both goals
    python -m benchmarks.info_nce --device cuda    the same on a GPU

The goals are at most 512 MB beyond the inputs at 65,536 rows (the plain form needs over 30 GB), and at most 1.3 times
the time of the plain form where that fits into memory.

Memory is the peak of a separate process after the inputs were made, including the loss and the gradients. The plain
form is the shortest possible: one product, the diagonal masked in place, and torch's cross entropy.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from benchmarks import measure
from selftaught.parts.streamed_info_nce import TILES, streamed_info_nce

LARGE, WIDTH, TEMPERATURE = 65_536, 128, 0.1
SIZES = (512, 2048, 4096)
"""Numbers of rows for which both forms are timed."""


def streamed(z: Tensor) -> Tensor:
    mine = torch.arange(len(z), device=z.device)
    return streamed_info_nce(z, (z * z[mine ^ 1]).sum(1), z, TEMPERATURE, torch.stack([mine, mine ^ 1], 1))["loss"]


def plain(z: Tensor) -> Tensor:
    scores = z @ z.T / TEMPERATURE
    scores.fill_diagonal_(-torch.inf)
    return F.cross_entropy(scores, torch.arange(len(z), device=z.device) ^ 1)


def rows(n: int, device: str, dtype: torch.dtype = torch.float32) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return F.normalize(torch.randn(n, WIDTH, generator=generator, dtype=dtype), dim=1).to(device).requires_grad_()


def once(form: Any, z: Tensor) -> None:
    z.grad = None
    form(z).backward()
    if z.is_cuda:
        torch.cuda.synchronize()


def resident() -> int:
    """Return the largest resident size of this process, in bytes, since `forget`."""
    status = Path("/proc/self/status").read_text()
    return 1024 * int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM")))


def forget() -> None:
    """Make the kernel measure the largest resident size anew."""
    Path("/proc/self/clear_refs").write_text("5")


def alone(n: int, device: str) -> dict[str, float]:
    """Return peak bytes beyond the inputs and seconds of one streamed step, in a separate process (Linux)."""
    once(streamed, rows(64, device))  # libraries and threads
    z = rows(n, device)
    if device == "cuda":
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
    else:
        forget()
        before = resident()
    began = time.perf_counter()
    once(streamed, z)
    seconds = time.perf_counter() - began
    peak = torch.cuda.max_memory_allocated() if device == "cuda" else resident()
    return {"bytes": peak - before, "seconds": seconds}


def error(device: str, n: int = 3000) -> float:
    """Return the largest difference of the two forms' gradients in float64, as a share of the largest gradient."""
    grads = []
    for form in (plain, streamed):
        z = rows(n, device, torch.float64)
        once(form, z)
        assert z.grad is not None
        grads.append(z.grad)
    return float((grads[1] - grads[0]).abs().max() / grads[0].abs().max())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--rounds", type=int, default=5, help="rounds of the timings compared with the plain form")
    parser.add_argument(
        "--alone", type=int, help="only measure one streamed step of this many rows, and print it as JSON"
    )
    options = parser.parse_args()
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", 0)) or torch.get_num_threads())
    if options.alone:
        print(json.dumps(alone(options.alone, options.device)))
        return
    command = [sys.executable, "-m", "benchmarks.info_nce", "--device", options.device, "--alone", str(LARGE)]
    large = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    megabytes = large["bytes"] / 1e6
    # The plain form stores the scores and their log-softmax.
    table: list[dict[str, Any]] = [
        {"rows": LARGE, "megabytes": megabytes, "plain_megabytes": 2 * 4 * LARGE**2 / 1e6, **large}
    ]
    print(f"{LARGE:>6} rows: {megabytes:.0f} MB beyond the inputs (goal: 512), {large['seconds']:.1f} s")
    for n in SIZES:
        z = rows(n, options.device)
        timings = measure.interleaved(
            {"streamed": lambda z=z: once(streamed, z), "plain": lambda z=z: once(plain, z)}, options.rounds
        )
        over = measure.ratio(timings["streamed"], timings["plain"])
        milliseconds = {name: 1e3 * min(timing.wall) for name, timing in timings.items()}
        table.append({"rows": n, "over_plain": over, "milliseconds": milliseconds})
        print(
            f"{n:>6} rows: {over['median']:.2f} times the plain form ({over['low']:.2f} to {over['high']:.2f}; "
            "goal: 1.3)"
        )
    gradient = error(options.device)
    print(f"gradients in float64 differ by {gradient:.1e} of the largest (goal: 1e-12)")
    about = {
        "threads": torch.get_num_threads(),
        "width": WIDTH,
        "tile": TILES[options.device],
        "gradient_error": gradient,
    }
    if options.device == "cuda":
        about["gpu"] = torch.cuda.get_device_name()
    print(measure.save("info_nce", table, **about))


if __name__ == "__main__":
    main()
