"""Linear probe: how much of the labels a linear classifier reads off frozen features."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from operator import methodcaller
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
"""L2 weights that are tried, the strongest first. Scikit-learn's C is the inverse."""
TUNED_ON = 10_000
"""Samples, at most, that each L2 weight is fitted on and, others, that it is chosen by."""
FOLDS = 5
CROSS_VALIDATED = 2_000
"""Labels up to which the L2 weight is chosen by cross-validation instead of one split."""
TOLERANCE, CHOOSING_BY_FEW, FITTING_FEW = 0.03, 0.01, 0.001
"""Of `logistic.solve`. Few labels need more, most of all at the end: a weak penalty separates classes by far."""
DIRECTIONS = 256
"""Principal components of the features that precondition their fits."""
ROWS = 1024


@final
class Standard:
    """Each feature shifted and scaled to mean 0 and deviation 1 on the training samples; a constant one becomes 0.

    `components` are the principal ones of what comes out.

    Args:
        x: Training features [N, D].
    """

    def __init__(self, x: NDArray[Any]) -> None:
        total = np.zeros(x.shape[1])
        squares = np.zeros(x.shape[1])
        origin = np.asarray(x[0], np.float64)  # sums of squares about a sample do not cancel
        for begin in range(0, len(x), ROWS):
            away = x[begin : begin + ROWS] - origin
            total += away.sum(0)
            squares += np.square(away, out=away).sum(0)
        offset = total / len(x)
        deviation = np.sqrt(np.maximum(squares / len(x) - offset**2, 0))
        varies = deviation > 1e-6 * (np.abs(origin + offset) + np.finfo(np.float32).tiny)
        self.mean = (origin + offset).astype(np.float32)  # [D]
        self.scale = np.where(varies, 1 / np.where(varies, deviation, 1), 0).astype(np.float32)  # [D]
        self.components = principal(torch.from_numpy(self(sample(x))), DIRECTIONS)

    def __call__(self, x: NDArray[Any], out: NDArray[np.float32] | None = None) -> NDArray[np.float32]:
        """float32 [M, D]; `out` may be `x` itself."""
        out = np.empty(x.shape, np.float32) if out is None else out
        for begin in range(0, len(x), ROWS):
            part = out[begin : begin + ROWS]
            np.subtract(x[begin : begin + ROWS], self.mean, out=part, casting="same_kind")
            np.multiply(part, self.scale, out=part)
        return out


