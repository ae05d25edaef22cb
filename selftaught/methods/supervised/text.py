"""Supervised classification of texts: the reference that every other method is compared with."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, final

import numpy as np
from torch import Tensor, nn

from selftaught.errors import UserError
from selftaught.method import Encoder, Index, Method, Outputs, Player, Source, Terms
from selftaught.parts.classified import labelled_cross_entropy
from selftaught.parts.streams import classes_of, visits
from selftaught.parts.trunk import groups
from selftaught.views.text import plain


@final
class Supervised(Method):
    """Supervised classification of texts, the reference that other methods are compared with.

    Not self-supervised: it trains the same encoder on labels only. Fine-tuning for classification uses it for every
    encoder of texts; `selftaught finetune RUN sentence` has the forms of GPT and BERT. Joulin, Grave, Bojanowski,
    Mikolov, EACL 2017 (arXiv 1607.01759), "Bag of Tricks for Efficient Text Classification", is it with `lookup`.

    With p the softmax of a linear layer on the features of a text and y the label::

        L = -1/B sum_i log p(y_i | x_i)

    Shapes: text is B lists of tokens, label int64 [B]; samples with label -1 are never visited, and are ignored if a
    batch contains them.

    Departures: AdamW for a few minutes instead of Hogwild with plain SGD (that is `fasttext_classifier`); no runs of
    words.

    Args:
        dropout: Probability of dropping a feature before the linear layer.
        trunk: Learning rate of the encoder as a share of the head's, above 0. Below 1 it keeps more of what a
            pretrained encoder learned.

    Raises:
        UserError: An argument is out of range. `prepare` raises it for data without labels or with a single class.
    """

    recipe: ClassVar[dict[str, Any]] = {"batch_size": 64, "lr": 2e-3, "minutes": 1.5}
    sees = ("text",)
    uses_labels = True

    def __init__(self, encoder: Encoder, dropout: float = 0.0, trunk: float = 1.0) -> None:
        super().__init__()
        if not 0 <= dropout < 1:
            raise UserError(f"dropout of supervised must be in [0, 1), not {dropout}")
        if not trunk > 0:
            raise UserError(f"trunk of supervised must be above 0, not {trunk}")
        self.encoder = encoder
        self.head: nn.Linear | None = None  # created in `prepare`, when the number of classes is known
        self.dropout, self.trunk = nn.Dropout(dropout), trunk
        self.labelled: Index = np.empty(0, np.int64)
        self.views = plain(encoder.spec["input"])

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
        return {"loss": ("encoder", "head")}

    def forward(self, text: Sequence[Sequence[str]], label: Tensor, **_: Any) -> Outputs:
        """Return the cross-entropy over the labelled samples of the batch, or 0 if there are none."""
        logits = self.classify(text)  # [B, classes]
        label = label.to(logits.device)
        return labelled_cross_entropy(logits, label)

    def classify(self, text: Sequence[Sequence[str]]) -> Tensor:
        """Map B lists of tokens to logits [B, classes]."""
        if self.head is None:
            raise RuntimeError("the number of classes is not known: call prepare(source) before the first batch")
        logits: Tensor = self.head(self.dropout(self.encoder(text)))
        return logits
