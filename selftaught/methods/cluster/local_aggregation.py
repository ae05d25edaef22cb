"""Local aggregation."""

from __future__ import annotations

from typing import Any, ClassVar, final

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from selftaught.errors import UserError
from selftaught.method import Clock, Embed, Encoder, Index, Method, Outputs, Source
from selftaught.parts.bank import Bank
from selftaught.parts.gather import gather
from selftaught.parts.heads import projection
from selftaught.parts.kmeans import kmeans
from selftaught.views.image import Augment, ImageViews, plain

EPSILON = 1e-7
"""Inside the logarithm, as in the released code: an image may have no close neighbour at all."""


@final
class LocalAggregation(Method):
    """Pull every image towards the neighbours that it shares clusters with, away from its other neighbours.

    Zhuang, Zhai, Yamins, ICCV 2019 (arXiv 1903.12355), "Local Aggregation for Unsupervised Learning of Visual
    Embeddings". Telling every image from every other pushes alike ones apart; here those that clustering puts together
    may stay together.

    With v the normalised feature of image i, u_j the bank's row of image j, B_i the rows nearest to v, and C_i the rows
    that any of several clusterings put into the cluster of row i::

        P(A) = sum_{j in A} exp(v.u_j/t) / Z
        L = -log( P(C_i and B_i) / P(B_i) + 1e-7 )

    Z cancels, so the ratio is a softmax over B_i alone, summed over close neighbours. In the first `warm` rounds, when
    neighbours mean little, the loss is that of instance discrimination over all n rows: -log( exp(v.u_i/t) / sum_j
    exp(v.u_j/t) ).

    Shapes: image is [B, C, S, S]; the bank is [n, dim], the clusters int64 [clusterings, n]. "accuracy" is the mean
    ratio, and "chance" what it is while all neighbours are alike: |C_i and B_i| / |B_i|. Held-out images have no row;
    in eval mode they belong to the clusters of the row nearest to them.

    A round, an epoch of the clock, is a part of the data, and begins by clustering the bank's rows (the warm ones too,
    which makes every round as long as the first, by which minutes are turned into steps). Defaults suit some ten
    thousand images; the authors take 4096 neighbours, 10 clusterings of 30,000 clusters (43 images each), rounds of all
    images and 10 warm ones for the 1.3 million of ImageNet, with the temperature, dim, momentum and views given here.
    Departures: when training begins and when the warm rounds are over, every row becomes the network's feature of the
    whole picture, because noise, or rows older than the network that is to learn from them, take a pass over the data
    to be overwritten; the recipe is AdamW for a few minutes instead of SGD 0.03 for 200 epochs.

    Args:
        dim: Width of the space of neighbours.
        temperature: t, greater than 0.
        background: Rows in B_i; all where the data has fewer.
        clusterings: How many clusterings C_i unites.
        clusters: In each clustering; 0 = one for every 60 images, at least 2.
        iterations: Of k-means.
        interval: Images from one clustering to the next, a round; the data is cut evenly into about as many. 0 = all of
            them.
        warm: First rounds, of instance discrimination.
        momentum: What a row of the bank keeps of its past, in [0, 1).
        crop: Smallest part of the image's area that a crop takes.
        jitter: Of brightness, contrast, saturation and (at most 0.5) hue.
        flip: Probability of a mirror image.
        grey: Probability of dropping colour.

    Raises:
        UserError: A value out of range; in `prepare`, more clusters than images.
    """

    recipe: ClassVar[dict[str, Any]] = {"batch_size": 128, "lr": 2e-3, "minutes": 1.5}
    sees = ("image",)
    clusters: Tensor

    def __init__(
        self,
        encoder: Encoder,
        dim: int = 128,
        temperature: float = 0.07,
        background: int = 256,
        clusterings: int = 3,
        clusters: int = 0,
        iterations: int = 8,
        interval: int = 16384,
        warm: int = 1,
        momentum: float = 0.5,
        crop: float = 0.2,
        jitter: float = 0.4,
        flip: float = 0.5,
        grey: float = 0.2,
    ) -> None:
        super().__init__()
        if temperature <= 0:
            raise UserError(f"temperature of local_aggregation must be greater than 0, not {temperature}")
        for name, value in (("background", background), ("clusterings", clusterings), ("iterations", iterations)):
            if value < 1:
                raise UserError(f"{name} of local_aggregation must be at least 1, not {value}")
        if min(warm, clusters, interval) < 0:
            raise UserError(
                f"warm, clusters and interval of local_aggregation must be at least 0, not {warm}, {clusters} and "
                f"{interval}"
            )
        self.encoder = encoder
        self.head = projection(encoder.dim, encoder.dim, dim, depth=1, norm=False)
        self.dim, self.temperature, self.momentum = dim, temperature, momentum
        self.background, self.clusterings, self.count, self.iterations = background, clusterings, clusters, iterations
        self.interval, self.warm = interval, warm
        augment = Augment(
            crop=(crop, 1.0), flip=flip, jitter=(jitter, jitter, jitter, min(jitter, 0.5)), jitter_p=1.0, grey=grey
        )
        self.views = ImageViews(encoder.spec["input"], image=augment)

    def prepare(self, source: Source) -> None:
        """A bank, all in one cluster. Raises UserError when there are fewer images than clusters."""
        if max(self.count, 2) > len(source):
            raise UserError(
                f"local_aggregation cannot make {max(self.count, 2)} clusters of {len(source)} images: ask for fewer"
            )
        self.bank = Bank(len(source), self.dim, self.momentum)
        self.register_buffer("clusters", torch.zeros(self.clusterings, len(source), dtype=torch.long))

    def order(self, epoch: int, seed: int, n: int) -> Index:
        """A round's part of a permutation of all."""
        rounds = max(1, round(n / self.interval)) if self.interval else 1
        return np.array_split(super().order(epoch // rounds, seed, n), rounds)[epoch % rounds]

    @torch.no_grad()
    def before_epoch(self, clock: Clock, embed: Embed) -> None:
        """Fill the bank before the first round and after the warm ones.

        Cluster its rows, each clustering from a start of its own.
        """
        if clock.epoch in (0, self.warm):
            self.bank.fill(self.head, embed(plain(self.encoder.spec["input"]), None))
        rows = self.bank.all().to(self.clusters.device)  # [n, dim]
        count = self.count or max(len(rows) // 60, 2)
        for h, labels in enumerate(self.clusters):
            labels.copy_(kmeans(rows, count, self.iterations, clock.seed, clock.epoch, h)[0])

    def forward(self, image: Tensor, index: Tensor, clock: Clock, **_: Any) -> Outputs:
        """The loss, "accuracy" and "chance" once it is warm, and for `after_step` "rows" [B, dim] and "samples" [B]."""
        v = F.normalize(self.head(self.encoder(image)), dim=1)  # [B, dim]
        if self.training and clock.epoch < self.warm:
            outputs = {"loss": F.cross_entropy(self.bank.scores(v) / self.temperature, index)}
        else:
            outputs = self.aggregate(v, index)
        return {**outputs, "rows": v.detach(), "samples": index}

    def aggregate(self, v: Tensor, index: Tensor) -> Outputs:
        """The loss of features [B, dim] of the images `index` [B]."""
        with torch.no_grad():
            # [B, k], the nearest row first
            near = self.bank.scores(v).topk(min(self.background, self.bank.n), dim=1).indices
            home = index if self.training else near[:, 0]
            close = (self.clusters[:, near] == self.clusters[:, home, None]).any(0)  # [B, k]
        scores = torch.einsum("bd,bkd->bk", v, self.bank.rows(near))
        ratio = ((scores / self.temperature).softmax(1) * close).sum(1)  # [B]
        return {
            "loss": -(ratio + EPSILON).log().mean(),
            "accuracy": ratio.detach().mean(),
            "chance": close.float().mean(),
        }

    def after_step(self, clock: Clock, outputs: Outputs) -> None:
        """The rows of the batch's images follow their features."""
        self.bank.write(gather(outputs["samples"]), gather(outputs["rows"]))
