"""The verb that writes the page: report."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from selftaught.cli.output import show


def report(run: Path, /, *, errors: Literal["strict", "replace"] = "strict") -> None:
    """Write RUN/report.html, one file that opens without a network; FILE.report.html for a file of word vectors.

    Args:
        run: The run folder, an encoder.safetensors or a file of word vectors of any tool.
        errors: What to do with words of a file that are not UTF-8: refuse it, or replace the bytes.
    """
    from selftaught import pretraining

    show(str(pretraining.load(run, errors).report()))
