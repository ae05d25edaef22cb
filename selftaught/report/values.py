"""Reading what a run's files hold: they may come from older versions, or be cut short."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any


def number(value: object) -> float | None:
    """`value` as a finite float, or None."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        return None
    return float(value)


def mapping(values: Mapping[str, Any], key: str) -> dict[str, Any]:
    """values[key] where it is a mapping, else an empty one."""
    found = values.get(key)
    return found if isinstance(found, dict) else {}
