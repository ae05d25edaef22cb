"""What building a method may not change of an encoder that was given."""

from __future__ import annotations

from typing import Any

from torch import nn


def told(encoder: nn.Module) -> list[Any]:
    """Of every module its mode and what it drops, and of every parameter whether it wants gradients."""
    modules = [(name, module.training, getattr(module, "p", None)) for name, module in encoder.named_modules()]
    return [*modules, *((name, p.requires_grad) for name, p in encoder.named_parameters())]
