"""A method of one's own: two views of a sample have the same features, and features do not depend on each other.

Try it:

    selftaught check examples/mine.py
    selftaught pretrain examples/mine.py digits --epochs 5 --out runs/mine
    selftaught probe runs/mine
"""

from __future__ import annotations

from typing import Any, ClassVar, final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from selftaught.method import Encoder, Method, Outputs, Terms
from selftaught.parts.gather import gather_with_gradient
from selftaught.views import augment


@final
class Mine(Method):
    """Two views of a sample have the same features, and features do not depend on each other.

    A plain form of whitening losses (Ermolov et al. 2021, arXiv 2007.06346). With z and z' the standardised outputs of
    a linear layer for the two views, [N, D], and C = z' z / N their correlation::

        L = mean (1 - C_ii)^2 + weight * mean over i != j of C_ij^2

    Shapes: first and second are what the encoder takes, one view of each sample; features are [B, D].

    Args:
        dim: Outputs of the linear layer.
        weight: Of the second term.
    """

    recipe: ClassVar[dict[str, Any]] = {"batch_size": 128, "lr": 2e-3, "minutes": 1.0}
    sees = ("image",)  # without it: every kind of sample that has random views
    together = 2  # its samples are compared with each other: a batch of one is refused

    def __init__(self, encoder: Encoder, dim: int = 32, weight: float = 1.0) -> None:
        super().__init__()
        self.encoder = encoder
        self.head = nn.Linear(encoder.dim, dim)
        self.weight = weight
        self.views = augment(encoder.spec["input"])  # "first" and "second", as forward calls them

    def terms(self) -> Terms:
        """What the gradient of each term reaches: parts of the method, and views."""
        reached = ("encoder", "head", "first", "second")
        return {"same": reached, "apart": reached}

    def forward(self, first: Tensor, second: Tensor, **_: Any) -> Outputs:
        """The loss; every rank sees the rows of all ranks."""
        z, other = (self.standardised(gather_with_gradient(self.head(self.encoder(x)))) for x in (first, second))
        correlation = z.T @ other / len(z)  # [D, D]
        same = (1 - correlation.diagonal()).square().mean()
        apart = correlation.square().sum() - correlation.diagonal().square().sum()
        apart = apart / (correlation.numel() - len(correlation))
        found = F.normalize(z.detach(), dim=1) @ F.normalize(other.detach(), dim=1).T
        right = (found.argmax(1) == torch.arange(len(found), device=found.device)).float().mean()
        return {
            "loss": same + self.weight * apart,
            "same": same,
            "apart": apart,
            "accuracy": right,
            "chance": 1 / len(z),
        }

    def standardised(self, z: Tensor) -> Tensor:
        """Mean 0 and standard deviation 1 over the batch."""
        return (z - z.mean(0)) / z.std(0).clamp(min=1e-4)
