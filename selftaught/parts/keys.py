"""Sources of keys for contrastive learning: the batch, a memory bank, or a queue of recent batches.

The three mechanisms of He, Fan, Wu, Xie, Girshick, CVPR 2020 (arXiv 1911.05722), figure 2, with one interface. They
differ in the number of keys, their age, and whether gradients reach them.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import NamedTuple, final

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from selftaught.parts.bank import Bank
from selftaught.parts.gather import gather, gather_with_gradient, rank
from selftaught.parts.momentum import follow, momentum_copy
from selftaught.parts.queue import Queue
from selftaught.parts.shuffle_bn import permutation, shuffled


class Found(NamedTuple):
    """The keys for a batch of B queries. All rows have length 1."""

    positive: Tensor
    """Each query's own key, [B, D]."""
    others: Tensor
    """Keys that all queries share as negatives, [M, D]."""
    own: Tensor
    """Which of them come from the query's own sample and are not negatives: bool [B, M]."""
    age: Tensor
    """Age of each key in steps, int64 [M]. For initial random rows, the steps since the start."""


class Keys(nn.Module, ABC):
    """A source of keys. `network` maps views [B, C, S, S] to features [B, D] of any length."""

    @abstractmethod
    def find(self, network: nn.Module, view: Tensor, index: Tensor, seed: int, step: int) -> Found:
        """Return keys for the samples `index` [B], of which `view` is another view. Does not change any state.

        In eval mode `index` is ignored: held-out samples have no stored keys.
        """

    @abstractmethod
    def update(self, network: nn.Module, index: Tensor, queries: Tensor, keys: Tensor, step: int) -> None:
        """Update the state after the step with the samples [B], queries and keys [B, D] of all ranks."""


@final
class BatchKeys(Keys):
    """End to end: the keys of the batch, over all ranks, with gradients.

    The batch is shuffled over batch norm groups and ranks, so that a key does not share batch statistics with its
    query.
    """

    def find(self, network: nn.Module, view: Tensor, index: Tensor, seed: int, step: int) -> Found:
        """Return the other samples of the batch."""
        views = gather(view)  # [R * B, C, S, S]
        order = torch.from_numpy(permutation(len(views), seed, step)).to(view.device)
        mine = rank() * len(view) + torch.arange(len(view), device=view.device)
        seen = gather_with_gradient(F.normalize(network(views[order[mine]]), dim=1))  # [R * B, D], in shuffled order
        everyone = seen[order.argsort()]
        own = torch.arange(len(views), device=view.device) == mine[:, None]
        return Found(everyone[mine], everyone, own, torch.zeros(len(views), dtype=torch.long, device=view.device))

    def update(self, network: nn.Module, index: Tensor, queries: Tensor, keys: Tensor, step: int) -> None:
        """Do nothing: there is no state."""


@final
class BankKeys(Keys):
    """A memory bank: the last query of each sample. `count` rows are drawn in each step.

    Args:
        bank: The bank, with a row for each sample.
        count: Number of rows drawn without repetition, the same for all queries of a step. 0 uses all rows.
    """

    born: Tensor

    def __init__(self, bank: Bank, count: int) -> None:
        super().__init__()
        self.bank, self.count = bank, count
        self.register_buffer("born", torch.zeros(bank.n, dtype=torch.long))

    def find(self, network: nn.Module, view: Tensor, index: Tensor, seed: int, step: int) -> Found:
        """Return the samples' own rows, and the drawn rows."""
        drawn = torch.from_numpy(draw(self.bank.n, self.count or self.bank.n, seed, step)).to(index.device)
        own = drawn == index[:, None]
        if self.training:
            positive = self.bank.rows(index)
        else:
            positive, own = F.normalize(network(view), dim=1).detach(), torch.zeros_like(own)
        return Found(positive, self.bank.rows(drawn), own, step - self.born[drawn])

    def update(self, network: nn.Module, index: Tensor, queries: Tensor, keys: Tensor, step: int) -> None:
        """Update the rows of this batch with its queries."""
        self.bank.write(index, queries)
        self.born[index] = step


@final
class QueueKeys(Keys):
    """A queue of keys of recent batches from a momentum encoder, without gradients.

    Args:
        network: The network that is copied as the momentum encoder.
        size: Number of keys in the queue.
        dim: Dimension of a key.
        momentum: Momentum of the key encoder, in [0, 1].
    """

    samples: Tensor
    born: Tensor

    def __init__(self, network: nn.Module, size: int, dim: int, momentum: float) -> None:
        super().__init__()
        self.slow, self.queue, self.momentum = momentum_copy(network), Queue(size, dim), momentum
        self.register_buffer("samples", torch.full((size,), -1))
        self.register_buffer("born", torch.zeros(size, dtype=torch.long))

    @torch.no_grad()
    def find(self, network: nn.Module, view: Tensor, index: Tensor, seed: int, step: int) -> Found:
        """Return keys of the momentum encoder, and the current queue."""
        keys = F.normalize(shuffled(self.slow, view, seed, step) if self.training else self.slow(view), dim=1)
        own = (self.samples == index[:, None]) & self.training
        return Found(keys, self.queue.keys, own, step - self.born)

    def update(self, network: nn.Module, index: Tensor, queries: Tensor, keys: Tensor, step: int) -> None:
        """Update the momentum encoder, and push the keys of the batch to the queue."""
        follow(self.slow, network, self.momentum)
        size = len(self.samples)
        places = ((self.queue.pointer + torch.arange(len(keys), device=keys.device)) % size)[-size:]
        self.samples[places], self.born[places] = index[-size:], step
        self.queue.push(keys)


def draw(n: int, count: int, seed: int, step: int) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Return `count` different rows of n, as a pure function of the arguments.

    The last word of the key separates these numbers from other uses of (seed, step).
    """
    return np.random.Generator(np.random.Philox(key=[seed, step], counter=[0, 0, 0, 0xD1C7])).permutation(n)[:count]
