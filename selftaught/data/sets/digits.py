"""Handwritten digits (Alpaydin and Kaynak 1998).

1,797 grey 8x8 images that are part of scikit-learn, so that no network is needed.
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import Literal

import numpy as np

from selftaught.data.entry import Entry
from selftaught.data.image.arrays import ArraySource
from selftaught.data.image.image_set import ImageSet
from selftaught.errors import UserError
from selftaught.kind import Progress, silent

CLASSES = tuple("0123456789")
KIND, NAMES = "image", ("digits",)
ENTRY = Entry(
    "digits",
    "small set of handwritten digits, for tests",
    "1,437 + 360 grey 8x8",
    CLASSES,
    "CC BY 4.0",
    "inside scikit-learn",
    kind=KIND,
)
TRAIN = 1437  # the first 80%; the first and the last part of the file have different writers


def cached() -> bool:
    """Return whether scikit-learn, which contains the images, is installed."""
    return find_spec("sklearn") is not None


def load(split: Literal["train", "test"], progress: Progress = silent) -> ArraySource:
    """Load the first 1,437 ("train") or the last 360 ("test") images. Values 0-16 are scaled to 0-255.

    Raises UserError without scikit-learn.
    """
    try:
        from sklearn.datasets import load_digits
    except ImportError:
        raise UserError("data 'digits' is part of scikit-learn: pip install scikit-learn") from None
    progress(0, 1)
    bunch = load_digits()
    images = np.rint(bunch.images * (255 / 16)).astype(np.uint8)[..., None]  # [1797, 8, 8, 1]
    part = slice(None, TRAIN) if split == "train" else slice(TRAIN, None)
    progress(1, 1)
    return ArraySource(images[part], bunch.target[part].astype(np.int64), CLASSES)


SETS = {"digits": ImageSet(ENTRY, cached, load)}
