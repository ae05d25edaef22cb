"""Linear probe: how well a linear classifier predicts labels from frozen features."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from selftaught.data.budget import Labels
from selftaught.data.subset import drawn
from selftaught.errors import UserError
from selftaught.evaluate.knn import percent
from selftaught.evaluate.logistic import Solution, solve
from selftaught.evaluate.principal import Principal, principal, sample
from selftaught.evaluate.splits import parts
from selftaught.evaluate.threads import pool

STRENGTHS = tuple(10.0**e for e in range(4, -4, -1))
"""L2 weights to try, the strongest first. Each is the inverse of scikit-learn's C."""
TUNED_ON = 10_000
"""Each L2 weight is fitted on at most this many samples, and chosen on at most this many others."""
FOLDS = 5
CROSS_VALIDATED = 2_000
"""Up to this many labels, the L2 weight is chosen by cross-validation, not on one split."""
TOLERANCE, FITTING_FEW, CHOOSING_A_LABEL = 0.03, 0.001, 1e-5
"""Tolerances of `logistic.solve`. Few labels need smaller ones, and to choose by, one in proportion to their number: a
weak penalty separates classes by far, and only near its end does a fit differ from that of a weaker one."""
DIRECTIONS = 256
"""Number of principal components used to precondition the fits."""
ROWS = 256


