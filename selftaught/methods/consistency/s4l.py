"""S4L: self-supervised semi-supervised learning."""

from __future__ import annotations

from typing import Any, ClassVar, Literal, final, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from selftaught.errors import UserError
from selftaught.method import Encoder, Index, Method, Outputs, Source, Terms
from selftaught.parts.classified import right
from selftaught.parts.exemplar import exemplar
from selftaught.parts.streams import Streams, classes_of
from selftaught.parts.turns import turned
from selftaught.views.image import Augment, ImageViews

Kind = Literal["rotation", "exemplar"]


@final
class S4L(Method):
    """Semi-supervised learning: classify labelled images and solve a pretext task on all images.

    Zhai, Oliver, Kolesnikov, Beyer, ICCV 2019 (arXiv 1905.03670), "S4L: Self-Supervised Semi-Supervised Learning". All
    images, labelled or not, train the network on the pretext task (the puzzle); labelled images also train it to
    classify. Class and puzzle each have a linear head.

    With M copies of each image, p the class head's softmax, n_l labelled images in a batch of B::

        L = -1/(n_l M) sum_{i labelled} sum_m log p(y_i | copy m of x_i) + weight * puzzle
        rotation:  copies are the four rotations, puzzle = -1/(4B) sum_i sum_r log q(r | x_i turned by r)
        exemplar:  copies are random views; with d the distance of their embeddings, made of length 1,
                   puzzle = 1/(BM) sum_a log(1 + exp( max_{p: same image} d(a, p) - min_{n: another} d(a, n) ))

    The class loss is computed on every copy. "exemplar" is the batch-hard triplet loss with a soft margin (Hermans,
    Beyer, Leibe 2017, arXiv 1703.07737); other images of the whole batch, over all ranks, are the negatives.

    Shapes: rotation has a view image [B, C, S, S], exemplar a list of M of them as views; copies are [MB, C, S, S], a
    sample's side by side.

    Defaults follow the paper's ImageNet setting (weight 1, as many unlabelled as labelled images; exemplar with 8
    patches, embedding 1000, crops of 5% to 100% of the area) at a smaller scale. Departures: 4 patches and an embedding
    of 128; the puzzle weighs every image equally for any `share`; weight decay and length are those of the recipe, and
    the paper finds that they matter as much as the loss; the default recipe is AdamW for a few minutes instead of SGD
    0.1 with weight decay 1e-3 for 200 epochs.

    Args:
        kind: The pretext task: rotation or exemplar.
        share: Fraction of each batch that is labelled, in [0, 1). An epoch visits every unlabelled sample once. 0 uses
            a plain permutation of all samples.
        weight: Weight of the loss of the pretext task.
        copies: Number of copies M of each image for exemplar, at least 2.
        dim: Dimension of the embedding of exemplar.
        crop: Smallest area of a random crop for rotation, as a fraction of the image.
        patch: Smallest area of a copy for exemplar, as a fraction of the image.
        flip: Probability of a horizontal flip.
        jitter: Strength of the brightness, contrast and saturation jitter of exemplar. Hue uses a quarter of it, at
            most 0.5.

    Raises:
        UserError: An argument is out of range. `prepare` raises it for data without labels or with a single class.
    """

    recipe: ClassVar[dict[str, Any]] = {"batch_size": 64, "lr": 2e-3, "minutes": 1.5}
    sees = ("image",)
    effects: ClassVar[dict[str, Any]] = {
        "crop": {"kind": ("rotation",)},
        "patch": {"kind": ("exemplar",)},
        "copies": {"kind": ("exemplar",)},
        "dim": {"kind": ("exemplar",)},
        "jitter": {"kind": ("exemplar",)},
    }
    uses_labels = True

    def __init__(
        self,
        encoder: Encoder,
        kind: Kind = "rotation",
        share: float = 0.5,
        weight: float = 1.0,
        copies: int = 4,
        dim: int = 128,
        crop: float = 0.85,
        patch: float = 0.05,
        flip: float = 0.5,
        jitter: float = 0.4,
    ) -> None:
        super().__init__()
        if kind not in get_args(Kind):
            raise UserError(f"kind of s4l must be one of {', '.join(get_args(Kind))}, not '{kind}'")
        if not 0 <= share < 1 or weight < 0:
            raise UserError(f"share of s4l must be in [0, 1) and weight at least 0, not {share} and {weight}")
        if copies < 2 or dim < 1:
            raise UserError(f"copies of s4l must be at least 2 and dim at least 1, not {copies} and {dim}")
        self.encoder = encoder
        self.head: nn.Linear | None = None  # created in `prepare`, when the number of classes is known
        self.kind, self.share, self.weight, self.copies = kind, share, weight, copies if kind == "exemplar" else 4
        self.puzzle = nn.Linear(encoder.dim, dim if kind == "exemplar" else 4)
        if kind == "rotation":
            self.views = ImageViews(encoder.spec["input"], image=Augment(crop=(crop, 1.0), flip=flip))
        else:
            one = Augment(crop=(patch, 1.0), flip=flip, jitter=(jitter, jitter, jitter, min(jitter / 4, 0.5)))
            self.views = ImageViews(encoder.spec["input"], views=[one] * copies)

    def prepare(self, source: Source) -> None:
        """Create one output per class. Raises UserError when there are fewer than two labelled classes."""
        self.head = nn.Linear(self.encoder.dim, classes_of(source, "s4l"))
        self.streams = Streams(source.labels, self.share)

    def order(self, epoch: int, seed: int, n: int) -> Index:
        """Return an order with a fixed proportion of labelled and unlabelled samples."""
        return self.streams.order(epoch, seed)

    def terms(self) -> Terms:
        """Return both terms. Each has a head of its own."""
        seen = "image" if self.kind == "rotation" else "views"
        return {"class_loss": ("encoder", "head", seen), "puzzle_loss": ("encoder", "puzzle", seen)}

    def forward(
        self, label: Tensor, image: Tensor | None = None, views: list[Tensor] | None = None, **_: Any
    ) -> Outputs:
        """Return both losses. "accuracy" is that of the class on the first copy, "solved" that of the pretext task."""
        if self.head is None:
            raise RuntimeError("the number of classes is not known: call prepare(source) before the first batch")
        x = turned(image) if image is not None else torch.stack(views or [], 1).flatten(0, 1)  # [MB, C, S, S]
        features = self.encoder(x)  # [MB, D]
        logits = self.head(features)  # [MB, K]
        known = label.repeat_interleave(self.copies)  # [MB]
        named = F.cross_entropy(logits, known, ignore_index=-1, reduction="sum") / (known >= 0).sum().clamp(min=1)
        if self.kind == "rotation":
            turns = torch.arange(4, device=x.device).repeat(len(label))  # 0 1 2 3 0 1 2 3 ...
            answers = self.puzzle(features)  # [4B, 4]
            solved = {"loss": F.cross_entropy(answers, turns), "accuracy": right(answers, turns)}
        else:
            solved = exemplar(F.normalize(self.puzzle(features), dim=1), self.copies)
        accuracy, chance = right(logits[:: self.copies], label), torch.tensor(1 / logits.shape[1])
        loss = named + self.weight * solved["loss"]
        return {
            "loss": loss,
            "class_loss": named,
            "puzzle_loss": solved["loss"],
            "solved": solved["accuracy"],
            "accuracy": accuracy,
            "chance": chance,
        }

    def classify(self, image: Tensor) -> Tensor:
        """Map images [B, C, S, S] to logits [B, K]."""
        if self.head is None:
            raise RuntimeError("the number of classes is not known: call prepare(source) before the first batch")
        logits: Tensor = self.head(self.encoder(image))
        return logits
