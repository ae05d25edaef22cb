"""SLA: self-supervised label augmentation."""

from __future__ import annotations

from itertools import permutations
from typing import Any, ClassVar, Literal, final, get_args

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from selftaught.errors import UserError
from selftaught.method import Encoder, Index, Method, Outputs, Source, Terms
from selftaught.parts.classified import masked_cross_entropy, right
from selftaught.parts.streams import classes_of, visits
from selftaught.parts.target import target
from selftaught.parts.turns import turned
from selftaught.views.image import Augment, ImageViews

Transform = Literal["none", "rotation", "colour", "both"]


@final
class SLA(Method):
    """Classify the label and the transformation jointly, and average over all transformed copies.

    Lee, Hwang, Shin, ICML 2020 (arXiv 1910.05872), "Self-supervised Label Augmentation via Input Transformations".
    Predicting the class of a rotated image makes the network invariant to rotation. Predicting class and rotation as
    one joint label does not, and M copies of an image give M predictions of its class.

    With T_j the M transformations, K classes, u the weights of the joint classifier, z_j the features of T_j x, sigma a
    second classifier's softmax on the untransformed image, and B labelled images::

        L_SLA = -1/(BM) sum_i sum_j log p((y_i, j) | T_j x_i)                     with K M joint classes, index M y + j
        P_agg(k | x) = softmax_k( 1/M sum_j u_kj . z_j )                          aggregation
        L = L_SLA + t^2 KL( P_agg^(1/t) || sigma^(1/t) ) - log sigma(y_i | x_i)   with distillation, P_agg detached

    Aggregation costs M passes at test time. Distillation trains the second classifier, which needs one pass, to predict
    the aggregate. With `transform` none, M is 1 and L_SLA is plain cross-entropy.

    Shapes: image is [B, C, S, S]; its copies are [MB, C, S, S], a sample's side by side; joint logits are [B, M, KM].

    Only labelled samples are used; unlabelled samples are not visited. Defaults are the authors' CIFAR command
    (rotation; batch 128, SGD 0.1, weight decay 1e-4, 80 thousand steps) with the terms of the loss averaged.
    Departures: a crop of at least `crop` of the area replaces shifts; any encoder replaces ResNet-32; the default
    recipe is AdamW for a few minutes.

    Args:
        transform: rotation (M = 4), colour (the 6 orders of red, green and blue), both (24) or none (1).
        distill: Also train the second classifier, and classify with it alone.
        temperature: Temperature t of the distillation, greater than 0.
        crop: Smallest area of a random crop, as a fraction of the image.
        flip: Probability of a horizontal flip.

    Raises:
        UserError: An argument is out of range, or colour is used with an encoder of grey images. `prepare` raises it
            for data without labels or with one class.
    """

    recipe: ClassVar[dict[str, Any]] = {"batch_size": 128, "lr": 2e-3, "minutes": 1.5}
    sees = ("image",)
    effects: ClassVar[dict[str, Any]] = {"temperature": {"distill": True}}
    uses_labels = True

    def __init__(
        self,
        encoder: Encoder,
        transform: Transform = "rotation",
        distill: bool = False,
        temperature: float = 1.0,
        crop: float = 0.85,
        flip: float = 0.5,
    ) -> None:
        super().__init__()
        if transform not in get_args(Transform):
            raise UserError(f"transform of sla must be one of {', '.join(get_args(Transform))}, not '{transform}'")
        if temperature <= 0:
            raise UserError(f"temperature of sla must be greater than 0, not {temperature}")
        channels = encoder.spec["input"]["channels"]
        if transform in ("colour", "both") and channels != 3:
            raise UserError(
                f"transform {transform} of sla needs images with 3 channels, "
                f"but these have {channels}: use transform rotation"
            )
        self.encoder = encoder
        self.head: nn.Linear | None = None  # created in `prepare`, when the number of classes is known
        self.single: nn.Linear | None = None
        self.transform, self.distill, self.temperature = transform, distill, temperature
        self.count = {"none": 1, "rotation": 4, "colour": 6, "both": 24}[transform]  # M
        self.labelled: Index = np.empty(0, np.int64)
        self.views = ImageViews(encoder.spec["input"], image=Augment(crop=(crop, 1.0), flip=flip))

    def prepare(self, source: Source) -> None:
        """Create M outputs per class. Raises UserError when there are fewer than two labelled classes."""
        classes = classes_of(source, "sla")
        self.head = nn.Linear(self.encoder.dim, classes * self.count)
        self.single = nn.Linear(self.encoder.dim, classes) if self.distill else None
        self.labelled = np.flatnonzero(source.labels >= 0)

    def order(self, epoch: int, seed: int, n: int) -> Index:
        """Return n visits to the labelled samples: repeated permutations if only some of the n samples are labelled."""
        return visits(self.labelled, n, epoch, seed)

    def terms(self) -> Terms:
        """Return the joint loss, and with distillation the two of the second classifier."""
        found: dict[str, tuple[str, ...]] = {"joint_loss": ("encoder", "head", "image")}
        if self.distill:
            found |= {"distillation": ("encoder", "single", "image"), "class_loss": ("encoder", "single", "image")}
        return found

    def targets(self) -> tuple[str, ...]:
        """Return the aggregate that the second classifier learns."""
        return ("aggregate",) if self.distill else ()

    def forward(self, image: Tensor, label: Tensor, **_: Any) -> Outputs:
        """Return the joint loss and the distillation loss.

        "accuracy" is that of `classify`, "aggregated" that of the average over all copies.
        """
        joint, features = self.joint(image)  # [B, M, KM], [B, M, D]
        wanted = joint_label(label, self.count)  # [B, M]
        loss = named = masked_cross_entropy(joint.flatten(0, 1), wanted.flatten())
        votes = aggregated(joint)  # [B, K]
        outputs = {"joint_loss": named, "accuracy": right(votes, label), "chance": torch.tensor(1 / votes.shape[1])}
        if self.single is not None:
            alone = self.single(features[:, 0])  # [B, K]
            taught = distillation(target("aggregate", votes), alone, self.temperature)
            single = masked_cross_entropy(alone, label)
            loss = named + taught + single
            outputs |= {"distillation": taught, "class_loss": single}
            outputs |= {"accuracy": right(alone, label), "aggregated": outputs["accuracy"]}
        return {"loss": loss, **outputs}

    def joint(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Return the joint logits [B, M, KM] and the features [B, M, D] of every copy of the images [B, C, S, S]."""
        if self.head is None:
            raise RuntimeError("the number of classes is not known: call prepare(source) before the first batch")
        features = self.encoder(transformed(image, self.transform))  # [BM, D]
        split = (len(image), self.count, -1)
        return self.head(features).view(split), features.view(split)

    def classify(self, image: Tensor) -> Tensor:
        """Map images [B, C, S, S] to logits [B, K], from the second classifier if there is one, else by aggregation."""
        if self.single is None:
            return aggregated(self.joint(image)[0])
        logits: Tensor = self.single(self.encoder(image))
        return logits


def transformed(image: Tensor, transform: Transform) -> Tensor:
    """Map images [B, C, S, S] to [MB, C, S, S]: the copies of a sample side by side, the original first.

    For "both", the order is rotation by rotation, each with all colour orders.
    """
    if transform in ("rotation", "both"):
        image = turned(image)
    if transform in ("colour", "both"):
        image = torch.stack([image[:, list(order)] for order in permutations(range(3))], 1).flatten(0, 1)
    return image


def joint_label(label: Tensor, count: int) -> Tensor:
    """Map labels [B] (-1 = unknown) to joint labels [B, M]: M y + j, or -1 if unknown."""
    each = label[:, None] * count + torch.arange(count, device=label.device)
    return each.where(label[:, None] >= 0, -1)


def aggregated(joint: Tensor) -> Tensor:
    """Map joint logits [B, M, KM] to [B, K]: the logits (k, j) of copy j, averaged over the copies."""
    count = joint.shape[1]
    votes: Tensor = joint.unflatten(2, (-1, count)).diagonal(dim1=1, dim2=3)  # [B, M, K, M] to [B, K, M]
    return votes.mean(2)


def distillation(teacher: Tensor, student: Tensor, temperature: float) -> Tensor:
    """Return t^2 KL(softmax(teacher / t) || softmax(student / t)), averaged over the batch, for logits [B, K] each.

    No gradient flows to `teacher`. The factor t^2 keeps the scale of the gradient (Hinton, Vinyals, Dean 2015, arXiv
    1503.02531, section 2).
    """
    wanted = (teacher.detach() / temperature).softmax(1)
    return temperature**2 * F.kl_div((student / temperature).log_softmax(1), wanted, reduction="batchmean")
