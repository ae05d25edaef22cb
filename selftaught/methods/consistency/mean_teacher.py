"""Mean Teacher."""

from __future__ import annotations

from typing import Any, ClassVar, Literal, cast, final, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from selftaught.errors import UserError
from selftaught.method import Clock, Encoder, Index, Method, Outputs, Source, Terms
from selftaught.parts.classified import masked_cross_entropy, right
from selftaught.parts.momentum import follow, momentum_copy
from selftaught.parts.noise import Noise
from selftaught.parts.ramp import ramp_up
from selftaught.parts.streams import Streams, classes_of
from selftaught.views.image import Augment, ImageViews

Cost = Literal["mse", "kl"]


@final
class MeanTeacher(Method):
    """Semi-supervised learning with a teacher whose weights are a running average of the student's.

    Tarvainen, Valpola, NIPS 2017 (arXiv 1703.01780), "Mean teachers are better role models: Weight-averaged consistency
    targets improve semi-supervised deep learning results". Averaging weights instead of predictions gives a target that
    is better than the student and is updated at every step.

    With f the student's class logits, g its second head's, f' the teacher's class logits for another view and other
    noise, and w growing along a ramp::

        L = -1/B sum_{i labelled} log softmax(f_i)(y_i) + w J + distance * 1/(K B) sum_i ||f_i - g_i||^2
        mse:  J = 1/(K B) sum_i ||softmax(f'_i) - softmax(g_i)||^2
        kl:   J = 1/B sum_i KL(softmax(f'_i) || softmax(g_i))
        teacher <- a teacher + (1 - a) student after each step t = 1, 2, ..., with a = min(1 - 1/(t + 1), momentum)
        w = consistency * exp(-5 (1 - T)^2),  T = progress / ramp up to 1

    In the first steps the teacher is the plain average of all students so far. One head is trained to classify and the
    other to agree with the teacher; a small cost ties them. With `two_heads` off, g = f. The teacher's batch norm uses
    its own batches and keeps its own running statistics. **The teacher is the result**: it classifies ("accuracy"; the
    student's accuracy is "student"), and its encoder is kept.

    Shapes: student and teacher are views [B, C, S, S], each with its own noise; logits are [B, K].

    Defaults are of the authors' two codes: cost mse with weight 100, distance 0.01 and a quarter of each batch labelled
    (PyTorch, CIFAR-10); noise 0.15, dropout 0.5, momentum 0.99 during the ramp and 0.999 after it, ramp 40 of 150
    thousand steps (TensorFlow). Their advice: a weight between K and K^2 for mse, between 1 and 10 for kl. Departures:
    a crop of at least `crop` of the area stands for shifts by 2 of 32 pixels; any encoder stands for their networks;
    `momentum` is 0.99 after the ramp too, because runs of minutes have few steps to average; the default recipe is
    AdamW for a few minutes.

    Args:
        share: Fraction of each batch that is labelled, in [0, 1). An epoch visits every unlabelled sample once. 0 uses
            a plain permutation of all samples.
        consistency: Weight of the consistency cost J after the ramp.
        cost: The consistency cost J: mse or kl.
        ramp: Fraction of training in which the consistency weight grows.
        momentum: Momentum of the teacher after the ramp, in [0, 1]. 1 does not change the teacher, 0 copies the
            student. A teacher that never changes needs early 1 as well.
        early: Momentum of the teacher during the ramp, in [0, 1]. 1 does not change the teacher, 0 copies the student.
        two_heads: Use a separate head for the consistency cost.
        distance: Weight of the distance between the two heads' logits.
        noise: Standard deviation of the Gaussian noise added to the normalised image.
        dropout: Dropout probability of the features, before the heads.
        crop: Smallest area of a random crop, as a fraction of the image.
        flip: Probability of a horizontal flip.

    Raises:
        UserError: An argument is out of range. `prepare` raises it for data without labels or with a single class.
    """

    recipe: ClassVar[dict[str, Any]] = {"batch_size": 128, "lr": 2e-3, "minutes": 1.5}
    sees = ("image",)
    effects: ClassVar[dict[str, Any]] = {"distance": {"two_heads": True}}
    uses_labels = True

    def __init__(
        self,
        encoder: Encoder,
        share: float = 0.25,
        consistency: float = 100.0,
        cost: Cost = "mse",
        ramp: float = 0.27,
        momentum: float = 0.99,
        early: float = 0.99,
        two_heads: bool = True,
        distance: float = 0.01,
        noise: float = 0.15,
        dropout: float = 0.5,
        crop: float = 0.85,
        flip: float = 0.5,
    ) -> None:
        super().__init__()
        if not (0 <= share < 1 and 0 <= dropout < 1):
            raise UserError(f"share and dropout of mean_teacher must be in [0, 1), not {share} and {dropout}")
        if not (0 <= ramp <= 1 and 0 <= momentum <= 1 and 0 <= early <= 1):
            raise UserError(
                f"ramp, momentum and early of mean_teacher must be in [0, 1], not {ramp}, {momentum} and {early}"
            )
        if consistency < 0 or distance < 0 or noise < 0:
            raise UserError(
                f"consistency, distance and noise of mean_teacher must be >= 0, not {consistency}, {distance} and "
                f"{noise}"
            )
        if cost not in get_args(Cost):
            raise UserError(f"cost of mean_teacher must be one of {', '.join(get_args(Cost))}, not '{cost}'")
        self.encoder = encoder
        self.head: nn.Linear | None = None  # created in `prepare`, when the number of classes is known
        self.second: nn.Linear | None = None
        self.teacher: nn.ModuleDict | None = None
        self.share, self.consistency, self.cost, self.ramp = share, consistency, cost, ramp
        self.momentum, self.early, self.two_heads, self.distance = momentum, early, two_heads, distance
        self.noise, self.dropout = noise, dropout
        augment = Augment(crop=(crop, 1.0), flip=flip)
        self.views = ImageViews(encoder.spec["input"], student=augment, teacher=augment)

    def prepare(self, source: Source) -> None:
        """Create one output per class and the teacher.

        Raises UserError when there are fewer than two labelled classes.
        """
        classes = classes_of(source, "mean_teacher")
        self.head = nn.Linear(self.encoder.dim, classes)
        self.second = nn.Linear(self.encoder.dim, classes) if self.two_heads else None
        self.teacher = nn.ModuleDict({"encoder": momentum_copy(self.encoder), "head": momentum_copy(self.head)})
        self.streams = Streams(source.labels, self.share)

    @property
    def kept(self) -> Encoder:
        """Return the teacher's encoder if there is a teacher."""
        return self.encoder if self.teacher is None else cast("Encoder", self.teacher["encoder"])

    def order(self, epoch: int, seed: int, n: int) -> Index:
        """Return an order with a fixed proportion of labelled and unlabelled samples."""
        return self.streams.order(epoch, seed)

    def terms(self) -> Terms:
        """Return the terms: none moves the teacher or its view."""
        second = "second" if self.two_heads else "head"
        apart = {"distance": ("encoder", "head", "second", "student")} if self.two_heads and self.distance else {}
        return {
            "class_loss": ("encoder", "head", "student"),
            "disagreement": ("encoder", second, "student"),
            **apart,
        }

    def forward(self, student: Tensor, teacher: Tensor, label: Tensor, clock: Clock, **_: Any) -> Outputs:
        """Return the three terms of the loss, and the weight "w" of J ("disagreement")."""
        if self.head is None or self.teacher is None:
            raise RuntimeError("the number of classes is not known: call prepare(source) before the first batch")
        mine, theirs = Noise(clock.seed, clock.step, 0), Noise(clock.seed, clock.step, 1)
        features = self.features(self.encoder, student, mine)  # [B, D]
        f = self.head(features)  # [B, K]
        g = f if self.second is None else self.second(features)
        with torch.no_grad():
            target = self.teacher["head"](self.features(self.teacher["encoder"], teacher, theirs))  # [B, K]
        w = self.consistency * ramp_up(clock.progress, self.ramp)
        disagreement = disagree(self.cost, g, target)
        named, apart = masked_cross_entropy(f, label), F.mse_loss(f, g)
        return {
            "loss": named + w * disagreement + self.distance * apart,
            "class_loss": named,
            "disagreement": disagreement,
            "distance": apart,
            "w": w,
            "student": right(f, label),
            "accuracy": right(target, label),
            "chance": torch.tensor(1 / f.shape[1]),
        }

    def features(self, encoder: nn.Module, x: Tensor, noise: Noise) -> Tensor:
        """Map images [B, C, S, S] to features [B, D], with noise during training."""
        if not self.training:
            return cast("Tensor", encoder(x))
        return noise.dropout(encoder(noise.gaussian(x, self.noise)), self.dropout)

    def classify(self, image: Tensor) -> Tensor:
        """Return the teacher's logits: [B, C, S, S] to [B, K]."""
        if self.teacher is None:
            raise RuntimeError("the number of classes is not known: call prepare(source) before the first batch")
        return cast("Tensor", self.teacher["head"](self.teacher["encoder"](image)))

    def after_step(self, clock: Clock, outputs: Outputs) -> None:
        """Update the teacher with the student's encoder and class head."""
        assert self.teacher is not None and self.head is not None
        momentum = self.early if clock.progress < self.ramp else self.momentum
        if momentum < 1:  # 1 freezes the teacher, the plain average of the first steps too
            momentum = min(1 - 1 / (clock.step + 2), momentum)  # clock.step counts from 0, t from 1
        follow(self.teacher, nn.ModuleDict({"encoder": self.encoder, "head": self.head}), momentum)


def disagree(cost: Cost, logits: Tensor, target: Tensor) -> Tensor:
    """Return the cost J of `MeanTeacher` for logits [B, K]. No gradient flows to `target`."""
    wanted = target.detach().softmax(1)
    if cost == "mse":
        return F.mse_loss(logits.softmax(1), wanted)
    return F.kl_div(logits.log_softmax(1), wanted, reduction="batchmean")