@final
@dataclass(frozen=True)
class Linear:
    """A fitted linear classifier.

    Attributes:
        standard: What is done to features first.
        weight: float32 [K, D], for standardised features.
        bias: float32 [K].
        l2: The chosen weight of the penalty (scikit-learn's 1/C).
        iterations: Of the last fit.
        gradient: Largest absolute derivative of its objective where it stopped.
        converged: Whether its tolerance was met.
        seconds: That choosing and fitting took.
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
        """float32 [M, K] for features as they come from the encoder."""
        with pool() as threads:
            starts = range(0, len(x), ROWS)
            return torch.cat(list(threads.map(lambda b: self.of_standard(self.standard(x[b : b + ROWS])), starts)))

    def of_standard(self, x: NDArray[np.float32]) -> Tensor:
        """float32 [M, K] for features that are standardised already."""
        return F.linear(torch.from_numpy(x).to(self.weight.device), self.weight, self.bias).cpu()

    def predict(self, x: NDArray[Any]) -> Labels:
        """int64 [M]: the likeliest class of each row."""
        predicted: Labels = self.logits(x).argmax(1).numpy()
        return predicted


@final
@dataclass(frozen=True)
class Probe:
    """A linear probe's result, in percent. `top5` is None with at most 5 classes. For the rest see `Linear`."""

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
    """Multinomial logistic regression on standardised features, its L2 weight chosen on held-out training samples.

    The objective is sum_i CE(x_i W' + b, y_i) + l2/2 ||W||^2. With few labels the weight is chosen by cross-validation,
    with many on one split of at most 10,000 samples to fit and 10,000 others to choose by; then all samples are fitted,
    starting from that fit.

    Args:
        x: Features [N, D].
        y: Classes, int64 [N], 0 to K - 1.
        seed: Of the splits.
        groups: int64 [N]; samples of one group stay on one side of a split.
        standard: Standardise by this instead of by `x`.
        strengths: The L2 weights to choose from, strongest first.
        device: Where to compute.
        in_place: Standardise x (float32) where it lies, which halves the memory and destroys it.

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
        few = len(x) <= CROSS_VALIDATED
        problem = _Problem(data, target, int(y.max()) + 1, components, CHOOSING_BY_FEW if few else TOLERANCE)
        l2, start = _choose(problem, seed, groups, strengths)
        end = problem._replace(tolerance=FITTING_FEW if few else TOLERANCE).solve(l2, start)
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
    """With fewer samples than features, only their span matters: z [N, R] and basis [R, D] with x = z basis.

    The basis is orthonormal, so the penalty on weights is the same in both spaces. It is that of the principal
    components, which come second.
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
    """What is fitted, and how well. See `logistic.solve`."""

    x: Tensor
    y: Tensor
    classes: int
    components: Principal
    tolerance: float

    def part(self, index: NDArray[np.int64]) -> _Problem:
        """That of some samples."""
        where = torch.from_numpy(index).to(self.x.device)
        return self._replace(x=self.x[where], y=self.y[where])

    def solve(self, l2: float, start: Solution | None) -> Solution:
        """The weights, sought from those of `start`."""
        return solve(*self[:3], l2, components=self.components, start=start, tolerance=self.tolerance)


@final
class _Fold:
    """One side to fit on, the other to choose by; each fit starts where the last, with a stronger penalty, ended."""

    def __init__(self, problem: _Problem, fit: NDArray[np.int64], held_out: NDArray[np.int64]) -> None:
        self.fit, self.held_out = problem.part(fit), problem.part(held_out)
        self.solution: Solution | None = None

    def loss(self, l2: float) -> float:
        """Mean cross-entropy of the held-out side after fitting with `l2`."""
        self.solution = self.fit.solve(l2, self.solution)
        logits = F.linear(self.held_out.x, self.solution.weight, self.solution.bias)
        return float(F.cross_entropy(logits, self.held_out.y))


def _choose(
    problem: _Problem, seed: int, groups: NDArray[np.int64] | None, strengths: Sequence[float]
) -> tuple[float, Solution | None]:
    """The L2 weight with the lowest held-out loss, and where the last fit may start.

    Cross-entropy chooses as well as accuracy with many labels and better with few, where accuracies are often equal.
    """
    folds = [_Fold(problem, *sides) for sides in _sides(problem.y.cpu().numpy(), seed, groups)]
    if not folds:
        return float(np.median(strengths)), None
    losses: list[float] = []
    start: Solution | None = None
    with pool() as threads:
        for l2 in strengths:
            losses.append(float(np.mean(list(threads.map(methodcaller("loss", l2), folds)))))
            if losses[-1] > min(losses):
                break  # the held-out loss has one valley, and weaker penalties only take longer
            start = folds[0].solution
    return _lowest(strengths, losses), start


def _lowest(strengths: Sequence[float], losses: Sequence[float]) -> float:
    """Where the parabola through the lowest loss and its two neighbours is lowest, on a logarithmic scale."""
    best = int(np.argmin(losses))
    if not 0 < best < len(losses) - 1:
        return strengths[best]
    x = np.log10(strengths[best - 1 : best + 2])
    square, slope, _ = np.polyfit(x - x[1], losses[best - 1 : best + 2], 2)
    return float(10 ** (x[1] - slope / (2 * square))) if square > 0 else strengths[best]


def _sides(y: Labels, seed: int, groups: NDArray[np.int64] | None) -> list[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """(fit on, choose by) for each fold: several with few labels, one with many, none where nothing can be held out."""
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
