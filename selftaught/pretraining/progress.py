"""Progress of a training: a bar on a terminal, a plain line every ten seconds elsewhere."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, final

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from selftaught.method import Clock, Method

HIDDEN = ("loss", "lr", "seconds_left", "warning", "chance")
RATE = "_per_second"
EVERY = 10.0
"""Seconds between plain lines."""


@final
class Watch:
    """Shows the training on stderr, so that stdout holds results alone. An observer of `fit`."""

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(stderr=True)
        self.seen: dict[str, Any] = {}
        self.warned: set[str] = set()
        self.bar: Progress | None = None
        self.last = 0.0
        self.reading: float | None = None

    def say(self, text: str) -> None:
        """One line, never wrapped."""
        self.console.print(text, soft_wrap=True, markup=False, highlight=False)

    def files(self, done: int, total: int) -> None:
        """Progress of reading many files: a line every ten seconds, so nothing for a quick one."""
        now = time.monotonic()
        if self.reading is None:
            self.reading = now
        elif now - self.reading > EVERY:
            self.reading = now
            self.say(f"reading file {done:,} of {total:,}")

    def step(self, clock: Clock, method: Method, scalars: Mapping[str, Any]) -> None:
        """After every step; `scalars` is empty on most."""
        if scalars:
            self.seen.update(scalars)
            warning = scalars.get("warning")
            if warning and warning not in self.warned:
                self.warned.add(warning)
                self.say(f"warning: {warning}")
        if self.console.is_terminal:
            self._draw(clock, bool(scalars))
            return
        now = time.monotonic()
        self.last = self.last or now
        if now - self.last > EVERY or clock.step >= clock.steps:
            self.last = now
            self.say(f"step {clock.step}/{clock.steps}  {described(self.seen)}".rstrip())

    def _draw(self, clock: Clock, fresh: bool) -> None:
        if self.bar is None:
            columns = (BarColumn(bar_width=24), MofNCompleteColumn(), TextColumn("{task.description}", markup=False))
            self.bar = Progress(*columns, console=self.console, refresh_per_second=4)
            self.bar.add_task("", total=clock.steps)
            self.bar.start()
        description = described(self.seen) if fresh else None  # None leaves it as it is
        self.bar.update(self.bar.task_ids[0], completed=clock.step, description=description)

    def finish(self) -> None:
        """Leave the terminal as it was."""
        if self.bar is not None:
            self.bar.stop()
            self.bar = None


def described(seen: Mapping[str, Any]) -> str:
    """The newest numbers of a run in one line: loss 4.1  1,690 images/s  1:12 left  knn 85.1."""
    parts = []
    if "loss" in seen:
        parts.append(f"loss {seen['loss']:.4g}")
    parts += speeds(seen)
    if "seconds_left" in seen:
        parts.append(f"{clock_time(seen['seconds_left'])} left")
    plain = {key: value for key, value in seen.items() if key not in HIDDEN and not key.endswith(RATE)}
    parts += [f"{key} {value:.3g}" for key, value in plain.items() if isinstance(value, int | float)]
    return "  ".join(parts)


def speeds(seen: Mapping[str, Any]) -> list[str]:
    """images_per_second: 1690.2 -> "1,690 images/s", for whatever is counted."""
    return [f"{value:,.0f} {key.removesuffix(RATE)}/s" for key, value in seen.items() if key.endswith(RATE)]


def clock_time(seconds: float) -> str:
    """72 -> 1:12, 3700 -> 1:01:40."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
