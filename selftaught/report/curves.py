"""The lines of metrics.jsonl as small charts."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

POINTS = 1200
"""Most points that a curve keeps; of more, each stretch keeps its lowest and its highest."""


class Panel(NamedTuple):
    """One chart: its title, what it says in words, the keys of metrics.jsonl that it draws, and how its numbers read."""

    title: str
    about: str
    keys: tuple[str, ...]
    kind: str = "number"  # or part (in [0, 1], shown as percent), or percent (in [0, 100])


PANELS = (
    Panel("Loss", "What training minimises. Compare its shape, not its size, between methods.", ("loss",)),
    Panel("Pretext accuracy", "How often the method solves its own puzzle, against guessing.", ("accuracy", "chance"), "part"),
    Panel("Online kNN", "Nearest-neighbour accuracy while training. Labels only watch; they never train.", ("knn",), "percent"),
    Panel("Effective rank", "RankMe: how many directions the features use. A fall towards 1 means collapse.", ("rankme",)),
    Panel("Embedding spread", "Standard deviation over samples. Near 0, all samples look alike.", ("embedding_std",)),
    Panel("Alignment", "Distance between two views of one sample: lower is closer.", ("alignment",)),
    Panel("Uniformity", "How evenly features fill the sphere: lower is more even.", ("uniformity",)),
    Panel("Learning rate", "What the schedule asked for.", ("lr",)),
)
HIDDEN = {"step", "epoch", "seconds", "seconds_left", "time", "images_per_second", "words_per_second", "progress"}


def number(value: object) -> float | None:
    """`value` as a finite float, or None."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        return None
    return float(value)


def thin(x: list[float], y: list[float | None], most: int = POINTS) -> tuple[list[float], list[float | None]]:
    """At most `most` points of a curve, and about all of what the eye would see: of each stretch its lowest and its highest.

    The first and the last point always stay; gaps (None) inside a stretch go.
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
    """The steps at which `key` was logged, and its values; None where it was not finite. A replayed step counts once, as replayed."""
    seen: dict[float, float | None] = {}
    for line in metrics:
        step = number(line.get("step"))
        if step is not None and key in line:
            seen[step] = number(line[key])
    steps = sorted(seen)
    return thin(steps, [seen[s] for s in steps])


def panels(metrics: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Charts for the page: ``{"title", "about", "kind", "series": [{"name", "x", "y"}]}``.

    The known ones first, then whatever else was logged. A panel without its first key is left out.
    """
    known = {key for panel in PANELS for key in panel.keys} | HIDDEN
    extra = {key: None for line in metrics for key, value in line.items() if key not in known and number(value) is not None}
    wanted = [*PANELS, *(Panel(key.replace("_", " ").capitalize(), "Logged by the method.", (key,)) for key in extra)]
    found = []
    for panel in wanted:
        drawn = {key: series(metrics, key) for key in panel.keys}
        lines = [{"name": key, "x": x, "y": y} for key, (x, y) in drawn.items() if any(v is not None for v in y)]
        if lines and lines[0]["name"] == panel.keys[0]:
            found.append({"title": panel.title, "about": panel.about, "kind": panel.kind, "series": lines})
    return found


def warnings(metrics: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What diagnostics warned of: ``{"text", "first", "last", "times"}``, each sentence once."""
    found: dict[str, dict[str, Any]] = {}
    for line in metrics:
        texts = line.get("warning") or []
        for text in [texts] if isinstance(texts, str) else texts:
            entry = found.setdefault(str(text), {"text": str(text), "first": line.get("step"), "last": None, "times": 0})
            entry["last"] = line.get("step")
            entry["times"] += 1
    return list(found.values())
