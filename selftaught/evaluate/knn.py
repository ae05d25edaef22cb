"""Weighted nearest neighbours: judging features without training anything."""

from __future__ import annotations

from typing import Any, final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from selftaught.errors import UserError
from selftaught.evaluate.threads import pool

BLOCK = 64 << 20
"""Bytes of similarities (float32) that each thread holds at a time."""


def neighbours(size: int, classes: int, k: int | None = None) -> int:
    """How many neighbours vote: `k` or 200, but 20 where a class has fewer than 50 samples on average, and never more than there are."""
    if k is None:
        k = 200 if size >= 50 * classes else 20
    if k < 1:
        raise UserError(f"k of the nearest neighbours must be at least 1, not {k}")
    return min(k, size)


@final
class Neighbours:
    """Classify by the k most similar training samples (Wu et al., CVPR 2018, arXiv 1805.01978): exact, in chunks.

    With s_i the cosine similarity to the training sample i of class y_i, class c collects w_c = sum over the k nearest of
    exp(s_i / temperature) [y_i = c], and the largest wins.

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
            raise UserError(f"nearest neighbours need as many features as labels, and some: there are {len(x)} and {len(y)}")
        self.classes = int(y.max()) + 1
        self.k = neighbours(len(x), len(np.unique(y)), k)
        self.temperature = temperature
        self.device = torch.device(device)
        self.memory = unit(x, self.device)  # [N, D]
        self.labels = torch.from_numpy(np.asarray(y, dtype=np.int64)).to(self.device)

    def predict(self, x: NDArray[Any], exclude_self: bool = False) -> NDArray[np.int64]:
        """int64 [M]: the class of each row. `exclude_self`: row i is training sample i, and does not vote for itself.

        Ties go to the smallest class.
        """
        rows = max(1, BLOCK // (4 * len(self.memory)))

        def part(start: int) -> Tensor:
            query = unit(x[start : start + rows], self.device)  # [B, D]
            similarity = query @ self.memory.T  # [B, N]
            if exclude_self:
                similarity.diagonal(start).fill_(-torch.inf)
            return self._vote(similarity).cpu()

        with pool() as threads:
            return torch.cat(list(threads.map(part, range(0, len(x), rows)))).numpy()

    def _vote(self, similarity: Tensor) -> Tensor:
        nearest, index = similarity.topk(self.k, dim=1)  # [B, k], the most similar first
        weight = ((nearest - nearest[:, :1]).double() / self.temperature).exp()  # dividing all by the largest changes no winner
        votes = torch.zeros(len(nearest), self.classes, dtype=torch.float64, device=self.device)
        return votes.scatter_add_(1, self.labels[index], weight).argmax(1)


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


def percent(predicted: NDArray[np.int64], truth: NDArray[np.int64]) -> float:
    """How many of the predictions are right, in [0, 100]."""
    return 100.0 * float(np.mean(predicted == truth))


def unit(x: NDArray[Any], device: torch.device | str = "cpu") -> Tensor:
    """float32 [N, D]: rows of length 1; a row of zeros stays one."""
    return F.normalize(torch.from_numpy(np.ascontiguousarray(x, dtype=np.float32)).to(device), dim=1)
