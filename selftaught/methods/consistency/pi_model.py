"""The Pi-model."""

from __future__ import annotations

from typing import Any, ClassVar, final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from selftaught.errors import UserError
from selftaught.method import Clock, Encoder, Index, Method, Outputs, Source, Terms
from selftaught.parts.classified import masked_cross_entropy, right
from selftaught.parts.noise import Noise
from selftaught.parts.ramp import ramp_up
from selftaught.parts.streams import Streams, classes_of
from selftaught.views.image import Augment, ImageViews

WAIT = 1 / 300
"""Fraction of training that uses only the labels: the first of the paper's 300 epochs."""


@final
class PiModel(Method):
    """Semi-supervised learning: two noisy predictions of the same sample should agree.

    Laine, Aila, ICLR 2017 (arXiv 1610.02242), "Temporal Ensembling for Semi-Supervised Learning", section 2.1. Every
    sample passes through the network twice, with different noise, dropout and views, and the two predictions are made
    to agree. Labelled samples add a cross-entropy loss.

    With p and p~ the two softmax outputs, over a batch of B samples, and w growing along a ramp::

        L = -1/B sum_{i labelled} log p_i(y_i) + w 1/(K B) sum_i ||p_i - p~_i||^2
        w = consistency * labelled part * exp(-5 (1 - T)^2),  T = progress / ramp up to 1

    Shapes: first and second are [B, C, S, S]; predictions are [B, K]. Gradients flow through both. Each view is a crop
    with a random horizontal flip, then Gaussian noise. Dropout is applied between features and classifier.

    The authors' code uses consistency 100, a ramp of 80 in 300 epochs with no consistency in the first, noise 0.15,
    dropout 0.5 and, on CIFAR-10, shifts by 2 of 32 pixels, horizontal flips and ZCA. Departures: batches hold a fixed
    `share` of labelled samples (0 leaves it to chance, as in the paper), and "labelled part" is that of the visited
    samples; a crop of at least `crop` of the area replaces the shifts; the images are normalised instead of whitened;
    the network is any encoder, without weight normalisation; the default recipe is AdamW for a few minutes.

    Args:
        share: Fraction of each batch that is labelled, in [0, 1). An epoch visits every unlabelled sample once. 0 uses
            a plain permutation of all samples.
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
        self.head: nn.Linear | None = None  # created in `prepare`, when the number of classes is known
        self.share, self.consistency, self.ramp, self.noise, self.dropout = share, consistency, ramp, noise, dropout
        augment = Augment(crop=(crop, 1.0), flip=flip)
        self.views = ImageViews(encoder.spec["input"], first=augment, second=augment)

    def prepare(self, source: Source) -> None:
        """Create one output per class. Raises UserError when there are fewer than two labelled classes."""
        self.head = nn.Linear(self.encoder.dim, classes_of(source, "pi_model"))
        self.streams = Streams(source.labels, self.share)

    def order(self, epoch: int, seed: int, n: int) -> Index:
        """Return an order with a fixed proportion of labelled and unlabelled samples."""
        return self.streams.order(epoch, seed)

    def terms(self) -> Terms:
        """Return both terms. The second moves both passes."""
        both = ("encoder", "head", "first", "second")
        return {"class_loss": ("encoder", "head", "first"), "disagreement": both}

    def forward(self, first: Tensor, second: Tensor, label: Tensor, clock: Clock, **_: Any) -> Outputs:
        """Return both terms of the loss, and the weight "w" of the second."""
        one, other = (self.logits(x, Noise(clock.seed, clock.step, i)) for i, x in enumerate((first, second)))  # [B, K]
        disagreement = F.mse_loss(one.softmax(1), other.softmax(1))
        w = self.weight(clock)
        named = masked_cross_entropy(one, label)
        chance = torch.tensor(1 / one.shape[1])
        return {
            "loss": named + w * disagreement,
            "class_loss": named,
            "disagreement": disagreement,
            "w": w,
            "accuracy": right(one, label),
            "chance": chance,
        }

    def weight(self, clock: Clock) -> float:
        """Return the consistency weight w, which is 0 at first and never decreases."""
        return (
            self.consistency * self.streams.part * ramp_up(clock.progress, self.ramp) if clock.progress >= WAIT else 0.0
        )

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
