"""N pairs: an anchor finds its partner among the partners of all other anchors."""

from __future__ import annotations

from torch import Tensor

from selftaught.errors import UserError
from selftaught.parts.info_nce import info_nce


def n_pairs(positive: Tensor, negative: Tensor, anchor: Tensor, l2: float = 0.002) -> dict[str, Tensor]:
    """Sohn 2016 (NIPS, "Improved Deep Metric Learning with Multi-class N-pair Loss Objective").

    loss = mean_i log( 1 + sum_j exp(n_ij - p_i) ) + l2 mean_i |a_i|^2

    The contrastive softmax without temperature, over inner products (`Dot`) of rows that are not normalised; the
    penalty keeps their lengths in bounds instead. With one negative it is the soft margin of a triplet.

    Args:
        positive: Inner product of each anchor and its partner, [Q].
        negative: Inner products of each anchor and the other anchors' partners, [Q, K]; -inf where there is none.
        anchor: The rows a, [Q, D], whose lengths are penalised.
        l2: Of the penalty, at least 0.

    Returns "loss", and "accuracy", "chance" and "negatives" as `ranking` defines them. Raises UserError for a negative
    l2.
    """
    if l2 < 0:
        raise UserError(f"l2 must be at least 0, not {l2}")
    outputs = info_nce(positive, negative)
    return {**outputs, "loss": outputs["loss"] + l2 * anchor.square().sum(1).mean()}
