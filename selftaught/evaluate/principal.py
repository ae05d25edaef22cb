"""The leading principal components of features: all that preconditioning and a search for neighbours need to know."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeVar, final

import torch
from numpy.typing import NDArray
from torch import Tensor

from selftaught.evaluate.threads import Pool, pool

SAMPLES = 4096
"""Rows, at most, that the components of features, and second derivatives, are found from."""
ROUNDS, SPARE = 3, 16
"""Rounds of subspace iteration that suffice for neighbours and preconditioning, and directions carried along for it."""
ROWS = 512
"""Rows that a thread multiplies at a time."""

Rows = TypeVar("Rows", Tensor, NDArray[Any])


@final
@dataclass(frozen=True)
class Principal:
    """Directions in which features are large, about the origin.

    Attributes:
        basis: [D, R], orthonormal columns, the largest first; None where the features' own axes are the components.
        values: float64 [R], the mean square of the features along each.
        rest: The mean square along each other direction, on average.
    """

    basis: Tensor | None
    values: Tensor
    rest: float


def principal(x: Tensor, count: int, rounds: int = ROUNDS) -> Principal:
    """The `count` leading components of x [N, D], from up to 4,096 evenly spaced rows.

    All D of them, exactly, where D is hardly more than `count`. Else by subspace iteration (Halko et al. 2011), whose
    cost grows with N D `count`, not with N D^2: the Gram matrix is never formed. The result does not depend on the
    number of threads.
    """
    x = sample(x)
    n, d = x.shape
    with pool() as threads:
        if d <= count + SPARE:
            values, basis = torch.linalg.eigh(_product(x, None, threads).double() / n)
            return Principal(basis.flip(1).to(x.dtype), values.flip(0).clamp(min=0), 0.0)
        generator = torch.Generator().manual_seed(0)
        basis = torch.randn(d, count + SPARE, generator=generator, dtype=x.dtype).to(x.device)
        for _ in range(rounds):
            basis = torch.linalg.qr(_product(x, basis, threads)).Q
        values, turn = torch.linalg.eigh((basis.T @ _product(x, basis, threads)).double() / n)
        values, turn = values.flip(0)[:count].clamp(min=0), turn.flip(1)[:, :count]
        rest = (float(x.square().sum(dtype=torch.float64)) / n - float(values.sum())) / (d - count)
        return Principal(basis @ turn.to(x.dtype), values, max(rest, 0.0))


def sample(x: Rows) -> Rows:
    """Up to 4,096 evenly spaced rows."""
    return x[:: -(-len(x) // SAMPLES)]


def _product(x: Tensor, basis: Tensor | None, threads: Pool) -> Tensor:
    """x'x basis (x'x without one): the parts are added in order, whatever thread they ran on."""

    def part(begin: int) -> Tensor:
        rows = x[begin : begin + ROWS]
        return rows.T @ (rows if basis is None else rows @ basis)

    total, *others = threads.map(part, range(0, len(x), ROWS))
    for other in others:
        total += other
    return total
