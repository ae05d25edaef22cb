"""Multi-crop: a few views of most of the image, and several small and cheap ones of a part."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from selftaught.errors import UserError
from selftaught.method import Encoder
from selftaught.parts.layers import shape_of
from selftaught.views.image import Augment


def multi_crop(encoder: Encoder, full: Sequence[Augment], small: Augment, count: int, size: int = 0) -> list[Augment]:
    """The views `full`, then `count` times `small` with `size` pixels a side: what `ImageViews` takes as one list.

    Caron et al. 2020 (arXiv 2006.09882) show 2 crops of 224 pixels and 6 of 96, which cost about as much as one more of
    224.

    Args:
        encoder: Must take images of either size and give the same width.
        full: The large views, of the encoder's own size.
        small: How every small view is made.
        count: Of small views, at least 0.
        size: Of small views; 0 = 3/7 of the encoder's, as 96 is of 224.

    Raises:
        UserError: A negative number, or an encoder that does not take this size.
    """
    seen = encoder.spec["input"]
    if count < 0 or size < 0:
        raise UserError(f"the number and the size of small crops must be at least 0, not {count} and {size}")
    size = size or max(round(seen["size"] * 3 / 7), 1)
    if count and size != seen["size"]:
        try:
            width = shape_of(encoder, encoder, seen | {"size": size})
        except (RuntimeError, ValueError):
            width = ()
        if width != (encoder.dim,):
            raise UserError(
                f"encoder {encoder.spec['name']} takes images of {seen['size']} pixels only, so small crops cannot "
                f"have {size}: "
                f"make them {seen['size']} pixels large, leave them out, or choose encoder conv or resnet18"
            )
    return [*full, *[replace(small, size=size)] * count]
