"""Generated sentences from which any text method should learn something within seconds."""

from __future__ import annotations

from typing import Any

import numpy as np

from selftaught.data.text.corpus import Corpus

TRAINING = 256
VARIANTS: tuple[dict[str, Any], ...] = ()
"""Other toys that a method should accept: none."""


def text(n: int = 96, seed: int = 0, labelled: bool = True, ordered: bool = False) -> Corpus:
    """Return sentences of ten words about one of four subjects. The class is the subject.

    With `ordered`, the words of a subject come in one order, so that each tells what its neighbours are.
    """
    rng = np.random.default_rng(seed)
    subjects = [[f"{name}{i}" for i in range(8)] for name in ("sea", "sky", "wood", "town")]
    common = ["the", "of", "and", "a"]
    labels = rng.integers(0, 4, n)
    if ordered:
        firsts = rng.integers(0, 8, n)
        lines = [
            [subjects[label][(first + k) % 8] for k in range(10)] for label, first in zip(labels, firsts, strict=True)
        ]
    else:
        lines = [
            [str(rng.choice(common if rng.random() < 0.3 else subjects[label])) for _ in range(10)] for label in labels
        ]
    return Corpus.of(
        [" ".join(line) for line in lines],
        labels.tolist() if labelled else None,
        classes=("sea", "sky", "wood", "town"),
    )


def source(n: int = 96, seed: int = 0, ordered: bool = False) -> Corpus:
    """Return n sentences. Seed 0 always gives the same ones, which define the words."""
    return text(n if seed else TRAINING, seed, ordered=ordered)


def seen(ordered: bool = False) -> dict[str, Any]:
    """Return the description of the input for an encoder."""
    return source(ordered=ordered).input()
