"""The contrastive softmax: which of these scores belongs to the positive?"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from selftaught.parts.scores import ranking


def info_nce(positive: Tensor, negative: Tensor, temperature: float = 1.0) -> dict[str, Tensor]:
    """van den Oord, Li, Vinyals 2018 (arXiv 1807.03748), the form of SimCLR and MoCo.

    loss = -mean_i log( exp(p_i/t) / (exp(p_i/t) + sum_j exp(n_ij/t)) )

    Args:
        positive: Score of each query with its positive, [Q].
        negative: Scores of each query with its negatives, [Q, K]; -inf where a key is no negative of that query.
        temperature: t > 0. 1 for scores that contain it already.

    Returns "loss", and "accuracy", "chance" and "negatives" as `ranking` defines them. The mutual information of the
    two sides is at least log(1 + K) - loss, in nats (expected, when negatives are drawn independently).
    `streamed_info_nce` is the same from rows instead of scores, in constant memory.
    """
    logits = torch.cat([positive[:, None], negative], 1) / temperature  # [Q, 1 + K]
    loss = F.cross_entropy(logits, torch.zeros(len(logits), dtype=torch.long, device=logits.device))
    return {"loss": loss, **ranking(positive, negative)}
