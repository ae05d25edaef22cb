"""The Pi-model."""

from __future__ import annotations

from typing import Any, ClassVar, final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from selftaught.errors import UserError
from selftaught.method import Clock, Encoder, Index, Method, Outputs, Source
from selftaught.parts.classified import masked_cross_entropy, right
from selftaught.parts.noise import Noise
from selftaught.parts.ramp import ramp_up
from selftaught.parts.streams import Streams, classes_of
from selftaught.views.image import Augment, ImageViews

WAIT = 1 / 300
"""Part of training in which only labels count: the first of the paper's 300 epochs, when predictions mean nothing
yet."""


@final
class PiModel(Method):
    """A few labels say what the classes are.

    All samples say that a prediction must not depend on noise, dropout or the view.

    Laine, Aila, ICLR 2017 (arXiv 1610.02242), "Temporal Ensembling for Semi-Supervised Learning", section 2.1. Every
    sample goes through the network twice, and the two predictions are drawn together; labels join for the samples that
    have one.

    With p and p~ the two softmax outputs, over a batch of B samples, and w growing along a ramp::

        L = -1/B sum_{i labelled} log p_i(y_i) + w 1/(K B) sum_i ||p_i - p~_i||^2
        w = consistency * labelled part * exp(-5 (1 - T)^2),  T = progress / ramp up to 1

    Shapes: first and second are [B, C, S, S]; predictions are [B, K]. Gradients flow through both. Each view is crop
    and mirror image, then Gaussian noise; dropout stands between features and classifier.

    The authors' code takes consistency 100, a ramp of 80 in 300 epochs with no consistency in the first, noise 0.15,
    dropout 0.5 and, on CIFAR-10, shifts by 2 of 32 pixels, mirror images and ZCA. Departures: batches hold a fixed
    `share` of labelled samples (0 leaves it to chance, as in the paper), and "labelled part" is that of what is
    visited; a crop of at least `crop` of the area stands for shifts; the images are normalised instead of whitened; the
    network is any encoder, without weight normalisation; the recipe is AdamW for a few minutes.

    Args:
        share: Labelled part of each batch, in [0, 1); an epoch then visits every unlabelled sample once. 0 is a plain
            permutation.
        consistency: Weight of the agreement after the ramp, before it is scaled by the labelled part.
        ramp: Part of training in which that weight grows.
        noise: Standard deviation of the noise on the normalised image.
        dropout: Of the features, before the classifier.
        crop: Smallest part of the image's area that a crop takes.
        flip: Probability of a mirror image.

    Raises:
        UserError: A value out of range; in `prepare`, data without labels or with a single class.
    """

    recipe: ClassVar[dict[str, Any]] = {"batch_size": 128, "lr": 2e-3, "minutes": 1.5}
    sees = ("image",)

    def __init__(
        self,
        encoder: Encoder,
        share: float = 0.25,
        consistency: float = 100.0,
        ramp: float = 0.27,
        noise: float = 0.15,
        dropout: float = 0.5,
        crop: float = 0.85,
        flip: float = 0.5,
    ) -> None:
        super().__init__()
        if not (0 <= share < 1 and 0 <= dropout < 1 and 0 <= ramp <= 1):
            raise UserError(
                f"share and dropout of pi_model must be in [0, 1) and ramp in [0, 1], not {share}, {dropout} and {ramp}"
            )
        if consistency < 0 or noise < 0:
            raise UserError(f"consistency and noise of pi_model must be at least 0, not {consistency} and {noise}")
        self.encoder = encoder
        self.head: nn.Linear | None = None  # its width is known once the data is
        self.share, self.consistency, self.ramp, self.noise, self.dropout = share, consistency, ramp, noise, dropout
        augment = Augment(crop=(crop, 1.0), flip=flip)
        self.views = ImageViews(encoder.spec["input"], first=augment, second=augment)

    def prepare(self, source: Source) -> None:
        """One output per class. Raises UserError when fewer than two classes are labelled."""
        self.head = nn.Linear(self.encoder.dim, classes_of(source, "pi_model"))
        self.streams = Streams(source.labels, self.share)

    def order(self, epoch: int, seed: int, n: int) -> Index:
        """Labelled and unlabelled samples in a fixed proportion."""
        return self.streams.order(epoch, seed)

    def forward(self, first: Tensor, second: Tensor, label: Tensor, clock: Clock, **_: Any) -> Outputs:
        """Both terms, and the weight "w" of the second."""
        one, other = (self.logits(x, Noise(clock.seed, clock.step, i)) for i, x in enumerate((first, second)))  # [B, K]
        disagreement = F.mse_loss(one.softmax(1), other.softmax(1))
        w = self.weight(clock)
        loss = masked_cross_entropy(one, label) + w * disagreement
        chance = torch.tensor(1 / one.shape[1])
        return {
            "loss": loss,
            "disagreement": disagreement.detach(),
            "w": w,
            "accuracy": right(one, label),
            "chance": chance,
        }

    def weight(self, clock: Clock) -> float:
        """w: 0 at first, then non-decreasing."""
        return (
            self.consistency * self.streams.part * ramp_up(clock.progress, self.ramp) if clock.progress >= WAIT else 0.0
        )

    def logits(self, x: Tensor, noise: Noise) -> Tensor:
        """[B, C, S, S] to [B, K], noisy while training."""
        if self.head is None:
            raise RuntimeError("call prepare(source) before the first batch: it counts the classes")
        if not self.training:
            return self.classify(x)
        features = noise.dropout(self.encoder(noise.gaussian(x, self.noise)), self.dropout)
        logits: Tensor = self.head(features)
        return logits

    def classify(self, image: Tensor) -> Tensor:
        """[B, C, S, S] to [B, K] logits."""
        assert self.head is not None
        logits: Tensor = self.head(self.encoder(image))
        return logits
