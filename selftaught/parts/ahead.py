"""Predict the codes of later moments from contexts, within an episode: the contrastive loss of predictive coding."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
import torch
from torch import Tensor, nn

from selftaught.parts.gather import average, gather_with_gradient, rank
from selftaught.parts.info_nce import info_nce


def drawn(count: int, negatives: int, *key: int) -> Tensor:
    """Return the places of at most `negatives` of `count` codes, int64, in an order that two integers decide."""
    generator = np.random.Generator(np.random.Philox(key=list(key), counter=[0, 0, 0, 0x61686561]))
    return torch.from_numpy(generator.permutation(count)[:negatives])


def ahead(
    codes: Tensor, contexts: Tensor, start: Tensor, maps: Iterable[nn.Module], negatives: int, seed: int, step: int
) -> dict[str, Tensor]:
    """Return `info_nce` of all predictions together, weighed so that ranks average to the whole.

    From the context of moment t, map k = 1, 2, ... predicts the code of t + k; the score of a code z is
    z^T W_k c / sqrt(D). There is no prediction from one episode into another. Negatives are codes of any moments of
    the batch, over all ranks, drawn by `seed` and `step`; the target is none of them. Without any prediction, the loss
    is 0.

    Args:
        codes: [B, T, D].
        contexts: [B, T, U].
        start: bool [B, T], the moment is the first of its episode.
        maps: One W_k each, [U] to [D].
        negatives: Number of negatives, at most as many as there are codes.
        seed: Seed of the run.
        step: Step of the run.
    """
    batch, length, width = codes.shape
    episode = start.cumsum(1)  # [B, T]
    place = torch.arange(batch * length, device=codes.device).view(batch, length) + rank() * batch * length
    everyone = gather_with_gradient(codes.flatten(0, 1))  # [N, D]
    among = drawn(len(everyone), negatives, seed, step).to(codes.device)  # [K]
    candidates = everyone[among]
    positive, negative = [codes.new_zeros(0)], [codes.new_zeros(0, len(among))]
    for k, w in enumerate(maps, 1):
        if k >= length:
            break
        use = episode[:, k:] == episode[:, :-k]  # [B, T - k]
        query = w(contexts[:, :-k][use])  # [Q, D]
        positive.append((query * codes[:, k:][use]).sum(1))
        own = place[:, k:][use][:, None] == among
        negative.append((query @ candidates.T).masked_fill(own, -torch.inf))
    scores, others = torch.cat(positive), torch.cat(negative)
    count = scores.new_tensor(float(len(scores)))
    share = count / average(count.clone()).clamp(min=1)
    if not len(scores):
        nothing = 0 * (codes.sum() + contexts.sum())
        return dict.fromkeys(("loss", "accuracy", "chance", "negatives"), nothing)
    return {name: value * share for name, value in info_nce(scores, others, math.sqrt(width)).items()}
