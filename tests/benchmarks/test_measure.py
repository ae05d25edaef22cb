"""What the benchmarks share."""

from __future__ import annotations

import signal
from types import SimpleNamespace
from typing import Any

import pytest

from benchmarks import measure


def test_a_run_that_a_signal_cut_short_is_not_recorded() -> None:
    run: Any = SimpleNamespace(interrupted=None)
    assert measure.whole(run) is run
    run.interrupted = int(signal.SIGTERM)
    with pytest.raises(SystemExit) as end:
        measure.whole(run)
    assert end.value.code == 143
