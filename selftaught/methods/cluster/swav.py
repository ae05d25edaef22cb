"""SwAV."""

from __future__ import annotations

from typing import Any, ClassVar, final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from selftaught.errors import UserError
from selftaught.method import Clock, Encoder, Method, Outputs, Planned, Terms
from selftaught.parts.gather import gather, rank
from selftaught.parts.heads import projection
from selftaught.parts.multi_crop import by_size
from selftaught.parts.queue import Queue
from selftaught.parts.sinkhorn import sinkhorn
from selftaught.parts.target import target
from selftaught.views.image import Augment, ImageViews
from selftaught.views.multi_crop import alike

FULL = 2
"""Number of full crops. These are assigned to prototypes; small crops only predict."""


@final
class SwAV(Method):
    """Predict the prototype assignment of one view from another view.

    Caron, Misra, Mairal, Goyal, Bojanowski, Joulin, NeurIPS 2020 (arXiv 2006.09882), "Unsupervised Learning of Visual
    Features by Contrasting Cluster Assignments". Images are not compared in pairs. The loss does not collapse because
    the assignment must use all prototypes equally.

    With z the normalised projections, c_1 ... c_K the prototypes, all of length 1, q_s the code of full view s by
    Sinkhorn on the scores z_s.c of all images, without gradients, and p_t(k) = softmax_k(z_t.c_k / t)::

        L = -1/2 sum_{s full} 1/(V-1) sum_{t != s} sum_k q_s(k) log p_t(k)

    Shapes: views is a list of two [B, C, S, S] and `small` of a smaller side; z is [B, dim]; scores and codes are [B,
    prototypes]. Codes are balanced over the batches of all ranks and the rows of the queue.

    "accuracy" is the mean mass that q_s gives to the likeliest prototype of p_t. As codes use all prototypes equally, a
    prediction that ignores the image gets exactly "chance", 1 / K. So does a collapsed encoder.

    Defaults: temperature, epsilon, iterations and dim are the paper's; it has 2048 hidden units, 3000 prototypes for
    ImageNet, frozen for 313 steps, full crops of 14% to 100% and six small ones of 5% to 14% of the area with 96 of 224
    pixels, strength 1, blur 0.5, and for batches of 256 a queue of 3840 from epoch 15. Departures: small crops are
    larger, because 5% of a small image shows too little; prototypes are renormalised after a step instead of before the
    next, which is the same; the last layer of the head has no bias; an encoder that keeps positions repeats those of a
    small crop to match the number of a full crop; the default recipe is AdamW for a few minutes instead of LARS 4.8
    (0.6 for batches of 256) for 100 to 800 epochs.

    Args:
        dim: Dimension of the projections and prototypes.
        hidden: Units of the head's hidden layer.
        prototypes: K, at least 2.
        temperature: t of the predictions, greater than 0.
        epsilon: Regularisation of Sinkhorn, greater than 0. Smaller values give sharper codes.
        iterations: Iterations of Sinkhorn.
        freeze: Number of first steps in which the prototypes are not updated.
        queue: Number of past images whose scores are added to the balance. 0 = none. Use it for batches that are not
            much larger than K.
        queue_epoch: First epoch (from 0) in which the queue is used, once it is full.
        small: Number of small crops.
        small_size: Side of a small crop in pixels. 0 = 3/7 of the encoder's image size.
        crop: Smallest area of a full crop, as a fraction of the image. Also the largest area of a small crop.
        small_crop: Smallest area of a small crop, as a fraction of the image.
        strength: Strength of the colour jitter: brightness, contrast and saturation 0.8 times, hue 0.2 times this
            value.
        flip: Probability of a horizontal flip.
        grey: Probability of converting the view to greyscale.
        blur: Probability of a Gaussian blur with sigma 0.1 to 2 pixels.

    Raises:
        UserError: An argument is out of range, or small crops are used with an encoder of a fixed image size.
    """

    recipe: ClassVar[dict[str, Any]] = {"batch_size": 256, "lr": 2e-3, "minutes": 1.5, "batch_norm_groups": 1}
    sees = ("image",)
    effects: ClassVar[dict[str, Any]] = {
        "queue_epoch": {"queue": 0},
        "small_size": {"small": 0},
        "small_crop": {"small": 0},
    }
    together = 2
    pushed: Tensor

    def __init__(
        self,
        encoder: Encoder,
        dim: int = 128,
        hidden: int = 512,
        prototypes: int = 100,
        temperature: float = 0.1,
        epsilon: float = 0.05,
        iterations: int = 3,
        freeze: int = 50,
        queue: int = 0,
        queue_epoch: int = 15,
        small: int = 4,
        small_size: int = 0,
        crop: float = 0.3,
        small_crop: float = 0.1,
        strength: float = 0.5,
        flip: float = 0.5,
        grey: float = 0.2,
        blur: float = 0.0,
    ) -> None:
        super().__init__()
        if temperature <= 0 or epsilon <= 0:
            raise UserError(f"temperature and epsilon of swav must be greater than 0, not {temperature} and {epsilon}")
        if prototypes < 2 or iterations < 1:
            raise UserError(f"swav needs at least 2 prototypes and 1 iteration, not {prototypes} and {iterations}")
        if queue < 0 or freeze < 0 or queue_epoch < 0:
            raise UserError(
                f"queue, queue_epoch and freeze of swav must be at least 0, not {queue}, {queue_epoch} and {freeze}"
            )
        self.encoder = encoder
        self.head = projection(encoder.dim, hidden, dim, depth=2, last="none")
        self.prototypes = nn.Parameter(F.normalize(torch.randn(prototypes, dim), dim=1))
        self.queue = Queue(queue, FULL * dim) if queue else None
        self.register_buffer("pushed", torch.zeros((), dtype=torch.long))
        self.temperature, self.epsilon, self.iterations = temperature, epsilon, iterations
        self.freeze, self.queue_epoch = freeze, queue_epoch
        look = Augment(
            flip=flip, jitter=(0.8 * strength, 0.8 * strength, 0.8 * strength, 0.2 * strength), jitter_p=0.8,
            grey=grey, blur=blur, blur_sigma=(0.1, 2.0),
        )  # fmt: skip
        views = alike(encoder, look, FULL, crop, small, small_crop, small_size)
        self.views = ImageViews(encoder.spec["input"], views=views)

    def unused(self, planned: Planned) -> dict[str, str]:
        """See `Method.unused`."""
        if self.queue is None:
            return {}
        if planned.epochs <= self.queue_epoch:
            why = f"before epoch {self.queue_epoch} (queue_epoch), and this run has {planned.epochs:.3g}"
        elif planned.samples <= len(self.queue.keys):
            why = f"before it is full, and this run has {planned.samples:,} images"
        else:
            return {}
        said = f"the queue is not used {why}: use a smaller value, or train longer"
        return {"queue": said, "queue_epoch": said}

    def terms(self) -> Terms:
        """Return the only term."""
        return {"loss": ("encoder", "head", "prototypes", "views")}

    def targets(self) -> tuple[str, ...]:
        """Return the codes, one for each full crop."""
        return ("code",) * FULL

    def forward(self, views: list[Tensor], clock: Clock, **_: Any) -> Outputs:
        """Return the cross-entropy of the swapped predictions, and "rows" [B, 2, dim] for `after_step`."""
        z = [F.normalize(y, dim=1) for y in by_size(self.encoder, self.head, views)]  # V of [B, dim]
        prototypes: Tensor = self.prototypes
        if clock.step < self.freeze:
            prototypes = prototypes.detach() + 0 * prototypes  # same values, gradient 0
        scores = [one @ prototypes.T for one in z]  # V of [B, K]
        losses, hits = [], []
        for s in range(FULL):
            code = target("code", self.code(s, scores[s], clock))  # [B, K]
            for t in range(len(scores)):
                if t != s:
                    losses.append(-(code * (scores[t] / self.temperature).log_softmax(1)).sum(1).mean())
                    hits.append(code.gather(1, scores[t].argmax(1, keepdim=True)).mean())
        chance = torch.tensor(1 / len(self.prototypes))
        rows = torch.stack(z[:FULL], 1).detach()
        return {
            "loss": torch.stack(losses).mean(),
            "accuracy": torch.stack(hits).mean(),
            "chance": chance,
            "rows": rows,
        }

    @torch.no_grad()
    def code(self, view: int, scores: Tensor, clock: Clock) -> Tensor:
        """Return the codes [B, K] of full view `view` with scores [B, K], balanced over all ranks and the queue."""
        everyone = gather(scores)  # [R * B, K]
        if self.queue is not None and clock.epoch >= self.queue_epoch and self.pushed >= len(self.queue.keys):
            past = self.queue.keys.chunk(FULL, 1)[view] @ self.prototypes.T  # [queue, K]
            everyone = torch.cat([everyone, past])
        return sinkhorn(everyone, self.epsilon, self.iterations)[rank() * len(scores) :][: len(scores)]

    def after_step(self, clock: Clock, outputs: Outputs) -> None:
        """Normalise the prototypes and push the rows of this batch to the queue."""
        self.prototypes.copy_(F.normalize(self.prototypes, dim=1))
        if self.queue is not None:
            rows = gather(outputs["rows"])  # [R * B, 2, dim]
            self.queue.push(rows.flatten(1))
            self.pushed.add_(len(rows))
