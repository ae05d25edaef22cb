"""Find the label column of a table."""

from __future__ import annotations

from collections.abc import Sequence

LABELS = ("label", "labels", "class", "target", "category", "y", "fine_label", "cls")


def label_column(names: Sequence[str]) -> str | None:
    """Return the column with a usual name for labels, or None."""
    return next((name for name in LABELS if name in names), None)
