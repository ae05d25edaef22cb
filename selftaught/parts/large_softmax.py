"""Cross-entropy over a large vocabulary, without keeping the scores of all tokens."""

from __future__ import annotations

from typing import Any, final

import torch
from torch import Tensor
from torch.nn import functional as F

CELLS = 1 << 22
"""Number of scores in memory at a time: 16 MB."""


def cross_entropy(hidden: Tensor, weight: Tensor, target: Tensor, bias: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Return the mean of -log softmax(h W' + b)[target] over rows, and how often the target has the highest score.

    Both are scalars; the second is a share, without gradient. Without rows both are 0.

    The scores [N, V] would need more memory than the rest of a small model. They are computed in chunks of rows, and
    the derivatives of a chunk while its scores are there, so that the backward pass has nothing left to compute.

    Args:
        hidden: h, [N, D].
        weight: W, [V, D].
        target: int64 [N], in [0, V).
        bias: b, [V].
    """
    loss, right = _CrossEntropy.apply(hidden, weight, bias, target)  # type: ignore[no-untyped-call]
    return loss, right


@final
class _CrossEntropy(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, hidden: Tensor, weight: Tensor, bias: Tensor | None, target: Tensor) -> Any:
        wanted = ctx.needs_input_grad
        by_hidden = torch.empty_like(hidden) if wanted[0] else None
        by_weight = torch.zeros_like(weight) if wanted[1] else None
        by_bias = torch.zeros_like(bias) if bias is not None and wanted[2] else None
        total = hidden.new_zeros((), dtype=torch.float32 if hidden.dtype.itemsize < 4 else hidden.dtype)
        right, count = torch.zeros_like(total), max(len(hidden), 1)
        size = max(1, CELLS // len(weight))
        for begin in range(0, len(hidden), size):
            rows = slice(begin, begin + size)
            h, y = hidden[rows], target[rows, None]
            scores = F.linear(h, weight, bias).to(total.dtype)  # [R, V]
            right += (scores.argmax(1, keepdim=True) == y).sum()
            log_z = scores.logsumexp(1, keepdim=True)
            total += (log_z - scores.gather(1, y)).sum()
            error = scores.sub_(log_z).exp_()
            error.scatter_add_(1, y, torch.full_like(log_z, -1.0)).div_(count)  # (p - onehot) / N
            error = error.to(hidden.dtype)
            if by_hidden is not None:
                by_hidden[rows] = error @ weight
            if by_weight is not None:
                by_weight += error.T @ h
            if by_bias is not None:
                by_bias += error.sum(0)
        ctx.save_for_backward(*(found for found in (by_hidden, by_weight, by_bias) if found is not None))
        ctx.there = [found is not None for found in (by_hidden, by_weight, by_bias)]
        ctx.mark_non_differentiable(right := right / count)
        return total / count, right

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Any:
        saved = iter(ctx.saved_tensors)
        return *(next(saved) * grads[0] if there else None for there in ctx.there), None
