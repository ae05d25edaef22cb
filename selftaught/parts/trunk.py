"""A lower learning rate for a pretrained encoder than for the head on it."""

from __future__ import annotations

from typing import Any

from torch import nn


def groups(method: nn.Module, trunk: float) -> list[dict[str, Any]]:
    """Return the parameters of `method.encoder`, at `trunk` times the learning rate, and all others."""
    named = [(name.startswith("encoder."), p) for name, p in method.named_parameters()]
    body = [p for inside, p in named if inside and p.requires_grad]
    return [{"params": body, "lr_scale": trunk}, {"params": [p for inside, p in named if not inside]}]
