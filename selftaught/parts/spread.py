"""Whether outputs still differ: 0 means that they have collapsed to one point."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


@torch.no_grad()
def spread(z: Tensor) -> Tensor:
    """Spread of the directions of z [N, D] over samples, in [0, 1]: 0 = all alike, 1 = even over the sphere. A scalar.

    The root mean over features of the variance over samples of z / ||z||, in units of 1 / sqrt(D), which is what Chen
    and He watch for collapse (CVPR 2021, arXiv 2011.10566). It equals sqrt(1 - ||mean direction||^2).
    """
    z = z.to(torch.promote_types(z.dtype, torch.float32))
    return F.normalize(z, dim=1).var(0, correction=0).sum().clamp(min=0).sqrt()
