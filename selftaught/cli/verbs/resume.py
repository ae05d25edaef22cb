"""The verb that goes on: resume."""

from __future__ import annotations

from pathlib import Path

from selftaught.cli.ending import ended
from selftaught.cli.output import Json


def resume(run: Path, /, *, json_: Json = False) -> int:
    """Continue a run that was stopped, to the same weights as if it never had been.

    Args:
        run: The run folder.
    """
    from selftaught import pretraining

    return ended(pretraining.resume(run), json_)
