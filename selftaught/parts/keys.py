"""Where the keys of a dictionary come from: this batch, a bank of all samples, or a queue of recent batches.

The three mechanisms of He, Fan, Wu, Xie, Girshick, CVPR 2020 (arXiv 1911.05722), figure 2, behind one interface. They
differ in how many keys there are, how old they are, and whether gradients reach them.
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
    """Which of them were made from the query's own sample, and so are no negatives of it: bool [B, M]."""
    age: Tensor
    """How many steps ago each was made, int64 [M]; of random rows that no sample made yet, the steps since the
    start."""


class Keys(nn.Module, ABC):
    """A source of keys. `network` maps views to features of any length, [B, C, S, S] to [B, D]."""

    @abstractmethod
    def find(self, network: nn.Module, view: Tensor, index: Tensor, seed: int, step: int) -> Found:
        """Keys for the samples `index` [B], of which `view` is another view. Reads state, never writes it.

        In eval mode `index` means nothing: held-out samples have no past.
        """

    @abstractmethod
    def update(self, network: nn.Module, index: Tensor, queries: Tensor, keys: Tensor, step: int) -> None:
        """After the step: the samples, queries and keys of all ranks, [B], [B, D] and [B, D]."""


@final
class BatchKeys(Keys):
    """End to end: the keys of the batch, over all ranks.

    As fresh as can be, with gradients, and no more than a batch holds.

    The batch is shuffled over batch norm groups and ranks, so that no key shares its statistics with its query.
    """

    def find(self, network: nn.Module, view: Tensor, index: Tensor, seed: int, step: int) -> Found:
        """The other samples of the batch."""
        views = gather(view)  # [R * B, C, S, S]
        order = torch.from_numpy(permutation(len(views), seed, step)).to(view.device)
        mine = rank() * len(view) + torch.arange(len(view), device=view.device)
        seen = gather_with_gradient(F.normalize(network(views[order[mine]]), dim=1))  # [R * B, D], in the order seen
        everyone = seen[order.argsort()]
        own = torch.arange(len(views), device=view.device) == mine[:, None]
        return Found(everyone[mine], everyone, own, torch.zeros(len(views), dtype=torch.long, device=view.device))

    def update(self, network: nn.Module, index: Tensor, queries: Tensor, keys: Tensor, step: int) -> None:
        """Nothing is remembered."""


@final
class BankKeys(Keys):
    """A memory bank: what each sample's query was when it was last seen, of which `count` are drawn for each step.

    Args:
        bank: A row for each sample.
        count: Rows that are drawn, without repetition, the same for all queries of a step; 0 takes all.
    """

    born: Tensor

    def __init__(self, bank: Bank, count: int) -> None:
        super().__init__()
        self.bank, self.count = bank, count
        self.register_buffer("born", torch.zeros(bank.n, dtype=torch.long))

    def find(self, network: nn.Module, view: Tensor, index: Tensor, seed: int, step: int) -> Found:
        """The samples' own rows, and rows that were drawn."""
        drawn = torch.from_numpy(draw(self.bank.n, self.count or self.bank.n, seed, step)).to(index.device)
        own = drawn == index[:, None]
        if self.training:
            positive = self.bank.rows(index)
        else:
            positive, own = F.normalize(network(view), dim=1).detach(), torch.zeros_like(own)
        return Found(positive, self.bank.rows(drawn), own, step - self.born[drawn])

    def update(self, network: nn.Module, index: Tensor, queries: Tensor, keys: Tensor, step: int) -> None:
        """The rows of this batch follow its queries."""
        self.bank.write(index, queries)
        self.born[index] = step


@final
class QueueKeys(Keys):
    """A queue of keys that a slow copy of the network made of recent batches, without gradients.

    Args:
        network: Starts the slow copy.
        size: Keys in the queue.
        dim: Their width.
        momentum: Of the slow copy, in [0, 1].
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
        """Keys of the slow copy, and the queue as it is."""
        keys = F.normalize(shuffled(self.slow, view, seed, step) if self.training else self.slow(view), dim=1)
        own = (self.samples == index[:, None]) & self.training
        return Found(keys, self.queue.keys, own, step - self.born)

    def update(self, network: nn.Module, index: Tensor, queries: Tensor, keys: Tensor, step: int) -> None:
        """The slow copy follows, the batch's keys push the oldest out."""
        follow(self.slow, network, self.momentum)
        size = len(self.samples)
        places = ((self.queue.pointer + torch.arange(len(keys), device=keys.device)) % size)[-size:]
        self.samples[places], self.born[places] = index[-size:], step
        self.queue.push(keys)


def draw(n: int, count: int, seed: int, step: int) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """`count` different rows of n, a pure function of its arguments.

    The last word keeps it apart from other uses of (seed, step).
    """
    return np.random.Generator(np.random.Philox(key=[seed, step], counter=[0, 0, 0, 0xD1C7])).permutation(n)[:count]
