"""Noise inside a network that is the same for a sample on one rank and on several.

Each rank draws the numbers of the whole batch and keeps its own rows, so the number of ranks does not matter.
Micro-batches of one step draw alike.
"""

from __future__ import annotations

import hashlib
import struct
from typing import final

import torch
from torch import Tensor

from selftaught.parts.gather import rank, world


@final
class Noise:
    """The random numbers of one step: a pure function of (seed, step, stream) and of the calls made before.

    Args:
        seed: The run's.
        step: The clock's.
        stream: What the numbers are for; two passes that must differ take different streams.
    """

    def __init__(self, seed: int, step: int, stream: int) -> None:
        digest = hashlib.blake2b(struct.pack("<3q", seed, step, stream), digest_size=8, person=b"noise").digest()
        self.seed = int.from_bytes(digest, "little") >> 1
        self.generators: dict[torch.device, torch.Generator] = {}

    def _generator(self, device: torch.device) -> torch.Generator:
        if device not in self.generators:
            self.generators[device] = torch.Generator(device).manual_seed(self.seed)
        return self.generators[device]

    def gaussian(self, x: Tensor, std: float) -> Tensor:
        """x + std * N(0, I); x itself when std is 0. x: [B, ...]."""
        if std == 0:
            return x
        everyone = torch.randn(len(x) * world(), *x.shape[1:], generator=self._generator(x.device), device=x.device)
        return x + std * _mine(everyone, len(x))

    def dropout(self, x: Tensor, p: float) -> Tensor:
        """Each element is 0 with probability p and divided by 1 - p else; x itself when p is 0. x: [B, ...]."""
        if p == 0:
            return x
        everyone = torch.rand(len(x) * world(), *x.shape[1:], generator=self._generator(x.device), device=x.device)
        return x * (_mine(everyone, len(x)) >= p) / (1 - p)


def _mine(everyone: Tensor, rows: int) -> Tensor:
    return everyone[rank() * rows : (rank() + 1) * rows]
