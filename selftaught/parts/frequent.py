"""Limit an encoder's input to frequent words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from selftaught.errors import UserError


def frequent(
    input: Mapping[str, Any], min_count: int, encoder: str
) -> tuple[tuple[str, ...], NDArray[np.int64], dict[str, Any]]:
    """Return the words with at least `min_count` occurrences, their counts, int64 [V], and the input limited to them.

    Args:
        input: ``{"kind": "text", "words": [...], "counts": [...], ...}``, most frequent first.
        min_count: Smallest count.
        encoder: Name of the encoder, for messages.

    Raises UserError when the input has no words, or no word occurs often enough.
    """
    if "words" not in input:
        raise UserError(
            f"the encoder {encoder} needs words, but this input has none: use an encoder for this kind of sample"
        )
    counts = np.asarray(input["counts"], np.int64)
    size = int(np.searchsorted(-counts, -min_count, side="right"))
    if size == 0:
        most = (
            f"the most frequent, '{input['words'][0]}', occurs {counts[0]} times" if len(counts) else "there is no word"
        )
        raise UserError(f"no word occurs {min_count} times ({most}): use a smaller --min-count, or more text")
    words = tuple(input["words"][:size])
    return words, counts[:size], {**input, "words": list(words), "counts": counts[:size].tolist()}
