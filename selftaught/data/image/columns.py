"""Which column of a table holds the images."""

from __future__ import annotations

from collections.abc import Sequence

from selftaught.errors import UserError

IMAGES = ("image", "img", "images", "picture", "jpg", "png", "pixel_values", "bytes", "content")


def image_column(names: Sequence[str], fitting: Sequence[str], where: str) -> str:
    """The column with a usual name, else the only one that can hold images. `fitting` = those whose type can.

    Raises UserError.
    """
    usual = [name for name in IMAGES if name in fitting]
    if usual:
        return usual[0]
    if len(fitting) != 1:
        raise UserError(
            f"{where}: cannot tell which of the columns ({', '.join(names)}) has the images: name the column of encoded bytes 'image'"
        )
    return fitting[0]
