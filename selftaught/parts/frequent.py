"""The words that an encoder keeps of those that its input brings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from selftaught.errors import UserError


def frequent(
    input: Mapping[str, Any], min_count: int, encoder: str
) -> tuple[tuple[str, ...], NDArray[np.int64], dict[str, Any]]:
    """The words that occur at least `min_count` times, how often each does, int64 [V], and the input with no more words than these.

    Args:
        input: ``{"kind": "text", "words": [...], "counts": [...], ...}``, most frequent first.
        min_count: See above.
        encoder: Who asks, for messages.

    Raises UserError when the input has no words, or no word occurs often enough.
    """
    if "words" not in input:
        raise UserError(
            f"the encoder {encoder} reads words, and this input has none: choose an encoder that takes such samples"
        )
    counts = np.asarray(input["counts"], np.int64)
    size = int(np.searchsorted(-counts, -min_count, side="right"))
    if size == 0:
        most = (
            f"the most frequent, '{input['words'][0]}', does so {counts[0]} times"
            if len(counts)
            else "there is no word"
        )
        raise UserError(f"no word occurs {min_count} times ({most}): use a smaller --min-count, or more text")
    words = tuple(input["words"][:size])
    return words, counts[:size], {**input, "words": list(words), "counts": counts[:size].tolist()}
