"""SwAV."""

from __future__ import annotations

from typing import Any, ClassVar, final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from selftaught.errors import UserError
from selftaught.method import Clock, Encoder, Method, Outputs
from selftaught.parts.gather import gather, rank
from selftaught.parts.heads import projection
from selftaught.parts.multi_crop import by_size
from selftaught.parts.queue import Queue
from selftaught.parts.sinkhorn import sinkhorn
from selftaught.views.image import Augment, ImageViews
from selftaught.views.multi_crop import multi_crop

FULL = 2
"""Full crops: the views that are assigned. Small ones only predict."""


@final
class SwAV(Method):
    """Predict from one view of an image to which prototypes another view was assigned.

    Caron, Misra, Mairal, Goyal, Bojanowski, Joulin, NeurIPS 2020 (arXiv 2006.09882), "Unsupervised Learning of Visual
    Features by Contrasting Cluster Assignments". No pairs of images are compared: what stands between a collapse and
    the loss is that the assignment must use all prototypes equally.

    With z the normalised projections, c_1 ... c_K the prototypes, all of length 1, q_s the code of full view s by
    Sinkhorn on the scores z_s.c of all images, without gradients, and p_t(k) = softmax_k(z_t.c_k / t)::

        L = -1/2 sum_{s full} 1/(V-1) sum_{t != s} sum_k q_s(k) log p_t(k)

    Shapes: views is a list of two [B, C, S, S] and `small` of a smaller side; z is [B, dim]; scores and codes are
    [B, prototypes]. Codes balance the batches of all ranks, and the queue's rows.

    "accuracy" is the mean mass that q_s gives to the likeliest prototype of p_t. As codes use all prototypes equally, a
    prediction that ignores the image gets exactly "chance", 1 / K; a collapsed encoder too.

    Defaults: temperature, epsilon, iterations and dim are the paper's; it has 2048 hidden units, 3000 prototypes for
    ImageNet, frozen for 313 steps, full crops of 14% to 100% and six small ones of 5% to 14% of the area with 96 of 224
    pixels, strength 1, blur 0.5, and for batches of 256 a queue of 3840 from epoch 15. Departures: small images show
    too little in 5%; prototypes are renormalised after a step instead of before the next, which is the same; the last
    layer of the head has no bias; an encoder that keeps positions repeats those of a small crop to as many as a full
    one's; the recipe is AdamW for a few minutes instead of LARS 4.8 (0.6 for batches of 256) for 100 to 800 epochs.

    Args:
        dim: Width of the space of views and prototypes.
        hidden: Units of the head's hidden layer.
        prototypes: K, at least 2.
        temperature: t of the predictions, greater than 0.
        epsilon: Of Sinkhorn, greater than 0: the smaller, the sharper the codes.
        iterations: Of Sinkhorn.
        freeze: First steps, in which prototypes stay where they began.
        queue: Past images whose scores join in the balance; 0 = none. For batches not much larger than K.
        queue_epoch: First epoch (from 0) in which the queue is used, once it is full.
        small: Small crops.
        small_size: Their side in pixels; 0 = 3/7 of the encoder's.
        crop: Smallest part of the image's area that a full crop takes, and the largest of a small one.
        small_crop: Smallest part of the area that a small crop takes.
        strength: Of the colour jitter: brightness, contrast, saturation 0.8 times this, hue 0.2 times this.
        flip: Probability of a mirror image.
        grey: Probability of dropping colour.
        blur: Probability of a Gaussian blur with sigma 0.1 to 2 pixels.

    Raises:
        UserError: A value out of range, or small crops for an encoder of one size.
    """

    recipe: ClassVar[dict[str, Any]] = {"batch_size": 256, "lr": 2e-3, "minutes": 1.5}
    sees = ("image",)
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
        look: dict[str, Any] = {
            "flip": flip, "jitter": (0.8 * strength, 0.8 * strength, 0.8 * strength, 0.2 * strength), "jitter_p": 0.8,
            "grey": grey, "blur": blur, "blur_sigma": (0.1, 2.0),
        }  # fmt: skip
        full, part = Augment(crop=(crop, 1.0), **look), Augment(crop=(small_crop, crop), **look)
        self.views = ImageViews(
            encoder.spec["input"], views=multi_crop(encoder, [full] * FULL, part, small, small_size)
        )

    def forward(self, views: list[Tensor], clock: Clock, **_: Any) -> Outputs:
        """Cross-entropy of the swapped predictions, and "rows" for `after_step`: [B, 2, dim]."""
        z = [F.normalize(y, dim=1) for y in by_size(lambda x: self.head(self.encoder(x)), views)]  # V of [B, dim]
        prototypes: Tensor = self.prototypes
        if clock.step < self.freeze:
            prototypes = prototypes.detach() + 0 * prototypes  # the same numbers, and a gradient of 0
        scores = [one @ prototypes.T for one in z]  # V of [B, K]
        losses, hits = [], []
        for s in range(FULL):
            code = self.code(s, scores[s], clock)  # [B, K]
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
        """The balanced assignment of full view `view`, whose scores are [B, K], among all ranks' images and the queue's: [B, K]."""
        everyone = gather(scores)  # [R * B, K]
        if self.queue is not None and clock.epoch >= self.queue_epoch and self.pushed >= len(self.queue.keys):
            past = self.queue.keys.chunk(FULL, 1)[view] @ self.prototypes.T  # [queue, K]
            everyone = torch.cat([everyone, past])
        return sinkhorn(everyone, self.epsilon, self.iterations)[rank() * len(scores) :][: len(scores)]

    def after_step(self, clock: Clock, outputs: Outputs) -> None:
        """Prototypes get length 1 again; this batch's rows join the queue."""
        self.prototypes.copy_(F.normalize(self.prototypes, dim=1))
        if self.queue is not None:
            rows = gather(outputs["rows"])  # [R * B, 2, dim]
            self.queue.push(rows.flatten(1))
            self.pushed.add_(len(rows))
