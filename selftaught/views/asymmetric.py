"""The two different views of BYOL, with different probabilities of blur and solarisation."""

from __future__ import annotations

from selftaught.views.augmentation import Augment


def asymmetric(
    crop: float, strength: float, flip: float, grey: float, blur: float, other_blur: float, solarise: float
) -> tuple[Augment, Augment]:
    """Return the two views of Grill et al. 2020 (arXiv 2006.07733), also used by Barlow Twins, VICReg and DINO.

    Args:
        crop: Smallest area of a random crop, as a fraction of the image.
        strength: Strength of the colour jitter: brightness and contrast 0.4, saturation 0.2 and hue 0.1 times this
            value. It is applied with probability 0.8.
        flip: Probability of a horizontal flip.
        grey: Probability of converting the view to greyscale.
        blur: Probability of a Gaussian blur of the first view, with sigma 0.1 to 2 pixels.
        other_blur: Probability of the same blur of the second view.
        solarise: Probability of solarising the second view: values of at least 0.5 are inverted.
    """
    jitter = (0.4 * strength, 0.4 * strength, 0.2 * strength, 0.1 * strength)
    first = Augment(crop=(crop, 1.0), flip=flip, jitter=jitter, jitter_p=0.8, grey=grey, blur=blur)
    second = Augment(
        crop=(crop, 1.0), flip=flip, jitter=jitter, jitter_p=0.8, grey=grey, blur=other_blur, solarise=solarise
    )
    return first, second
