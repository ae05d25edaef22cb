"""Balanced assignment of samples to prototypes with the Sinkhorn algorithm."""

from __future__ import annotations

import math

import torch
from torch import Tensor


@torch.no_grad()
def sinkhorn(scores: Tensor, epsilon: float, iterations: int) -> Tensor:
    """Assign every sample to prototypes so that all prototypes are used equally.

    Cuturi, NIPS 2013, "Sinkhorn Distances: Lightspeed Computation of Optimal Transport", with uniform marginals.
    Returns the Q that maximises sum(Q * scores) + epsilon * entropy(Q) under the constraint that rows sum to 1 and
    columns sum to N / K. It has the form diag(u) exp(scores / epsilon) diag(v); u and v are found by normalising
    columns and rows in turn, in logarithms, so that no epsilon is too small for float32.

    Args:
        scores: Scores [N, K] of all samples that are balanced: those of all ranks.
        epsilon: Regularisation, greater than 0. Small: close to one prototype per sample; large: close to uniform.
        iterations: Number of normalisations of columns and rows, at least 1. Rows come last and are exact; columns
            converge.

    Returns [N, K], float32 (or float64 for such scores), without gradients.

    >>> import torch
    >>> sinkhorn(torch.tensor([[5.0, 0.0], [4.0, 0.0]]), epsilon=0.1, iterations=3).argmax(1)
    tensor([0, 1])
    """
    log_q = (scores if scores.dtype == torch.float64 else scores.float()) / epsilon
    samples, prototypes = scores.shape
    for _ in range(iterations):
        log_q = log_q - log_q.logsumexp(0, keepdim=True) + math.log(samples / prototypes)
        log_q = log_q - log_q.logsumexp(1, keepdim=True)
    return log_q.exp()
