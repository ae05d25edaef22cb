"""The triplet loss of exemplars: copies of an image are nearer to each other than to any other image."""

from __future__ import annotations

import torch
from torch import Tensor

from selftaught.parts.gather import gather_with_gradient, rank
from selftaught.parts.triplet import triplet


def exemplar(z: Tensor, copies: int) -> dict[str, Tensor]:
    """Batch-hard triplet loss with a soft margin on z [MB, D] of length 1, with the M copies of an image side by side.

    Every copy is an anchor. The positive is the farthest copy of the same image on this rank. The negative is the
    nearest copy of any other image over all ranks. "accuracy" is the fraction of anchors whose positive is nearer than
    the negative. With `copies` 1 there is no positive and the loss is 0.
    """
    everyone = gather_with_gradient(z)  # [RMB, D]
    mine = torch.arange(rank() * len(z), (rank() + 1) * len(z), device=z.device)
    whose = torch.arange(len(everyone), device=z.device) // copies
    same = whose[mine, None] == whose  # [MB, RMB]
    itself = mine[:, None] == torch.arange(len(everyone), device=z.device)
    if copies < 2 or len(everyone) == copies:  # no positive, or no negative
        return {"loss": z.sum() * 0, "accuracy": z.new_zeros(())}
    # [MB, RMB]; no gradient where it is 0
    near = -torch.cdist(z, everyone, compute_mode="donot_use_mm_for_euclid_dist")
    positive = near.masked_fill(~same | itself, torch.inf).amin(1)  # [MB]
    return triplet(positive, near.masked_fill(same, -torch.inf), margin=None, mining="hard")
