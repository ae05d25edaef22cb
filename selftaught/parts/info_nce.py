"""The InfoNCE loss: a softmax over one positive and several negatives."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from selftaught.parts.scores import ranking


def info_nce(positive: Tensor, negative: Tensor, temperature: float = 1.0) -> dict[str, Tensor]:
    """InfoNCE loss of van den Oord, Li, Vinyals 2018 (arXiv 1807.03748), in the form of SimCLR and MoCo.

    loss = -mean_i log( exp(p_i/t) / (exp(p_i/t) + sum_j exp(n_ij/t)) )

    Args:
        positive: Score of each query with its positive, [Q].
        negative: Scores of each query with its negatives, [Q, K]; -inf for a key that is not a negative of that query.
        temperature: t > 0. Use 1 for scores that are already divided by it.

    Returns "loss", and "accuracy", "chance" and "negatives" as in `ranking`. The mutual information of both sides is at
    least log(1 + K) - loss, in nats (in expectation, for independent negatives). `streamed_info_nce` computes the same
    from rows instead of scores, in constant memory.

    >>> import torch
    >>> positive, negative = torch.zeros(2), torch.zeros(2, 3)
    >>> round(info_nce(positive, negative)["loss"].item(), 4)  # log(1 + 3)
    1.3863
    """
    logits = torch.cat([positive[:, None], negative], 1) / temperature  # [Q, 1 + K]
    loss = F.cross_entropy(logits, torch.zeros(len(logits), dtype=torch.long, device=logits.device))
    return {"loss": loss, **ranking(positive, negative)}
