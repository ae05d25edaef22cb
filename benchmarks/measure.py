"""Shared by the benchmarks: interleaved timing, medians of ratios, and the format of result files.

The compared programs take turns within every round, so that a slow moment of the machine affects all of them. The
result is the median over rounds of each round's ratio, which is comparable between machines, unlike seconds. CPU time
is measured as well as wall time: if they differ, the reason is threads or a busy machine.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from selftaught.pretraining.result import Run

RESULTS = Path(__file__).parent / "results"


class Timing(NamedTuple):
    """The seconds of one program, one entry per round."""

    wall: list[float]
    cpu: list[float]


def interleaved(candidates: Mapping[str, Callable[[], object]], rounds: int = 7) -> dict[str, Timing]:
    """Time every program once per round, after one untimed call each (compilation, caches). The first one rotates."""
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
    """Return how many times longer `slow` took: "median", "low" (smallest) and "high" (largest) over rounds."""
    ratios = sorted(a / b for a, b in zip(getattr(slow, clock), getattr(fast, clock), strict=True))
    return {"median": median(ratios), "low": ratios[0], "high": ratios[-1]}


def whole(run: Run) -> Run:
    """Return `run`, unless a signal interrupted it.

    An interrupt ends a run properly, and should also end the benchmark before the run is recorded.
    """
    if run.interrupted is not None:
        raise SystemExit(128 + run.interrupted)
    return run


def child(module: str, task: Mapping[str, Any], python: str | None = None, **environment: str) -> dict[str, Any]:
    """Run one task by a module of benchmarks in a separate process, of another `python` if given.

    Its last line is the answer.
    """
    done = subprocess.run(
        [python or sys.executable, "-m", f"benchmarks.{module}", json.dumps(task)],
        capture_output=True, text=True, check=False, cwd=Path(__file__).parent.parent, env=os.environ | environment,
    )  # fmt: skip
    if done.returncode:
        raise SystemExit(f"{task['tool']} failed:\n{done.stderr[-2000:]}")
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def machine() -> dict[str, Any]:
    """Describe the machine: processor, cores, system and versions.

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

    It has the command, the machine, the entries of `about`, and the rows.
    """
    command = " ".join(["python -m", f"benchmarks.{name}", *sys.argv[1:]])
    path = (folder or RESULTS) / f"{name}.json"
    path.write_text(json.dumps({"command": command, "machine": machine(), **about, "rows": rows}, indent=1) + "\n")
    return path


def saved(name: str) -> dict[str, Any]:
    """Return what `save` wrote to benchmarks/results/NAME.json; {} before the first time."""
    path = RESULTS / f"{name}.json"
    found: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
    return found


def fill(
    runs: list[dict[str, Any]],
    wanted: Sequence[tuple[Any, ...]],
    names: tuple[str, ...],
    measured: Callable[..., dict[str, Any]],
    save: Callable[[], object],
) -> None:
    """Measure what is missing, and save after each.

    Args:
        runs: What there is; what is measured is appended.
        wanted: What there should be: values of `names` in a run, and the arguments of `measured`.
    """
    done = {tuple(run[name] for name in names) for run in runs}
    missing = [key for key in wanted if key not in done]
    for number, key in enumerate(missing):
        runs.append(measured(*key))
        print(f"{number + 1} of {len(missing)}: {json.dumps(runs[-1])}", flush=True)
        save()


def flags(arguments: Mapping[str, Any]) -> str:
    """Return arguments as command-line flags; an encoder is a dict of its "name" and its own arguments."""
    return " ".join(_flag(name, value) for name, value in arguments.items())


def _flag(name: str, value: Any) -> str:
    if isinstance(value, dict):
        return flags({name: value["name"]} | {f"{name}.{k}": v for k, v in value.items() if k != "name"})
    name = name.replace("_", "-")
    if isinstance(value, tuple):
        return f"--{name} {' '.join(map(str, value))}"
    return f"--no-{name}" if value is False else f"--{name}" if value is True else f"--{name} {value}"
