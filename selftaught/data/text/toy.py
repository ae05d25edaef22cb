"""Generated sentences from which any text method should learn something within seconds."""

from __future__ import annotations

from typing import Any

import numpy as np

from selftaught.data.text.corpus import Corpus

TRAINING = 256
VARIANTS: tuple[dict[str, Any], ...] = ()
"""Other toys that a method should accept: none."""


def text(n: int = 96, seed: int = 0, labelled: bool = True) -> Corpus:
    """Return sentences of ten words about one of four subjects. The class is the subject."""
    rng = np.random.default_rng(seed)
    subjects = [[f"{name}{i}" for i in range(8)] for name in ("sea", "sky", "wood", "town")]
    common = ["the", "of", "and", "a"]
    labels = rng.integers(0, 4, n)
    lines = [
        [str(rng.choice(common if rng.random() < 0.3 else subjects[label])) for _ in range(10)] for label in labels
    ]
    return Corpus.of(
        [" ".join(line) for line in lines],
        labels.tolist() if labelled else None,
        classes=("sea", "sky", "wood", "town"),
    )


def source(n: int = 96, seed: int = 0) -> Corpus:
    """Return n sentences. Seed 0 always gives the same ones, which define the words."""
    return text(n if seed else TRAINING, seed)


def seen() -> dict[str, Any]:
    """Return the description of the input for an encoder."""
    return source().input()
