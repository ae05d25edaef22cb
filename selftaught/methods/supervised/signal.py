"""Supervised classification of series: the reference that every other method is compared with."""

from __future__ import annotations

from typing import Any, ClassVar, final

import numpy as np
from torch import Tensor, nn

from selftaught.errors import UserError
from selftaught.method import Encoder, Index, Method, Outputs, Player, Source, Terms
from selftaught.parts.classified import labelled_cross_entropy
from selftaught.parts.streams import classes_of, visits
from selftaught.parts.trunk import groups
from selftaught.views.signal import Look, SignalViews


@final
class Supervised(Method):
    """Supervised classification, the reference that other methods are compared with.

    Not self-supervised: it trains the same encoder with the same recipe on labels only. Fine-tuning also uses it. Wang,
    Yan, Oates, IJCNN 2017 (arXiv 1611.06455), "Time Series Classification from Scratch with Deep Neural Networks: A
    Strong Baseline", is such a training of plain convolutions.

    With p the softmax of a linear layer on the features and y the label::

        L = -1/B sum_i log p(y_i | x_i)

    Shapes: series is [B, C, T], label int64 [B]; samples with label -1 are never visited, and are ignored if a batch
    contains them.

    Departures: the paper trains its own network of three convolutions without strides, for 2,000 epochs and without
    views; here it is the given encoder, on windows of other heights with a little noise, for a few minutes of AdamW.

    Args:
        crop: Length of the random window that is seen, as a part of the encoder's input. 1 with scale 0 and noise 0
            trains on plain series.
        scale: Largest change of the height of a channel: its factor is in [1 - scale, 1 + scale].
        noise: Noise on every sample, in standard deviations of the channel.
        smoothing: Label smoothing: fraction of the target that is spread over all classes, in [0, 1).
        trunk: Learning rate of the encoder as a share of the head's, above 0. Below 1 it keeps more of what a
            pretrained encoder learned.

    Raises:
        UserError: An argument is out of range. `prepare` raises it for data without labels or with a single class.
    """

    recipe: ClassVar[dict[str, Any]] = {"batch_size": 32, "lr": 2e-3, "minutes": 1.5}
    sees = ("signal", "audio")
    uses_labels = True

    def __init__(
        self,
        encoder: Encoder,
        crop: float = 0.9,
        scale: float = 0.1,
        noise: float = 0.05,
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
        self.views = SignalViews(encoder.spec["input"], series=Look(crop=crop, scale=scale, noise=noise))

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
        return {"loss": ("encoder", "head", "series")}

    def forward(self, series: Tensor, series_mask: Tensor, label: Tensor, **_: Any) -> Outputs:
        """Return the cross-entropy over the labelled samples of the batch, or 0 if there are none."""
        logits = self.classify(series, mask=series_mask)  # [B, classes]
        return labelled_cross_entropy(logits, label, self.smoothing)

    def classify(self, series: Tensor, mask: Tensor | None = None) -> Tensor:
        """Map series [B, C, T], with the mask of their samples [B, T], to logits [B, classes]."""
        if self.head is None:
            raise RuntimeError("the number of classes is not known: call prepare(source) before the first batch")
        logits: Tensor = self.head(self.encoder(series, mask=mask))
        return logits
