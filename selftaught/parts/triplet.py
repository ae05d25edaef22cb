"""Triplets: an anchor's positive must beat its negatives by a margin."""

from __future__ import annotations

from typing import Literal, get_args

import torch
from torch import Tensor
from torch.nn import functional as F

from selftaught.errors import UserError
from selftaught.parts.scores import ranking

Mining = Literal["all", "semi_hard", "hard"]


def triplet(
    positive: Tensor, negative: Tensor, margin: float | None = 0.2, mining: Mining = "all"
) -> dict[str, Tensor]:
    """Schroff, Kalenichenko, Philbin 2015 (CVPR, "FaceNet"): a hinge on the difference of two scores.

    loss = mean over (i, j) of max(0, n_ij - p_i + margin)

    FaceNet's scores are minus squared distances of rows of length 1. `mining` says which negatives of an anchor count:

    - all: every one (-inf marks those that are none);
    - semi_hard: the closest of those that are farther than the positive; where there is none, the farthest;
    - hard: the closest. It needs good features to start from, or everything collapses into a point.

    Args:
        positive: Score of each anchor with its positive, [Q]. With several positives the hardest is their minimum
            ("batch hard").
        negative: Scores of each anchor with its negatives, [Q, K], at least one of them above -inf.
        margin: At least 0, in units of the score. None = the soft margin of Hermans, Beyer, Leibe 2017 (arXiv
            1703.07737): log(1 + exp(n - p)) instead of the hinge.
        mining: Which negatives count.

    Returns "loss", and "accuracy", "chance" and "negatives" as `ranking` defines them. Raises UserError for a value out
    of range.
    """
    if margin is not None and margin < 0:
        raise UserError(f"margin must be at least 0, not {margin}")
    if mining not in get_args(Mining):
        raise UserError(f"mining must be one of {', '.join(get_args(Mining))}, not '{mining}'")
    # [Q, K] or [Q, 1]
    chosen = negative if mining == "all" else negative.gather(1, _mined(positive, negative, mining)[:, None])
    real = chosen > -torch.inf
    behind = chosen.where(real, 0) - positive[:, None]
    cost = F.softplus(behind) if margin is None else F.relu(behind + margin)
    return {"loss": (cost * real).sum() / real.sum(), **ranking(positive, negative)}


@torch.no_grad()
def _mined(positive: Tensor, negative: Tensor, mining: Mining) -> Tensor:
    if mining == "hard":
        return negative.argmax(1)
    farther = negative.where(negative < positive[:, None], -torch.inf)
    farthest = negative.where(negative > -torch.inf, torch.inf).argmin(1)
    return torch.where((farther > -torch.inf).any(1), farther.argmax(1), farthest)
