"""The first half of a series foretells the code of its end."""

from __future__ import annotations

from typing import Any, ClassVar, final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from selftaught.method import Encoder, Method, Outputs
from selftaught.parts.gather import gather_with_gradient, rank
from selftaught.views import augment


@final
class SeriesCPC(Method):
    """Find the code of a series' end, given the codes of its first half, among the ends of the batch's other series.

    Oord, Li, Vinyals 2018 (arXiv 1807.03748), "Representation Learning with Contrastive Predictive Coding", as small as
    it gets: the context is the mean of the first half's codes, one step is predicted, and the negatives are the ends
    of the other series in the batch::

        L = -1/B sum_i log softmax_j(z_j . W c_i / temperature)[i]

    Shapes: first is [B, 1, T], its codes [B, C, T / 4].

    Args:
        temperature: Of the softmax.
    """

    recipe: ClassVar[dict[str, Any]] = {"batch_size": 64, "lr": 5e-3, "epochs": 20.0}
    together = 2

    def __init__(self, encoder: Encoder, temperature: float = 0.1) -> None:
        super().__init__()
        self.encoder, self.views, self.temperature = encoder, augment(encoder.spec["input"]), temperature
        with torch.no_grad():
            width = encoder.local(torch.zeros(1, 1, encoder.spec["input"]["length"])).shape[1]
        self.predict = nn.Linear(width, width)

    def forward(self, first: Tensor, **_: Any) -> Outputs:
        """Which end belongs to which beginning."""
        codes = self.encoder.local(first)  # [B, C, t]
        half = codes.shape[2] // 2
        context, end = self.predict(codes[:, :, :half].mean(2)), codes[:, :, -1]
        ends = gather_with_gradient(F.normalize(end, dim=1))  # of all ranks: [B of all, C]
        scores = F.normalize(context, dim=1) @ ends.T / self.temperature
        target = torch.arange(len(scores), device=scores.device) + rank() * len(scores)
        right = (scores.argmax(1) == target).float().mean()
        return {"loss": F.cross_entropy(scores, target), "accuracy": right, "chance": 1 / len(ends)}