@final
class Standard:
    """Scale each feature to mean 0 and standard deviation 1 over the training samples; a constant feature becomes 0.

    `components` are the principal components of the scaled features.

    Args:
        x: Training features [N, D].
    """

    def __init__(self, x: NDArray[Any]) -> None:
        origin = np.asarray(x[0], np.float64)  # sums of squares about a sample do not cancel

        def part(begin: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
            away = x[begin : begin + ROWS] - origin
            return away.sum(0), np.square(away, out=away).sum(0)

        with pool() as threads:
            total, squares = map(sum, zip(*threads.map(part, range(0, len(x), ROWS)), strict=True))
        offset = total / len(x)
        deviation = np.sqrt(np.maximum(squares / len(x) - offset**2, 0))
        varies = deviation > 1e-6 * (np.abs(origin + offset) + np.finfo(np.float32).tiny)
        self.mean = (origin + offset).astype(np.float32)  # [D]
        self.scale = np.where(varies, 1 / np.where(varies, deviation, 1), 0).astype(np.float32)  # [D]
        self.components = principal(torch.from_numpy(self(sample(x))), DIRECTIONS)

    def __call__(self, x: NDArray[Any], out: NDArray[np.float32] | None = None) -> NDArray[np.float32]:
        """Return the scaled features, float32 [M, D]. `out` may be `x` itself."""
        target = np.empty(x.shape, np.float32) if out is None else out

        def part(begin: int) -> None:
            rows = target[begin : begin + ROWS]
            np.subtract(x[begin : begin + ROWS], self.mean, out=rows, casting="same_kind")
            np.multiply(rows, self.scale, out=rows)

        with pool() as threads:
            list(threads.map(part, range(0, len(x), ROWS)))
        return target


@final
@dataclass(frozen=True)
class Linear:
    """A fitted linear classifier.

    Attributes:
        standard: Scales the features first.
        weight: float32 [K, D], for scaled features.
        bias: float32 [K].
        l2: The chosen weight of the penalty (scikit-learn's 1/C).
        iterations: Number of iterations of the last fit.
        gradient: Largest absolute derivative of the objective at the end of the last fit.
        converged: Whether the last fit reached its tolerance.
        seconds: Time to choose the L2 weight and to fit.
    """

    standard: Standard
    weight: Tensor
    bias: Tensor
    l2: float
    iterations: int
    gradient: float
    converged: bool
    seconds: float

    def logits(self, x: NDArray[Any]) -> Tensor:
        """Return float32 [M, K] for the encoder's features."""
        with pool() as threads:
            starts = range(0, len(x), ROWS)
            return torch.cat(list(threads.map(lambda b: self.of_standard(self.standard(x[b : b + ROWS])), starts)))

    def of_standard(self, x: NDArray[np.float32]) -> Tensor:
        """Return float32 [M, K] for features that are already scaled."""
        return F.linear(torch.from_numpy(x).to(self.weight.device), self.weight, self.bias).cpu()

    def predict(self, x: NDArray[Any]) -> Labels:
        """Return the most probable class of each row, int64 [M]."""
        predicted: Labels = self.logits(x).argmax(1).numpy()
        return predicted


@final
@dataclass(frozen=True)
class Probe:
    """Accuracy of a linear probe in percent. `top5` is None with at most 5 classes. See `Linear` for the rest."""

    accuracy: float
    top5: float | None
    l2: float
    iterations: int
    gradient: float
    converged: bool
    seconds: float


def linear_probe(
    train_x: NDArray[Any],
    train_y: Labels,
    test_x: NDArray[Any],
    test_y: Labels,
    seed: int = 0,
    *,
    groups: NDArray[np.int64] | None = None,
    device: torch.device | str = "cpu",
) -> Probe:
    """Fit a linear classifier on training features [N, D] and labels int64 [N] alone, then score it on test samples.

    See `fit_linear` for the arguments and errors.
    """
    fitted = fit_linear(train_x, train_y, seed, groups=groups, device=device)
    logits = fitted.logits(test_x)
    accuracy = percent(logits.argmax(1).numpy(), test_y)
    top5 = None
    if logits.shape[1] > 5:
        top5 = 100.0 * float(
            (logits.topk(5, dim=1).indices == torch.from_numpy(test_y)[:, None]).any(1).double().mean()
        )
    return Probe(accuracy, top5, fitted.l2, fitted.iterations, fitted.gradient, fitted.converged, fitted.seconds)


def fit_linear(
    x: NDArray[Any],
    y: Labels,
    seed: int = 0,
    *,
    groups: NDArray[np.int64] | None = None,
    standard: Standard | None = None,
    strengths: Sequence[float] = STRENGTHS,
    device: torch.device | str = "cpu",
    in_place: bool = False,
) -> Linear:
    """Fit multinomial logistic regression on scaled features, with the L2 weight chosen on held-out training samples.

    The objective is sum_i CE(x_i W' + b, y_i) + l2/2 ||W||^2. With few labels the weight is chosen by cross-validation,
    with many on one split of at most 10,000 samples to fit and 10,000 others to choose by; then all samples are fitted,
    starting from that fit.

    Args:
        x: Features [N, D].
        y: Classes, int64 [N], 0 to K - 1.
        seed: Seed of the splits.
        groups: int64 [N]; samples of one group stay on one side of a split.
        standard: Scaling to use; by default it is computed from `x`.
        strengths: The L2 weights to choose from, strongest first.
        device: Where to compute.
        in_place: Scale x (float32) in place: half the memory, but x is overwritten.

    Raises:
        UserError: Fewer than two classes, labels that do not match, or features that are not finite.
    """
    began = time.perf_counter()
    _check(x, y)
    standard = standard or Standard(x)
    data = torch.from_numpy(standard(x, out=x if in_place else None)).to(device)
    components, back = standard.components, None
    target = torch.from_numpy(np.ascontiguousarray(y)).to(device)
    with pool():
        if len(x) < min(x.shape[1], CROSS_VALIDATED):
            data, components, back = _row_space(data)
        problem = _Problem(data, target, int(y.max()) + 1, components, min(TOLERANCE, CHOOSING_A_LABEL * len(x)))
        l2, start = _choose(problem, seed, groups, strengths)
        end = problem._replace(tolerance=FITTING_FEW if len(x) <= CROSS_VALIDATED else TOLERANCE).solve(l2, start)
    weight = end.weight if back is None else end.weight @ back
    return Linear(
        standard, weight, end.bias, l2, end.iterations, end.gradient, end.converged, time.perf_counter() - began
    )


def _check(x: NDArray[Any], y: Labels) -> None:
    if len(x) != len(y):
        raise UserError(f"a linear probe needs as many labels as features: there are {len(y)} and {len(x)}")
    if len(np.unique(y)) < 2 or y.min() < 0:
        raise UserError("a linear probe needs samples of at least two classes, numbered from 0")


def _row_space(x: Tensor) -> tuple[Tensor, Principal, Tensor]:
    """With fewer samples than features, only their span matters. Return z [N, R] and a basis [R, D] with x = z basis.

    The basis is orthonormal, so the penalty on the weights is the same in both spaces. Its vectors are the principal
    components, which are the second value.
    """
    exact = x.double()
    squares, u = torch.linalg.eigh(exact @ exact.T)  # far quicker than the SVD, and as good where squares are not small
    kept = squares > squares[-1] * 1e-12
    kept[-1] = True  # the largest, even where all samples are alike
    squares, u = squares[kept].flip(0).clamp(min=1e-24), u[:, kept].flip(1)
    z = u * squares.sqrt()
    basis = (u / squares.sqrt()).T.to(x.dtype) @ x
    return z.to(x.dtype), Principal(None, squares / len(x), 0.0), basis


class _Problem(NamedTuple):
    """The samples to fit, and the tolerance. See `logistic.solve`."""

    x: Tensor
    y: Tensor
    classes: int
    components: Principal
    tolerance: float

    def part(self, index: NDArray[np.int64]) -> _Problem:
        """The problem with some of the samples."""
        where = torch.from_numpy(index).to(self.x.device)
        return self._replace(x=self.x[where], y=self.y[where])

    def solve(self, l2: float, start: Solution | None, parts: Tensor | None = None) -> Solution:
        """Fit, starting at the weights of `start`."""
        return solve(*self[:3], l2, parts=parts, components=self.components, start=start, tolerance=self.tolerance)


@final
class _Folds:
    """Each fold fits some samples and is evaluated on others. All folds are fitted at once.

    Each fit starts at the result of the one before, which had a stronger penalty.
    """

    def __init__(self, problem: _Problem, sides: Sequence[tuple[NDArray[np.int64], NDArray[np.int64]]]) -> None:
        self.held_out = [problem.part(held_out) for _, held_out in sides]
        self.problem, self.parts = problem, None
        if len(sides) == 1:
            self.problem = problem.part(sides[0][0])
        else:
            self.parts = torch.zeros(len(sides), len(problem.y), dtype=torch.bool, device=problem.x.device)
            for part, (fit, _) in zip(self.parts, sides, strict=True):
                part[torch.from_numpy(fit)] = True
        self.solution: Solution | None = None

    def loss(self, l2: float) -> float:
        """Mean cross-entropy of the held-out side after fitting with `l2`, averaged over the folds."""
        self.solution = self.problem.solve(l2, self.solution, self.parts)
        weights = self.solution.weight.view(len(self.held_out), self.problem.classes, -1)
        biases = self.solution.bias.view(len(self.held_out), -1)
        losses = [
            float(F.cross_entropy(F.linear(side.x, weight, bias), side.y))
            for side, weight, bias in zip(self.held_out, weights, biases, strict=True)
        ]
        return float(np.mean(losses))

    def average(self) -> Solution | None:
        """The solution, averaged over the folds."""
        if self.solution is None or self.parts is None:
            return self.solution
        return replace(self.solution, weight=self.solution.weight.mean(0), bias=self.solution.bias.mean(0))


def _choose(
    problem: _Problem, seed: int, groups: NDArray[np.int64] | None, strengths: Sequence[float]
) -> tuple[float, Solution | None]:
    """Return the L2 weight with the lowest held-out loss, and a start for the last fit.

    Cross-entropy chooses as well as accuracy with many labels and better with few, where accuracies are often equal.
    """
    sides = _sides(problem.y.cpu().numpy(), seed, groups)
    if not sides:
        return float(np.median(strengths)), None
    folds = _Folds(problem, sides)
    losses: list[float] = []
    start: Solution | None = None
    for l2 in strengths:
        losses.append(folds.loss(l2))
        if losses[-1] > min(losses):
            break  # the held-out loss has one valley, and weaker penalties only take longer
        start = folds.average()
    return _lowest(strengths, losses), start


def _lowest(strengths: Sequence[float], losses: Sequence[float]) -> float:
    """Return the minimum of the parabola through the lowest loss and its two neighbours, on a logarithmic scale."""
    best = int(np.argmin(losses))
    if not 0 < best < len(losses) - 1:
        return strengths[best]
    x = np.log10(strengths[best - 1 : best + 2])
    square, slope, _ = np.polyfit(x - x[1], losses[best - 1 : best + 2], 2)
    return float(10 ** (x[1] - slope / (2 * square))) if square > 0 else strengths[best]


def _sides(y: Labels, seed: int, groups: NDArray[np.int64] | None) -> list[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Return (samples to fit, samples held out) of each fold.

    There are several folds with few labels, one with many, and none if no sample can be held out.
    """
    few = len(y) <= CROSS_VALIDATED
    count = max(FOLDS, -(-len(y) // TUNED_ON))
    if few:
        count = min(FOLDS, int(np.bincount(y)[np.unique(y)].min()))
    if groups is not None:
        count = min(count, len(np.unique(groups)))
    if count < 2:
        return []
    part = parts(y, count, seed, groups)
    if few:
        return [(np.flatnonzero(part != f), np.flatnonzero(part == f)) for f in range(count)]
    rest = np.random.Generator(np.random.Philox(key=[seed, 0x11EA])).permutation(np.flatnonzero(part != 0))
    chosen = np.flatnonzero(part == 0)
    if len(chosen) > TUNED_ON:  # a large group
        chosen = np.sort(chosen[drawn(y[chosen], seed)[:TUNED_ON]])
    return [(np.sort(rest[:TUNED_ON]), chosen)]
