"""A first-in, first-out memory of the last K rows."""

from __future__ import annotations

from typing import final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from selftaught.errors import UserError


@final
class Queue(nn.Module):
    """The last `size` rows that were pushed, as a ring.

    Starts with random directions of length 1, as in MoCo's released code.

    `keys` [size, dim] and `pointer` (where the next row goes = rows pushed so far, mod size) are buffers, so they are
    in every checkpoint.
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
        """Let `rows` [B, dim] replace the oldest; of more than `size` rows the last ones stay.

        Give all ranks the same rows.
        """
        size = len(self.keys)
        places = (self.pointer + torch.arange(len(rows), device=rows.device)) % size
        self.keys[places[-size:]] = rows[-size:].to(self.keys.dtype)
        self.pointer.add_(len(rows)).remainder_(size)
