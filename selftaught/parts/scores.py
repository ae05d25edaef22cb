"""How well a key fits a query: one interface, and every contrastive loss takes what it returns.

A loss sees two tensors: `positive` [Q], the score of each query with its own key, and `negative` [Q, K], its scores
with keys that are not its own, -inf where a key is no negative of that query. Where the keys come from (batch, bank,
queue, another sequence) and how a score is made are the caller's; higher always means closer.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from selftaught.errors import UserError


class Score(nn.Module, ABC):
    """score(q, k) = query(q) . key(k): each side is mapped, then one inner product.

    Because every score is an inner product of mapped rows, `streamed_info_nce` serves all of them: hand it the mapped
    rows.
    """

    @abstractmethod
    def query(self, x: Tensor) -> Tensor:
        """[..., D] to [..., W]."""

    @abstractmethod
    def key(self, x: Tensor) -> Tensor:
        """[..., E] to [..., W]."""

    def pairs(self, query: Tensor, key: Tensor) -> Tensor:
        """Each query with its own key: [..., D] and [..., E] to [...]."""
        return (self.query(query) * self.key(key)).sum(-1)

    def table(self, query: Tensor, key: Tensor) -> Tensor:
        """Each query with every key: [..., Q, D] and [..., K, E] to [..., Q, K]."""
        return self.query(query) @ self.key(key).mT


@final
class Dot(Score):
    """q . k"""

    def query(self, x: Tensor) -> Tensor:
        """The row itself."""
        return x

    def key(self, x: Tensor) -> Tensor:
        """The row itself."""
        return x


@final
class Cosine(Score):
    """q . k / (|q| |k| t): in [-1/t, 1/t].

    Raises UserError unless the temperature t is greater than 0.
    """

    def __init__(self, temperature: float = 1.0) -> None:
        super().__init__()
        if temperature <= 0:
            raise UserError(f"the temperature of a cosine must be greater than 0, not {temperature}")
        self.temperature = temperature

    def query(self, x: Tensor) -> Tensor:
        """The row with length 1 / t."""
        return F.normalize(x, dim=-1) / self.temperature

    def key(self, x: Tensor) -> Tensor:
        """The row with length 1."""
        return F.normalize(x, dim=-1)


@final
class Bilinear(Score):
    """k^T W q with W [keys, queries] learned.

    The log-bilinear score of van den Oord, Li, Vinyals 2018 (arXiv 1807.03748).

    There the query is a context c and the key a code z: z^T W c. `queries` and `keys` are the widths of the two sides.
    """

    def __init__(self, queries: int, keys: int) -> None:
        super().__init__()
        self.map = nn.Linear(queries, keys, bias=False)

    def query(self, x: Tensor) -> Tensor:
        """W q: a prediction of the key, [..., queries] to [..., keys]."""
        mapped: Tensor = self.map(x)
        return mapped

    def key(self, x: Tensor) -> Tensor:
        """The row itself."""
        return x


@final
class SquaredDistance(Score):
    """-|q - k|^2, at most 0, for losses that are written with distances.

    As the inner product of (2q, -|q|^2, -1) and (k, 1, |k|^2): near 0 its rounding error is that of |q|^2 and |k|^2.
    """

    def query(self, x: Tensor) -> Tensor:
        """(2q, -|q|^2, -1): [..., D] to [..., D + 2]."""
        length = x.square().sum(-1, keepdim=True)
        return torch.cat([2 * x, -length, -torch.ones_like(length)], -1)

    def key(self, x: Tensor) -> Tensor:
        """(k, 1, |k|^2): [..., D] to [..., D + 2]."""
        length = x.square().sum(-1, keepdim=True)
        return torch.cat([x, torch.ones_like(length), length], -1)


@torch.no_grad()
def ranking(positive: Tensor, negative: Tensor) -> dict[str, Tensor]:
    """What any of the losses can say of scores [Q] and [Q, K], whatever it minimises.

    Returns "accuracy", the part of queries whose positive beats every negative (a tie is a miss, so that a collapsed
    encoder scores 0); "chance", that part when scores carry no information, 1 / (1 + negatives); and "negatives", their
    mean number.
    """
    count = (negative > -torch.inf).sum(1).float().mean()
    accuracy = (positive > negative.amax(1)).float().mean()
    return {"accuracy": accuracy, "chance": 1 / (1 + count), "negatives": count}
