"""What the benchmarks share: interleaved timing, medians of ratios, and one shape of result file.

Candidates take turns within every round, so a neighbour that slows the machine for a second slows them all; what is
reported is the median over rounds of each round's ratio, which travels between machines where seconds do not. CPU time
stands beside wall time: where they part, threads or a busy machine are the reason.
"""

from __future__ import annotations

import json
import os
import platform
import sys
import time
from collections.abc import Callable, Mapping
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from selftaught.pretraining.result import Run

RESULTS = Path(__file__).parent / "results"


class Timing(NamedTuple):
    """One candidate's seconds, one entry a round."""

    wall: list[float]
    cpu: list[float]


def interleaved(candidates: Mapping[str, Callable[[], object]], rounds: int = 7) -> dict[str, Timing]:
    """Time every candidate once a round, after one untimed call each (compilation, caches). The first to go rotates."""
    for call in candidates.values():
        call()
    timings = {name: Timing([], []) for name in candidates}
    names = list(candidates)
    for r in range(rounds):
        first = r % len(names)
        for name in names[first:] + names[:first]:
            wall, cpu = time.perf_counter(), time.process_time()
            candidates[name]()
            timings[name].wall.append(time.perf_counter() - wall)
            timings[name].cpu.append(time.process_time() - cpu)
    return timings


def ratio(slow: Timing, fast: Timing, clock: str = "wall") -> dict[str, float]:
    """How many times longer `slow` took: "median", "low" and "high" (smallest and largest) of the rounds' ratios."""
    ratios = sorted(a / b for a, b in zip(getattr(slow, clock), getattr(fast, clock), strict=True))
    return {"median": median(ratios), "low": ratios[0], "high": ratios[-1]}


def whole(run: Run) -> Run:
    """`run`, unless a signal cut it short.

    That ends a run in order, and should end the benchmark too, before it is recorded.
    """
    if run.interrupted is not None:
        raise SystemExit(128 + run.interrupted)
    return run


def machine() -> dict[str, Any]:
    """What the numbers were measured on: processor, cores, system and the versions that matter.

    No host name, no paths.
    """
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    model = next(
        (line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.processor()
    )
    return {
        "processor": model,
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        **{package: version(package) for package in ("torch", "numpy", "numba")},
    }


def save(name: str, rows: list[dict[str, Any]], folder: Path | None = None, **about: Any) -> Path:
    """Write benchmarks/results/NAME.json (or one in `folder`).

    The command, the machine, whatever is told `about` the run, and the rows.
    """
    command = " ".join(["python -m", f"benchmarks.{name}", *sys.argv[1:]])
    path = (folder or RESULTS) / f"{name}.json"
    path.write_text(json.dumps({"command": command, "machine": machine(), **about, "rows": rows}, indent=1) + "\n")
    return path


def flags(arguments: Mapping[str, Any]) -> str:
    """Arguments as they are said on the command line; an encoder is a dict of its "name" and its own arguments."""
    return " ".join(_flag(name, value) for name, value in arguments.items())


def _flag(name: str, value: Any) -> str:
    if isinstance(value, dict):
        return flags({name: value["name"]} | {f"{name}.{k}": v for k, v in value.items() if k != "name"})
    name = name.replace("_", "-")
    return f"--no-{name}" if value is False else f"--{name}" if value is True else f"--{name} {value}"
