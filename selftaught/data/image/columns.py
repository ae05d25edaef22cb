"""Find the image column of a table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from selftaught.errors import UserError

IMAGES = ("image", "img", "images", "picture", "jpg", "png", "pixel_values", "bytes", "content")


def is_image(feature: Any) -> bool:
    """Return whether a column of a Hugging Face data set, given by its type, can have images."""
    return type(feature).__name__ in ("Image", "Array2D", "Array3D")


def image_column(names: Sequence[str], fitting: Sequence[str], where: str) -> str:
    """Return the column with a usual name, else the only one of `fitting`, the columns whose type can be an image.

    Raises UserError if there is no such column.
    """
    usual = [name for name in IMAGES if name in fitting]
    if usual:
        return usual[0]
    if len(fitting) != 1:
        raise UserError(
            f"{where}: cannot tell which column ({', '.join(names)}) has images: name the one of encoded bytes 'image'"
        )
    return fitting[0]
