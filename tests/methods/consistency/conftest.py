"""A toy on which methods of agreement collapse as soon as what prevents it is taken away."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, final

import pytest
import torch
from torch import Tensor

from selftaught import encoders
from selftaught.method import Clock, Encoder, Method


@final
class Agreement:
    """Noise pictures of 4 x 4 pixels; their two views differ by a little more noise. No batch norm in the encoder."""

    def encoder(self) -> Encoder:
        torch.manual_seed(0)
        return encoders.build(
            "mlp", {"kind": "image", "size": 4, "channels": 3, "mean": [0.5] * 3, "std": [0.2] * 3}, width=32, depth=1
        )

    def train(
        self, method: Method, named: Callable[[Tensor, Tensor], dict[str, Any]], steps: int = 100
    ) -> list[dict[str, float]]:
        """The scalars of every step; `named` gives the two views the names that the method's forward wants."""
        clock, history = Clock(0, steps), []
        optimizer = torch.optim.AdamW([p for p in method.parameters() if p.requires_grad], lr=1e-2)
        generator = torch.Generator().manual_seed(0)
        for _ in range(steps):
            x = torch.randn(32, 3, 4, 4, generator=generator)
            one, other = (x + 0.3 * torch.randn(x.shape, generator=generator) for _ in range(2))
            outputs = method(player="main", clock=clock, **named(one, other))
            optimizer.zero_grad()
            outputs["loss"].backward()
            optimizer.step()
            method.after_step(clock, outputs)
            history.append({k: float(v.detach()) for k, v in outputs.items() if isinstance(v, Tensor) and v.ndim == 0})
        return history


@pytest.fixture
def agreement() -> Agreement:
    return Agreement()
