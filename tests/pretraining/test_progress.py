"""What is seen of a run while it trains."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from selftaught.method import Clock
from selftaught.pretraining import progress
from selftaught.pretraining.progress import Watch, clock_time, described

SEEN = {"loss": 4.12345, "lr": 0.1, "images_per_second": 1690.4, "seconds_left": 72.0, "knn": 85.123, "warning": None}


def watched(terminal, steps, monkeypatch, seconds=6.0):
    now = [1000.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    out = io.StringIO()
    watch = Watch(Console(file=out, force_terminal=terminal, width=120, color_system=None))
    clock = Clock(0, steps)
    for step in range(1, steps + 1):
        clock.step = step
        now[0] += seconds
        watch.step(clock, None, {**SEEN, "warning": "collapsing" if step > 2 else None} if step % 2 == 0 else {})
    watch.finish()
    return out.getvalue()


def test_plain_lines_come_every_ten_seconds_and_at_the_end(monkeypatch):
    lines = watched(False, 9, monkeypatch).splitlines()
    steps = [line.split()[1] for line in lines if line.startswith("step ")]
    assert steps == ["3/9", "5/9", "7/9", "9/9"]
    assert lines[0] == "step 3/9  loss 4.123  1,690 images/s  1:12 left  knn 85.1"


def test_a_warning_is_said_once(monkeypatch):
    assert watched(False, 9, monkeypatch).count("warning: collapsing") == 1


def test_a_terminal_gets_a_bar_that_ends(monkeypatch):
    text = watched(True, 6, monkeypatch)
    for part in ("6/6", "loss 4.123", "1,690 images/s", "1:12 left", "knn 85.1", "warning: collapsing"):
        assert part in text
    assert text.endswith("\x1b[?25h")  # the cursor is back


@pytest.mark.parametrize(("seconds", "text"), [(0, "0:00"), (9.6, "0:10"), (72, "1:12"), (3700, "1:01:40")])
def test_time_left(seconds, text):
    assert clock_time(seconds) == text


def test_only_numbers_are_described():
    assert described({"loss": 1.0, "chance": 0.1, "accuracy": 0.25, "note": "x"}) == "loss 1  accuracy 0.25"


def test_reading_is_said_when_it_takes_long(monkeypatch):
    now = [1000.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    out = io.StringIO()
    watch = Watch(Console(file=out))
    for done in range(0, 6000, 1000):  # at 0, 4, ... 20 seconds
        watch.files(done, 60000)
        now[0] += 4
    assert out.getvalue() == "reading file 3,000 of 60,000\n"
