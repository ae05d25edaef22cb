"""Weighted nearest neighbours: evaluate features without training a classifier."""

from __future__ import annotations

from typing import Any, final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from selftaught.errors import UserError
from selftaught.evaluate.principal import SAMPLES, principal, sample
from selftaught.evaluate.threads import Pool, pool
from selftaught.kernels.nearest import largest, products

BLOCK = 32 << 20
"""Bytes of similarities (float32) in memory at a time, per thread."""
DIRECTIONS = 192
"""Number of principal components used to search for neighbours."""
CANDIDATES = 2
"""Candidates for each neighbour that votes."""
ANCHORS = 128
"""Queries are sorted by the nearest of this many training samples: those near the same one share candidates."""


def neighbours(size: int, classes: int, k: int | None = None) -> int:
    """Return the number of neighbours that vote: `k`, by default 200 (20 below 50 samples a class); at most `size`."""
    if k is None:
        k = 200 if size >= 50 * classes else 20
    if k < 1:
        raise UserError(f"k of the nearest neighbours must be at least 1, not {k}")
    return min(k, size)


@final
class Neighbours:
    """Classify by the k most similar training samples (Wu et al., CVPR 2018, arXiv 1805.01978), in chunks.

    With s_i the cosine similarity to the training sample i of class y_i, class c collects w_c = sum over the k nearest
    of exp(s_i / temperature) [y_i = c], and the largest wins.

    Few or narrow samples are all compared. Of many wide ones the 2 k nearest in 192 principal components are
    candidates, and those are ranked by their exact similarity. Where another sample may well be nearer than the k-th of
    them, all are compared after all: with e_i the part of s_i that the components miss, when the last candidate's
    similarity in the components, plus the mean of e_i over the candidates and its standard deviation, exceeds the k-th
    exact similarity.

    Args:
        x: Training features, [N, D].
        y: Their classes, int64 [N], 0 to classes - 1.
        k: Neighbours that vote; by default 200 (20 where classes have fewer than 50 samples), clipped to N.
        temperature: Greater than 0; infinity counts every vote alike.
        device: Where to compute.
    """

    def __init__(
        self,
        x: NDArray[Any],
        y: NDArray[np.int64],
        k: int | None = None,
        temperature: float = 0.07,
        device: torch.device | str = "cpu",
    ) -> None:
        if not temperature > 0:
            raise UserError(f"temperature of the nearest neighbours must be greater than 0, not {temperature}")
        if len(x) == 0 or len(x) != len(y):
            raise UserError(
                f"nearest neighbours need as many features as labels, and some: there are {len(x)} and {len(y)}"
            )
        self.classes = int(y.max()) + 1
        self.k = neighbours(len(x), len(np.unique(y)), k)
        self.temperature = temperature
        self.device = torch.device(device)
        self.memory = torch.from_numpy(np.ascontiguousarray(x, dtype=np.float32)).to(self.device)  # [N, D]
        self.scale = 1 / torch.linalg.vector_norm(self.memory, dim=1).clamp_min(1e-12)  # [N]
        self.labels = torch.from_numpy(np.asarray(y, dtype=np.int64)).to(self.device)

    def predict(self, x: NDArray[Any], exclude_self: bool = False) -> NDArray[np.int64]:
        """Return the class of each row, int64 [M]. Ties go to the smallest class.

        `exclude_self`: row i is training sample i, and does not vote for itself.
        """
        own = np.arange(len(x)) if exclude_self else None
        with pool() as threads:
            if not self._many(len(x)):
                return self._among_all(x, own, threads)
            voted, doubtful = self._among_candidates(x, own, threads)
            if len(doubtful):
                voted[doubtful] = self._among_all(x[doubtful], None if own is None else own[doubtful], threads)
        return voted

    def _many(self, queries: int) -> bool:
        """Return whether a search for candidates is cheaper than comparing with all samples."""
        wide = min(self.memory.shape[1], queries) >= 2 * DIRECTIONS
        return wide and len(self.memory) >= 10 * CANDIDATES * self.k and self.device.type == "cpu"

    def _search(self, threads: Pool) -> tuple[Tensor, Tensor]:
        """Return principal directions [D, R] of the training samples, scaled to norm 1, and the components [N, R]."""
        basis = principal(sample(self.memory) * sample(self.scale)[:, None], DIRECTIONS).basis
        assert basis is not None
        starts = range(0, len(self.memory), SAMPLES)
        parts = list(threads.map(lambda start: self.memory[start : start + SAMPLES] @ basis, starts))
        return basis, torch.cat(parts).mul_(self.scale[:, None])

    def _among_all(self, x: NDArray[Any], own: NDArray[np.int64] | None, threads: Pool) -> NDArray[np.int64]:
        """Return the class of each row, int64 [M], compared with all training samples but its `own`."""

        def part(rows: slice) -> Tensor:
            similarity = (unit(x[rows], self.device) @ self.memory.T).mul_(self.scale)  # [B, N]
            return self._vote(*_without(similarity, own, rows).topk(self.k, dim=1)).cpu()

        return torch.cat(list(threads.map(part, self._blocks(len(x))))).numpy()

    def _among_candidates(
        self, x: NDArray[Any], own: NDArray[np.int64] | None, threads: Pool
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the class of each row, int64 [M], and the rows for which there may have been too few candidates."""
        basis, components = self._search(threads)
        anchors = components[:: -(-len(components) // ANCHORS)]
        asked = torch.cat(list(threads.map(lambda rows: unit(x[rows]) @ basis, self._blocks(len(x)))))  # [M, R]
        order = (asked @ anchors.T).argmax(1).argsort(stable=True).numpy()

        def part(block: slice) -> tuple[Tensor, Tensor]:
            rows = order[block]
            near = _without(asked[rows] @ components.T, own, rows)
            places, last = largest(near.numpy(), CANDIDATES * self.k)
            index = torch.from_numpy(places)  # [B, C]
            exact = torch.from_numpy(products(self.memory.numpy(), unit(x[rows]).numpy(), places))
            exact *= self.scale[index]
            similarity, best = exact.topk(self.k, dim=1)
            missed = exact - near.gather(1, index)
            doubtful = torch.from_numpy(last) + missed.mean(1) + missed.std(1) > similarity[:, -1]
            return self._vote(similarity, index.gather(1, best)), doubtful

        voted, doubtful = map(torch.cat, zip(*threads.map(part, self._blocks(len(x))), strict=True))
        back = order.argsort()
        return voted.numpy()[back], doubtful.numpy()[back].nonzero()[0]

    def _blocks(self, count: int) -> list[slice]:
        rows = max(1, BLOCK // (4 * len(self.memory)))
        return [slice(start, start + rows) for start in range(0, count, rows)]

    def _vote(self, similarity: Tensor, index: Tensor) -> Tensor:
        """Return the winning class for each row's neighbours [B, k], the most similar first."""
        # dividing all by the largest changes no winner
        weight = ((similarity - similarity[:, :1]).double() / self.temperature).exp()
        votes = torch.zeros(len(index), self.classes, dtype=torch.float64, device=self.device)
        return votes.scatter_add_(1, self.labels[index], weight).argmax(1)


def _without(similarity: Tensor, own: NDArray[np.int64] | None, rows: slice | NDArray[np.int64]) -> Tensor:
    """Similarities [B, N] of which those of a row with its own sample count for nothing."""
    if own is not None:
        similarity.scatter_(1, torch.from_numpy(own[rows, None]).to(similarity.device), -torch.inf)
    return similarity


def knn(
    train_x: NDArray[Any],
    train_y: NDArray[np.int64],
    test_x: NDArray[Any],
    test_y: NDArray[np.int64],
    k: int | None = None,
    temperature: float = 0.07,
) -> float:
    """Accuracy in percent of `Neighbours` (see there for arguments and errors) on the test samples."""
    return percent(Neighbours(train_x, train_y, k, temperature).predict(test_x), test_y)


def percent(predicted: NDArray[np.int64] | np.int64, truth: NDArray[np.int64]) -> float:
    """Return the percentage of correct predictions."""
    return 100.0 * float(np.mean(predicted == truth))


def majority(known: NDArray[np.int64], truth: NDArray[np.int64]) -> float:
    """How many in percent are right when the most frequent of the `known` classes is always said.

    >>> majority(np.array([0, 1, 1]), np.array([0, 0, 0, 1]))
    25.0
    """
    return percent(np.bincount(known).argmax(), truth)


def unit(x: NDArray[Any], device: torch.device | str = "cpu") -> Tensor:
    """Return the rows scaled to norm 1, float32 [N, D]; a row of zeros does not change."""
    return F.normalize(torch.from_numpy(np.ascontiguousarray(x, dtype=np.float32)).to(device), dim=1)
