"""Siamese triplets of patches that were tracked without labels."""

from __future__ import annotations

from typing import Any, ClassVar, final

import torch
from torch import Tensor
from torch.nn import functional as F

from selftaught.errors import UserError
from selftaught.method import Clock, Encoder, Method, Outputs, Planned, Terms
from selftaught.parts.gather import gather, gather_with_gradient, rank
from selftaught.parts.heads import projection
from selftaught.parts.scores import Cosine, ranking
from selftaught.parts.shown import Pictures
from selftaught.parts.triplet import triplet
from selftaught.views.augmentation import Augment
from selftaught.views.tracks import How, TrackViews
from selftaught.views.video import show

TURN = 0.6180339887
"""The golden ratio's fraction: steps of it around a circle never meet."""


@final
class TripletTracking(Method):
    """The first and the last patch of a track are alike, and patches of other tracks are not.

    Wang, Gupta, ICCV 2015 (arXiv 1505.00687), "Unsupervised Learning of Visual Representations using Videos". A patch
    that moves is followed through a video by a tracker that needs no labels. Its two ends show one thing in another
    pose, at another size, in another light: changes that no crop of a picture makes.

    With D(x, y) = 1 - cos(f(x), f(y)), x and x+ the ends of a track and x- a patch of another track::

        L = mean max( 0, D(x, x+) - D(x, x-) + margin )

    over both roles of x and x+, and over `negatives` patches x- for each: at first all are drawn at random; after
    `warmup`, a part `hard` of them are the nearest ones, which cost most. A patch that lies over one of the track in
    the same video may show the same thing and is no negative. Patches are where most pixels move after the camera's
    own motion is taken away; frames in which nearly all move are left out. Tracks that the tracker loses are dropped.

    Shapes: first and last are [B, C, S, S]; about int64 [B, 8]: track, scene, camera, row and column of both
    patches, and their side; draw [B] in [0, 1) draws the random negatives.

    Defaults are the paper's where videos of a few seconds allow it (margin 0.5, four negatives, half of them hard,
    about thirty frames, patches of 3/8 of the frame). Departures: motion is the difference of frames after a shift by
    phase correlation, instead of SURF and improved dense trajectories; the tracker is the correlation filter of Bolme
    et al. 2010 in place of KCF, and loses a patch when its peak falls below `sure`; scale is not followed; no track
    crosses a cut; tracks of the same video are negatives too, because there are few videos; a head is trained with the
    encoder and discarded; crops, mirror images and colours are changed; no ensemble of models; the default recipe is
    AdamW for a minute or two.

    Args:
        length: Frames from the first patch to the last.
        patch: Side of a patch as a part of the frame's shorter side, in (0, 1).
        count: Most patches that begin in one frame.
        moving: Smallest share of moving pixels in a patch.
        steady: Largest share of moving pixels in a frame.
        sure: Least peak of the tracker's answer in deviations of the rest.
        margin: Margin of the loss, at most 2.
        negatives: Negatives of each patch.
        hard: Part of the negatives that are the nearest ones, after the warm-up.
        warmup: Part of the training with random negatives alone.
        dim: Width of the head's output.
        hidden: Units of the head's hidden layer.
        crop: Smallest area of the random crop of a patch, as a fraction of it.
        flip: Probability of a horizontal flip.
        strength: Strength of the colour jitter: brightness, contrast and saturation by this, hue by a quarter of it.

    Raises:
        UserError: An argument is out of range.
    """

    recipe: ClassVar[dict[str, Any]] = {"batch_size": 64, "lr": 1e-3, "minutes": 1.5, "batch_norm_groups": 1}
    sees = ("video",)
    together = 2

    def __init__(
        self,
        encoder: Encoder,
        length: int = 24,
        patch: float = 0.375,
        count: int = 3,
        moving: float = 0.05,
        steady: float = 0.75,
        sure: float = 7.0,
        margin: float = 0.5,
        negatives: int = 4,
        hard: float = 0.5,
        warmup: float = 0.3,
        dim: int = 64,
        hidden: int = 256,
        crop: float = 0.6,
        flip: float = 0.5,
        strength: float = 0.3,
    ) -> None:
        super().__init__()
        if min(length, count, negatives) < 1 or not 0 < patch < 1 or not 0 < margin <= 2:
            raise UserError(
                "length, count and negatives of triplet_tracking must be at least 1, patch in (0, 1) and margin in "
                f"(0, 2], not {length}, {count}, {negatives}, {patch} and {margin}"
            )
        if not (0 <= moving <= 1 and 0 < steady <= 1 and 0 <= hard <= 1 and 0 <= warmup <= 1):
            raise UserError(
                f"moving, steady, hard and warmup of triplet_tracking must be in [0, 1], and steady above 0, not "
                f"{moving}, {steady}, {hard} and {warmup}"
            )
        self.encoder, self.margin = encoder, margin
        self.head = projection(encoder.dim, hidden, dim, 2, last="none")
        self.negatives, self.hardest, self.warmup = negatives, round(hard * negatives), warmup
        jitter = (strength, strength, strength, strength / 4)
        augment = Augment(crop=(crop, 1.0), flip=flip, jitter=jitter if strength else None)
        self.views = TrackViews(encoder.spec["input"], augment, How(length, patch, count, moving, steady, sure))

    def unused(self, planned: Planned) -> dict[str, str]:
        """Return the options that do nothing in a run that is all warm-up or has no hard negatives."""
        if self.warmup >= 1:
            return {"hard": "hard has no effect, because the warm-up is the whole run: lower warmup"}
        return {} if self.hardest else {"warmup": "warmup has no effect, because no negatives are hard: raise hard"}

    def terms(self) -> Terms:
        """Return the only term."""
        return {"loss": ("encoder", "head", "first", "last")}

    def forward(self, first: Tensor, last: Tensor, about: Tensor, draw: Tensor, clock: Clock, **_: Any) -> Outputs:
        """Return the loss of this rank's patches among those of all ranks."""
        x = torch.stack([first, last], 1).flatten(0, 1)  # [2B, ...]: the ends of a track side by side
        z = self.head(self.encoder(x))
        keys = gather_with_gradient(z)
        mine, all_ = about.repeat_interleave(2, 0), gather(about).repeat_interleave(2, 0)
        numbers = gather(draw).repeat_interleave(2, 0)
        partner = (torch.arange(len(z), device=z.device) + rank() * len(z)) ^ 1
        table = Cosine().table(z, keys)  # [2B, 2N]
        positive = table.gather(1, partner[:, None])[:, 0]
        allowed = others(mine, all_)
        scores = table.masked_fill(~allowed, -torch.inf)
        hard = self.hardest if clock.progress >= self.warmup else 0
        priority = around(draw.repeat_interleave(2, 0), numbers).masked_fill(~allowed, -1)
        chosen = mined(scores, priority, hard, self.negatives)  # [2B, K]
        cost = scores.gather(1, chosen)
        if not (cost > -torch.inf).any():  # patches of one track alone: nothing to tell them from
            return {"loss": 0 * positive.sum(), **ranking(positive, scores), "apart": (1 - positive).mean()}
        loss = triplet(positive, cost, self.margin)["loss"]
        return {"loss": loss, **ranking(positive, scores), "apart": (1 - positive.detach()).mean()}

    def show(self, first: Tensor, last: Tensor, **_: Any) -> list[Pictures]:
        """Show the ends of tracks, and how far apart they are beside the mean of all others."""
        a, b = (F.normalize(self.head(self.encoder(x)), dim=1) for x in (first, last))
        apart = 1 - a @ b.T
        rest = (apart.sum(1) - apart.diagonal()) / max(len(apart) - 1, 1)
        notes = [f"{d:.2f}, others {o:.2f}" for d, o in zip(apart.diagonal().tolist(), rest.tolist(), strict=True)]
        seen = self.encoder.spec["input"]
        rows = (show(name, value, seen) for name, value in (("first patch", first), ("last patch, distance", last)))
        return [Pictures(row.name, row.images, notes if "distance" in row.name else ()) for row in rows if row]


