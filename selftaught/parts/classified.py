"""Classification where only some samples of a batch have a label."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F


def masked_cross_entropy(logits: Tensor, label: Tensor) -> Tensor:
    """1/B sum of -log p(label) over the labelled rows: logits [B, K], label int64 [B], -1 = unlabelled.

    0 without labelled rows.

    Divided by the whole batch, not by its labelled rows, as in the released codes of temporal ensembling and of Mean
    Teacher.
    """
    return F.cross_entropy(logits, label, ignore_index=-1, reduction="sum") / len(label)


def right(logits: Tensor, label: Tensor) -> Tensor:
    """The part of the labelled rows whose largest logit is the label's; 0 without labelled rows. No gradient."""
    return ((logits.detach().argmax(1) == label).sum() / (label >= 0).sum().clamp(min=1)).float()
