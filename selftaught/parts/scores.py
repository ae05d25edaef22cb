"""Scores of queries and keys, with one interface for all contrastive losses.

A loss takes two tensors: `positive` [Q], the score of each query with its own key, and `negative` [Q, K], its scores
with other keys, -inf for a key that is not a negative of that query. The caller chooses the source of the keys (batch,
bank, queue, another sequence) and the score. Higher scores always mean closer.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from selftaught.errors import UserError


class Score(nn.Module, ABC):
    """score(q, k) = query(q) . key(k): each side is mapped, then the inner product is taken.

    As every score is an inner product of mapped rows, `streamed_info_nce` works for all scores: pass it the mapped
    rows.
    """

    @abstractmethod
    def query(self, x: Tensor) -> Tensor:
        """Map queries [..., D] to [..., W]."""

    @abstractmethod
    def key(self, x: Tensor) -> Tensor:
        """Map keys [..., E] to [..., W]."""

    def pairs(self, query: Tensor, key: Tensor) -> Tensor:
        """Score each query with its own key: [..., D] and [..., E] to [...]."""
        return (self.query(query) * self.key(key)).sum(-1)

    def table(self, query: Tensor, key: Tensor) -> Tensor:
        """Score each query with every key: [..., Q, D] and [..., K, E] to [..., Q, K]."""
        return self.query(query) @ self.key(key).mT


@final
class Dot(Score):
    """Inner product: q . k."""

    def query(self, x: Tensor) -> Tensor:
        """Return the rows unchanged."""
        return x

    def key(self, x: Tensor) -> Tensor:
        """Return the rows unchanged."""
        return x


@final
class Cosine(Score):
    """Cosine similarity divided by a temperature: q . k / (|q| |k| t), in [-1/t, 1/t].

    Raises UserError unless the temperature t is greater than 0.
    """

    def __init__(self, temperature: float = 1.0) -> None:
        super().__init__()
        if temperature <= 0:
            raise UserError(f"temperature of a cosine score must be greater than 0, not {temperature}")
        self.temperature = temperature

    def query(self, x: Tensor) -> Tensor:
        """Normalise the rows to length 1 / t."""
        return F.normalize(x, dim=-1) / self.temperature

    def key(self, x: Tensor) -> Tensor:
        """Normalise the rows to length 1."""
        return F.normalize(x, dim=-1)


@final
class Bilinear(Score):
    """k^T W q, where W [keys, queries] is learned.

    The log-bilinear score of van den Oord, Li, Vinyals 2018 (arXiv 1807.03748), where the query is a context c and the
    key a code z: z^T W c. `queries` and `keys` are the widths of the two sides.
    """

    def __init__(self, queries: int, keys: int) -> None:
        super().__init__()
        self.map = nn.Linear(queries, keys, bias=False)

    def query(self, x: Tensor) -> Tensor:
        """Return W q, a prediction of the key: [..., queries] to [..., keys]."""
        mapped: Tensor = self.map(x)
        return mapped

    def key(self, x: Tensor) -> Tensor:
        """Return the rows unchanged."""
        return x


@final
class SquaredDistance(Score):
    """-|q - k|^2, at most 0, for losses that are defined with distances.

    Computed as the inner product of (2q, -|q|^2, -1) and (k, 1, |k|^2). Near 0 its rounding error is that of |q|^2 and
    |k|^2.
    """

    def query(self, x: Tensor) -> Tensor:
        """Return (2q, -|q|^2, -1): [..., D] to [..., D + 2]."""
        length = x.square().sum(-1, keepdim=True)
        return torch.cat([2 * x, -length, -torch.ones_like(length)], -1)

    def key(self, x: Tensor) -> Tensor:
        """Return (k, 1, |k|^2): [..., D] to [..., D + 2]."""
        length = x.square().sum(-1, keepdim=True)
        return torch.cat([x, torch.ones_like(length), length], -1)


@torch.no_grad()
def ranking(positive: Tensor, negative: Tensor) -> dict[str, Tensor]:
    """Return metrics of scores [Q] and [Q, K] that are common to all contrastive losses.

    Returns "accuracy", the fraction of queries whose positive beats every negative (a tie is a miss, so a collapsed
    encoder scores 0); "chance", the accuracy of random scores, 1 / (1 + negatives); and "negatives", their mean number.
    """
    count = (negative > -torch.inf).sum(1).float().mean()
    accuracy = (positive > negative.amax(1)).float().mean()
    return {"accuracy": accuracy, "chance": 1 / (1 + count), "negatives": count}
