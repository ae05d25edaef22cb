"""Patches of videos that move, each followed for some frames: the first and the last one are two views of one thing."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from typing import Any, NamedTuple, final

import numpy as np
import torch
from numpy.typing import NDArray

from selftaught.errors import UserError
from selftaught.kernels.random import uniforms
from selftaught.method import Batch, Index, Params, Raw, Source, Views
from selftaught.parts.shown import Pictures
from selftaught.source import digest_of, evenly
from selftaught.views.augmentation import Augment
from selftaught.views.places import places
from selftaught.views.stretches import shots
from selftaught.views.tracking import follow, grey, moving
from selftaught.views.video import FrameViews

STREAM = 0x747261636B73
"""Separates the choice of tracks from other random numbers."""
KEPT = 4
"""Data sets whose tracks are remembered, because training, judging and the report bind the same ones."""
SHOWN = 5
"""Frames of a track that are shown."""
Track = NDArray[np.int64]
_FOUND: OrderedDict[str, tuple[Track, Track, Track]] = OrderedDict()


class How(NamedTuple):
    """How tracks are found.

    Args:
        length: Frames from the first patch to the last.
        patch: Side of a patch as a part of the frame's shorter side.
        patches: Most patches that begin in one frame.
        least: Smallest share of moving pixels in a patch.
        most: Largest share of moving pixels in a frame.
        sure: Least peak of the tracker's answer, in deviations of the rest; tracks that fall below are dropped.
    """

    length: int
    patch: float
    patches: int
    least: float
    most: float
    sure: float


@final
class Tracks(Source):
    """Patches that move, followed for `length` frames. As many samples as frames; each epoch draws other tracks.

    Args:
        source: The frames.
        how: How tracks are found.

    Attributes:
        rows: The row of the first frame of each track, int64 [K].
        path: First row and column of the patch in every frame, int64 [K, length + 1, 2].
        side: Its side in pixels, int64 [K].

    Raises:
        UserError: No patch moves and can be followed.
    """

    samples = "patches"

    def __init__(self, source: Source, how: How) -> None:
        self.source, self.how = source, how
        self.places = places(source)
        self.rows, self.path, self.side = found(source, how)
        if not len(self.rows):
            raise UserError(
                f"no patch moves in these {len(source):,} frames that can be followed for {how.length} frames: lower "
                "length, moving or sure, or use videos in which something moves"
            )

    def __len__(self) -> int:
        return len(self.source)

    def fetch(self, index: Index) -> Raw:
        """Return "tracks", this object, and "index", int64 [B]: the view draws which tracks are seen."""
        return {"tracks": self, "index": np.asarray(index, np.int64)}

    def patches(self, chosen: Index, step: int) -> list[NDArray[np.uint8]]:
        """Return the patches of the tracks `chosen`, int64 [B], so many frames after their first: uint8 [p, p, C]."""
        frames = self.source.fetch(self.rows[chosen] + step)["video"]
        boxes = zip(frames, self.path[chosen, step].tolist(), self.side[chosen].tolist(), strict=True)
        return [np.ascontiguousarray(frame[y : y + side, x : x + side]) for frame, (y, x), side in boxes]

    def about(self, chosen: Index) -> NDArray[np.int64]:
        """Return of each track its number, scene, camera, first and last place, and side of the patch, int64 [B, 8]."""
        number, place = np.asarray(chosen)[:, None], self.places[self.rows[chosen]][:, :2]
        return np.concatenate([number, place, self.path[chosen, 0], self.path[chosen, -1], self.side[chosen, None]], 1)

    def pictures(self, count: int) -> list[Pictures]:
        """Return some frames of some tracks, a track in each column, with the patch framed in white: see `Pictured`."""
        tracks, rows = evenly(len(self.rows), count), []
        for step in evenly(self.how.length + 1, SHOWN).tolist():
            frames = self.source.fetch(self.rows[tracks] + step)["video"]
            images = []
            for frame, (y, x), side in zip(
                frames, self.path[tracks, step].tolist(), self.side[tracks].tolist(), strict=True
            ):
                image, low, right = np.array(frame), y + side - 1, x + side - 1
                image[[y, low], x : right + 1] = 255
                image[y : low + 1, [x, right]] = 255
                images.append(image)
            notes = self.source.names(self.rows[tracks]) if step == 0 else ()
            rows.append(Pictures(f"track, after {step} frames" if step else "track, first frame", images, notes))
        return rows

    @property
    def fingerprint(self) -> str:
        """A digest of the frames and of how tracks are found."""
        return digest_of(self.source.fingerprint, repr(self.how))


def found(source: Source, how: How) -> tuple[Track, Track, Track]:
    """Return first rows, paths and sides of all tracks, see `Tracks`. They begin every sixth of a `length`."""
    key = digest_of(source.fingerprint, repr(how))
    if key not in _FOUND:
        rows, paths, sides = list[int](), list[Track](), list[int]()
        for start, end in shots(source).tolist():
            for first in range(start, end - how.length, max(how.length // 6, 1)):
                frames = np.asarray(source.fetch(np.arange(first, first + how.length + 1))["video"])
                shades = grey(frames)
                side = max(round(how.patch * min(frames.shape[1:3])), 4)
                boxes = moving(shades[0], shades[1], side, how.patches, how.least, how.most)
                if not len(boxes):
                    continue
                path, sure = follow(shades, boxes, side)
                good = np.flatnonzero(sure.min(0) >= how.sure)
                rows += [first] * len(good)
                sides += [side] * len(good)
                paths += list(path[:, good].transpose(1, 0, 2))
        shape = (len(rows), how.length + 1, 2)
        _FOUND[key] = np.array(rows, np.int64), np.array(paths, np.int64).reshape(shape), np.array(sides, np.int64)
        while len(_FOUND) > KEPT:
            _FOUND.popitem(last=False)
    return _FOUND[key]


@final
class TrackViews(Views):
    """Views "first" and "last", float32 [B, C, S, S], the ends of a track; "about" int64 [B, 8], see `Tracks.about`.

    "draw" [B] is a number in [0, 1) for each sample, by which the method draws negatives.
    """

    def __init__(self, input: Mapping[str, Any], augment: Augment, how: How) -> None:
        self.frames, self.how = FrameViews(input, first=augment, last=augment), how

    def bind(self, source: Source) -> Source:
        """Return the tracks. Raises UserError if nothing moves."""
        return Tracks(source, self.how)

    def unused(self) -> dict[str, str]:
        """See `Views.unused`."""
        return self.frames.unused()

    def sample(self, index: Index, epoch: int, seed: int) -> Params:
        """Return the parameters of both views, and "u" [B, 2]."""
        u = uniforms(seed, STREAM, index, epoch, np.arange(1), 2)[:, 0]
        return {**self.frames.sample(index, epoch, seed), "u": u}

    def apply(self, raw: Raw, params: Params, device: torch.device) -> Batch:
        """Return the views on `device`, with "index"."""
        tracks: Tracks = raw["tracks"]
        look = {name: value for name, value in params.items() if name != "u"}
        u = params["u"]
        chosen = np.floor(u[:, 0] * len(tracks.rows)).astype(np.int64)
        batch: Batch = {
            name: self.frames.apply({"video": tracks.patches(chosen, step)}, look, device)[name]
            for name, step in (("first", 0), ("last", tracks.how.length))
        }
        others = {"about": tracks.about(chosen), "draw": u[:, 1].astype(np.float32), "index": raw["index"]}
        return {**batch, **{name: torch.from_numpy(value).to(device) for name, value in others.items()}}
