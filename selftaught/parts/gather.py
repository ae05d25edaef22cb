"""Talking between ranks. With `fit`, the only place that touches torch.distributed.

On one rank every function is the identity.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor


def rank() -> int:
    """This process's number, 0 on one rank."""
    return dist.get_rank() if dist.is_initialized() else 0


def world() -> int:
    """The number of processes that train together, 1 when there is no process group."""
    return dist.get_world_size() if dist.is_initialized() else 1


def gather(x: Tensor) -> Tensor:
    """Every rank's `x` joined along axis 0 in rank order, without gradients. Shapes must agree on all ranks.

    Queues and banks must gather before they write, or each rank keeps another memory.
    """
    if world() == 1:
        return x.detach()
    x = x.detach().contiguous()
    out = x.new_empty((world() * x.shape[0], *x.shape[1:]))
    dist.all_gather_single(out, x)
    return out


class _Gather(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.rows = x.shape[0]
        return gather(x)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Tensor:
        # Every rank's loss depends on my rows: d(sum of losses)/d(my rows) needs all of their gradients. Averaging the
        # parameters' gradients over ranks afterwards turns the sum of the ranks' mean losses into the mean over the
        # batch.
        grad = grads[0].clone(memory_format=torch.contiguous_format)
        dist.all_reduce(grad)
        return grad.narrow(0, rank() * ctx.rows, ctx.rows)


def gather_with_gradient(x: Tensor) -> Tensor:
    """Like `gather`, and gradients flow back to the rank that each row came from."""
    return x if world() == 1 else _Gather.apply(x)  # type: ignore[no-untyped-call]


def average(x: Tensor) -> Tensor:
    """The mean of `x` over ranks, in place; `x` must be a floating-point tensor of one shape on all ranks."""
    if world() > 1:
        dist.all_reduce(x)
        x.div_(world())
    return x


def from_first(value: Any) -> Any:
    """Rank 0's JSON-like `value` on every rank."""
    if world() == 1:
        return value
    box = [value]
    dist.broadcast_object_list(box, 0)
    return box[0]


def barrier() -> None:
    """Wait until every rank is here."""
    if world() > 1:
        dist.barrier()
