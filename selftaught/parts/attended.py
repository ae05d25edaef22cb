"""Where each token of a text looks, for a person: a table, and a picture for each head."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from torch import Tensor

from selftaught.parts.shown import Pictures, Table

MOST = 24
"""Symbols that are shown, the first ones."""


def attended(symbols: Sequence[str], weights: Sequence[Tensor]) -> list[Table | Pictures]:
    """Return what can be shown of attention over the first symbols of a text.

    The table has, for each symbol and each block, the symbol that it looks at most, by the mean of the heads, and the
    share of it. The pictures have a row for each symbol and a column for each one looked at, white for the most of
    its row.

    Args:
        symbols: T symbols as texts.
        weights: Those of each block, [heads, T, T]; rows sum to 1.
    """
    names = [symbol.strip() or "start" for symbol in symbols[:MOST]]
    rows = []
    for t, name in enumerate(names):
        cells = []
        for block in weights:
            mean = block[:, t, : len(names)].mean(0)
            where = int(mean.argmax())
            cells.append(f"{names[where]} {100 * float(mean[where]):.0f}%")
        rows.append([name, *cells])
    table = Table("where each token looks", ["token", *(f"block {n}" for n in range(1, len(weights) + 1))], rows)
    return [table, *(_pictures(f"attention, block {n}", block) for n, block in enumerate(weights, 1))]


def _pictures(name: str, block: Tensor) -> Pictures:
    shares = block[:, :MOST, :MOST].float().cpu().numpy()
    bright = shares / shares.max(axis=2, keepdims=True)
    images = np.round(255 * bright).astype(np.uint8)[..., None]
    return Pictures(name, list(images), [f"head {n}" for n in range(1, len(images) + 1)])