def others(mine: Tensor, all_: Tensor) -> Tensor:
    """Return which patches `all_` [N, 8] are negatives of `mine` [B, 8], bool [B, N].

    Those of other tracks, unless one camera saw both and they begin or end over each other: they may show one thing.
    """
    track = mine[:, None, 0] != all_[None, :, 0]
    camera = (mine[:, None, 1:3] == all_[None, :, 1:3]).all(2)
    near = (mine[:, None, 3:7] - all_[None, :, 3:7]).abs() < mine[:, None, 7:]  # [B, N, 4]: rows and columns, both ends
    return track & ~(camera & (near[:, :, :2].all(2) | near[:, :, 2:].all(2)))


def around(draw: Tensor, numbers: Tensor) -> Tensor:
    """Return a priority in [0, 1) of each of N patches for each of B, [B, N]: the same on any number of ranks."""
    return torch.remainder(draw[:, None] + numbers[None] + TURN * torch.arange(len(numbers), device=draw.device), 1)


@torch.no_grad()
def mined(scores: Tensor, priority: Tensor, hard: int, count: int) -> Tensor:
    """Return `count` of the negatives of each row, int64 [B, count]: `hard` nearest ones, others by priority."""
    count = min(count, scores.shape[1])
    hard = min(hard, count)
    nearest = scores.topk(hard, 1).indices
    rest = priority.scatter(1, nearest, -2.0).topk(count - hard, 1).indices
    return torch.cat([nearest, rest], 1)
