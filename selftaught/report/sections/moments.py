"""What a method found in videos before it learned, and which frames its features take for near."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from selftaught import kind as kinds
from selftaught import views
from selftaught.evaluate.tasks.time import Time
from selftaught.evaluate.time import STEP, features
from selftaught.method import Encoder
from selftaught.parts.shown import Pictured, Pictures, Table
from selftaught.report.page import Page
from selftaught.report.shown import COUNT, Row, packed
from selftaught.source import Source, evenly
from selftaught.views import plain
from selftaught.views.places import places

ORDER = 25
TITLE = "What it knows of time"
NAV = "Time"
MISSING = ""
MOST = 1000
"""Number of frames among which the nearest is sought."""


def suits(page: Page) -> bool:
    """For encoders of moments, if there are samples."""
    seen = None if page.encoder is None else page.encoder.spec["input"]
    return seen is not None and page.shown is not None and kinds.has_moments(str(seen.get("kind")))


def data(page: Page) -> dict[str, Any] | None:
    """``{"judged": [row], "found": [row], "near": [row], "apart"}``, see `packed`; None without encoder and samples."""
    if page.encoder is None or page.shown is None:
        return None
    rows = {"judged": judged(page), "found": found(page), "near": near(page.encoder, page.shown)}
    return {**rows, "apart": STEP}


def judged(page: Page) -> list[Row]:
    """Return the table of the task `time`, if the run was judged by it."""
    result = page.summary.get(Time.key)
    if not isinstance(result, dict):
        return []
    return [
        packed(Table("", list(table.rows[0]), [list(row.values()) for row in table.rows]))
        for table in Time().tables(result)
        if table.rows
    ]


def found(page: Page) -> list[Row]:
    """Return the rows of what the method's views bind, if these can show it."""
    if page.method is None or page.seen is None:
        return []
    bound = page.method.views.bind(page.seen)
    return [packed(row) for row in bound.pictures(COUNT)] if isinstance(bound, Pictured) else []


def near(encoder: Encoder, source: Source) -> list[Row]:
    """Return some frames, and the nearest frames to them by features and by pixels.

    A frame of the same camera that is less than `STEP` frames away is no answer.
    """
    index = evenly(len(source), MOST)
    place, seen = places(source)[index], encoder.spec["input"]
    asked = evenly(len(index), COUNT)
    rows = [_row("frame", source, index[asked], seen, source.names(index[asked]))]
    for name, one in (("nearest by features", encoder), ("nearest by pixels", None)):
        known = features(one, source, plain(seen))[index]
        answers = np.array([_nearest(known, place, query) for query in asked.tolist()])
        good = answers >= 0
        if good.all():
            notes = [_apart(place[q], place[a]) for q, a in zip(asked, answers, strict=True)]
            rows.append(_row(name, source, index[answers], seen, notes))
    return [packed(row) for row in rows if row is not None]


def _nearest(known: NDArray[Any], place: NDArray[np.int64], query: int) -> int:
    """Return the nearest row that is an answer, -1 if there is none."""
    same = (place[:, :2] == place[query, :2]).all(1) & (np.abs(place[:, 2] - place[query, 2]) < STEP)
    others = np.flatnonzero(~same)
    if not len(others):
        return -1
    centred = known - known.mean(0)
    return int(others[_closest(centred[query], centred[others])])


def _closest(query: NDArray[Any], keys: NDArray[Any]) -> int:
    norms = np.linalg.norm(keys, axis=1) + 1e-12
    return int((keys @ query / norms).argmax())


def _apart(query: NDArray[np.int64], answer: NDArray[np.int64]) -> str:
    if query[0] != answer[0]:
        return "another video"
    camera = "" if query[1] == answer[1] else ", other camera"
    return f"{abs(int(answer[2] - query[2]))} frames away{camera}"


def _row(
    name: str, source: Source, index: NDArray[np.int64], seen: dict[str, Any], notes: list[str]
) -> Pictures | None:
    shown = views.show(name, source.fetch(index)[str(seen["kind"])], seen)
    return Pictures(name, shown.images, notes) if isinstance(shown, Pictures) else None
