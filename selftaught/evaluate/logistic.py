"""Multinomial logistic regression: L-BFGS on preconditioned weights, in chunks that stay in the cache."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, final

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import OptimizeResult, minimize
from torch import Tensor
from torch.nn import functional as F

from selftaught.evaluate.preconditioner import Preconditioner
from selftaught.evaluate.principal import Principal, sample
from selftaught.evaluate.threads import Pool, pool

ROWS = 512
"""Samples whose logits and gradient are computed while they are in the cache: each is read once an iteration."""
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


def solve(
    x: Tensor,
    y: Tensor,
    classes: int,
    l2: float,
    *,
    components: Principal | None = None,
    start: Solution | None = None,
    tolerance: float = 1e-4,
    iterations: int = 200,
) -> Solution:
    """Minimise (1/N) sum_i CE(x_i W' + b, y_i) + l2/(2N) ||W||^2 over W [K, D] and b [K].

    The same objective as scikit-learn's `LogisticRegression(C=1/l2)`. The optimiser moves V in W = S V, see
    `Preconditioner`; without, correlated features take several times the iterations.

    Args:
        x: Features [N, D], float32 or float64: the precision of the result.
        y: Classes, int64 [N], in [0, classes).
        classes: K.
        l2: Weight of the penalty, greater than 0.
        components: The principal ones of x, or of samples like these; None does without.
        start: Where to begin, by default at zero.
        tolerance: Length of the derivative by V and b at which to stop. What is still to be gained is about half of its
            square.
        iterations: At most.
    """
    options = {"maxiter": iterations, "gtol": 0.0, "ftol": 0.0, "maxcor": 20, "maxfun": 2 * iterations}
    with pool() as threads:
        objective = _Objective(x, y, classes, l2, components, start, threads)

        def stop(intermediate_result: OptimizeResult) -> None:
            if objective.slope(intermediate_result.x) <= tolerance:
                raise StopIteration

        end = np.zeros(classes * (x.shape[1] + 1)) if start is None else objective.inside(start.weight, start.bias)
        steps = 0
        if objective.slope(end) > tolerance:
            found = minimize(objective, end, jac=True, method="L-BFGS-B", callback=stop, options=options)
            end, steps = found.x, int(found.nit)
        met = objective.slope(end) <= tolerance
        weight, bias = objective.outside(end)
    return Solution(weight, bias, objective.loss, steps, objective.gradient, met)


@final
class _Objective:
    """The loss and its gradient as scipy wants them: float64 [K * (D + 1)], the bias last in each class's row."""

    def __init__(
        self,
        x: Tensor,
        y: Tensor,
        classes: int,
        l2: float,
        components: Principal | None,
        start: Solution | None,
        threads: Pool,
    ) -> None:
        self.x, self.y, self.classes, self.l2, self.threads = x, y, classes, l2, threads
        self.rows = ROWS if x.device.type == "cpu" else 1 << 16
        self.padded = -(-classes // LANES) * LANES
        self.at, self.loss, self.slopes, self.gradient = np.zeros(0), np.inf, np.zeros(0), np.inf
        some = sample(x)
        logits = torch.zeros(len(some), classes).to(x) if start is None else F.linear(some, start.weight, start.bias)
        self.preconditioner = Preconditioner(x, logits.double().softmax(1), l2 / len(x), components)

    def outside(self, v: NDArray[np.float64]) -> tuple[Tensor, Tensor]:
        """Weights [K, D] and biases [K] of what the optimiser holds."""
        both = torch.from_numpy(v.reshape(self.classes, -1)).to(self.x)
        return self.preconditioner.outside(both[:, :-1]), both[:, -1].contiguous()

    def inside(self, weight: Tensor, bias: Tensor) -> NDArray[np.float64]:
        """The other way."""
        return _joined(self.preconditioner.inside(weight), bias)

    def __call__(self, v: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        if not np.array_equal(v, self.at):
            self.at = v.copy()
            self._evaluate(*self.outside(v))
        return self.loss, self.slopes

    def slope(self, v: NDArray[np.float64]) -> float:
        """Length of the derivative."""
        return float(np.linalg.norm(self(v)[1]))

    def _evaluate(self, weight: Tensor, bias: Tensor) -> None:
        n, k = len(self.x), self.classes
        loss, by_weight, by_bias = self._sums(
            F.pad(weight, (0, 0, 0, self.padded - k)), F.pad(bias, (0, self.padded - k), value=-1e30)
        )
        by_weight = by_weight[:k] / n + (self.l2 / n) * weight
        by_bias = by_bias[:k] / n
        self.loss = loss / n + 0.5 * self.l2 / n * float(weight.double().square().sum())
        self.gradient = max(float(by_weight.abs().max()), float(by_bias.abs().max()))
        self.slopes = _joined(self.preconditioner.gradient(by_weight), by_bias)

    def _sums(self, weight: Tensor, bias: Tensor) -> tuple[float, Tensor, Tensor]:
        """The summed cross-entropy, and its derivatives by weight and bias; the parts are added in order."""

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


def _joined(weight: Tensor, bias: Tensor) -> NDArray[np.float64]:
    joined: NDArray[Any] = torch.cat([weight.double(), bias.double()[:, None]], dim=1).cpu().numpy()
    return joined.ravel()
