"""S4L: self-supervised semi-supervised learning."""

from __future__ import annotations

from typing import Any, ClassVar, Literal, final, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from selftaught.errors import UserError
from selftaught.method import Encoder, Index, Method, Outputs, Source
from selftaught.parts.classified import right
from selftaught.parts.gather import gather_with_gradient, rank
from selftaught.parts.streams import Streams, classes_of
from selftaught.parts.triplet import triplet
from selftaught.parts.turns import turned
from selftaught.views.image import Augment, ImageViews

Kind = Literal["rotation", "exemplar"]


@final
class S4L(Method):
    """Labels where there are some, and a puzzle that needs none everywhere, through one network.

    Zhai, Oliver, Kolesnikov, Beyer, ICCV 2019 (arXiv 1905.03670), "S4L: Self-Supervised Semi-Supervised Learning". The
    puzzle teaches what many images have in common, the labels what to call it. Class and puzzle have a linear head
    each.

    With M copies of each image, p the class head's softmax, n_l labelled images in a batch of B::

        L = -1/(n_l M) sum_{i labelled} sum_m log p(y_i | copy m of x_i) + weight * puzzle
        rotation:  copies are the four turns, puzzle = -1/(4B) sum_i sum_r log q(r | x_i turned by r)
        exemplar:  copies are random views; with d the distance of their embeddings, made of length 1,
                   puzzle = 1/(BM) sum_a log(1 + exp( max_{p: same image} d(a, p) - min_{n: another} d(a, n) ))

    The class loss is taken on every copy. "exemplar" is the batch-hard triplet loss with a soft margin (Hermans, Beyer,
    Leibe 2017, arXiv 1703.07737); other images of the whole batch, over all ranks, are the negatives.

    Shapes: rotation has a view image [B, C, S, S], exemplar a list of M of them as views; copies are [MB, C, S, S], a
    sample's side by side.

    Defaults follow the paper's ImageNet setting (weight 1, as many unlabelled as labelled images; exemplar with 8
    patches, embedding 1000) on a small scale. Departures: 4 patches and an embedding of 128; with unequal `share` the
    puzzle still weighs every image alike; weight decay and length are the recipe's, and the paper finds that they
    matter as much as the loss; the recipe is AdamW for a few minutes instead of SGD 0.1 with weight decay 1e-3 for 200
    epochs.

    Args:
        kind: The puzzle.
        share: Labelled part of each batch, in [0, 1); an epoch then visits every unlabelled sample once. 0 is a plain
            permutation.
        weight: Of the puzzle.
        copies: M of exemplar, at least 2.
        dim: Width of exemplar's embedding.
        crop: Smallest part of the image's area that a crop takes.
        flip: Probability of a mirror image.
        jitter: Exemplar's jitter of brightness, contrast and saturation; of the hue a quarter of it, at most 0.5.

    Raises:
        UserError: A value out of range; in `prepare`, data without labels or with a single class.
    """

    recipe: ClassVar[dict[str, Any]] = {"batch_size": 64, "lr": 2e-3, "minutes": 1.5}
    sees = ("image",)

    def __init__(
        self,
        encoder: Encoder,
        kind: Kind = "rotation",
        share: float = 0.5,
        weight: float = 1.0,
        copies: int = 4,
        dim: int = 128,
        crop: float = 0.85,
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
        self.head: nn.Linear | None = None  # its width is known once the data is
        self.kind, self.share, self.weight, self.copies = kind, share, weight, copies if kind == "exemplar" else 4
        self.puzzle = nn.Linear(encoder.dim, dim if kind == "exemplar" else 4)
        if kind == "rotation":
            self.views = ImageViews(encoder.spec["input"], image=Augment(crop=(crop, 1.0), flip=flip))
        else:
            one = Augment(crop=(crop, 1.0), flip=flip, jitter=(jitter, jitter, jitter, min(jitter / 4, 0.5)))
            self.views = ImageViews(encoder.spec["input"], views=[one] * copies)

    def prepare(self, source: Source) -> None:
        """One output per class. Raises UserError when fewer than two classes are labelled."""
        self.head = nn.Linear(self.encoder.dim, classes_of(source, "s4l"))
        self.streams = Streams(source.labels, self.share)

    def order(self, epoch: int, seed: int, n: int) -> Index:
        """Labelled and unlabelled samples in a fixed proportion."""
        return self.streams.order(epoch, seed)

    def forward(
        self, label: Tensor, image: Tensor | None = None, views: list[Tensor] | None = None, **_: Any
    ) -> Outputs:
        """Both losses; "accuracy" names classes on the first copy, "solved" is the part of puzzles solved."""
        if self.head is None:
            raise RuntimeError("call prepare(source) before the first batch: it counts the classes")
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
            "class_loss": named.detach(),
            "solved": solved["accuracy"],
            "accuracy": accuracy,
            "chance": chance,
        }

    def classify(self, image: Tensor) -> Tensor:
        """[B, C, S, S] to [B, K] logits."""
        if self.head is None:
            raise RuntimeError("call prepare(source) before the first batch: it counts the classes")
        logits: Tensor = self.head(self.encoder(image))
        return logits


def exemplar(z: Tensor, copies: int) -> dict[str, Tensor]:
    """Batch-hard triplets with a soft margin: z [MB, D] of length 1, the M copies of an image side by side.

    Every copy is an anchor; of its own image's copies on this rank the farthest is the positive, of all ranks' other
    images the nearest copy the negative. "accuracy": the part of anchors whose positive is the nearer of the two. With
    `copies` 1 there is no positive, and the loss is 0.
    """
    everyone = gather_with_gradient(z)  # [RMB, D]
    mine = torch.arange(rank() * len(z), (rank() + 1) * len(z), device=z.device)
    whose = torch.arange(len(everyone), device=z.device) // copies
    same = whose[mine, None] == whose  # [MB, RMB]
    itself = mine[:, None] == torch.arange(len(everyone), device=z.device)
    if copies < 2 or len(everyone) == copies:  # no positive, or no negative
        return {"loss": z.sum() * 0, "accuracy": z.new_zeros(())}
    # [MB, RMB]; no gradient where it is 0
    near = -torch.cdist(z, everyone, compute_mode="donot_use_mm_for_euclid_dist")
    positive = near.masked_fill(~same | itself, torch.inf).amin(1)  # [MB]
    return triplet(positive, near.masked_fill(same, -torch.inf), margin=None, mining="hard")
