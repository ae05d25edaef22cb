"""Time-contrastive networks (TCN)."""

from __future__ import annotations

from typing import Any, ClassVar, Literal, final, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from selftaught.errors import UserError
from selftaught.method import Encoder, Index, Method, Outputs, Source, Terms
from selftaught.parts.gather import gather, gather_with_gradient
from selftaught.parts.layers import shape_of
from selftaught.parts.n_pairs import n_pairs
from selftaught.parts.norm import BatchNorm2d
from selftaught.parts.scores import Dot, SquaredDistance, ranking
from selftaught.parts.shown import Pictures
from selftaught.parts.triplet import triplet
from selftaught.views.augmentation import Augment
from selftaught.views.moments import Moments, MomentViews
from selftaught.views.video import show

Loss = Literal["triplet", "n_pairs"]
Seen = Literal["auto", "one", "two", "crops"]


@final
class TimeContrast(Method):
    """Frames of one moment from two cameras, or of near moments from one, are alike; other moments are not.

    Sermanet, Lynch, Chebotar, Hsu, Jang, Schaal, Levine, ICRA 2018 (arXiv 1704.06888), "Time-Contrastive Networks:
    Self-Supervised Learning from Video". Two cameras see the same moment differently, and the same camera sees other
    moments alike. What tells moments apart in spite of that is what happens, not where it is seen from.

    With a the embedding of an anchor, p that of its positive, and n those of the other anchors' positives that are of
    another video or more than `far` frames away::

        triplet:  L = mean max(0, |a - p|^2 - |a - n*|^2 + margin)      rows of length 1
        n_pairs:  L = -log( exp(a.p) / (exp(a.p) + sum_n exp(a.n)) )    rows as they are

    n* is the nearest n that is farther than p, or the farthest if there is none (semi-hard). Both losses are averaged
    with the roles of a and p exchanged. Frames from `near` + 1 to `far` frames away are neither.

    Shapes: anchor and positive are [B, C, S, S]; at and near are int64 [B, 3]: scene, camera and time in frames. The
    head reduces features to points (a 1x1 convolution and a spatial softmax: for every channel the mean position), then
    two linear layers to [B, dim].

    Defaults of the windows, the margin and the width are the authors' (code of tensorflow/models). Departures: the
    encoder is trained from scratch, where the paper's first layers are those of an Inception network trained on
    ImageNet; `points` channels of one convolution instead of two of 512; negatives come from the whole batch, in which
    `run` anchors of one video follow each other, where a batch of the paper is of one video; the loss is averaged over
    both roles; without synchronised footage `--cameras crops` lets two overlapping crops of a frame stand for two
    cameras, which is easier than two real ones; the default recipe is AdamW for a minute or two.

    Args:
        cameras: one: positives are near in time. two: positives are of the same moment from another camera. crops: two
            overlapping crops of each frame stand for two cameras. auto: two where the data have them, else one.
        loss: triplet or n_pairs, as above.
        near: Most frames between an anchor and its positive from one camera.
        far: Frames up to so far away are no negatives.
        margin: Margin of the triplet loss.
        run: Anchors of one video that follow each other in an epoch.
        dim: Dimension of the embedding.
        points: Channels of the spatial softmax, a point each.
        hidden: Units of the layer before the embedding.
        dropout: Share of the points that is dropped in training.
        crop: Smallest area of the random crop of each frame, as a fraction of it.
        strength: Strength of the colour jitter: brightness, contrast and saturation by this, hue by a quarter of it.

    Raises:
        UserError: An argument is out of range, or the encoder has no positions.
    """

    recipe: ClassVar[dict[str, Any]] = {"batch_size": 64, "lr": 1e-3, "minutes": 1.5, "batch_norm_groups": 1}
    sees = ("video",)
    effects: ClassVar[dict[str, Any]] = {"near": {"cameras": ("auto", "one")}, "margin": {"loss": ("triplet",)}}
    together = 2

    def __init__(
        self,
        encoder: Encoder,
        cameras: Seen = "auto",
        loss: Loss = "triplet",
        near: int = 6,
        far: int = 12,
        margin: float = 0.2,
        run: int = 16,
        dim: int = 32,
        points: int = 32,
        hidden: int = 128,
        dropout: float = 0.2,
        crop: float = 0.7,
        strength: float = 0.2,
    ) -> None:
        super().__init__()
        if cameras not in get_args(Seen) or loss not in get_args(Loss):
            raise UserError(
                f"cameras of time_contrast must be one of {', '.join(get_args(Seen))} and loss one of "
                f"{', '.join(get_args(Loss))}, not '{cameras}' and '{loss}'"
            )
        if min(near, run, dim, points, hidden) < 1 or far < near or margin < 0 or not 0 <= dropout < 1:
            raise UserError(
                "near, run, dim, points and hidden of time_contrast must be at least 1, far at least near, margin at "
                f"least 0 and dropout in [0, 1), not {near}, {run}, {dim}, {points}, {hidden}, {far}, {margin} and "
                f"{dropout}"
            )
        shape = shape_of(encoder.local, encoder, encoder.spec["input"])
        if len(shape) != 3:
            raise UserError(
                f"time_contrast needs an encoder with positions, such as conv or resnet18, not {encoder.spec['name']}"
            )
        self.encoder, self.loss, self.far, self.margin, self.run = encoder, loss, far, margin, run
        jitter = (strength, strength, strength, strength / 4)
        augment = Augment(crop=(crop, 1.0), jitter=jitter if strength else None)
        self.views = MomentViews(encoder.spec["input"], augment, cameras, near)
        self.head = nn.Sequential(
            nn.Conv2d(shape[0], points, 1, bias=False), BatchNorm2d(points), SpatialSoftmax(), nn.Dropout(dropout),
            nn.Linear(2 * points, hidden), nn.ReLU(), nn.Linear(hidden, dim),
        )  # fmt: skip
        self.scenes: NDArray[np.int64] = np.zeros(0, np.int64)

    def prepare(self, source: Source) -> None:
        """Note which scene each anchor is of."""
        assert isinstance(source, Moments)
        self.scenes = source.places[source.anchor, 0]

    def order(self, epoch: int, seed: int, n: int) -> Index:
        """Return a permutation in which `run` anchors of one video follow each other."""
        rng = np.random.Generator(np.random.Philox(key=[seed, epoch]))
        mixed = rng.permutation(n)
        mixed = mixed[np.argsort(self.scenes[mixed], kind="stable")]
        ends = np.flatnonzero(np.diff(self.scenes[mixed])) + 1
        runs = [
            run for scene in np.split(mixed, ends) for run in np.split(scene, range(self.run, len(scene), self.run))
        ]
        return np.concatenate([runs[i] for i in rng.permutation(len(runs))])

    def terms(self) -> Terms:
        """Return the only term."""
        return {"loss": ("encoder", "head", "anchor", "positive")}

    def forward(self, anchor: Tensor, positive: Tensor, at: Tensor, near: Tensor, **_: Any) -> Outputs:
        """Return the loss of this rank's anchors among the positives of all, and with the roles exchanged."""
        x = torch.stack([anchor, positive], 1).flatten(0, 1)  # a pair side by side, in one batch norm group
        a, p = self.embed(x).unflatten(0, (-1, 2)).unbind(1)  # [B, dim] each
        one = self.contrast(a, p, at, gather_with_gradient(p), gather(near))
        two = self.contrast(p, a, near, gather_with_gradient(a), gather(at))
        return {key: (one[key] + two[key]) / 2 for key in one}

    def embed(self, x: Tensor) -> Tensor:
        """Return the embeddings of frames [B, C, S, S]: [B, dim], of length 1 for the triplet loss."""
        z: Tensor = self.head(self.encoder.local(x))
        return F.normalize(z, dim=1) if self.loss == "triplet" else z

    def contrast(self, a: Tensor, p: Tensor, at: Tensor, keys: Tensor, places: Tensor) -> dict[str, Tensor]:
        """Return the loss of anchors `a` with positives `p`, [B, dim], among `keys` [N, dim] at `places` [N, 3]."""
        score = SquaredDistance() if self.loss == "triplet" else Dot()
        allowed = negatives(at, places, self.far)
        positive, negative = score.pairs(a, p), score.table(a, keys).masked_fill(~allowed, -torch.inf)
        if self.loss == "n_pairs":
            return n_pairs(positive, negative, a)
        some = allowed.any(1)
        if not some.any():  # frames of one moment alone: nothing to tell them from
            return {"loss": 0 * positive.sum(), **ranking(positive, negative)}
        cost = triplet(positive[some], negative[some], self.margin, "semi_hard")["loss"] * some.float().mean()
        return {"loss": cost, **ranking(positive, negative)}

    def show(self, anchor: Tensor, positive: Tensor, at: Tensor, near: Tensor, **_: Any) -> list[Pictures]:
        """Show anchors, their positives, and how far apart the two are beside the mean of all other pairs."""
        a, p = self.embed(anchor), self.embed(positive)
        apart = torch.cdist(a, p)
        others = apart.masked_fill(~negatives(at, near, self.far), torch.nan).nanmean(1)
        notes = [f"{d:.2f}, others {o:.2f}" for d, o in zip(apart.diagonal().tolist(), others.tolist(), strict=True)]
        seen = self.encoder.spec["input"]
        found = (
            show(name, value, seen) for name, value in (("anchor", anchor), ("positive, and its distance", positive))
        )
        return [Pictures(row.name, row.images, notes if "distance" in row.name else ()) for row in found if row]


def negatives(at: Tensor, places: Tensor, far: int) -> Tensor:
    """Return which of `places` [N, 3] are negatives of the anchors `at` [B, 3]: of another scene, or farther."""
    other = at[:, None, 0] != places[None, :, 0]
    return other | ((at[:, None, 2] - places[None, :, 2]).abs() > far)


@final
class SpatialSoftmax(nn.Module):
    """The mean position of every channel, [B, C, H, W] to [B, 2 C]: x then y, each in [-1, 1].

    A softmax over the positions weights them (Finn et al. 2016, arXiv 1509.06113).
    """

    def forward(self, features: Tensor) -> Tensor:
        """Return the positions."""
        weight = features.flatten(2).softmax(2).view_as(features)
        x, y = (torch.linspace(-1, 1, n, device=features.device) for n in (features.shape[3], features.shape[2]))
        return torch.cat([(weight.sum(2) * x).sum(2), (weight.sum(3) * y).sum(2)], 1)
