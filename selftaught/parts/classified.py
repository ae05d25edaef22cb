"""Classification losses for batches in which only some samples have a label."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def masked_cross_entropy(logits: Tensor, label: Tensor) -> Tensor:
    """Cross-entropy of the labelled rows, divided by the size of the whole batch B, or 0 without labelled rows.

    Logits are [B, K], label is int64 [B], with -1 for unlabelled rows. Dividing by B, not by the number of labelled
    rows, follows the released code of temporal ensembling and of Mean Teacher.
    """
    return F.cross_entropy(logits, label, ignore_index=-1, reduction="sum") / len(label)


def labelled_cross_entropy(logits: Tensor, label: Tensor, smoothing: float = 0.0) -> dict[str, Tensor]:
    """Cross-entropy averaged over the labelled rows, or 0 if there are none, with "accuracy" on them and "chance".

    Logits are [B, K], label is int64 [B], with -1 for unlabelled rows. `smoothing` is the part of the target that is
    spread over all classes.
    """
    count = (label >= 0).sum().clamp(min=1)
    loss = F.cross_entropy(logits, label, ignore_index=-1, reduction="sum", label_smoothing=smoothing) / count
    accuracy = (logits.argmax(1) == label).sum() / count  # no prediction equals -1
    return {"loss": loss, "accuracy": accuracy.detach(), "chance": torch.tensor(1 / logits.shape[1])}


def right(logits: Tensor, label: Tensor) -> Tensor:
    """Return the accuracy on the labelled rows, or 0 without labelled rows. No gradient."""
    return ((logits.detach().argmax(1) == label).sum() / (label >= 0).sum().clamp(min=1)).float()
