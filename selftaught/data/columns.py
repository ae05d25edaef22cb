"""Which column of a table holds the images, and which the labels."""

from __future__ import annotations

from collections.abc import Sequence

from selftaught.errors import UserError

IMAGES = ("image", "img", "images", "picture", "jpg", "png", "pixel_values", "bytes", "content")
LABELS = ("label", "labels", "class", "target", "category", "y", "fine_label", "cls")


def image_column(names: Sequence[str], fitting: Sequence[str], where: str) -> str:
    """The column with a usual name, else the only one that can hold images. `fitting` = those whose type can. Raises UserError."""
    usual = [name for name in IMAGES if name in fitting]
    if usual:
        return usual[0]
    if len(fitting) != 1:
        raise UserError(f"{where}: which of its columns ({', '.join(names)}) holds images? name one 'image', of encoded bytes")
    return fitting[0]


def label_column(names: Sequence[str]) -> str | None:
    """The column with a usual name, or None."""
    return next((name for name in LABELS if name in names), None)
