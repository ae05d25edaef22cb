"""Multi-crop: a few views of most of the image, and several small and cheap views of a part."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from selftaught.errors import UserError
from selftaught.method import Encoder
from selftaught.parts.layers import shape_of
from selftaught.views.image import Augment, ImageViews


def alike(
    encoder: Encoder, look: Augment, full: int, crop: float, count: int, small_crop: float, size: int = 0
) -> list[Augment]:
    """Return `full` views of at least `crop` of the area, then `count` small ones of `small_crop` to `crop`.

    They have the same `look`, whose own crop is not used. See `multi_crop` for the rest and the errors.
    """
    whole, part = replace(look, crop=(crop, 1.0)), replace(look, crop=(small_crop, crop))
    return multi_crop(encoder, [whole] * full, part, count, size)


def varied(
    encoder: Encoder, full: int, crop: float, small: int, small_crop: float, small_size: int, strength: float,
    flip: float, grey: float, blur: float, solarise: float,
) -> ImageViews:  # fmt: skip
    """Return the list "views" of `alike`, whose look is given by the `strength` of the colour jitter and the rest."""
    jitter = (0.4 * strength, 0.4 * strength, 0.2 * strength, 0.1 * strength)
    look = Augment(flip=flip, jitter=jitter, grey=grey, blur=blur, solarise=solarise)
    return ImageViews(encoder.spec["input"], views=alike(encoder, look, full, crop, small, small_crop, small_size))


def multi_crop(encoder: Encoder, full: Sequence[Augment], small: Augment, count: int, size: int = 0) -> list[Augment]:
    """Return the views `full`, then `count` times `small` with side `size`, as one list for `ImageViews`.

    Caron et al. 2020 (arXiv 2006.09882) use 2 crops of 224 pixels and 6 of 96, which cost about as much as one more of
    224.

    Args:
        encoder: Must take images of both sizes and return the same number of features.
        full: The large views, of the encoder's image size.
        small: The augmentation of every small view.
        count: Number of small views, at least 0.
        size: Side of the small views. 0 = 3/7 of the encoder's, as 96 is 3/7 of 224.

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
