"""The verb that goes on: resume."""

from __future__ import annotations

from pathlib import Path

from selftaught.cli.ending import ended
from selftaught.cli.output import Json


def resume(
    run: Path,
    /,
    *,
    data: str | None = None,
    steps: int | None = None,
    epochs: float | None = None,
    minutes: float | None = None,
    json_: Json = False,
) -> int:
    """Continue a run that was stopped, to the same weights as if it never had been, or train a finished run further.

    More steps, epochs or minutes go on from the step that was reached, with the learning rate of a run of the new
    length. With --schedule constant and --warmup 0 it ends as a run that was that long from the start.

    Args:
        run: The run folder.
        data: Where the data of the run are now, if they were moved. Other data are refused.
        steps: Train so many steps more than planned.
        epochs: Train so many passes over the data more than planned.
        minutes: Train so many minutes more than planned, at the speed that the run had.
    """
    from selftaught import pretraining

    return ended(pretraining.resume(run, data=data, steps=steps, epochs=epochs, minutes=minutes), json_)
