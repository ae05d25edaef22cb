"""Batch normalisation in groups: the same result on one rank and on several, on any device.

With g groups, a batch of B is normalised as g contiguous groups of B/g samples, each with its own mean and variance
("Split BN": the CIFAR-10 demo of He et al. 2020, "Momentum Contrast", simulates several GPUs on one in this way). A run
with g groups on R ranks has g/R groups per rank, so the result does not depend on R. Running statistics are the mean
over groups, and `fit` averages them over ranks.

With fewer groups than ranks a group spans several ranks, which exchange their statistics in every forward and backward
pass; one group is synchronised batch norm. It works between CPUs too (gloo). A loss that compares images of all ranks
needs it: with one group a rank, a network learns to recognise the batch that an image was normalised in.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import final

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from selftaught.errors import UserError
from selftaught.parts.gather import average, gather_with_gradient, rank


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


def _over_ranks(norm: _BatchNorm, x: Tensor, ranks: int) -> Tensor:
    """Normalise as one group over `ranks` neighbouring ranks, each with as many samples as this one."""
    total = ranks * (x.numel() // x.shape[1])
    if total == 1:
        raise ValueError(f"Expected more than 1 value per channel when training, got input size {x.shape}")
    shape, axes = (1, -1, *[1] * (x.ndim - 2)), [0, *range(2, x.ndim)]
    assert norm.running_mean is not None and norm.running_var is not None and norm.num_batches_tracked is not None
    with torch.autocast(x.device.type, enabled=False):
        y = x.to(norm.running_mean.dtype)
        var, mean = torch.var_mean(y, axes, correction=0)
        first = rank() // ranks * ranks
        everyone = gather_with_gradient(torch.stack([mean, var])[None])[first : first + ranks]  # [ranks, 2, C]
        mean = everyone[:, 0].mean(0)
        var = (everyone[:, 1] + (everyone[:, 0] - mean).square()).mean(0)
        y = (y - mean.view(shape)) * (var + norm.eps).rsqrt().view(shape)
        if norm.affine:
            y = y * norm.weight.view(shape) + norm.bias.view(shape)
    with torch.no_grad():
        norm.num_batches_tracked.add_(1)
        momentum = norm.momentum if norm.momentum is not None else 1.0 / float(norm.num_batches_tracked)
        norm.running_mean.lerp_(mean, momentum)
        norm.running_var.lerp_(var * (total / (total - 1)), momentum)
    return y.to(x.dtype)


@final
class BatchNorm2d(nn.BatchNorm2d):
    """torch's BatchNorm2d with `groups` of a rank's batch, or one group over several `ranks`. x: [B, C, H, W].

    Parameters, buffers and eval mode are those of torch.
    """

    groups: int = 1
    ranks: int = 1

    def forward(self, input: Tensor) -> Tensor:
        """Raises UserError when the batch cannot be split into equal groups."""
        if self.training and self.groups > 1:
            return _in_groups(self, input, self.groups)
        if self.training and self.ranks > 1:
            return _over_ranks(self, input, self.ranks)
        return super().forward(input)


@final
class BatchNorm1d(nn.BatchNorm1d):
    """torch's BatchNorm1d with `groups` of a rank's batch, or one group over several `ranks`. x: [B, C(, L)]."""

    groups: int = 1
    ranks: int = 1

    def forward(self, input: Tensor) -> Tensor:
        """Raises UserError when the batch cannot be split into equal groups."""
        if self.training and self.groups > 1:
            return _in_groups(self, input, self.groups)
        if self.training and self.ranks > 1:
            return _over_ranks(self, input, self.ranks)
        return super().forward(input)


def grouped(module: nn.Module) -> bool:
    """Return whether `module` has a batch norm with groups."""
    return any(isinstance(m, BatchNorm1d | BatchNorm2d) for m in module.modules())


def most_groups(module: nn.Module) -> int:
    """Return the largest number of groups of a batch norm in `module`, 0 if it has none."""
    return max((m.groups for m in module.modules() if isinstance(m, BatchNorm1d | BatchNorm2d)), default=0)


def set_groups(module: nn.Module, groups: int, world: int = 1) -> None:
    """Make every batch norm in `module` use `groups` groups of the batch of all `world` ranks.

    One of both numbers must be a multiple of the other.
    """
    for m in module.modules():
        if isinstance(m, BatchNorm1d | BatchNorm2d):
            m.groups, m.ranks = max(groups // world, 1), max(world // groups, 1)


@contextmanager
def measured(module: nn.Module, show: Callable[[], None]) -> Iterator[None]:
    """Let a module that has seen no batch yet use the statistics of what `show` passes through it, inside the block.

    Running statistics start at mean 0 and variance 1, with which features in eval mode say little. The module has its
    own ones again afterwards. Does nothing if no batch norm is new. Every rank must call it.
    """
    norms = [m for m in module.modules() if isinstance(m, BatchNorm1d | BatchNorm2d)]
    if not any(m.num_batches_tracked is not None and int(m.num_batches_tracked) == 0 for m in norms):
        yield
        return
    training = module.training
    before = [({k: v.clone() for k, v in m.named_buffers(recurse=False)}, m.momentum) for m in norms]
    try:
        for m in norms:
            m.momentum = None  # a plain mean over batches
        module.train()
        show()
        average_running_statistics(module)
        module.train(training)
        yield
    finally:
        for m, (buffers, momentum) in zip(norms, before, strict=True):
            m.momentum = momentum
            for name, value in buffers.items():
                m.get_buffer(name).copy_(value)


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
