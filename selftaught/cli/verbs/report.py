"""The verb that writes the page: report."""

from __future__ import annotations

from pathlib import Path

from selftaught.cli.output import show


def report(run: Path, /) -> None:
    """Write RUN/report.html, one file that opens without a network.

    Args:
        run: The run folder.
    """
    from selftaught import pretraining

    show(str(pretraining.load(run).report()))
