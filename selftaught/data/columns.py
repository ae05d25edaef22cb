"""Which column of a table holds the labels."""

from __future__ import annotations

from collections.abc import Sequence

LABELS = ("label", "labels", "class", "target", "category", "y", "fine_label", "cls")


def label_column(names: Sequence[str]) -> str | None:
    """The column with a usual name, or None."""
    return next((name for name in LABELS if name in names), None)
