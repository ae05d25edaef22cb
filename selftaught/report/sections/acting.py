"""What an agent got while it learned, beside agents that have not, and one episode of it to watch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import stdtrit

from selftaught import views
from selftaught.evaluate.acting import Policy, at_random, of_method, opened, play
from selftaught.evaluate.embed import frozen
from selftaught.evaluate.tasks.returns import Returns
from selftaught.method import Acts, Source
from selftaught.parts.shown import Pictures, Table
from selftaught.report.page import Page
from selftaught.report.shown import Row, packed
from selftaught.report.thumbnails import film
from selftaught.report.values import mapping, number
from selftaught.source import Environments

ORDER = 13
TITLE = "How well does it act?"
NAV = "Acting"
MISSING = "No episode has ended yet, and there is no environment to play in. {report} updates this page."
PARTS = 40
"""Largest number of points of the curve."""
FEWEST = 4
"""Lines of the log that make a point, if there are so many: an interval needs several."""
FRAMES = 300
"""Largest number of moments that are drawn of an episode, the first ones."""
SIDES = ("untrained", "random")


def suits(page: Page) -> bool:
    """For methods that act."""
    return page.method is not None and isinstance(page.method, Acts)


def data(page: Page) -> dict[str, Any] | None:
    """``{"curve", "sides", "judged", "films"}``; None if nothing is known. See `curve`, `judged` and `films`.

    "sides" has the mean returns of agents that have not learned, by name.
    """
    result = mapping(page.summary, Returns.key)
    sides = {side: mean for side in SIDES if (mean := number(mapping(result, side).get("mean"))) is not None}
    found = {"curve": curve(page), "sides": sides, "judged": judged(result), "films": films(page)}
    return found if found["curve"] or found["judged"] or found["films"] else None


def curve(page: Page) -> dict[str, list[float | None]] | None:
    """Return ``{"x", "mean", "low", "high"}``: the return in parts of the training, over moments played.

    A line of the log has the mean of the episodes that ended since the line before. A point is the mean of the lines
    of its part, and low and high are its 95% interval over them (of Student's t), None for a part of one line. None
    without a line.
    """
    batch = number(mapping(page.run.config, "recipe").get("batch_size")) or 1.0
    lines = dict[float, float]()
    for line in page.metrics:  # a step that was repeated after a crash counts once
        step, got = number(line.get("step")), number(line.get("return"))
        if step is not None and got is not None:
            lines[step] = got
    if not lines:
        return None
    steps = np.array(sorted(lines))
    returned = np.array([lines[step] for step in steps.tolist()])
    parts = max(min(len(lines) // FEWEST, PARTS), 1)
    found: dict[str, list[float | None]] = {"x": [], "mean": [], "low": [], "high": []}
    for at, values in zip(np.array_split(steps, parts), np.array_split(returned, parts), strict=True):
        mean = float(values.mean())
        half = (
            None
            if len(values) < 2
            else float(stdtrit(len(values) - 1, 0.975) * values.std(ddof=1)) / len(values) ** 0.5
        )
        found["x"].append(round(float(at.mean()) * batch))
        found["mean"].append(round(mean, 4))
        found["low"].append(None if half is None else round(mean - half, 4))
        found["high"].append(None if half is None else round(mean + half, 4))
    return found


def judged(result: dict[str, Any]) -> list[Row]:
    """Return the table of the task `returns`, if the run was judged by it."""
    if not result:
        return []
    return [
        packed(Table("", list(table.rows[0]), [list(row.values()) for row in table.rows]))
        for table in Returns().tables(result)
    ]


def films(page: Page) -> list[dict[str, Any]]:
    """Return an episode of the agent and one at random, ``{"name", "frames", "returns", "of"}`` each.

    Both begin alike, and the agent was not trained on it. "frames" is what `thumbnails.film` makes of its first
    moments; "returns" are those before each of them, and the last when it is over; "of" is the number of all moments.
    Nothing if the data have no environments or observations cannot be drawn.
    """
    source = page.seen
    if source is None or page.method is None or page.encoder is None or "environments" not in source.traits:
        return []
    with frozen(page.method):
        torch.manual_seed(0)  # actions are drawn, as where it is judged
        method = page.method
        shown = [
            _film("the agent", page, source, lambda world: of_method(method, world.key)),
            _film("at random", page, source, lambda world: at_random(world, 0)),
        ]
    return [one for one in shown if one is not None]


def _film(name: str, page: Page, source: Source, policy: Callable[[Environments], Policy]) -> dict[str, Any] | None:
    assert page.encoder is not None
    seen: list[NDArray[Any]] = []
    returns: list[float] = []

    def watch(observation: NDArray[Any], got: float) -> None:
        if len(seen) < FRAMES:
            seen.append(observation.copy())
            returns.append(round(got, 3))

    world = opened(source, 1, 0)
    told = play(world, policy(world), watch)
    row = views.show(name, np.stack(seen), page.encoder.spec["input"])
    if not isinstance(row, Pictures):
        return None
    return {
        "name": name, "frames": film(row.images), "returns": [*returns, round(told["mean"], 3)],
        "of": int(told["length"]),
    }  # fmt: skip
