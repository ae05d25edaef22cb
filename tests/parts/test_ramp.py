from __future__ import annotations

import math

import pytest

from selftaught.parts.ramp import ramp_up


def test_the_ramp_is_the_papers_and_never_falls() -> None:
    assert ramp_up(0, 0.5) == pytest.approx(math.exp(-5))
    assert ramp_up(0.25, 0.5) == pytest.approx(math.exp(-5 / 4))
    values = [ramp_up(i / 100, 0.5) for i in range(101)]
    assert values == sorted(values)
    assert values[49] < 1 and set(values[50:]) == {1.0}


def test_no_ramp_is_one() -> None:
    assert ramp_up(0, 0) == 1
