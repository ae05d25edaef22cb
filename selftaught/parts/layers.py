"""Layers that several networks share."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from selftaught.errors import UserError
from selftaught.parts.norm import BatchNorm2d

Norm = Literal["batch", "layer", "group", "none"]
Pool = Literal["mean", "max", "flatten"]


def norm2d(kind: Norm, channels: int) -> nn.Module:
    """Return a normalisation layer for [B, C, H, W] by name.

    batch: batch statistics, in the groups of `selftaught.parts.norm` (one group is plain batch norm, several are
    "split"). layer: statistics of one sample over all channels and positions. group: statistics of one sample over
    groups of at least 16 channels (Wu and He 2018). none: no normalisation.

    Raises UserError for another name.
    """
    if kind not in get_args(Norm):
        raise UserError(f"norm must be one of {', '.join(get_args(Norm))}, not '{kind}'")
    if kind == "batch":
        return BatchNorm2d(channels)
    if kind == "none":
        return nn.Identity()
    most = max(channels // 16, 1) if kind == "group" else 1
    return nn.GroupNorm(max(g for g in range(1, most + 1) if channels % g == 0), channels)


def pooled_width(kind: Pool, channels: int, positions: int) -> int:
    """Return the width of `pooled`. Raises UserError for an unknown name."""
    if kind not in get_args(Pool):
        raise UserError(f"pool must be one of {', '.join(get_args(Pool))}, not '{kind}'")
    return channels * positions if kind == "flatten" else channels


def pooled(kind: Pool, x: Tensor, side: int = 0) -> Tensor:
    """Pool [B, C, *positions] to [B, C] (mean or max over positions) or to [B, C * positions] (flatten).

    With `side`, flatten first resizes the positions to side x side by repeating or averaging them, so that the width is
    the same for images of any size.
    """
    if kind == "flatten" and side and tuple(x.shape[2:]) != (side, side):
        x = F.adaptive_avg_pool2d(x, side)
    x = x.flatten(2)
    return x.mean(2) if kind == "mean" else x.amax(2) if kind == "max" else x.flatten(1)


def shape_of(features: Callable[[Tensor], Tensor], network: nn.Module, input: Mapping[str, Any]) -> tuple[int, ...]:
    """Return the shape, without the batch axis, of `features` of `network` for the input of an encoder's spec.

    Does not change `network`.
    """
    return shapes_of(lambda x: [features(x)], network, input)[0]


def shapes_of(
    layers: Callable[[Tensor], Sequence[Tensor]], network: nn.Module, input: Mapping[str, Any]
) -> list[tuple[int, ...]]:
    """Return the shapes of several features, see `shape_of`."""
    training = network.training
    with torch.no_grad():
        network.eval()
        found = layers(torch.zeros(1, input["channels"], input["size"], input["size"]))
    network.train(training)
    return [tuple(one.shape[1:]) for one in found]


def take_fitting(network: nn.Module, other: nn.Module) -> None:
    """Copy the tensors of `other` into `network` whose names and shapes agree. The others keep their values."""
    theirs = other.state_dict()
    with torch.no_grad():
        for name, tensor in network.state_dict().items():
            if name in theirs and theirs[name].shape == tensor.shape:
                tensor.copy_(theirs[name])
