"""Contrastive predictive coding of what an agent observes."""

from __future__ import annotations

from typing import Any, ClassVar, final

from torch import Tensor, nn

from selftaught.errors import UserError
from selftaught.method import Clock, Encoder, Method, Outputs, Terms
from selftaught.parts.ahead import ahead
from selftaught.parts.recurrent import EpisodeMemory
from selftaught.views.agent import StretchViews


@final
class CPC(Method):
    """Predict the codes of what an agent will observe from what it has observed, with a contrastive loss.

    van den Oord, Li, Vinyals 2018 (arXiv 1807.03748), "Representation Learning with Contrastive Predictive Coding",
    section 3.4, without the agent's own loss: observations alone. A recurrent network summarises the codes of an
    episode so far. From this context it must identify the true code k moments later among codes of other moments and
    other episodes.

    With z_t the code of moment t, c_t = LSTM(z_1 ... z_t) and Z the candidates, z_t+k among them::

        f_k(z, c) = exp(z^T W_k c / sqrt(D))        L = -mean_kt log( f_k(z_t+k, c_t) / sum_{z in Z} f_k(z, c_t) )

    No prediction crosses the end of an episode, and the memory is empty at its start.

    Shapes: observation is [B, T, C, H, W], start bool [B, T]; codes are [B, T, D], contexts [B, T, U].

    Departures: the agent acts at random, or was recorded; scores are divided by sqrt(D); predictions of nearer moments
    count more, because there are more of them; 5 moments ahead in stretches of 32, where the paper's agent predicts 30
    of 100; the default recipe is AdamW for a few minutes on a small network.

    Args:
        steps: Number of moments ahead that are predicted: 1, 2, ..., steps.
        negatives: Number of negative codes for each prediction, at most as many as there are.
        context: Units of the recurrent network.
        length: Moments in a stretch.

    Raises:
        UserError: An argument is out of range.
    """

    recipe: ClassVar[dict[str, Any]] = {"batch_size": 32, "lr": 1e-3, "minutes": 1.5}

    def __init__(
        self, encoder: Encoder, steps: int = 5, negatives: int = 64, context: int = 128, length: int = 32
    ) -> None:
        super().__init__()
        if min(steps, negatives, context) < 1:
            raise UserError(
                f"steps, negatives and context of cpc must be at least 1, not {steps}, {negatives} and {context}"
            )
        if length <= steps:
            raise UserError(f"length of cpc must be greater than steps {steps}, not {length}")
        self.encoder, self.negatives = encoder, negatives
        self.views = StretchViews(encoder.spec["input"], length)
        self.memory = EpisodeMemory(encoder.dim, context)
        self.maps = nn.ModuleList(nn.Linear(context, encoder.dim, bias=False) for _ in range(steps))

    def terms(self) -> Terms:
        """Return the only term: it moves contexts and targets."""
        return {"loss": ("encoder", "memory", "maps", "observation")}

    def forward(self, observation: Tensor, start: Tensor, clock: Clock, **_: Any) -> Outputs:
        """Return the contrastive loss, averaged over all predictions."""
        codes = self.encoder(observation.flatten(0, 1)).unflatten(0, observation.shape[:2])  # [B, T, D]
        contexts, _state = self.memory(codes, start)
        return dict(ahead(codes, contexts, start, self.maps, self.negatives, clock.seed, clock.step))
