"""Noise-contrastive estimation: is this score the data's or the noise's?"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from selftaught.errors import UserError
from selftaught.parts.scores import ranking


def nce(
    positive: Tensor, negative: Tensor, noise: float, temperature: float = 1.0, z: float | Tensor = 1.0
) -> dict[str, Tensor]:
    """Gutmann and Hyvarinen 2010 (AISTATS), as in Wu, Xiong, Yu, Lin 2018 (CVPR, arXiv 1805.01978).

    A softmax over n rows becomes binary questions about one true row and K rows drawn from noise.
    With the model P = exp(s / t) / Z, the noise P_n, K draws a query and h = P / (P + K P_n)::

        loss = -mean_i ( log h(p_i) + sum_j log(1 - h(n_ij)) )

    which is -E_data[log h] - K E_noise[log(1 - h)]. Z is a constant: `normaliser` estimates it, once. As K grows, the
    gradient becomes that of the softmax over all n rows. With ``noise = 1 / K`` and Z = 1 it is plain logistic
    regression on s / t (negative sampling).

    Args:
        positive: Score of each query with its own row, [Q].
        negative: Scores of each query with the rows drawn from noise, [Q, K]; the own row may be among them. -inf marks
            a place that was not drawn.
        noise: P_n, the probability of each draw, in (0, 1]: 1 / n for uniform draws from n rows.
        temperature: t > 0.
        z: Z > 0, a number or a scalar tensor.

    Returns "loss", and "accuracy", "chance" and "negatives" as `ranking` defines them. Raises UserError for a value out
    of range.
    """
    if not 0 < noise <= 1:
        raise UserError(f"noise must be a probability in (0, 1], not {noise}")
    if temperature <= 0:
        raise UserError(f"temperature must be greater than 0, not {temperature}")
    draws = (negative > -torch.inf).sum(1).clamp(min=1).to(positive.dtype)  # [Q]
    # [Q]
    offset = torch.as_tensor(z, dtype=positive.dtype, device=positive.device).log() + math.log(noise) + draws.log()
    # log h = log sigmoid(u) and log(1 - h) = log sigmoid(-u), with u = log(P / (K P_n)).
    true = F.softplus(offset - positive / temperature)  # [Q]
    false = F.softplus(negative / temperature - offset[:, None]).sum(1)  # [Q]
    return {"loss": (true + false).mean(), **ranking(positive, negative)}


@torch.no_grad()
def normaliser(scores: Tensor, rows: int, temperature: float = 1.0) -> Tensor:
    """Z = n mean_j exp(s_j / t), a scalar, from the `scores` (any shape) of queries with rows drawn uniformly from n = `rows`.

    The released code of Wu et al. 2018 takes it from the first batch and keeps it: an NCE whose Z moves is another
    objective.
    """
    return rows * (scores / temperature).exp().mean()
