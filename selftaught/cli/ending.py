"""How a training ended, in words and as an exit code."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from selftaught.cli.output import remark, show, show_json

if TYPE_CHECKING:
    from selftaught.pretraining import Run


def ended(run: Run, as_json: bool) -> int:
    """Says how the run ended; the exit code."""
    from selftaught.method import Scores
    from selftaught.pretraining.build import type_of
    from selftaught.pretraining.place import rank
    from selftaught.pretraining.progress import clock_time, speeds

    if rank() != 0:
        return 0 if run.interrupted is None else 128 + run.interrupted
    summary, path = run.summary, shlex.quote(str(run.path))
    if as_json:
        show_json({"run": str(run.path), **summary})
    if run.interrupted is not None:
        remark(
            f"stopped at step {summary['steps']} of {summary['planned_steps']} and saved; continue with: "
            f"selftaught resume {path}"
        )
        return 128 + run.interrupted
    if not as_json:
        took = ", ".join([clock_time(summary["seconds"]), *speeds(summary)])
        show(f"{summary['steps']} steps in {took}; the encoder is {run.path / 'encoder.safetensors'}")
        scores = issubclass(type_of(run.config), Scores)
        asked = f'score {path} "a sentence"' if scores else f"probe {path}"
        show(f"next: selftaught {asked}; selftaught report {path}")
    return 0
