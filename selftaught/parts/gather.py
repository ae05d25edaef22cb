"""Communication between ranks. Besides `fit`, the only code that uses torch.distributed.

On one rank every function is the identity.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor


def rank() -> int:
    """Return the rank of this process, 0 if there is no process group."""
    return dist.get_rank() if dist.is_initialized() else 0


def world() -> int:
    """Return the number of processes that train together, 1 if there is no process group."""
    return dist.get_world_size() if dist.is_initialized() else 1


def gather(x: Tensor) -> Tensor:
    """Return every rank's `x` concatenated along axis 0 in rank order, without gradients.

    Shapes must agree on all ranks. Gather before writing to queues and banks, or they differ between ranks.

    >>> import torch
    >>> gather(torch.ones(2, 3)).shape  # [R * B, D] on R ranks
    torch.Size([2, 3])
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
    """Like `gather`, with gradients that flow back to the rank of each row."""
    return x if world() == 1 else _Gather.apply(x)  # type: ignore[no-untyped-call]


def average(x: Tensor) -> Tensor:
    """Replace `x` by its mean over ranks, in place.

    `x` must be a floating-point tensor of the same shape on all ranks.
    """
    if world() > 1:
        dist.all_reduce(x)
        x.div_(world())
    return x


def from_first(value: Any) -> Any:
    """Return the JSON-like `value` of rank 0 on every rank."""
    if world() == 1:
        return value
    box = [value]
    dist.broadcast_object_list(box, 0)
    return box[0]


def barrier() -> None:
    """Wait for all ranks."""
    if world() > 1:
        dist.barrier()
