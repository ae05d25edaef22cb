"""MoCo, versions 1 and 2."""

from __future__ import annotations

from typing import Any, ClassVar, final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from selftaught.errors import UserError
from selftaught.method import Clock, Encoder, Method, Outputs
from selftaught.parts.gather import gather
from selftaught.parts.heads import projection
from selftaught.parts.momentum import follow, momentum_copy
from selftaught.parts.queue import Queue
from selftaught.parts.shuffle_bn import shuffled
from selftaught.parts.streamed_info_nce import streamed_info_nce
from selftaught.views.image import Augment, ImageViews


@final
class MoCo(Method):
    """A query finds its key among a long queue of past keys, which a slow copy of the encoder made.

    He, Fan, Wu, Xie, Girshick, CVPR 2020 (arXiv 1911.05722), "Momentum Contrast for Unsupervised Visual Representation
    Learning", and Chen, Fan, Girshick, He 2020 (arXiv 2003.04297), "Improved Baselines with Momentum Contrastive
    Learning" (v2). The queue makes the dictionary larger than a batch; the slow copy keeps its keys comparable though
    they were made at different times.

    With q the query, k+ the key of the same image, and k_1 ... k_K the queue, all of length 1::

        L = -log( exp(q.k+/t) / (exp(q.k+/t) + sum_i exp(q.k_i/t)) )

    Shapes: query and key are [B, C, S, S]; q and k are [B, dim]; the queue is [queue, dim].

    One step: encode queries; encode keys with the slow copy, shuffled over batch norm groups and ranks, without
    gradients; score against the queue as it was, so that no key of this batch is a negative; step the optimiser; then
    let the slow copy follow and push the keys. Following after the optimiser's step is the released code's following
    before the keys are encoded: only the first step differs, where both copies are equal and following changes nothing.

    Defaults are the authors' CIFAR-10 demo (K 4096, momentum 0.99, temperature 0.1, linear head, jitter 0.4; its
    ResNet-18 normalises a batch of 512 in 8 groups, SGD 0.06 cosine, weight decay 5e-4) with the crop of both papers.
    Version 1 on ImageNet: queue 65536, momentum 0.999, temperature 0.07, hue 0.4. Version 2: the same with mlp,
    temperature 0.2, hue 0.1, blur 0.5. Departures: the queue need not be a multiple of the batch; version 1 always
    jitters, here with probability 0.8; the recipe is AdamW for a few minutes.

    Args:
        dim: Width of queries and keys.
        queue: K, the number of past keys.
        momentum: Of the slow copy, in [0, 1]: 1 never changes it.
        temperature: t, greater than 0. Tune it again after adding the head.
        mlp: Version 2's head: two linear layers with ReLU between them, hidden width that of the features up to 2048;
            else one linear layer.
        symmetric: Each view is the query once, as in the demo's option; the loss is the sum of both directions.
        shuffle: Shuffle BN. Without it, batch statistics can give the answer away.
        crop: Smallest part of the image's area that a crop takes.
        jitter: Of brightness, contrast and saturation.
        hue: Jitter of the hue, at most 0.5.
        flip: Probability of a mirror image.
        grey: Probability of dropping colour.
        blur: Probability of a Gaussian blur with sigma 0.1 to 2 pixels.

    Raises:
        UserError: A value out of range.
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

    def forward(self, query: Tensor, key: Tensor, clock: Clock, **_: Any) -> Outputs:
        """The contrastive softmax against the queue, and "keys" for `after_step`.

        [B, 1, dim], symmetric [B, 2, dim].
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
        """Keys of the slow copy: [B, C, S, S] to [B, dim]."""
        shuffle = self.shuffle and self.training
        return F.normalize(shuffled(self.slow, x, clock.seed, clock.step) if shuffle else self.slow(x), dim=1)

    def after_step(self, clock: Clock, outputs: Outputs) -> None:
        """The slow copy follows; this batch's keys push the oldest out."""
        follow(self.slow, nn.Sequential(self.encoder, self.head), self.momentum)
        self.queue.push(gather(outputs["keys"]).flatten(0, 1))
