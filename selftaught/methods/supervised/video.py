"""Supervised classification of frames: the reference that every other method is compared with."""

from __future__ import annotations

from typing import Any, ClassVar, final

import numpy as np
from torch import Tensor, nn

from selftaught.errors import UserError
from selftaught.method import Encoder, Index, Method, Outputs, Player, Source, Terms
from selftaught.parts.classified import labelled_cross_entropy
from selftaught.parts.streams import classes_of, visits
from selftaught.parts.trunk import groups
from selftaught.views.augmentation import Augment
from selftaught.views.video import FrameViews


@final
class Supervised(Method):
    """Supervised classification, the reference that other methods are compared with.

    Not self-supervised: it trains the same encoder with the same recipe on labels only. Fine-tuning also uses it.
    Karpathy et al., CVPR 2014, "Large-scale Video Classification with Convolutional Neural Networks", has the
    classification of single frames as its baseline.

    With p the softmax of a linear layer on the features and y the label::

        L = -1/B sum_i log p(y_i | x_i)

    Shapes: frame is [B, C, S, S], label int64 [B], that of its video; samples with label -1 are never visited, and are
    ignored if a batch contains them.

    Departures: the paper's network is deeper, learns for a month and averages its answers over a video; here a frame is
    an image, with the views and the recipe of images.

    Args:
        crop: Smallest area of a random crop, as a fraction of the frame. 1 with flip 0 and jitter 0 trains on plain
            frames.
        flip: Probability of a horizontal flip.
        jitter: Strength of the brightness, contrast and saturation jitter, applied with probability 0.8.
        smoothing: Label smoothing: fraction of the target that is spread over all classes, in [0, 1).
        trunk: Learning rate of the encoder as a share of the head's, above 0. Below 1 it keeps more of what a
            pretrained encoder learned.

    Raises:
        UserError: An argument is out of range. `prepare` raises it for data without labels or with a single class.
    """

    recipe: ClassVar[dict[str, Any]] = {"batch_size": 128, "lr": 2e-3, "minutes": 1.5}
    uses_labels = True

    def __init__(
        self,
        encoder: Encoder,
        crop: float = 0.6,
        flip: float = 0.5,
        jitter: float = 0.0,
        smoothing: float = 0.0,
        trunk: float = 1.0,
    ) -> None:
        super().__init__()
        if not 0 <= smoothing < 1:
            raise UserError(f"smoothing of supervised must be in [0, 1), not {smoothing}")
        if not trunk > 0:
            raise UserError(f"trunk of supervised must be above 0, not {trunk}")
        self.encoder = encoder
        self.head: nn.Linear | None = None  # created in `prepare`, when the number of classes is known
        self.smoothing, self.trunk = smoothing, trunk
        self.labelled: Index = np.empty(0, np.int64)
        augment = Augment(crop=(crop, 1.0), flip=flip, jitter=(jitter, jitter, jitter, 0.0), jitter_p=0.8)
        self.views = FrameViews(encoder.spec["input"], frame=augment)

    def prepare(self, source: Source) -> None:
        """Create one output per class. Raises UserError when there are fewer than two labelled classes."""
        self.head = nn.Linear(self.encoder.dim, classes_of(source, "supervised"))
        self.labelled = np.flatnonzero(source.labels >= 0)

    def players(self) -> list[Player]:
        """Return one player: all parameters, with the encoder at its share of the learning rate."""
        if self.trunk == 1:
            return super().players()
        return [Player("main", groups(self, self.trunk))]

    def order(self, epoch: int, seed: int, n: int) -> Index:
        """Return n visits to the labelled samples: repeated permutations if only some of the n samples are labelled."""
        return visits(self.labelled, n, epoch, seed)

    def terms(self) -> Terms:
        """Return the only term."""
        return {"loss": ("encoder", "head", "frame")}

    def forward(self, frame: Tensor, label: Tensor, **_: Any) -> Outputs:
        """Return the cross-entropy over the labelled samples of the batch, or 0 if there are none."""
        logits = self.classify(frame)  # [B, classes]
        return labelled_cross_entropy(logits, label, self.smoothing)

    def classify(self, image: Tensor) -> Tensor:
        """Map frames [B, C, S, S] to logits [B, classes]."""
        if self.head is None:
            raise RuntimeError("the number of classes is not known: call prepare(source) before the first batch")
        logits: Tensor = self.head(self.encoder(image))
        return logits
