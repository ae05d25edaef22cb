"""The margin loss of Siamese networks: positives together, negatives at least a margin apart."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from selftaught.errors import UserError
from selftaught.parts.scores import ranking

TINY = 1e-12
"""Least squared distance whose root is taken: the root has no gradient at 0."""


def contrastive_margin(positive: Tensor, negative: Tensor, margin: float = 1.0) -> dict[str, Tensor]:
    """Hadsell, Chopra, LeCun 2006 (CVPR, "Dimensionality Reduction by Learning an Invariant Mapping").

    With d the Euclidean distance, hence scores -d^2 (`SquaredDistance`)::

        loss = mean_i ( d(p_i)^2 + mean_j max(0, margin - d(n_ij))^2 )

    so that the two sides weigh the same however many negatives there are. The paper halves both.

    Args:
        positive: Minus the squared distance of each query and its positive, [Q], at most 0 but for rounding.
        negative: Minus the squared distances of each query and its negatives, [Q, K]; -inf where there is none.
        margin: Greater than 0, in units of d. Negatives farther away than this cost nothing.

    Returns "loss", and "accuracy", "chance" and "negatives" as `ranking` defines them. Raises UserError for a value out
    of range.
    """
    if margin <= 0:
        raise UserError(f"margin must be greater than 0, not {margin}")
    real = negative > -torch.inf
    distance = (-negative.where(real, -TINY)).clamp(min=TINY).sqrt()  # [Q, K]
    apart = (F.relu(margin - distance).square() * real).sum(1) / real.sum(1).clamp(min=1)  # [Q]
    return {"loss": (apart - positive).mean(), **ranking(positive, negative)}
