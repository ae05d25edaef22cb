"""Codes of the future among other codes: what contrastive predictive coding of series and of sound share."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from selftaught.parts.gather import average
from selftaught.parts.info_nce import info_nce

TAG = 0x637063  # separates these random numbers from other uses of (seed, step)


def beyond(receptive_field: int, stride: int, positions: int, steps: int) -> range:
    """Return up to `steps` distances of positions, from the smallest at which windows share no sample.

    They are below the number of positions; empty if none is.
    """
    first = -(-receptive_field // stride)
    return range(first, min(first + steps, positions))


def shuffled(valid: Tensor, seed: int, step: int) -> Tensor:
    """Return the places of all codes that are there, bool [N], in a random order of this step: int64 [M]."""
    generator = np.random.Generator(np.random.Philox(key=[seed, step], counter=[0, 0, 0, TAG]))
    order = torch.from_numpy(generator.permutation(len(valid))).to(valid.device)
    return order[valid[order]]


def weighed(positive: Tensor, negative: Tensor, temperature: float) -> dict[str, Tensor]:
    """Return `info_nce` of this rank's predictions, weighed by their number, so that ranks average to the whole."""
    count = torch.tensor(float(len(positive)), device=positive.device)
    share = count / average(count.clone()).clamp(min=1)
    if not len(positive):  # all series of this batch are too short for this distance
        nothing = positive.sum() + negative.sum()
        return dict.fromkeys(("loss", "accuracy", "chance", "negatives"), nothing)
    return {name: value * share for name, value in info_nce(positive, negative, temperature).items()}
