"""Find the label column of a table."""

from __future__ import annotations

from collections.abc import Sequence

from selftaught.errors import UserError

LABELS = ("label", "labels", "class", "target", "category", "y", "fine_label", "cls")


def label_column(names: Sequence[str], asked: str | None = None, where: str = "") -> str | None:
    """Return the column that the user asked for, else the one with a usual name for labels, or None.

    Raises UserError if there is no column called like that.
    """
    if asked is not None:
        return named(asked, names, where, "--label-column")
    return next((name for name in LABELS if name in names), None)


def named(column: str, names: Sequence[str], where: str, option: str) -> str:
    """Return `column`. Raises UserError if it is none of `names`, the columns that there are."""
    if column not in names:
        raise UserError(f"{where}: there is no column '{column}' for {option}: its columns are {', '.join(names)}")
    return column
