"""The contrastive softmax between pictures' summaries and other pictures' places."""

from __future__ import annotations

import torch
from torch import Tensor


def local_info_nce(scores: Tensor, own: Tensor) -> dict[str, Tensor]:
    """The form of Deep InfoMax's released code and of AMDIM.

    Each place of the own picture against all places of all others.

    With s_ijl the score of summary i and place l of picture j, and i itself among the pictures::

        loss = -mean_il log( exp(s_iil) / (exp(s_iil) + sum_{j != i, m} exp(s_ijm)) )

    The own picture's other places are neither positives nor negatives of a place.

    Args:
        scores: [Q, N, L]; N at least 2.
        own: Which of the N pictures each summary is of, int64 [Q].

    Returns "loss"; "accuracy", the part of own places that beat every negative (a tie is a miss); "chance", 1 / (1 +
    negatives); and "negatives", (N - 1) L.
    """
    places = scores.shape[2]
    mine = torch.arange(scores.shape[1], device=scores.device) == own[:, None]  # [Q, N]
    positive = scores[mine]  # [Q, L]
    negative = scores.masked_fill(mine[:, :, None], -torch.inf).flatten(1)  # [Q, N * L], of which (N - 1) L count
    loss = (torch.logaddexp(positive, negative.logsumexp(1, keepdim=True)) - positive).mean()
    count = torch.tensor(float((scores.shape[1] - 1) * places), device=scores.device)
    accuracy = (positive > negative.amax(1, keepdim=True)).float().mean()
    return {"loss": loss, "accuracy": accuracy.detach(), "chance": 1 / (1 + count), "negatives": count}
