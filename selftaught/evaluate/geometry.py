"""Geometry of features, measured without labels: spread, effective rank, alignment and uniformity."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from selftaught.parts.spread import spread


def embedding_std(z: Tensor) -> float:
    """Return the spread of the directions of z [N, D] over samples, in [0, 1]: see `selftaught.parts.spread`."""
    return float(spread(z.double()))


def rankme(z: Tensor, eps: float = 1e-7) -> float:
    """Return the effective rank of z [N, D], between 1 and min(N, D).

    >>> round(rankme(torch.eye(4)), 2)
    4.0

    It is the exponential of the entropy of the normalised singular values.

    Garrido, Balestriero, Najman, LeCun, ICML 2023 (arXiv 2210.02885): p = sigma / sum(sigma) + eps, not centred.
    Compare only runs of one method. The singular values are the roots of the eigenvalues of the smaller Gram matrix in
    float64, which loses those below 1e-8 of the largest.
    """
    z = z.double()
    z = z / z.abs().max().clamp(min=1e-300)
    gram = z @ z.T if len(z) < z.shape[1] else z.T @ z
    sigma = torch.linalg.eigvalsh(gram).clamp(min=0).sqrt()
    sigma[sigma < 1e-7 * sigma.max()] = 0  # rounding errors, not rank
    if float(sigma.sum()) == 0:
        return 1.0
    p = sigma / sigma.sum() + eps
    return float(torch.exp(-(p * p.log()).sum()))


def alignment(x: Tensor, y: Tensor, alpha: float = 2.0) -> float:
    """Return the mean of ||f(x) - f(y)||^alpha over positive pairs, rows of x and y [N, D], on the unit sphere.

    >>> alignment(torch.eye(2), torch.eye(2))
    0.0

    From 0 (both views are equal) to 2^alpha.

    Wang and Isola, ICML 2020 (arXiv 2005.10242).
    """
    return float((F.normalize(x.double(), dim=1) - F.normalize(y.double(), dim=1)).norm(dim=1).pow(alpha).mean())


def uniformity(x: Tensor, t: float = 2.0) -> float:
    """Return log mean exp(-t ||f(x) - f(y)||^2) over distinct pairs of rows of x [N, D] on the unit sphere.

    >>> uniformity(torch.ones(3, 2))
    0.0

    From -4t to 0 (all rows are equal).

    Wang and Isola, ICML 2020 (arXiv 2005.10242). Needs at least two rows.
    """
    squared = torch.pdist(F.normalize(x.double(), dim=1)).square()  # [N (N - 1) / 2]
    return float(squared.mul(-t).exp().mean().log())
