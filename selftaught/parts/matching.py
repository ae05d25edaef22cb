"""Matching accuracy of two views, for methods without labels or positives to predict."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


@torch.no_grad()
def matching(one: Tensor, other: Tensor) -> dict[str, Tensor]:
    """Return how often row i of `one` is closer in direction to row i of `other` than to its other rows, both [B, D].

    Methods that only make views agree have a loss that a constant output minimises. A constant cannot reach a high
    matching accuracy, which can be compared with chance on held-out samples. Only directions matter, no matter how
    close they are, so a gradual collapse is detected by `selftaught.parts.spread`, not here. No gradients.

    Returns "accuracy", the fraction of rows that match (a tie is a miss), and "chance" = 1 / B.
    """
    cosines = F.normalize(one.float(), dim=1) @ F.normalize(other.float(), dim=1).T  # [B, B]
    own = cosines.diagonal()
    eye = torch.eye(len(cosines), dtype=torch.bool, device=cosines.device)
    rival = cosines.masked_fill(eye, -torch.inf).amax(1)
    return {"accuracy": (own > rival).float().mean(), "chance": torch.tensor(1 / len(cosines))}
