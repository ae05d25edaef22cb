"""A first-in, first-out queue of the last K rows."""

from __future__ import annotations

from typing import final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from selftaught.errors import UserError


@final
class Queue(nn.Module):
    """The last `size` pushed rows, as a ring buffer.

    Starts with random directions of length 1, as in MoCo's released code. `keys` [size, dim] and `pointer` (the
    position of the next row: number of pushed rows mod size) are buffers, so they are in every checkpoint.

    >>> import torch
    >>> queue = Queue(size=4, dim=2)
    >>> queue.push(torch.ones(3, 2))  # in Method.after_step
    >>> queue.keys.shape, queue.pointer.item()
    (torch.Size([4, 2]), 3)
    """

    keys: Tensor
    pointer: Tensor

    def __init__(self, size: int, dim: int) -> None:
        super().__init__()
        if size < 1:
            raise UserError(f"queue must hold at least 1 key, not {size}")
        self.register_buffer("keys", F.normalize(torch.randn(size, dim), dim=1))
        self.register_buffer("pointer", torch.zeros((), dtype=torch.long))

    @torch.no_grad()
    def push(self, rows: Tensor) -> None:
        """Replace the oldest rows by `rows` [B, dim]. If B is greater than `size`, the last rows are kept.

        Pass the same rows on all ranks.
        """
        size = len(self.keys)
        places = (self.pointer + torch.arange(len(rows), device=rows.device)) % size
        self.keys[places[-size:]] = rows[-size:].to(self.keys.dtype)
        self.pointer.add_(len(rows)).remainder_(size)
