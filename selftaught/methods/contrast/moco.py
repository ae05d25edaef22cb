"""MoCo, versions 1 and 2."""

from __future__ import annotations

from typing import Any, ClassVar, final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from selftaught.errors import UserError
from selftaught.method import Clock, Encoder, Method, Outputs, Planned, Terms
from selftaught.parts.gather import gather, world
from selftaught.parts.heads import projection
from selftaught.parts.momentum import follow, momentum_copy
from selftaught.parts.norm import most_groups
from selftaught.parts.queue import Queue
from selftaught.parts.shuffle_bn import shuffled
from selftaught.parts.streamed_info_nce import streamed_info_nce
from selftaught.views.image import Augment, ImageViews


@final
class MoCo(Method):
    """Contrastive learning with a queue of past keys and a momentum encoder.

    He, Fan, Wu, Xie, Girshick, CVPR 2020 (arXiv 1911.05722), "Momentum Contrast for Unsupervised Visual Representation
    Learning", and Chen, Fan, Girshick, He 2020 (arXiv 2003.04297), "Improved Baselines with Momentum Contrastive
    Learning" (v2). The queue makes the dictionary larger than a batch. The momentum encoder, a slow copy of the
    encoder, keeps keys of different steps comparable.

    With q the query, k+ the key of the same image, and k_1 ... k_K the queue, all of length 1::

        L = -log( exp(q.k+/t) / (exp(q.k+/t) + sum_i exp(q.k_i/t)) )

    Shapes: query and key are [B, C, S, S]; q and k are [B, dim]; the queue is [queue, dim].

    One step: encode queries; encode keys with the momentum encoder, shuffled over batch norm groups and ranks, without
    gradients; score against the queue before the push, so that no key of this batch is a negative; step the optimiser;
    then update the momentum encoder and push the keys. The released code updates the momentum encoder before it encodes
    the keys. This is equivalent: in the first step both encoders are equal, so that update changes nothing.

    Defaults are the authors' CIFAR-10 demo (K 4096, momentum 0.99, temperature 0.1, linear head, jitter 0.4; its
    ResNet-18 normalises a batch of 512 in 8 groups, SGD 0.06 cosine, weight decay 5e-4) with the crop of both papers.
    Version 1 on ImageNet: queue 65536, momentum 0.999, temperature 0.07, hue 0.4. Version 2: the same with mlp,
    temperature 0.2, hue 0.1, blur 0.5. Departures: the queue need not be a multiple of the batch; version 1 always
    applies the jitter, here it has probability 0.8; the default recipe is AdamW for a few minutes.

    Args:
        dim: Dimension of queries and keys.
        queue: Number K of past keys.
        momentum: Momentum of the key encoder, in [0, 1]. 1 never changes it.
        temperature: Temperature t, greater than 0. Tune it again when you change `mlp`.
        mlp: Use the head of version 2: two linear layers with a ReLU between them and as many hidden units as features,
            at most 2048. Otherwise one linear layer.
        symmetric: Use each view as the query once, as in the demo's option. The loss is the sum of both directions.
        shuffle: Use Shuffle BN. Without it, batch statistics can reveal which key is the positive.
        crop: Smallest area of a random crop, as a fraction of the image.
        jitter: Strength of the brightness, contrast and saturation jitter.
        hue: Strength of the hue jitter, at most 0.5.
        flip: Probability of a horizontal flip.
        grey: Probability of converting the view to greyscale.
        blur: Probability of a Gaussian blur with sigma 0.1 to 2 pixels.

    Raises:
        UserError: An argument is out of range.
    """

    recipe: ClassVar[dict[str, Any]] = {"batch_size": 256, "lr": 2e-3, "minutes": 1.5, "batch_norm_groups": 8}
    sees = ("image",)

    def __init__(
        self,
        encoder: Encoder,
        dim: int = 128,
        queue: int = 4096,
        momentum: float = 0.99,
        temperature: float = 0.1,
        mlp: bool = False,
        symmetric: bool = False,
        shuffle: bool = True,
        crop: float = 0.2,
        jitter: float = 0.4,
        hue: float = 0.1,
        flip: float = 0.5,
        grey: float = 0.2,
        blur: float = 0.0,
    ) -> None:
        super().__init__()
        if temperature <= 0:
            raise UserError(f"temperature of moco must be greater than 0, not {temperature}")
        if not 0 <= momentum <= 1:
            raise UserError(f"momentum of moco must be in [0, 1], not {momentum}")
        self.encoder = encoder
        self.head = projection(encoder.dim, min(encoder.dim, 2048), dim, depth=2 if mlp else 1, norm=False)
        self.slow = momentum_copy(nn.Sequential(self.encoder, self.head))
        self.queue = Queue(queue, dim)
        self.momentum, self.temperature, self.symmetric, self.shuffle = momentum, temperature, symmetric, shuffle
        augment = Augment(
            crop=(crop, 1.0), flip=flip, jitter=(jitter, jitter, jitter, hue), jitter_p=0.8,
            grey=grey, blur=blur, blur_sigma=(0.1, 2.0),
        )  # fmt: skip
        self.views = ImageViews(encoder.spec["input"], query=augment, key=augment)

    def unused(self, planned: Planned) -> dict[str, str]:
        """See `Method.unused`."""
        found: dict[str, str] = {}
        if self.shuffle and world() == 1 and most_groups(self.encoder) < 2:
            found["shuffle"] = (
                "shuffle has no effect, because every batch is normalised as a whole, or not at all: remove it, or use "
                "--batch-norm-groups 2 or more"
            )
        size, keys = len(self.queue.keys), planned.samples * (2 if self.symmetric else 1)
        if keys >= size:
            return found
        return found | {
            "queue": f"the queue of {size:,} keys starts with random ones and is never full of the {keys:,} keys of "
            "this run: use a smaller --queue, or train longer"
        }

    def terms(self) -> Terms:
        """Return the only term: the momentum encoder and the view that it sees take no gradient."""
        return {"loss": ("encoder", "head", "query", *(("key",) if self.symmetric else ()))}

    def forward(self, query: Tensor, key: Tensor, clock: Clock, **_: Any) -> Outputs:
        """Return the contrastive loss against the queue, and "keys" for `after_step`.

        These are [B, 1, dim], or [B, 2, dim] if symmetric.
        """
        directions = [(query, key), (key, query)] if self.symmetric else [(query, key)]
        outputs, keys = [], []
        for one, other in directions:
            q = F.normalize(self.head(self.encoder(one)), dim=1)  # [B, dim]
            k = self.keys(other, clock)  # [B, dim]
            outputs.append(streamed_info_nce(q, (q * k).sum(1), self.queue.keys, self.temperature))
            keys.append(k)
        mean = {name: torch.stack([o[name] for o in outputs]).mean(0) for name in outputs[0]}
        return {**mean, "loss": mean["loss"] * len(directions), "keys": torch.stack(keys, 1)}

    @torch.no_grad()
    def keys(self, x: Tensor, clock: Clock) -> Tensor:
        """Return keys of the momentum encoder: [B, C, S, S] to [B, dim]."""
        shuffle = self.shuffle and self.training
        return F.normalize(shuffled(self.slow, x, clock.seed, clock.step) if shuffle else self.slow(x), dim=1)

    def after_step(self, clock: Clock, outputs: Outputs) -> None:
        """Update the momentum encoder, and push the keys of this batch to the queue."""
        follow(self.slow, nn.Sequential(self.encoder, self.head), self.momentum)
        self.queue.push(gather(outputs["keys"]).flatten(0, 1))
