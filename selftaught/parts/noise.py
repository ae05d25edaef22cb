"""Noise inside a network that is the same on one rank and on several.

Each rank draws the numbers of the whole batch and keeps its own rows, so the number of ranks does not matter. All
micro-batches of a step draw the same numbers.
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
    """The random numbers of one step: a pure function of (seed, step, stream) and of the previous calls.

    Args:
        seed: The seed of the run.
        step: The step of the clock.
        stream: Identifies the use of the numbers. Two passes that must differ use different streams.
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
        """Return x + std * N(0, I) for x [B, ...], or x itself if std is 0."""
        if std == 0:
            return x
        everyone = torch.randn(len(x) * world(), *x.shape[1:], generator=self._generator(x.device), device=x.device)
        return x + std * _mine(everyone, len(x))

    def dropout(self, x: Tensor, p: float) -> Tensor:
        """Set each element of x [B, ...] to 0 with probability p, and divide the others by 1 - p.

        Returns x itself if p is 0.
        """
        if p == 0:
            return x
        everyone = torch.rand(len(x) * world(), *x.shape[1:], generator=self._generator(x.device), device=x.device)
        return x * (_mine(everyone, len(x)) >= p) / (1 - p)


def _mine(everyone: Tensor, rows: int) -> Tensor:
    return everyone[rank() * rows : (rank() + 1) * rows]
