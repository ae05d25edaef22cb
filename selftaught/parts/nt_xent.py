"""NT-Xent: two views of a sample find each other among all views of a batch."""

from __future__ import annotations

import torch
from torch import Tensor

from selftaught.parts.streamed_info_nce import streamed_info_nce


def nt_xent(z: Tensor, everyone: Tensor, first: int, temperature: float) -> dict[str, Tensor]:
    """Return the loss NT-Xent (Chen et al. 2020, arXiv 2002.05709), in tiles.

    With z_1 ... z_2N normalised rows, s_ij = z_i . z_j, and j(i) the other view of the sample of i::

        L = -1/(2N) sum_i log( exp(s_ij(i)/t) / sum_{k != i} exp(s_ik/t) )

    Args:
        z: Rows [2B, D], which are rows first, first + 1, ... of `everyone`.
        everyone: Rows [2N, D], of which 2i and 2i + 1 are a pair.
        first: See z.
        temperature: t > 0.
    """
    mine = torch.arange(first, first + len(z), device=z.device)  # [2B]
    positive = (z * everyone[mine ^ 1]).sum(1)  # [2B]
    return streamed_info_nce(z, positive, everyone, temperature, exclude=torch.stack([mine, mine ^ 1], 1))
