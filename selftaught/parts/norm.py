"""Batch normalisation in groups: the same result on one rank and on several, on any device.

With g groups, a batch of B is normalised as g contiguous groups of B/g samples, each with its own mean and variance
("Split BN": the CIFAR-10 demo of He et al. 2020, "Momentum Contrast", simulates several GPUs on one in this way). A run
with g groups on R ranks has g/R groups per rank, so the result does not depend on R. Running statistics are the mean
over groups, and `fit` averages them over ranks.
"""

from __future__ import annotations

from typing import final

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from selftaught.errors import UserError
from selftaught.parts.gather import average


def _in_groups(norm: _BatchNorm, x: Tensor, groups: int) -> Tensor:
    if x.shape[0] % groups:
        raise UserError(
            f"a batch of {x.shape[0]} samples cannot be split into {groups} equal groups for batch norm: "
            "change batch_norm_groups or "
            "batch_size"
        )
    assert norm.running_mean is not None and norm.running_var is not None and norm.num_batches_tracked is not None
    means, variances = norm.running_mean.repeat(groups, 1), norm.running_var.repeat(groups, 1)  # [groups, C]
    norm.num_batches_tracked.add_(1)
    momentum = norm.momentum if norm.momentum is not None else 1.0 / float(norm.num_batches_tracked)
    parts = zip(x.chunk(groups), means, variances, strict=True)
    y = torch.cat(
        [F.batch_norm(part, mean, var, norm.weight, norm.bias, True, momentum, norm.eps) for part, mean, var in parts]
    )
    with torch.no_grad():
        norm.running_mean.copy_(means.mean(0))
        norm.running_var.copy_(variances.mean(0))
    return y


@final
class BatchNorm2d(nn.BatchNorm2d):
    """torch's BatchNorm2d with `groups` in training. x: [B, C, H, W].

    Parameters, buffers and eval mode are those of torch.
    """

    groups: int = 1

    def forward(self, input: Tensor) -> Tensor:
        """Raises UserError when the batch cannot be split into equal groups."""
        if self.training and self.groups > 1:
            return _in_groups(self, input, self.groups)
        return super().forward(input)


@final
class BatchNorm1d(nn.BatchNorm1d):
    """torch's BatchNorm1d with `groups` in training. x: [B, C] or [B, C, L]."""

    groups: int = 1

    def forward(self, input: Tensor) -> Tensor:
        """Raises UserError when the batch cannot be split into equal groups."""
        if self.training and self.groups > 1:
            return _in_groups(self, input, self.groups)
        return super().forward(input)


def grouped(module: nn.Module) -> bool:
    """Return whether `module` has a batch norm with groups."""
    return any(isinstance(m, BatchNorm1d | BatchNorm2d) for m in module.modules())


def most_groups(module: nn.Module) -> int:
    """Return the largest number of groups of a batch norm in `module`, 0 if it has none."""
    return max((m.groups for m in module.modules() if isinstance(m, BatchNorm1d | BatchNorm2d)), default=0)


def set_groups(module: nn.Module, groups: int) -> None:
    """Make every batch norm in `module` use `groups` groups (of this rank's batch)."""
    for m in module.modules():
        if isinstance(m, BatchNorm1d | BatchNorm2d):
            m.groups = groups


def average_running_statistics(module: nn.Module) -> None:
    """Average the running statistics over all ranks.

    They are linear in the statistics of the groups, so this equals processing all groups on one rank.
    """
    buffers = [
        b
        for m in module.modules()
        if isinstance(m, _BatchNorm)
        for b in (m.running_mean, m.running_var)
        if b is not None
    ]
    if not buffers:
        return
    flat = average(torch.cat([b.flatten() for b in buffers]))
    for buffer, mean in zip(buffers, flat.split([b.numel() for b in buffers]), strict=True):
        buffer.copy_(mean.view_as(buffer))
