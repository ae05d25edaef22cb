"""PCA-whitening: rotate features to their principal components and give each the same variance."""

from __future__ import annotations

import torch
from torch import Tensor

EXACT = 512
"""Largest width whose covariance is decomposed exactly."""
ROUNDS, SPARE = 6, 16
"""Rounds of subspace iteration beyond it, and directions carried along."""
EPSILON = 1e-5
"""Added to variances, as a share of the largest, because some features never vary."""


@torch.no_grad()
def whitening(x: Tensor, dims: int) -> tuple[Tensor, Tensor]:
    """Return the mean [D] and the matrix [D, K] that whiten the rows x [N, D]: ``(x - mean) @ matrix``.

    K is `dims`, at most D and N - 1. The result has the identity as its covariance, except along components with next
    to no variance. Wide features are decomposed by subspace iteration (Halko et al. 2011), the same every time.
    """
    mean = x.mean(0)
    centred, (n, d) = x - mean, x.shape
    kept = max(min(dims, d, n - 1), 1)
    if d <= max(EXACT, kept + SPARE):
        values, basis = torch.linalg.eigh((centred.T @ centred).double() / n)
    else:
        generator = torch.Generator().manual_seed(0)
        start = torch.randn(d, kept + SPARE, generator=generator, dtype=x.dtype).to(x.device)
        for _ in range(ROUNDS):
            start = torch.linalg.qr(centred.T @ (centred @ start)).Q
        inside = centred @ start
        values, turn = torch.linalg.eigh((inside.T @ inside).double() / n)
        basis = start.double() @ turn
    values, basis = values.flip(0)[:kept].clamp(min=0), basis.flip(1)[:, :kept]  # the largest first
    signs = basis.gather(0, basis.abs().argmax(0, keepdim=True)).sign()  # the largest loading is positive
    scale = (values + EPSILON * values[0] + torch.finfo(x.dtype).tiny).rsqrt()
    return mean, (basis * signs * scale).to(x.dtype)
