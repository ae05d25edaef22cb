"""Temporal ensembling."""

from __future__ import annotations

from typing import Any, ClassVar, final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from selftaught.errors import UserError
from selftaught.method import Clock, Embed, Encoder, Index, Method, Outputs, Source, Terms
from selftaught.parts.classified import masked_cross_entropy, right
from selftaught.parts.gather import gather
from selftaught.parts.noise import Noise
from selftaught.parts.ramp import ramp_up
from selftaught.parts.streams import Streams, classes_of
from selftaught.views.image import Augment, ImageViews


@final
class TemporalEnsembling(Method):
    """Semi-supervised learning: predictions should agree with their running average over past epochs.

    Laine, Aila, ICLR 2017 (arXiv 1610.02242), "Temporal Ensembling for Semi-Supervised Learning", section 2.2. The
    average over many networks, noises and views is a better target than the Pi-model's second pass, and needs no second
    pass.

    With p the softmax output for a view of sample i, Z_i the ensemble, and w growing along a ramp::

        L = -1/B sum_{i labelled} log p_i(y_i) + w 1/(K B) sum_i ||p_i - z~_i||^2,  z~_i = Z_i / (1 - alpha^t_i)
        after an epoch:  Z_i <- alpha Z_i + (1 - alpha) p_i for the samples that it visited, t_i <- t_i + 1
        w = consistency * labelled part * exp(-5 (1 - T)^2),  T = progress / ramp up to 1

    Dividing by 1 - alpha^t corrects for Z starting at 0. A sample that an epoch does not visit keeps its Z. A sample
    that was never visited has no target, so the first epoch uses only the labels. If an epoch visits a sample several
    times, the last visit counts.

    Shapes: image is [B, C, S, S]; p is [B, K]. The memory is two [N, K] tables, which are in every checkpoint. Held-out
    samples have no rows, so in eval mode the loss is that of the labels.

    The authors' code uses alpha 0.6, consistency 30 and otherwise the settings of the Pi-model (see `pi_model` for
    views, noise and departures, which are the same). Departure: t is counted for each sample, because batches with a
    fixed labelled share and dropped last batches leave samples out.

    Args:
        share: Fraction of each batch that is labelled, in [0, 1). An epoch visits every unlabelled sample once. 0 uses
            a plain permutation of all samples.
        alpha: Momentum of the ensemble over epochs, in [0, 1). 0 uses the last epoch only.
        consistency: Weight of the consistency loss after the ramp, before it is scaled by the labelled fraction.
        ramp: Fraction of training in which that weight grows.
        noise: Standard deviation of the Gaussian noise added to the normalised image.
        dropout: Dropout probability of the features, before the classifier.
        crop: Smallest area of a random crop, as a fraction of the image.
        flip: Probability of a horizontal flip.

    Raises:
        UserError: An argument is out of range. `prepare` raises it for data without labels or with a single class.
    """

    recipe: ClassVar[dict[str, Any]] = {"batch_size": 128, "lr": 2e-3, "minutes": 1.5}
    sees = ("image",)
    uses_labels = True

    ensemble: Tensor
    latest: Tensor
    visited: Tensor
    updates: Tensor

    def __init__(
        self,
        encoder: Encoder,
        share: float = 0.25,
        alpha: float = 0.6,
        consistency: float = 30.0,
        ramp: float = 0.27,
        noise: float = 0.15,
        dropout: float = 0.5,
        crop: float = 0.85,
        flip: float = 0.5,
    ) -> None:
        super().__init__()
        if not (0 <= share < 1 and 0 <= dropout < 1 and 0 <= alpha < 1):
            raise UserError(
                f"share, dropout and alpha of temporal_ensembling must be in [0, 1), not {share}, {dropout} and {alpha}"
            )
        if not 0 <= ramp <= 1:
            raise UserError(f"ramp of temporal_ensembling must be in [0, 1], not {ramp}")
        if consistency < 0 or noise < 0:
            raise UserError(
                f"consistency and noise of temporal_ensembling must be at least 0, not {consistency} and {noise}"
            )
        self.encoder = encoder
        self.head: nn.Linear | None = None  # created in `prepare`, when the number of classes is known
        self.share, self.alpha, self.consistency, self.ramp = share, alpha, consistency, ramp
        self.noise, self.dropout = noise, dropout
        self.views = ImageViews(encoder.spec["input"], image=Augment(crop=(crop, 1.0), flip=flip))

    def prepare(self, source: Source) -> None:
        """Create one output per class and an empty memory.

        Raises UserError when there are fewer than two labelled classes.
        """
        n, classes = len(source), classes_of(source, "temporal_ensembling")
        self.head = nn.Linear(self.encoder.dim, classes)
        self.streams = Streams(source.labels, self.share)
        self.register_buffer("ensemble", torch.zeros(n, classes))  # Z
        self.register_buffer("latest", torch.zeros(n, classes))  # p of this epoch
        self.register_buffer("visited", torch.zeros(n, dtype=torch.bool))  # in this epoch
        self.register_buffer("updates", torch.zeros(n, dtype=torch.long))  # t

    def order(self, epoch: int, seed: int, n: int) -> Index:
        """Return an order with a fixed proportion of labelled and unlabelled samples."""
        return self.streams.order(epoch, seed)

    def terms(self) -> Terms:
        """Return both terms."""
        return {"class_loss": ("encoder", "head", "image"), "disagreement": ("encoder", "head", "image")}

    def forward(self, image: Tensor, label: Tensor, index: Tensor, clock: Clock, **_: Any) -> Outputs:
        """Return both terms of the loss, the weight "w" of the second, and the values for `after_step`.

        These are "predictions" and their "rows".
        """
        logits = self.logits(image, Noise(clock.seed, clock.step, 0))  # [B, K]
        p, chance = logits.softmax(1), torch.tensor(1 / logits.shape[1])
        named = masked_cross_entropy(logits, label)
        if not self.training:
            return {"loss": named, "accuracy": right(logits, label), "chance": chance}
        target, there = self.target(index)
        disagreement = F.mse_loss(p * there, target)
        w = self.consistency * self.streams.part * ramp_up(clock.progress, self.ramp)
        return {
            "loss": named + w * disagreement, "class_loss": named, "disagreement": disagreement, "w": w,
            "accuracy": right(logits, label), "chance": chance, "predictions": p.detach(), "rows": index,
        }  # fmt: skip

    def target(self, index: Tensor) -> tuple[Tensor, Tensor]:
        """Return the targets z~ [B, K], and whether each exists as 1.0 or 0.0 [B, 1]. Missing targets are 0."""
        t = self.updates[index, None]  # [B, 1]
        there = (t > 0).to(self.ensemble.dtype)
        return self.ensemble[index] / (1 - self.alpha ** t.clamp(min=1).to(self.ensemble.dtype)) * there, there

    def logits(self, x: Tensor, noise: Noise) -> Tensor:
        """Map images [B, C, S, S] to logits [B, K], with noise during training."""
        if self.head is None:
            raise RuntimeError("the number of classes is not known: call prepare(source) before the first batch")
        if not self.training:
            return self.classify(x)
        features = noise.dropout(self.encoder(noise.gaussian(x, self.noise)), self.dropout)
        logits: Tensor = self.head(features)
        return logits

    def classify(self, image: Tensor) -> Tensor:
        """Map images [B, C, S, S] to logits [B, K]."""
        assert self.head is not None
        logits: Tensor = self.head(self.encoder(image))
        return logits

    def after_step(self, clock: Clock, outputs: Outputs) -> None:
        """Store the predictions of this batch."""
        rows, predictions = gather(outputs["rows"]), gather(outputs["predictions"])
        later = (rows[:, None] == rows).triu(1).any(1)  # rows that are written again later do not count
        self.latest[rows[~later]] = predictions[~later].to(self.latest.dtype)
        self.visited[rows] = True

    def before_epoch(self, clock: Clock, embed: Embed) -> None:
        """Add the predictions of the previous epoch to the ensemble."""
        one_more = self.visited[:, None]
        self.ensemble.copy_(
            torch.where(one_more, self.alpha * self.ensemble + (1 - self.alpha) * self.latest, self.ensemble)
        )
        self.updates.add_(self.visited.long())
        self.visited.zero_()
