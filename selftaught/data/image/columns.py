"""Find the image column of a table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from selftaught.data.columns import named
from selftaught.errors import UserError

COLUMNS = ("--image-column", "--label-column")
"""The options of columns."""
IMAGES = ("image", "img", "images", "picture", "jpg", "png", "pixel_values", "bytes", "content")


def is_image(feature: Any) -> bool:
    """Return whether a column of a Hugging Face data set, given by its type, can have images."""
    return type(feature).__name__ in ("Image", "Array2D", "Array3D")


def image_column(names: Sequence[str], fitting: Sequence[str], where: str, asked: str | None = None) -> str:
    """Return the column that the user asked for, else one with a usual name, else the only one of `fitting`.

    `fitting` are the columns whose type can be an image. Raises UserError if there is no such column.
    """
    if asked is not None:
        if named(asked, names, where, "--image-column") not in fitting:
            holds = ", ".join(fitting) or "none"
            raise UserError(f"{where}: the column '{asked}' has no images: those that can have images are {holds}")
        return asked
    usual = [name for name in IMAGES if name in fitting]
    if usual:
        return usual[0]
    if len(fitting) != 1:
        raise UserError(
            f"{where}: cannot tell which column ({', '.join(names)}) has images: name the one of encoded bytes 'image'"
            " or with --image-column"
        )
    return fitting[0]
