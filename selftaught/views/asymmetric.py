"""The two views of BYOL: one may be blurred more, the other solarised."""

from __future__ import annotations

from selftaught.views.augment import Augment


def asymmetric(
    crop: float, strength: float, flip: float, grey: float, blur: float, other_blur: float, solarise: float
) -> tuple[Augment, Augment]:
    """Grill et al. 2020 (arXiv 2006.07733), which Barlow Twins, VICReg and DINO took over.

    Args:
        crop: Smallest part of the image's area that a crop takes.
        strength: Of the colour jitter: brightness and contrast 0.4, saturation 0.2, hue 0.1 times this, with
            probability 0.8.
        flip: Probability of a mirror image.
        grey: Probability of dropping colour.
        blur: Probability of a Gaussian blur of the first view, with sigma 0.1 to 2 pixels.
        other_blur: The same of the second view.
        solarise: Probability of inverting the bright half of the second view's values.
    """
    jitter = (0.4 * strength, 0.4 * strength, 0.2 * strength, 0.1 * strength)
    first = Augment(crop=(crop, 1.0), flip=flip, jitter=jitter, jitter_p=0.8, grey=grey, blur=blur)
    second = Augment(
        crop=(crop, 1.0), flip=flip, jitter=jitter, jitter_p=0.8, grey=grey, blur=other_blur, solarise=solarise
    )
    return first, second
