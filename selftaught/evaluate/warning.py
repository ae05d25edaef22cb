"""Conditions and texts of the warnings of diagnostics."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, final

import numpy as np

ALIKE = 0.05
"""Spread of the embeddings (`geometry.embedding_std`) below which they are considered all equal."""
NARROW = 0.01
"""Effective rank, as a share of the largest possible, below which the features have collapsed to a few directions."""
SHRUNK = 0.2
"""The same limit as a share of the rank at the first look."""
FALLING = 0.01
"""Share of its peak by which the loss must have come down to count as falling."""
LOGGED = 20
"""Number of logged losses before the loss is checked."""

COLLAPSED = (
    "the run is collapsing: all embeddings are almost equal (spread {std:.3f}, healthy runs are far above "
    "{least}). Usual causes: no "
    "negatives and no stop-gradient, predictor or variance term; a learning rate that is too high; a momentum "
    "teacher that moves too "
    "fast; views so weak that the task is trivial."
)
DIVERGED = (
    "the run has diverged: its features are no longer finite numbers. Usual causes: a learning rate that is too "
    "high, a warm-up that is "
    "too short, gradients that are not clipped."
)
FLAT = (
    "the run is losing dimensions: the features use about {rank:.1f} of {width} directions{since}. Usual causes: "
    "too little pressure "
    "to spread out (few negatives, a high temperature, a low variance or covariance weight), a learning rate or "
    "weight decay that is "
    "too high."
)
STUCK = (
    "the loss is not falling: it stands at {last:.4g} and its peak was {peak:.4g}. Usual causes: a learning rate "
    "that is too high or "
    "too low, embeddings that are all equal, views that share too little, or a temperature that does not fit."
)


@final
class Verdict:
    """Finds what is wrong with a run, from its looks (see `Diagnostics`) and its logged losses."""

    def __init__(self) -> None:
        self.losses: list[float] = []
        self.progress = 0.0
        self.first_rank: float | None = None
        self.width = 1
        """The largest possible rank: min(samples, features)."""

    def saw_loss(self, loss: float, progress: float) -> None:
        """Record a logged loss and the share of training done by then."""
        self.losses.append(loss)
        self.progress = progress

    def warnings(self, seen: Mapping[str, Any]) -> list[str]:
        """Return the warnings as sentences, none for a healthy run."""
        found = []
        std, rank = seen["embedding_std"], seen["rankme"]
        first = self.first_rank
        if first is None:
            self.first_rank = rank
        if std < ALIKE:
            found.append(COLLAPSED.format(std=std, least=ALIKE))
        elif rank < max(1.5, NARROW * self.width) or (first is not None and rank < SHRUNK * first):
            since = f", from {first:.1f} at the first look" if first is not None else ""
            found.append(FLAT.format(rank=rank, width=self.width, since=since))
        stuck = self._stuck()
        if stuck is not None:
            found.append(STUCK.format(last=stuck[0], peak=stuck[1]))
        return found

    def _stuck(self) -> tuple[float, float] | None:
        """Return the smoothed loss now and at its peak, if it has not come down since.

        The peak is used, not the start, because with a queue the loss rises while the queue fills.
        """
        if len(self.losses) < LOGGED or self.progress < 0.1:
            return None
        smooth = [float(np.mean(window)) for window in np.array_split(self.losses, 10)]
        peak, last = max(smooth), smooth[-1]
        return (last, peak) if peak - last <= FALLING * abs(peak) else None
