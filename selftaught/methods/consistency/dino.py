"""DINO."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any, ClassVar, cast, final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from selftaught.errors import UserError
from selftaught.method import Clock, Encoder, Method, Outputs, Player, Terms
from selftaught.parts.gather import gather
from selftaught.parts.matching import matching
from selftaught.parts.momentum import follow, momentum_copy, rising
from selftaught.parts.multi_crop import by_size
from selftaught.parts.norm import BatchNorm1d
from selftaught.parts.spread import spread
from selftaught.views.asymmetric import asymmetric
from selftaught.views.image import ImageViews
from selftaught.views.multi_crop import multi_crop

FULL = 2  # crops of the encoder's image size, which the teacher sees


@final
class DINO(Method):
    """Self-distillation: a student predicts the class probabilities of a momentum teacher across crops.

    Caron, Touvron, Misra, Jegou, Mairal, Bojanowski, Joulin, ICCV 2021 (arXiv 2104.14294), "Emerging Properties in
    Self-Supervised Vision Transformers". Two operations on the teacher's output balance each other: subtracting the
    running mean (centring) keeps one class from dominating, and a low temperature (sharpening) keeps the output from
    becoming uniform.

    With s the scores of prototypes (cosines of the head's output and of unit vectors), c the centre, and V crops of
    which the first two are full and seen by the teacher::

        P_t = softmax((s_t - c) / t_teacher),   P_s = softmax(s_s / t_student)
        L = mean over pairs (full crop f, crop v != f) of -sum_k P_t(f)_k log P_s(v)_k        2 V - 2 pairs
        c <- centring * c + (1 - centring) * mean of s_t,   teacher <- m * teacher + (1 - m) * student

    where m rises from `momentum` to 1 along half a cosine. Shapes: views is a list of [B, C, S, S], two full ones
    first; scores are [B, prototypes].

    As there are no labels to predict, "accuracy" is how often the student's scores of one full crop, less their mean
    over the batch, are closest in direction, within the batch, to the teacher's scores of the other full crop. Two
    values show a collapse, both as fractions of log(prototypes): "entropy" (of P_t, mean over images) is 1 when the
    teacher's output is uniform, and "marginal_entropy" (of the mean of P_t) is 0 when all images get the same
    prototype. "spread" of the teacher's head is 1 when healthy and 0 when collapsed.

    Defaults are the paper's except for the widths (there a head of 2048, a bottleneck of 256, 65536 prototypes) and 4
    small crops instead of 8. On ImageNet the full crops are blurred with probability 1 and 0.1 (blur, other_blur), the
    small ones with 0.5, and momentum is 0.996; images of 32 pixels are not blurred. Departures: weight decay stays 0.04
    instead of growing to 0.4 along a cosine; prototypes are divided by their length, which is weight normalisation with
    a gain of 1, and do not decay; the head has batch norm, without which short trainings here ended with a uniform
    teacher; the teacher's temperature stays at 0.04 by default, for the same reason (in long ones it rises to 0.07 over
    30 epochs); durations are fractions of training instead of numbers of epochs (the last layer is frozen for 1 of
    100); the default recipe takes a few minutes.

    Args:
        hidden: Units in the two hidden layers of the head.
        bottleneck: Dimension of the head's output, which is compared with the prototypes.
        prototypes: Number of prototypes (classes).
        norm: Use batch norm in the head's hidden layers. The paper's heads for Transformers have none; it is an option
            of its code.
        student_temperature: t_student, greater than 0.
        teacher_temperature: t_teacher after it has risen, greater than 0.
        first_teacher_temperature: t_teacher at the start.
        rise: Fraction of training over which t_teacher rises, in [0, 1].
        momentum: Momentum of the teacher at the start, in [0, 1]. It rises to 1.
        centring: Momentum of the centre, in [0, 1].
        freeze: Fraction of training in which the prototypes are not updated, in [0, 1].
        small: Number of small crops.
        small_size: Side of a small crop in pixels. 0 = 3/7 of the encoder's image size.
        crop: Smallest area of a full crop, as a fraction of the image. Also the largest area of a small crop.
        small_crop: Smallest area of a small crop, as a fraction of the image.
        strength: Strength of the colour jitter: brightness and contrast 0.4, saturation 0.2 and hue 0.1 times this
            value.
        flip: Probability of a horizontal flip.
        grey: Probability of converting the view to greyscale.
        blur: Probability of a Gaussian blur of the first full crop, with sigma 0.1 to 2 pixels.
        other_blur: Probability of the same blur of the second full crop.
        small_blur: Probability of the same blur of the small crops.
        solarise: Probability of solarising the second full crop: values of at least 0.5 are inverted.

    Raises:
        UserError: An argument is out of range, or small crops are used with an encoder of a fixed image size.
    """

    recipe: ClassVar[dict[str, Any]] = {
        "batch_size": 256,
        "lr": 2e-3,
        "minutes": 1.5,
        "weight_decay": 0.04,
        "clip": 3.0,
        "clip_each": True,
        "batch_norm_groups": 1,
    }
    sees = ("image",)
    effects: ClassVar[dict[str, Any]] = {
        "rise": {"first_teacher_temperature": "teacher_temperature"},
        "small_size": {"small": 0},
        "small_crop": {"small": 0},
        "small_blur": {"small": 0},
    }
    centre: Tensor

    def __init__(
        self,
        encoder: Encoder,
        hidden: int = 512,
        bottleneck: int = 128,
        prototypes: int = 1024,
        norm: bool = True,
        student_temperature: float = 0.1,
        teacher_temperature: float = 0.04,
        first_teacher_temperature: float = 0.04,
        rise: float = 0.3,
        momentum: float = 0.99,
        centring: float = 0.9,
        freeze: float = 0.01,
        small: int = 4,
        small_size: int = 0,
        crop: float = 0.4,
        small_crop: float = 0.05,
        strength: float = 1.0,
        flip: float = 0.5,
        grey: float = 0.2,
        blur: float = 0.0,
        other_blur: float = 0.0,
        small_blur: float = 0.0,
        solarise: float = 0.2,
    ) -> None:
        super().__init__()
        temperatures = (student_temperature, teacher_temperature, first_teacher_temperature)
        if min(temperatures) <= 0:
            raise UserError(f"temperatures of dino must be greater than 0, not {', '.join(map(str, temperatures))}")
        if not all(0 <= part <= 1 for part in (rise, momentum, centring, freeze)):
            raise UserError(
                f"rise, momentum, centring and freeze of dino must be in [0, 1], not {rise}, {momentum}, "
                f"{centring}, {freeze}"
            )
        if min(hidden, bottleneck) < 1 or prototypes < 2:
            raise UserError(
                f"dino needs hidden and bottleneck of at least 1 and at least 2 prototypes, not {hidden}, "
                f"{bottleneck} and {prototypes}"
            )
        self.encoder = encoder
        self.head = nn.Sequential(
            nn.Linear(encoder.dim, hidden), BatchNorm1d(hidden) if norm else nn.Identity(), nn.GELU(),
            nn.Linear(hidden, hidden), BatchNorm1d(hidden) if norm else nn.Identity(), nn.GELU(),
            nn.Linear(hidden, bottleneck),
        )  # fmt: skip
        self.prototypes = nn.Linear(bottleneck, prototypes, bias=False)
        self.teacher = momentum_copy(nn.ModuleList([self.encoder, self.head, self.prototypes]))
        self.register_buffer("centre", torch.zeros(prototypes))
        self.student_temperature, self.teacher_temperature = student_temperature, teacher_temperature
        self.first_teacher_temperature, self.rise = first_teacher_temperature, rise
        self.momentum, self.centring, self.freeze = momentum, centring, freeze
        full = asymmetric(crop, strength, flip, grey, blur, other_blur, solarise)
        part = replace(full[0], crop=(small_crop, crop), blur=small_blur)
        self.views = ImageViews(encoder.spec["input"], views=multi_crop(encoder, full, part, small, small_size))

    @property
    def kept(self) -> Encoder:
        """Return the teacher's encoder, which the authors judge and publish."""
        return cast("Encoder", self.teacher.get_submodule("0"))

    def players(self) -> list[Player]:
        """Return one player. The prototypes are normalised, so they have no weight decay."""
        network = [*self.encoder.parameters(), *self.head.parameters()]
        return [
            Player("main", [{"params": network}, {"params": list(self.prototypes.parameters()), "weight_decay": 0.0}])
        ]

    def terms(self) -> Terms:
        """Return the only term."""
        return {"loss": ("encoder", "head", "prototypes", "views")}

    def forward(self, views: list[Tensor], clock: Clock, **_: Any) -> Outputs:
        """Return the cross-entropy of the student with the teacher, and the teacher's "scores" for `after_step`."""
        # V of [B, bottleneck]
        z = [F.normalize(y, dim=1) for y in by_size(self.encoder, self.head, views)]
        prototypes = F.normalize(self.prototypes.weight, dim=1)
        if clock.progress < self.freeze:
            prototypes = prototypes.detach() + 0 * prototypes  # same values, gradient 0
        learnt = [(one @ prototypes.T).float() for one in z]  # V of [B, K]
        student = [(s / self.student_temperature).log_softmax(1) for s in learnt]
        known, scores = self.taught(views[:FULL])
        teacher = [((s - self.centre) / self.sharpness(clock.progress)).softmax(1) for s in scores]  # 2 of [B, K]
        pairs = [(f, v) for f in range(FULL) for v in range(len(views)) if v != f]
        loss = torch.stack([-(teacher[f] * student[v]).sum(1).mean() for f, v in pairs]).mean()
        found = [matching(centred(learnt[1 - f]), centred(scores[f])) for f in range(FULL)]
        match = {name: torch.stack([m[name] for m in found]).mean() for name in found[0]}
        every = torch.cat(teacher)  # [2B, K]
        entropies = {"entropy": entropy(every).mean(), "marginal_entropy": entropy(every.mean(0))}
        return {
            "loss": loss,
            **match,
            **entropies,
            "spread": spread(torch.cat(known)),
            "scores": torch.stack(scores).mean(0),
        }

    @torch.no_grad()
    def taught(self, full: list[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        """Return the teacher's normalised outputs [B, bottleneck] and scores [B, prototypes] for each full crop."""
        encoder, head = self.teacher.get_submodule("0"), self.teacher.get_submodule("1")
        prototypes = F.normalize(self.teacher.get_parameter("2.weight"), dim=1)
        z = [F.normalize(y, dim=1) for y in by_size(encoder, head, full)]
        return z, [(one @ prototypes.T).float() for one in z]

    def sharpness(self, progress: float) -> float:
        """Return the teacher's temperature."""
        done = min(progress / self.rise, 1.0) if self.rise else 1.0
        return self.first_teacher_temperature + done * (self.teacher_temperature - self.first_teacher_temperature)

    def after_step(self, clock: Clock, outputs: Outputs) -> None:
        """Update the teacher and its centre."""
        follow(
            self.teacher,
            nn.ModuleList([self.encoder, self.head, self.prototypes]),
            rising(self.momentum, clock.progress),
        )
        self.centre.lerp_(gather(outputs["scores"]).mean(0), 1 - self.centring)


def centred(x: Tensor) -> Tensor:
    """Subtract from the rows of x [B, K] their mean."""
    return x - x.mean(0)


def entropy(p: Tensor) -> Tensor:
    """Return the entropy along the last axis, as a fraction of its maximum: 1 = uniform, 0 = certain."""
    nats: Tensor = torch.special.entr(p).sum(-1)
    return nats / math.log(p.shape[-1])
