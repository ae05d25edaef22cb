"""SIGReg: a test of how far samples are from a standard normal distribution, as a loss."""

from __future__ import annotations

import torch
from torch import Tensor

from selftaught.parts.gather import gather_with_gradient, world


def sigreg(z: Tensor, along: Tensor, reach: float = 3.0, knots: int = 17) -> Tensor:
    """Return the mean over directions of the Epps-Pulley statistic of the projections of z: a scalar.

    Balestriero and LeCun 2025 (arXiv 2511.08544), "LeJEPA", sketched isotropic Gaussian regularisation. With x_1 ...
    x_N the projections on one direction::

        T = N * integral over [-reach, reach] of |mean_n exp(i t x_n) - exp(-t^2/2)|^2 exp(-t^2/2) dt

    by the trapezium rule. As exp(-t^2/2) is the characteristic function of N(0, 1), T is about 1.05 for such samples,
    whatever N, and grows with N for all others: 0.402 N for samples that are all 0.

    The gradient is 0 when all samples are equal, and small near it. N counts the samples of all ranks.

    Args:
        z: Samples [B, D] of this rank.
        along: Unit vectors [D, S], the same on every rank.
        reach: Largest t.
        knots: Number of points t of the rule on [0, reach]; the other half is the same.

    >>> import torch
    >>> round(float(sigreg(torch.zeros(100, 2), torch.eye(2))), 2)
    40.2
    """
    with torch.autocast(z.device.type, enabled=False):  # the differences are small
        x = z.to(along.dtype) @ along  # [B, S]
        t = torch.linspace(0, reach, knots, device=x.device, dtype=x.dtype)
        normal = torch.exp(-t.square() / 2)  # [T]
        weight = normal * 2 * reach / (knots - 1)  # 2: the other half of the line
        weight[[0, -1]] /= 2
        tx = x[:, :, None] * t  # [B, S, T]
        wave = torch.stack([tx.cos().mean(0), tx.sin().mean(0)])  # [2, S, T]
        real, imaginary = gather_with_gradient(wave[None]).mean(0)  # ranks have equally many samples
        apart = (real - normal).square() + imaginary.square()
        statistic: Tensor = (apart @ weight).mean() * len(x) * world()
    return statistic
