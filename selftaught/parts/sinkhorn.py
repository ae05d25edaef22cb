"""Balanced assignment: every sample to prototypes, every prototype to as much of the samples as any other."""

from __future__ import annotations

import math

import torch
from torch import Tensor


@torch.no_grad()
def sinkhorn(scores: Tensor, epsilon: float, iterations: int) -> Tensor:
    """Cuturi, NIPS 2013, "Sinkhorn Distances: Lightspeed Computation of Optimal Transport", with both marginals uniform.

    The Q that maximises sum(Q * scores) + epsilon * entropy(Q) among those whose rows sum to 1 and whose columns sum to
    N / K. It has the form diag(u) exp(scores / epsilon) diag(v); u and v are found by normalising columns and rows in
    turn. Logarithms are kept instead of the numbers themselves, so that no epsilon is too small for float32.

    Args:
        scores: [N, K], of every sample that shares in the balance: those of all ranks.
        epsilon: Greater than 0. Small: near to one prototype for each sample; large: near to uniform.
        iterations: Of columns and rows, at least 1. Rows come last and are exact; columns become so.

    Returns [N, K], float32 (or float64 for such scores), without gradients.
    """
    log_q = (scores if scores.dtype == torch.float64 else scores.float()) / epsilon
    samples, prototypes = scores.shape
    for _ in range(iterations):
        log_q = log_q - log_q.logsumexp(0, keepdim=True) + math.log(samples / prototypes)
        log_q = log_q - log_q.logsumexp(1, keepdim=True)
    return log_q.exp()
