"""The spread of outputs: 0 means that they have collapsed to one point."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


@torch.no_grad()
def spread(z: Tensor) -> Tensor:
    """Return the spread of the directions of z [N, D] over samples: 0 = all equal, 1 = uniform on the sphere.

    The root mean square over features of the standard deviation over samples of z / ||z||, in units of 1 / sqrt(D),
    which Chen and He use to detect collapse (CVPR 2021, arXiv 2011.10566). It equals sqrt(1 - ||mean direction||^2).
    """
    z = z.to(torch.promote_types(z.dtype, torch.float32))
    return F.normalize(z, dim=1).var(0, correction=0).sum().clamp(min=0).sqrt()
