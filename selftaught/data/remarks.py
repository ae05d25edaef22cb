"""Remarks on data for the user: what was decided about them, and how to have it otherwise."""

from __future__ import annotations

import logging
from functools import cache

log = logging.getLogger("selftaught.data")


@cache
def say(text: str) -> None:
    """Log a line as a warning, once for each process, because the parts of a data set are opened one by one."""
    if text:
        log.warning("%s", text)
