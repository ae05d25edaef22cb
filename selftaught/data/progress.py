"""How reading many files reports how far it is."""

from __future__ import annotations

from collections.abc import Callable

Progress = Callable[[int, int], None]
"""Called as ``progress(done, total)`` from the thread that asked for the work."""


def silent(done: int, total: int) -> None:
    """Reports nothing."""
