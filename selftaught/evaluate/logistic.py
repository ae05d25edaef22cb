"""Multinomial logistic regression to the optimum: L-BFGS on preconditioned weights, in chunks that stay in the cache."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, final

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import minimize
from torch import Tensor
from torch.nn import functional as F

from selftaught.evaluate.threads import Pool, pool

ROWS = 512
"""Samples whose logits and gradient are computed while they are in the processor's cache: each is read once an iteration."""
WIDEST = 4096
"""Features up to which the Gram matrix preconditions the weights; beyond, it costs more than it saves."""
LANES = 16
"""Classes are padded to a multiple: matrix products with 10 columns take twice as long as with 16."""


@final
@dataclass(frozen=True)
class Solution:
    """Where the optimiser stopped.

    Attributes:
        weight: [K, D].
        bias: [K].
        loss: The objective there.
        iterations: Of L-BFGS.
        gradient: Largest absolute derivative of the objective there.
        converged: Whether the tolerance was met (else the iterations ran out, or float precision did).
    """

    weight: Tensor
    bias: Tensor
    loss: float
    iterations: int
    gradient: float
    converged: bool


def gram(x: Tensor) -> Tensor | None:
    """float64 [D, D]: x'x / N, what `solve` preconditions with; None where it would be too large."""
    if x.shape[1] > WIDEST:
        return None
    total = torch.zeros(x.shape[1], x.shape[1], dtype=torch.float64, device=x.device)
    with pool() as threads:
        for part in threads.map(lambda begin: x[begin : begin + 4096].T @ x[begin : begin + 4096], range(0, len(x), 4096)):
            total += part
    return total / len(x)


def solve(
    x: Tensor,
    y: Tensor,
    classes: int,
    l2: float,
    *,
    moments: Tensor | None = None,
    start: Solution | None = None,
    tolerance: float = 1e-4,
    iterations: int = 200,
) -> Solution:
    """Minimise (1/N) sum_i CE(x_i W' + b, y_i) + l2/(2N) ||W||^2 over W [K, D] and b [K].

    The same objective as scikit-learn's `LogisticRegression(C=1/l2)`. The optimiser moves V in W = V L^-1, where
    L L' = c x'x / N + l2/N stands for the Hessian, c being the mean of p (1 - p) over the samples' class probabilities at the start.
    Without it, correlated features take several times the iterations.

    Args:
        x: Features [N, D], float32 or float64: the precision of the result.
        y: Classes, int64 [N], in [0, classes).
        classes: K.
        l2: Weight of the penalty, greater than 0.
        moments: x'x / N [D, D], or that of a part of the samples; None does without.
        start: Where to begin, by default at zero.
        tolerance: Largest derivative with respect to V (and b) at which to stop.
        iterations: At most.
    """
    options = {"maxiter": iterations, "gtol": tolerance, "ftol": 0.0, "maxcor": 20, "maxfun": 2 * iterations}
    with pool() as threads:
        objective = _Objective(x, y, classes, l2, moments, start, threads)
        begin = np.zeros(classes * (x.shape[1] + 1)) if start is None else objective.inside(start.weight, start.bias)
        found = minimize(objective, begin, jac=True, method="L-BFGS-B", options=options)
        loss, _ = objective(found.x)
        weight, bias = objective.outside(found.x)
    met = float(np.abs(found.jac).max()) <= tolerance
    return Solution(weight, bias, loss, int(found.nit), objective.gradient, met)


@final
class _Objective:
    """The loss and its gradient as scipy wants them: float64 vectors [K * (D + 1)], the bias last in each class's row."""

    def __init__(
        self, x: Tensor, y: Tensor, classes: int, l2: float, moments: Tensor | None, start: Solution | None, threads: Pool
    ) -> None:
        self.x, self.y, self.classes, self.l2, self.threads = x, y, classes, l2, threads
        self.rows = ROWS if x.device.type == "cpu" else 1 << 16
        self.padded = -(-classes // LANES) * LANES
        self.gradient = float("inf")
        self.root: Tensor | None = None
        if moments is not None:
            hessian = moments.to(torch.float64) * _spread(x, classes, start)
            hessian.diagonal().add_(l2 / len(x) + 1e-6 * float(hessian.diagonal().mean()) + 1e-12)
            self.root = torch.linalg.cholesky(hessian).to(x.dtype)  # L

    def outside(self, v: NDArray[np.float64]) -> tuple[Tensor, Tensor]:
        """Weights [K, D] and biases [K] of what the optimiser holds: W = V L^-1."""
        both = torch.from_numpy(v.reshape(self.classes, -1)).to(self.x)
        weight, bias = both[:, :-1], both[:, -1]
        if self.root is not None:
            weight = torch.linalg.solve_triangular(self.root, weight, upper=False, left=False)
        return weight.contiguous(), bias.contiguous()

    def inside(self, weight: Tensor, bias: Tensor) -> NDArray[np.float64]:
        """The other way: V = W L."""
        return _joined(weight if self.root is None else weight @ self.root, bias)

    def __call__(self, v: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        weight, bias = self.outside(v)
        n, k = len(self.x), self.classes
        loss, by_weight, by_bias = self._sums(F.pad(weight, (0, 0, 0, self.padded - k)), F.pad(bias, (0, self.padded - k), value=-1e30))
        by_weight = by_weight[:k] / n + (self.l2 / n) * weight
        by_bias = by_bias[:k] / n
        self.gradient = max(float(by_weight.abs().max()), float(by_bias.abs().max()))
        if self.root is not None:  # the derivative by V is that by W times L^-T
            by_weight = torch.linalg.solve_triangular(self.root.T, by_weight, upper=True, left=False)
        return loss / n + 0.5 * self.l2 / n * float(weight.double().square().sum()), _joined(by_weight, by_bias)

    def _sums(self, weight: Tensor, bias: Tensor) -> tuple[float, Tensor, Tensor]:
        """The summed cross-entropy, and its derivatives by weight and bias; the parts are added in order, whatever thread they ran on."""

        def part(begin: int) -> tuple[Tensor, Tensor, Tensor]:
            x, y = self.x[begin : begin + self.rows], self.y[begin : begin + self.rows, None]
            log_p = F.log_softmax(F.linear(x, weight, bias), dim=1)  # [B, padded]; padding has probability 0
            loss = -log_p.gather(1, y).sum(dtype=torch.float64)
            error = log_p.exp_().scatter_add_(1, y, torch.full_like(y, -1, dtype=log_p.dtype))  # p - onehot
            return loss, error.T @ x, error.sum(0, dtype=torch.float64)

        loss = torch.zeros((), dtype=torch.float64, device=weight.device)
        by_weight = torch.zeros_like(weight)
        by_bias = torch.zeros_like(bias, dtype=torch.float64)
        for terms in self.threads.map(part, range(0, len(self.x), self.rows)):
            for total, term in zip((loss, by_weight, by_bias), terms, strict=True):
                total += term
        return float(loss), by_weight, by_bias


def _spread(x: Tensor, classes: int, start: Solution | None) -> float:
    """Mean of p (1 - p) over classes and over up to 2,048 samples."""
    if start is None:
        return (1 - 1 / classes) / classes
    p = F.softmax(F.linear(x[:: max(1, len(x) // 2048)], start.weight, start.bias), dim=1)
    return max(float((p * (1 - p)).mean()), 1e-4 / classes)


def _joined(weight: Tensor, bias: Tensor) -> NDArray[np.float64]:
    joined: NDArray[Any] = torch.cat([weight.double(), bias.double()[:, None]], dim=1).cpu().numpy()
    return joined.ravel()
