"""Generated sentences from which any text method should learn something within seconds."""

from __future__ import annotations

from typing import Any

import numpy as np

from selftaught.data.text.corpus import Corpus

TRAINING = 256
VARIANTS: tuple[dict[str, Any], ...] = ()
"""Other toys that a method should accept: none."""


def text(n: int = 96, seed: int = 0, labelled: bool = True, ordered: bool = False, lines: int = 1) -> Corpus:
    """Return documents of `lines` sentences of ten words about one of four subjects. The class is the subject.

    With `ordered`, the words of a subject come in one order, so that each tells what its neighbours are.
    """
    rng = np.random.default_rng(seed)
    subjects = [[f"{name}{i}" for i in range(8)] for name in ("sea", "sky", "wood", "town")]
    common = ["the", "of", "and", "a"]
    labels = rng.integers(0, 4, n)
    subject_of = np.repeat(labels, lines)
    if ordered:
        firsts = rng.integers(0, 8, n * lines)
        made = [
            [subjects[label][(first + k) % 8] for k in range(10)]
            for label, first in zip(subject_of, firsts, strict=True)
        ]
    else:
        made = [
            [str(rng.choice(common if rng.random() < 0.3 else subjects[label])) for _ in range(10)]
            for label in subject_of
        ]
    sentences = [" ".join(line) for line in made]
    return Corpus.of(
        ["\n".join(sentences[first : first + lines]) for first in range(0, n * lines, lines)],
        labels.tolist() if labelled else None,
        classes=("sea", "sky", "wood", "town"),
    )


def source(n: int = 96, seed: int = 0, ordered: bool = False, lines: int = 1) -> Corpus:
    """Return n documents. Seed 0 always gives the same ones, which define the words."""
    return text(n if seed else TRAINING, seed, ordered=ordered, lines=lines)


def seen(ordered: bool = False, lines: int = 1) -> dict[str, Any]:
    """Return the description of the input for an encoder."""
    return source(ordered=ordered, lines=lines).input()
