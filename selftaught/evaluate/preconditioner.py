"""The change of variables in `logistic.solve`, after which its objective has similar curvature in all directions."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import final

import torch
from torch import Tensor

from selftaught.evaluate.principal import Principal, sample
from selftaught.evaluate.threads import pool

COUPLED = 1280
"""Classes times principal components, at most, between which all second derivatives are known."""
SHARE = 1
"""What estimating them may cost, in evaluations of the objective."""
ROWS = 512
"""Rows that a thread multiplies at a time."""


@final
class Preconditioner:
    """W = S V with S S' = H^-1, for weights W [..., K, D] of linear classifiers.

    H stands for the Hessian of the mean cross-entropy of x W' + b with a ridge r/2 ||W||^2. In the principal components
    z of x, with the class probabilities p at the start,

    - between the leading ones H is exact, d2/dW_k dW_l = mean of p_k (delta_kl - p_l) z z' + r;
    - along each of the others it is c mean(z^2) + r, c being the mean of p (1 - p) over samples and classes;
    - across all of them it is c times the mean square of what is left, plus r.

    Without `components` it is the identity.

    Args:
        x: Features [N, D].
        p: Class probabilities, float64 [S, K], of the rows ``sample(x)``.
        ridge: r.
        components: Of x, or of samples like these.
    """

    def __init__(self, x: Tensor, p: Tensor, ridge: float, components: Principal | None) -> None:
        self.basis: Tensor | None = None
        # H^1/2 in each principal direction, and in all others
        self.along, self.across = torch.ones(x.shape[1]).to(x), 1.0
        self.root = torch.ones(0, 0).to(x)  # L L' = H of the leading ones
        if components is None:
            return
        c = max(float((p * (1 - p)).mean()), 1e-4 / p.shape[1])
        self.basis = None if components.basis is None else components.basis.to(x)
        self.along, self.across = (c * components.values + ridge).sqrt().to(x), (c * components.rest + ridge) ** 0.5
        count = int(min(len(self.along), COUPLED / p.shape[1], math.sqrt(2 * SHARE * x.numel() / p.numel())))
        some = sample(x)
        hessian = _hessian(some[:, :count] if self.basis is None else some @ self.basis[:, :count], p)
        hessian.diagonal().add_(ridge + 1e-6 * float(hessian.diagonal().mean()))
        self.root = torch.linalg.cholesky(hessian).to(x)

    def outside(self, v: Tensor) -> Tensor:
        """W = S V, [..., K, D] both."""
        root = self.root.T
        return self._map(
            v, lambda lead: torch.linalg.solve_triangular(root, lead, upper=True), 1 / self.along, 1 / self.across
        )

    def gradient(self, by_weight: Tensor) -> Tensor:
        """The derivative by V: S' times that by W."""
        root = self.root
        return self._map(
            by_weight,
            lambda lead: torch.linalg.solve_triangular(root, lead, upper=False),
            1 / self.along,
            1 / self.across,
        )

    def inside(self, weight: Tensor) -> Tensor:
        """V = S^-1 W."""
        return self._map(weight, lambda lead: self.root.T @ lead, self.along, self.across)

    def _map(self, w: Tensor, leading: Callable[[Tensor], Tensor], along: Tensor, across: float) -> Tensor:
        z = w if self.basis is None else w @ self.basis  # [..., K, R]
        count = len(self.root) // w.shape[-2]
        first = z[..., :count]
        lead = leading(torch.atleast_2d(first.flatten(-2)).T).T.reshape(first.shape)  # a column each
        turned = torch.cat([lead, z[..., count:] * along[count:]], dim=-1)
        return turned if self.basis is None else across * w + (turned - across * z) @ self.basis.T


def _hessian(z: Tensor, p: Tensor) -> Tensor:
    """float64 [K R, K R]: the mean of (diag(p) - p p') x z z' over the rows of z [S, R] and p [S, K]."""
    (n, k), r = p.shape, z.shape[1]

    def part(begin: int) -> tuple[Tensor, Tensor]:
        rows = z[begin : begin + ROWS].double()  # p is near 0 or 1 for most: single precision leaves negative curvature
        each = (p[begin : begin + ROWS, :, None] * rows[:, None]).flatten(1)  # [B, K R]
        return each.T @ each, each.T @ rows

    total = torch.zeros(k * r, k * r, dtype=torch.float64, device=z.device)
    with pool() as threads:
        for products, own in threads.map(part, range(0, n, ROWS)):
            total -= products
            for c in range(k):
                block = slice(c * r, c * r + r)
                total[block, block] += own[block]
    return total / n
