"""Local aggregation."""

from __future__ import annotations

from typing import Any, ClassVar, final

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from selftaught.errors import UserError
from selftaught.method import Clock, Embed, Encoder, Index, Method, Outputs, Planned, Source, Terms
from selftaught.parts.bank import Bank
from selftaught.parts.gather import gather
from selftaught.parts.heads import projection
from selftaught.parts.kmeans import kmeans
from selftaught.views.image import Augment, ImageViews, plain

EPSILON = 1e-7
"""Added inside the logarithm, as in the released code, because an image may have no close neighbour."""


@final
class LocalAggregation(Method):
    """Pull each image towards neighbours in the same clusters and away from its other neighbours.

    Zhuang, Zhai, Yamins, ICCV 2019 (arXiv 1903.12355), "Local Aggregation for Unsupervised Learning of Visual
    Embeddings". Instance discrimination pushes similar images apart. Here, images in the same cluster may stay close.

    With v the normalised feature of image i, u_j the bank's row of image j, B_i the rows nearest to v, and C_i the rows
    that share a cluster with row i in any of several clusterings::

        P(A) = sum_{j in A} exp(v.u_j/t) / Z
        L = -log( P(C_i and B_i) / P(B_i) + 1e-7 )

    Z cancels, so the ratio is a softmax over B_i alone, summed over close neighbours. In the first `warm` rounds, when
    the neighbours carry little information, the loss is that of instance discrimination over all n rows: -log(
    exp(v.u_i/t) / sum_j exp(v.u_j/t) ).

    Shapes: image is [B, C, S, S]; the bank is [n, dim], the clusters int64 [clusterings, n]. "accuracy" is the mean
    ratio, and "chance" is its value when all neighbours have the same score: |C_i and B_i| / |B_i|. Held-out images
    have no row; in eval mode they use the clusters of their nearest row.

    A round is one epoch of the clock. It covers a part of the data and begins by clustering the rows of the bank. Warm
    rounds also cluster, so that all rounds take as long as the first, which is used to convert minutes into steps. The
    defaults suit about ten thousand images; the authors use 4096 neighbours, 10 clusterings of 30,000 clusters (43
    images each), rounds of all images and 10 warm ones for the 1.3 million of ImageNet, with the temperature, dim,
    momentum and views given here. Departures: at the start of training and after the warm rounds, every row is set to
    the feature of the whole image, because random or outdated rows take a pass over the data to be overwritten; the
    default recipe is AdamW for a few minutes instead of SGD 0.03 for 200 epochs.

    Args:
        dim: Dimension of the features in which neighbours are found.
        temperature: t, greater than 0.
        background: Number of rows in B_i. All rows if the data has fewer.
        clusterings: Number of clusterings that are combined in C_i.
        clusters: Number of clusters in each clustering. 0 = one per 60 images, at least 2.
        iterations: Iterations of k-means.
        interval: Number of images in a round, after which the rows are clustered again. The data is split evenly into
            rounds of about this size. 0 = all images.
        warm: Number of first rounds that use the loss of instance discrimination.
        momentum: Momentum of a row of the bank, in [0, 1). 0 replaces the row.
        bank: Where the rows are stored: "memory", "file" (in the run folder) or redis://HOST:PORT/DATABASE. All rows
            are in memory while they are clustered.
        crop: Smallest area of a random crop, as a fraction of the image.
        jitter: Strength of the brightness, contrast, saturation and hue jitter. For hue at most 0.5.
        flip: Probability of a horizontal flip.
        grey: Probability of converting the view to greyscale.

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
        bank: str = "memory",
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
        self.dim, self.temperature, self.momentum, self.store = dim, temperature, momentum, bank
        self.background, self.clusterings, self.count, self.iterations = background, clusterings, clusters, iterations
        self.interval, self.warm = interval, warm
        augment = Augment(
            crop=(crop, 1.0), flip=flip, jitter=(jitter, jitter, jitter, min(jitter, 0.5)), jitter_p=1.0, grey=grey
        )
        self.views = ImageViews(encoder.spec["input"], image=augment)

    def prepare(self, source: Source) -> None:
        """Create the bank, with all rows in one cluster. Raises UserError when there are fewer images than clusters."""
        if max(self.count, 2) > len(source):
            raise UserError(
                f"local_aggregation cannot make {max(self.count, 2)} clusters of {len(source)} images: ask for fewer"
            )
        self.bank = Bank(len(source), self.dim, self.momentum, self.store)
        self.register_buffer("clusters", torch.zeros(self.clusterings, len(source), dtype=torch.long))

    def unused(self, planned: Planned) -> dict[str, str]:
        """See `Method.unused`. Without rounds after the warm ones, the clusters are not used."""
        if planned.epochs > self.warm:
            return {}
        said = (
            f"the {self.warm} warm rounds take the whole run of {planned.epochs:.3g} rounds, so that clusters and "
            "background are not used: use a smaller --warm or --interval, or train longer"
        )
        return dict.fromkeys(("warm", "background", "clusterings", "clusters", "iterations"), said)

    def order(self, epoch: int, seed: int, n: int) -> Index:
        """Return this round's part of a permutation of all samples."""
        rounds = max(1, round(n / self.interval)) if self.interval else 1
        return np.array_split(super().order(epoch // rounds, seed, n), rounds)[epoch % rounds]

    @torch.no_grad()
    def before_epoch(self, clock: Clock, embed: Embed) -> None:
        """Fill the bank before the first round and after the warm rounds, then cluster its rows.

        Each clustering starts from its own random centres.
        """
        if clock.epoch in (0, self.warm):
            self.bank.fill(self.head, embed.parts(plain(self.encoder.spec["input"])))
        rows = self.bank.all().to(self.clusters.device)  # [n, dim]
        count = self.count or max(len(rows) // 60, 2)
        for h, labels in enumerate(self.clusters):
            labels.copy_(kmeans(rows, count, self.iterations, clock.seed, clock.epoch, h)[0])

    def terms(self) -> Terms:
        """Return the only term. The bank takes no gradient."""
        return {"loss": ("encoder", "head", "image")}

    def forward(self, image: Tensor, index: Tensor, clock: Clock, **_: Any) -> Outputs:
        """Return the loss, "accuracy" and "chance" (after the warm rounds), and the values for `after_step`.

        These are "rows" [B, dim] and "samples" [B].
        """
        v = F.normalize(self.head(self.encoder(image)), dim=1)  # [B, dim]
        if self.training and clock.epoch < self.warm:
            outputs: Outputs = {"loss": self.bank.identify(v, index, self.temperature)["loss"]}
        else:
            outputs = self.aggregate(v, index)
        return {**outputs, "rows": v.detach(), "samples": index}

    def aggregate(self, v: Tensor, index: Tensor) -> Outputs:
        """Return the loss of the features v [B, dim] of the images `index` [B]."""
        with torch.no_grad():
            # [B, k], the nearest row first
            near = self.bank.nearest(v, self.background)
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
        """Update the bank's rows of the batch."""
        self.bank.write(gather(outputs["samples"]), gather(outputs["rows"]))

    def members(self) -> Tensor:
        """Return the cluster of each image in the first clustering: int64 [n]."""
        return self.clusters[0]
