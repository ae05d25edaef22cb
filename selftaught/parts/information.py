"""Estimates of mutual information from scores of pairs, and pairs whose information is known."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor
from torch.nn import functional as F

from selftaught.errors import UserError
from selftaught.parts.info_nce import info_nce


def donsker_varadhan(joint: Tensor, apart: Tensor) -> Tensor:
    """E_p[T] - log E_q[exp T], in nats: a lower bound of the mutual information for any score T (Donsker, Varadhan).

    As an estimate from a batch it is biased upwards, because the logarithm of a mean is. MINE maximises it (Belghazi et
    al., ICML 2018, arXiv 1801.04062).

    Args:
        joint: T of pairs that belong together, [N, ...].
        apart: T of pairs that do not, [M, ...].

    Returns [...].
    """
    return joint.mean(0) - apart.logsumexp(0) + math.log(len(apart))


def nwj(joint: Tensor, apart: Tensor) -> Tensor:
    """E_p[T] - E_q[exp(T - 1)], in nats: a lower bound for any T, without bias (Nguyen, Wainwright, Jordan 2010).

    At most `donsker_varadhan` of the same T, and equal to the information where T = 1 + log p(y|x) / p(y). Its variance
    grows exponentially with the information. Arguments and result are as in `donsker_varadhan`.
    """
    return joint.mean(0) - (apart.logsumexp(0) - math.log(len(apart)) - 1).exp()


def jensen_shannon(joint: Tensor, apart: Tensor) -> Tensor:
    """Bound of 2 JSD(joint, product), in nats, at most 2 log 2, averaged over all entries (Hjelm et al., ICLR 2019).

    It bounds another divergence than mutual information, and grows with it. With T = log p(y|x) / p(y) it is exact.
    """
    return (math.log(2) - F.softplus(-joint)).mean() - (F.softplus(apart) - math.log(2)).mean()


def info_nce_bound(scores: Tensor) -> Tensor:
    """log N - L, in nats: a lower bound of the mutual information, and at most log N (van den Oord et al. 2018).

    L is the cross-entropy of finding the partner of each row among those of all N rows.

    Args:
        scores: [N, N]: the score of row i with partner j; those on the diagonal belong together.
    """
    joint, others = scores.diagonal(), scores.masked_fill(_mine(scores), -torch.inf)
    return math.log(len(scores)) - info_nce(joint, others)["loss"]


def estimates(scores: Tensor) -> dict[str, Tensor]:
    """Return every estimate for scores [N, N] of pairs: "info_nce", "donsker_varadhan", "nwj" and "jensen_shannon".

    NWJ takes the scores plus 1, which is best where they are log p(y|x) / p(y). Scores that were learned with InfoNCE
    are so only up to a constant: subtract it first, or NWJ says less than it could.

    >>> import torch
    >>> independent = estimates(torch.zeros(4, 4))
    >>> [round(value.item(), 6) + 0.0 for value in independent.values()]
    [0.0, 0.0, 0.0, 0.0]
    """
    mine = _mine(scores)
    joint, apart = scores[mine], scores[~mine]
    return {
        "info_nce": info_nce_bound(scores),
        "donsker_varadhan": donsker_varadhan(joint, apart),
        "nwj": nwj(joint + 1, apart + 1),
        "jensen_shannon": jensen_shannon(joint, apart),
    }


def _mine(scores: Tensor) -> Tensor:
    if scores.dim() != 2 or len(scores) != scores.shape[1] or len(scores) < 2:
        raise UserError(f"scores of pairs must be [N, N] with N of at least 2, not {list(scores.shape)}")
    return torch.eye(len(scores), dtype=torch.bool, device=scores.device)


@final
@dataclass(frozen=True)
class Gaussians:
    """d independent pairs (x, y) of standard normal numbers with correlation rho: the test bed of Poole et al. 2019.

    Their mutual information is known, so estimates can be compared with it (ICML 2019, arXiv 1905.06922).

    Args:
        dims: d, at least 1.
        rho: Correlation in (-1, 1).
    """

    dims: int
    rho: float

    def __post_init__(self) -> None:
        if self.dims < 1 or not -1 < self.rho < 1:
            raise UserError(f"pairs need dims of at least 1 and rho between -1 and 1, not {self.dims} and {self.rho}")

    @property
    def information(self) -> float:
        """I(x, y) = -d/2 log(1 - rho^2), in nats."""
        return -self.dims / 2 * math.log1p(-(self.rho**2))

    @property
    def jeffreys(self) -> float:
        """J = d rho^2 / (1 - rho^2): KL(p(y|x), p(y)) + KL(p(y), p(y|x)), averaged over x, in nats.

        log N - L of the InfoNCE loss is at most (N - 1) / N * J.
        """
        return self.dims * self.rho**2 / (1 - self.rho**2)

    def draw(self, n: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Return n pairs, float64 [n, d] each."""
        x, noise = torch.randn(2, n, self.dims, generator=generator, dtype=torch.float64)
        return x, self.rho * x + math.sqrt(1 - self.rho**2) * noise

    def score(self, x: Tensor, y: Tensor) -> Tensor:
        """Return log p(y|x) / p(y), the best score, of each x [N, d] with each y [M, d]: [N, M]."""
        rest = 1 - self.rho**2
        cross = x @ y.T * (self.rho / rest)
        own = -(self.rho**2) / (2 * rest) * (x.square().sum(1)[:, None] + y.square().sum(1))
        return cross + own + self.information
