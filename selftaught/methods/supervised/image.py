"""Supervised classification: the reference that every other method is compared with."""

from __future__ import annotations

from typing import Any, ClassVar, final

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from selftaught.errors import UserError
from selftaught.method import Encoder, Index, Method, Outputs, Source
from selftaught.parts.streams import classes_of, visits
from selftaught.views.image import Augment, ImageViews


@final
class Supervised(Method):
    """Predict the labels that people gave.

    Not self-supervised: what labels alone teach the same encoder under the same recipe, and what fine-tuning runs. He,
    Girshick, Dollar, ICCV 2019 (arXiv 1811.08883), "Rethinking ImageNet Pre-training", is the caution that a long
    schedule may need no pretraining.

    With p the softmax of a linear layer on the features and y the label::

        L = -1/B sum_i log p(y_i | x_i)

    Shapes: image is [B, C, S, S], label int64 [B]; samples with label -1 are never visited, and ignored where a batch
    holds them.

    Defaults follow the CIFAR-10 training of He et al. 2016 (mirror images, shifts by 4 of 32 pixels; here a crop of at
    least `crop` of the area stands for shifts). Departure: the recipe is AdamW for a few minutes instead of SGD 0.1 for
    64 thousand steps.

    Args:
        crop: Smallest part of the image's area that a crop takes; 1 with flip 0 and jitter 0 trains on plain images.
        flip: Probability of a mirror image.
        jitter: Of brightness, contrast and saturation, with probability 0.8.
        smoothing: Part of the target that is spread over all classes, in [0, 1).

    Raises:
        UserError: A value out of range; in `prepare`, data without labels or with a single class.
    """

    recipe: ClassVar[dict[str, Any]] = {"batch_size": 128, "lr": 2e-3, "minutes": 1.5}

    def __init__(
        self, encoder: Encoder, crop: float = 0.6, flip: float = 0.5, jitter: float = 0.0, smoothing: float = 0.0
    ) -> None:
        super().__init__()
        if not 0 <= smoothing < 1:
            raise UserError(f"smoothing of supervised must be in [0, 1), not {smoothing}")
        self.encoder = encoder
        self.head: nn.Linear | None = None  # its width is known once the data is
        self.smoothing = smoothing
        self.labelled: Index = np.empty(0, np.int64)
        augment = Augment(crop=(crop, 1.0), flip=flip, jitter=(jitter, jitter, jitter, 0.0), jitter_p=0.8)
        self.views = ImageViews(encoder.spec["input"], image=augment)

    def prepare(self, source: Source) -> None:
        """One output per class. Raises UserError when fewer than two classes are labelled."""
        self.head = nn.Linear(self.encoder.dim, classes_of(source, "supervised"))
        self.labelled = np.flatnonzero(source.labels >= 0)

    def order(self, epoch: int, seed: int, n: int) -> Index:
        """n visits to the labelled samples: permutation after permutation, when only some of the n are labelled."""
        return visits(self.labelled, n, epoch, seed)

    def forward(self, image: Tensor, label: Tensor, **_: Any) -> Outputs:
        """Cross-entropy over the labelled samples of the batch; 0 when it has none."""
        logits = self.classify(image)  # [B, classes]
        count = (label >= 0).sum().clamp(min=1)
        loss = F.cross_entropy(logits, label, ignore_index=-1, reduction="sum", label_smoothing=self.smoothing) / count
        accuracy = (logits.argmax(1) == label).sum() / count  # no prediction equals -1
        return {"loss": loss, "accuracy": accuracy.detach(), "chance": torch.tensor(1 / logits.shape[1])}

    def classify(self, image: Tensor) -> Tensor:
        """[B, C, S, S] to [B, classes] logits."""
        if self.head is None:
            raise RuntimeError("call prepare(source) before the first batch: it counts the classes")
        logits: Tensor = self.head(self.encoder(image))
        return logits
