"""Does a view find its sample's other view? A question with a right answer, for methods that have none of their own."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


@torch.no_grad()
def matching(one: Tensor, other: Tensor) -> dict[str, Tensor]:
    """How often row i of `one` [B, D] is closer in direction to row i of `other` [B, D] than to all other rows of `other`.

    Methods that only ask views to agree have a loss whose best value every constant reaches; this number cannot be
    reached by a constant, and compares with chance on samples that were never trained on. Directions count however
    close they lie together, so a collapse on the way is seen by `selftaught.parts.spread`, not here. It does not train:
    no gradients.

    Returns "accuracy", the part of rows that match (a tie is a miss), and "chance" = 1 / B.
    """
    cosines = F.normalize(one.float(), dim=1) @ F.normalize(other.float(), dim=1).T  # [B, B]
    own = cosines.diagonal()
    eye = torch.eye(len(cosines), dtype=torch.bool, device=cosines.device)
    rival = cosines.masked_fill(eye, -torch.inf).amax(1)
    return {"accuracy": (own > rival).float().mean(), "chance": torch.tensor(1 / len(cosines))}
