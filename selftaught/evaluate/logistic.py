"""Multinomial logistic regression: L-BFGS on preconditioned weights, in chunks that fit into the processor's cache."""

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
"""Samples in a chunk. Its logits and gradient are computed while it is in the cache."""


@final
@dataclass(frozen=True)
class Solution:
    """The result of the optimiser.

    Attributes:
        weight: [K, D], or [F, K, D] of several parts.
        bias: [K] or [F, K].
        loss: The objective, summed over the parts.
        iterations: Number of iterations of L-BFGS.
        gradient: Largest absolute derivative of the objective.
        converged: Whether the tolerance was reached; if not, the iterations or the float precision were exhausted.
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
    parts: Tensor | None = None,
    components: Principal | None = None,
    start: Solution | None = None,
    tolerance: float = 1e-4,
    iterations: int = 200,
) -> Solution:
    """Minimise (1/N) sum_i CE(x_i W' + b, y_i) + l2/(2N) ||W||^2 over W [K, D] and b [K].

    This is the objective of scikit-learn's `LogisticRegression(C=1/l2)`. The optimiser changes V in W = S V, see
    `Preconditioner`; without it, correlated features need several times the iterations.

    Several subsets of the samples, as in cross-validation, can be fitted at once: each sample is then read once for all
    of them. The results are those of separate fits.

    Args:
        x: Features [N, D], float32 or float64: the precision of the result.
        y: Classes, int64 [N], in [0, classes).
        classes: K.
        l2: Weight of the penalty, greater than 0.
        parts: bool [F, N]: the samples of each of F subsets. By default one fit on all samples.
        components: The principal components of x, or of similar samples. None: no preconditioning.
        start: Where to start, by default at zero.
        tolerance: Stop when the norm of the derivative by V and b is at most this, in each subset. The objective is
            then about half of its square above the minimum.
        iterations: Maximum number of iterations.
    """
    options = {"maxiter": iterations, "gtol": 0.0, "ftol": 0.0, "maxcor": 20, "maxfun": 2 * iterations}
    with pool() as threads:
        objective = _Objective(x, y, classes, l2, parts, components, start, threads)

        def stop(intermediate_result: OptimizeResult) -> None:
            if objective.slope(intermediate_result.x) <= tolerance:
                raise StopIteration

        end = np.zeros(objective.size) if start is None else objective.inside(start.weight, start.bias)
        steps = 0
        if objective.slope(end) > tolerance:
            found = minimize(objective, end, jac=True, method="L-BFGS-B", callback=stop, options=options)
            end, steps = found.x, int(found.nit)
        met = objective.slope(end) <= tolerance
        weight, bias = objective.outside(end)
        if parts is None:
            weight, bias = weight[0], bias[0]
    return Solution(weight, bias, objective.loss, steps, objective.gradient, met)


@final
class _Objective:
    """The loss and its gradient as scipy wants them: float64 [F * K * (D + 1)], the bias last in each class's row."""

    def __init__(
        self,
        x: Tensor,
        y: Tensor,
        classes: int,
        l2: float,
        parts: Tensor | None,
        components: Principal | None,
        start: Solution | None,
        threads: Pool,
    ) -> None:
        self.x, self.y, self.classes, self.l2, self.threads = x, y, classes, l2, threads
        self.used = None if parts is None else parts.to(x.dtype)[:, None]  # [F, 1, N]
        self.parts = 1 if parts is None else len(parts)
        counts = [len(x)] if parts is None else parts.sum(1).tolist()
        self.counts = torch.tensor(counts, dtype=x.dtype, device=x.device)[:, None, None]  # samples of each part
        self.size = self.parts * classes * (x.shape[1] + 1)
        self.rows = ROWS if x.device.type == "cpu" else 1 << 16
        self.at, self.loss, self.slopes, self.gradient = np.zeros(0), np.inf, np.zeros(0), np.inf
        some = sample(x)
        p = torch.full((len(some), classes), 1 / classes, dtype=torch.float64, device=x.device)
        if start is not None:
            logits = F.linear(some, start.weight.flatten(0, -2), start.bias.flatten())
            p = logits.view(len(some), -1, classes).double().softmax(2).mean(1)
        self.preconditioner = Preconditioner(x, p, l2 / (sum(counts) / self.parts), components)

    def outside(self, v: NDArray[np.float64]) -> tuple[Tensor, Tensor]:
        """Return the weights [F, K, D] and biases [F, K] for the optimiser's variables."""
        both = torch.from_numpy(v.reshape(self.parts, self.classes, -1)).to(self.x)
        return self.preconditioner.outside(both[..., :-1]), both[..., -1].contiguous()

    def inside(self, weight: Tensor, bias: Tensor) -> NDArray[np.float64]:
        """Return the optimiser's variables for weights and biases."""
        return _joined(self.preconditioner.inside(weight), bias)

    def __call__(self, v: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        if not np.array_equal(v, self.at):
            self.at = v.copy()
            self._evaluate(*self.outside(v))
        return self.loss, self.slopes

    def slope(self, v: NDArray[np.float64]) -> float:
        """Return the norm of the derivative, the largest of all parts."""
        return float(np.linalg.norm(self(v)[1].reshape(self.parts, -1), axis=1).max())

    def _evaluate(self, weight: Tensor, bias: Tensor) -> None:
        loss, by_weight, by_bias = self._sums(weight, bias)
        by_weight = (by_weight + self.l2 * weight) / self.counts
        by_bias = by_bias / self.counts[..., 0]
        penalty = 0.5 * self.l2 * weight.double().square().sum((1, 2))
        self.loss = float(((loss + penalty) / self.counts.flatten()).sum())
        self.gradient = max(float(by_weight.abs().max()), float(by_bias.abs().max()))
        self.slopes = _joined(self.preconditioner.gradient(by_weight), by_bias)

    def _sums(self, weight: Tensor, bias: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return the summed cross-entropy of each part, and its derivatives by weight and bias.

        Threads share the samples; their sums are added in order.
        """
        rows, columns = weight.flatten(0, 1), bias.flatten()[:, None]

        def part(begin: int) -> tuple[Tensor, Tensor, Tensor]:
            some = slice(begin, begin + self.rows)
            x, y = self.x[some], self.y[some].expand(self.parts, 1, -1)
            # classes before samples: the products take half as long with few classes as the other way round
            log_p = torch.addmm(columns, rows, x.T).view(*bias.shape, -1).log_softmax(1)  # [F, K, B]
            loss = log_p.gather(1, y)
            error = log_p.exp_().scatter_add_(1, y, torch.full_like(loss, -1))  # p - onehot
            if self.used is not None:
                loss, error = loss * self.used[..., some], error * self.used[..., some]
            return (
                -loss.sum((1, 2), dtype=torch.float64),
                error.flatten(0, 1) @ x,
                error.sum(2, dtype=torch.float64),
            )

        total: list[Tensor] | None = None
        for terms in self.threads.map(part, range(0, len(self.x), self.rows)):
            if total is None:
                total = list(terms)
                continue
            for sums, term in zip(total, terms, strict=True):
                sums += term
        assert total is not None
        loss, by_weight, by_bias = total
        return loss, by_weight.view(weight.shape), by_bias


def _joined(weight: Tensor, bias: Tensor) -> NDArray[np.float64]:
    joined: NDArray[Any] = torch.cat([weight.double(), bias.double()[..., None]], dim=-1).cpu().numpy()
    return joined.ravel()
