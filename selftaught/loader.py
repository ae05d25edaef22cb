"""Make batches on the device from an epoch's order of samples, prepared ahead by threads if requested.

A batch depends only on (seed, epoch, indices), so the number of workers never changes a result.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import final

import torch

from selftaught.method import Batch, Index, Source, Views
from selftaught.parts import gather
from selftaught.recipe import Recipe


@final
class Loader:
    """Yields this rank's share of every micro-batch.

    Threads are enough, because fetching, decoding and the compiled views all release the interpreter lock.
    """

    def __init__(self, source: Source, views: Views, recipe: Recipe, device: torch.device) -> None:
        self.source, self.views, self.recipe, self.device = source, views, recipe, device
        self.workers = recipe.workers if recipe.workers >= 0 else (2 if device.type == "cuda" else 0)
        self.pool = ThreadPoolExecutor(self.workers, thread_name_prefix="loader") if self.workers else None
        self.ahead = self.workers + 1

    def epoch(self, order: Index, epoch: int, first: int = 0) -> Iterator[Batch]:
        """Yield the micro-batches of an epoch whose samples have the given `order`, from batch number `first` on.

        The last, partial batch is dropped.
        """
        shares = self._shares(order, first)
        if self.pool is None:
            for index in shares:
                yield self._load(index, epoch)
            return
        waiting: deque[Future[Batch]] = deque()
        try:
            for index in shares:
                waiting.append(self.pool.submit(self._load, index, epoch))
                if len(waiting) > self.ahead:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()

    def _shares(self, order: Index, first: int) -> Iterator[Index]:
        size, parts = self.recipe.batch_size, self.recipe.accumulate
        micro = size // parts
        mine = micro // gather.world()
        for batch in range(first, len(order) // size):
            for m in range(parts):
                start = batch * size + m * micro + gather.rank() * mine
                yield order[start : start + mine]

    def _load(self, index: Index, epoch: int) -> Batch:
        params = self.views.sample(index, epoch, self.recipe.seed)
        return self.views.apply(self.source.fetch(index), params, self.device)

    def close(self) -> None:
        """Stop the threads."""
        if self.pool is not None:
            self.pool.shutdown(wait=True, cancel_futures=True)
