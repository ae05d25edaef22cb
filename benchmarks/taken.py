"""What a part of a process takes: seconds, and memory at its peak."""

from __future__ import annotations

import resource
import sys
import time
from contextlib import suppress
from pathlib import Path

Clocks = list[float]


class Taken:
    """Clocks and memory since it was made. Make it after everything is imported."""

    def __init__(self) -> None:
        with suppress(OSError):  # where this is not allowed, the peak of the imports themselves is the base
            Path("/proc/self/clear_refs").write_text("5")  # restarts the measurement of the peak
        self.base = peak_mb()
        self.began = self.now()

    @staticmethod
    def now() -> Clocks:
        return [time.perf_counter(), time.process_time()]

    def since(self, then: Clocks | None = None) -> Clocks:
        return [b - a for a, b in zip(then or self.began, self.now(), strict=True)]

    def memory(self) -> float:
        return peak_mb() - self.base


def peak_mb() -> float:
    """The largest resident memory so far."""
    status = Path("/proc/self/status")
    if status.exists():
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1 << 20 if sys.platform == "darwin" else 1 << 10)
