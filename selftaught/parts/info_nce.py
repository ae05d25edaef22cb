"""The contrastive softmax: which of these scores belongs to the positive?"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def info_nce(positive: Tensor, negative: Tensor, temperature: float) -> dict[str, Tensor]:
    """van den Oord, Li, Vinyals 2018 (arXiv 1807.03748), the form of SimCLR and MoCo.

    loss = -mean_i log( exp(p_i/t) / (exp(p_i/t) + sum_j exp(n_ij/t)) )

    Args:
        positive: Score of each query with its positive, [Q].
        negative: Scores of each query with its negatives, [Q, K]; -inf where a key is no negative of that query.
        temperature: t > 0.

    Returns "loss"; "accuracy", the part of queries whose positive beats every negative (a tie is a miss, so that a collapsed
    encoder scores 0); "chance", that part when scores carry no information, 1 / (1 + negatives); and "negatives", their mean
    number K. The mutual information of the two sides is at least log(1 + K) - loss, in nats (expected, when negatives are drawn
    independently).
    """
    logits = torch.cat([positive[:, None], negative], 1) / temperature  # [Q, 1 + K]
    loss = F.cross_entropy(logits, torch.zeros(len(logits), dtype=torch.long, device=logits.device))
    with torch.no_grad():
        count = (negative > -torch.inf).sum(1).float().mean()
        accuracy = (positive > negative.amax(1)).float().mean()
    return {"loss": loss, "accuracy": accuracy, "chance": 1 / (1 + count), "negatives": count}
