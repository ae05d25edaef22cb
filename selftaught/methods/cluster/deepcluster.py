"""DeepCluster."""

from __future__ import annotations

from typing import Any, ClassVar, final

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from selftaught.encoders import sobel as edges
from selftaught.errors import UserError
from selftaught.method import Clock, Embed, Encoder, Index, Method, Outputs, Player, Source
from selftaught.parts.kmeans import kmeans, nearest
from selftaught.parts.whitening import whitening
from selftaught.views.image import Augment, ImageViews, plain

START = 0.01
"""Standard deviation of a new head's weights."""
TAG = 0x64656570  # separates these random numbers from other uses of (seed, epoch)


@final
class DeepCluster(Method):
    """Cluster the features of the images, train the network to predict the clusters, and cluster again.

    Caron, Bojanowski, Joulin, Douze, ECCV 2018 (arXiv 1807.05520), "Deep Clustering for Unsupervised Learning of Visual
    Features". Features of even an untrained convolutional network carry some signal; predicting the clusters of
    undistorted images from random crops of them strengthens it.

    With phi the encoder, u the whitened principal components of phi, made of length 1, and W the head::

        (1)  min_C sum_n min_k || u(x_n) - C_k ||^2        (2)  min_{phi, W} -1/N sum_n log softmax( W phi(x_n) )_{y_n}

    Two ways to cheat are closed: no cluster is empty (an empty one takes the row that is farthest from its centre), and
    images are drawn so that every cluster comes equally often, so one large cluster gains nothing. Clusters have other
    numbers each time, so the head starts again from N(0, 0.01), and so does the state of its optimiser.

    Shapes: image (a random crop) and whole (the centre) are [B, C, S, S]; labels and the rounds in which they were
    given are int64 [n], centres [K, dims].
    "nmi" is the normalised mutual information of the clusters of the same images, one clustering and the next: it rises
    as the clusters settle. "accuracy" is that of the cluster; a held-out image belongs to the centre nearest to the
    features of the whole image, and "chance" is then the share of the largest cluster.

    A round is one epoch of the clock. It covers a part of the data, and embeds and clusters that part alone, so that
    short runs cluster several times. The paper's rounds are passes over all images (`interval` 0), its 10,000 clusters
    are for 1.3 million images. Departures: features are the encoder's output, after its last ReLU; head and network
    take turns, each on a batch of its own, because they have optimisers of their own; an empty cluster takes a far row
    instead of half a large cluster; Sobel filters are off by default; the default recipe is AdamW for a few minutes
    instead of SGD .05 for 200 epochs.

    Args:
        clusters: Number of clusters K.
        dims: Number of principal components that are clustered, at most the encoder's width.
        iterations: Iterations of k-means.
        interval: Number of images drawn in a round. More images are split evenly into rounds of about this size; fewer
            are drawn several times. 0 = all images, once.
        sobel: Show the network horizontal and vertical gradients of the grey image instead of colours. The encoder that
            is kept then begins with these filters.
        crop: Smallest area of a random crop, as a fraction of the image.
        flip: Probability of a horizontal flip.
        jitter: Strength of the brightness, contrast, saturation and hue jitter (hue at most 0.5); the paper has none.

    Raises:
        UserError: A value out of range; in `prepare`, more clusters than images in a round.
    """

    recipe: ClassVar[dict[str, Any]] = {"batch_size": 128, "lr": 2e-3, "minutes": 1.5}
    sees = ("image",)

    labels: Tensor
    given: Tensor
    centres: Tensor
    mean: Tensor
    matrix: Tensor
    nmi: Tensor

    def __init__(
        self,
        encoder: Encoder,
        clusters: int = 100,
        dims: int = 64,
        iterations: int = 20,
        interval: int = 10000,
        sobel: bool = False,
        crop: float = 0.3,
        flip: float = 0.5,
        jitter: float = 0.0,
    ) -> None:
        super().__init__()
        if min(clusters, dims, iterations) < 1 or clusters < 2 or interval < 0:
            raise UserError(
                "clusters of deepcluster must be at least 2, dims and iterations at least 1 and interval at least 0, "
                f"not {clusters}, {dims}, {iterations} and {interval}"
            )
        self.encoder: Encoder = edges.of(encoder) if sobel else encoder
        self.head = nn.Linear(encoder.dim, clusters)
        self.count, self.dims, self.iterations, self.interval = clusters, min(dims, encoder.dim), iterations, interval
        strength = (jitter, jitter, jitter, min(jitter, 0.5)) if jitter else None
        augment = Augment(crop=(crop, 1.0), flip=flip, jitter=strength)
        self.views = ImageViews(encoder.spec["input"], image=augment, whole=Augment())
        self.register_buffer("centres", torch.zeros(clusters, self.dims))
        self.register_buffer("mean", torch.zeros(encoder.dim))
        self.register_buffer("matrix", torch.zeros(encoder.dim, self.dims))
        self.register_buffer("nmi", torch.tensor(-1.0))  # not known yet

    def prepare(self, source: Source) -> None:
        """Create the labels. Raises UserError when a round has no more images than there are clusters."""
        smallest = len(source) // self.rounds(len(source))
        if self.count >= smallest:
            raise UserError(
                f"deepcluster cannot make {self.count} clusters of the {smallest} images of a round: lower clusters to "
                f"less than {smallest}" + (", or raise interval" if smallest < len(source) else "")
            )
        self.register_buffer("labels", torch.zeros(len(source), dtype=torch.long))
        self.register_buffer("given", torch.full((len(source),), -1))

    def rounds(self, n: int) -> int:
        """Return the number of rounds in a pass over n images."""
        return max(1, round(n / self.interval)) if self.interval else 1

    def part(self, epoch: int, seed: int, n: int) -> Index:
        """Return the images of a round: a part of a permutation of all n."""
        rounds = self.rounds(n)
        return np.array_split(super().order(epoch // rounds, seed, n), rounds)[epoch % rounds]

    def order(self, epoch: int, seed: int, n: int) -> Index:
        """Return images of this round, every cluster as often as another (but for one), in random order."""
        part = self.part(epoch, seed, n)
        generator = np.random.Generator(np.random.Philox(key=[seed, epoch], counter=[0, 0, 0, TAG]))
        labels = self.labels[torch.from_numpy(part).to(self.labels.device)].cpu().numpy()
        return uniform(part, labels, max(len(part), self.interval if self.rounds(n) == 1 else 0), generator)

    def players(self) -> list[Player]:
        """Return the head, which learns the new clusters at a constant rate, and the network."""
        return [
            Player("head", [{"params": list(self.head.parameters()), "schedule": "constant"}]),
            Player("network", [{"params": list(self.encoder.parameters())}]),
        ]

    @torch.no_grad()
    def before_epoch(self, clock: Clock, embed: Embed) -> None:
        """Cluster the features of this round's images, and start the head again."""
        part = self.part(clock.epoch, clock.seed, len(self.labels))
        features = embed(plain(self.encoder.spec["input"]), None, part)
        mean, matrix = whitening(features, self.dims)
        self.mean.copy_(mean)
        self.matrix.zero_()[:, : matrix.shape[1]] = matrix
        labels, centres = kmeans(self.whitened(features), self.count, self.iterations, clock.seed, clock.epoch)
        index = torch.from_numpy(part).to(labels.device)
        before = self.given[index] >= 0
        if before.any():
            self.nmi.copy_(nmi(self.labels[index][before], labels[before]))
        self.labels[index], self.given[index] = labels, clock.epoch
        self.centres.copy_(centres)
        generator = torch.Generator().manual_seed((clock.seed * 0x9E3779B1 + clock.epoch) % 2**63)
        self.head.weight.copy_(START * torch.randn(self.head.weight.shape, generator=generator))
        self.head.bias.zero_()
        clock.reset("head")

    def whitened(self, features: Tensor) -> Tensor:
        """Map features [N, D] to what is clustered, [N, dims] of length 1."""
        return F.normalize((features - self.mean) @ self.matrix, dim=1)

    def forward(self, image: Tensor, whole: Tensor, index: Tensor, **_: Any) -> Outputs:
        """Return the cross-entropy of the clusters."""
        logits = self.head(self.encoder(image))  # [B, K]
        if self.training:
            own, chance = self.labels[index], torch.tensor(1 / self.count)
        else:
            own = nearest(self.whitened(self.encoder(whole)), self.centres)[0]
            sizes = self.labels[self.members() >= 0].bincount(minlength=self.count)
            chance = sizes.max() / sizes.sum().clamp(min=1)
        told = {} if self.nmi < 0 else {"nmi": self.nmi.clone()}
        accuracy = (logits.argmax(1) == own).float().mean()
        return {"loss": F.cross_entropy(logits, own), "accuracy": accuracy, "chance": chance, **told}

    def members(self) -> Tensor:
        """Return the cluster of each image of the last round, -1 for the others: int64 [n]."""
        last = self.given.max().clamp(min=0)
        return self.labels.where(self.given == last, -1)


def uniform(index: Index, labels: Index, count: int, generator: np.random.Generator) -> Index:
    """Draw `count` of the samples `index`, every cluster of `labels` equally often (but for one), in random order.

    A cluster that is too small gives samples several times.
    """
    order = generator.permutation(len(index))
    shuffled, sizes = order[np.argsort(labels[order], kind="stable")], np.bincount(labels)
    starts, sizes = (np.cumsum(sizes) - sizes)[sizes > 0], sizes[sizes > 0]
    turn, cluster = divmod(np.arange(count), len(sizes))  # one of each cluster, then the next of each
    drawn = index[shuffled[starts[cluster] + turn % sizes[cluster]]]
    return generator.permutation(drawn)


def nmi(one: Tensor, other: Tensor) -> Tensor:
    """Return the normalised mutual information of two labellings, int64 [N] each: I / sqrt(H H'), in [0, 1].

    It does not depend on the numbers of the clusters. 1 if they are the same; 1 as well for two of one cluster each.
    """
    width = int(other.max()) + 1
    joint = (one * width + other).bincount(minlength=(int(one.max()) + 1) * width).view(-1, width).double() / len(one)
    a, b = joint.sum(1), joint.sum(0)
    information = (torch.xlogy(joint, joint).sum() - torch.xlogy(a, a).sum() - torch.xlogy(b, b).sum()).clamp(min=0)
    scale = (torch.xlogy(a, a).sum() * torch.xlogy(b, b).sum()).sqrt()
    return torch.where(scale > 0, information / scale, (a.count_nonzero() == b.count_nonzero()).double()).float()
