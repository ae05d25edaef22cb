"""Learning curves: the lines of metrics.jsonl as small charts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from selftaught.report.about import RATE
from selftaught.report.page import Page
from selftaught.report.values import number

ORDER = 60
TITLE = "How it learned"
NAV = "Learning"
MISSING = "Nothing has been logged yet. {resume} continues the training; its curves appear here."

POINTS = 1200
"""Largest number of points of a curve. Longer curves keep the lowest and the highest point of each segment."""


class Panel(NamedTuple):
    """One chart: its title, its description, the keys of metrics.jsonl that it draws, and its number format."""

    title: str
    about: str
    keys: tuple[str, ...]
    kind: str = "number"  # or part (in [0, 1], shown as percent), or percent (in [0, 100])


PANELS = (
    Panel("Loss", "The training loss. Compare its shape between methods, not its value.", ("loss",)),
    Panel(
        "Pretext accuracy",
        "How often the method solves its pretext task, compared with chance and with the untrained network.",
        ("accuracy", "chance", "accuracy_untrained"),
        "part",
    ),
    Panel(
        "Reconstruction error",
        "The mean squared error of what the method fills in, and of a guess that does not look at the sample "
        "(untouched: of the damaged sample itself).",
        ("error", "guess", "untouched"),
    ),
    Panel(
        "Bits",
        "What coding a number of a sample costs: minus the bound on its log-likelihood, and without looking at the "
        "sample.",
        ("bits", "guess"),
    ),
    Panel(
        "Online kNN",
        "Nearest-neighbour accuracy during training, and that of always naming the most frequent class. The labels are "
        "used only to measure it, not to train.",
        ("knn", "majority"),
        "percent",
    ),
    Panel(
        "Effective rank",
        "RankMe: the effective number of directions of the features. A fall towards 1 means collapse.",
        ("rankme",),
    ),
    Panel(
        "Embedding spread",
        "Standard deviation over samples. Near 0, all samples have the same features.",
        ("embedding_std",),
    ),
    Panel("Alignment", "Distance between two views of one sample: lower is closer.", ("alignment",)),
    Panel("Uniformity", "How evenly the features are spread on the sphere: lower is more even.", ("uniformity",)),
    Panel("Learning rate", "The learning rate of the schedule.", ("lr",)),
)
HIDDEN = {"step", "epoch", "seconds", "seconds_left", "time", "progress"}
"""Keys without a chart. Speeds, in any unit, have none either."""


def suits(page: Page) -> bool:
    """Always shown."""
    return True


def data(page: Page) -> dict[str, Any] | None:
    """``{"panels": [panel]}``, see `panels`; None if nothing was logged."""
    found = panels(page.metrics)
    return {"panels": found} if found else None


def thin(x: list[float], y: list[float | None], most: int = POINTS) -> tuple[list[float], list[float | None]]:
    """Reduce a curve to at most `most` points without visible changes.

    Each segment keeps its lowest and its highest point. The first and the last point are always kept; gaps (None)
    inside a segment are removed.
    """
    if len(x) <= most:
        return x, y
    kept = {0, len(x) - 1}
    stretches = (most - 2) // 2
    for i in range(stretches):
        inside = [j for j in range(i * len(x) // stretches, (i + 1) * len(x) // stretches) if y[j] is not None]
        if inside:
            kept.update((min(inside, key=lambda j: y[j] or 0.0), max(inside, key=lambda j: y[j] or 0.0)))
    order = sorted(kept)
    return [x[j] for j in order], [y[j] for j in order]


def series(metrics: Iterable[Mapping[str, Any]], key: str) -> tuple[list[float], list[float | None]]:
    """Return the steps at which `key` was logged, and its values; None if not finite.

    A step that was repeated after a crash counts once, with its last values.
    """
    seen: dict[float, float | None] = {}
    for line in metrics:
        step = number(line.get("step"))
        if step is not None and key in line:
            seen[step] = number(line[key])
    steps = sorted(seen)
    return thin(steps, [seen[s] for s in steps])


def panels(metrics: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the charts: ``{"title", "about", "kind", "series": [{"name", "x", "y"}]}``.

    Known ones come first, then other logged values. A panel without its first key is skipped.
    """
    known = {key for panel in PANELS for key in panel.keys} | HIDDEN
    logged = {key: None for line in metrics for key, value in line.items() if number(value) is not None}  # in order
    extra = [key for key in logged if key not in known and not key.endswith(RATE)]
    wanted = [
        *PANELS,
        *(Panel(key.replace("_", " ").capitalize(), "A value logged by the method.", (key,)) for key in extra),
    ]
    found = []
    for panel in wanted:
        drawn = {key: series(metrics, key) for key in panel.keys}
        lines = [{"name": key, "x": x, "y": y} for key, (x, y) in drawn.items() if any(v is not None for v in y)]
        if lines and lines[0]["name"] == panel.keys[0]:
            found.append({"title": panel.title, "about": panel.about, "kind": panel.kind, "series": lines})
    return found
