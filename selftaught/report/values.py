"""Read values of a run's files, which may come from older versions or be incomplete."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any


def number(value: object) -> float | None:
    """Return `value` as a finite float, or None."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        return None
    return float(value)


def mapping(values: Mapping[str, Any], key: str) -> dict[str, Any]:
    """Return values[key] if it is a mapping, else an empty one."""
    found = values.get(key)
    return found if isinstance(found, dict) else {}
