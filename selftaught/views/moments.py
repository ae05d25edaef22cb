"""Pairs of frames of the same moment, or of moments that are near: from two cameras, two crops, or one camera."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, final

import numpy as np
import torch
from numpy.typing import NDArray

from selftaught.errors import UserError
from selftaught.kernels.random import uniforms
from selftaught.method import Batch, Index, Params, Raw, Source, Views
from selftaught.source import digest_of
from selftaught.views.augmentation import Augment
from selftaught.views.places import places
from selftaught.views.stretches import shots
from selftaught.views.video import FrameViews

STREAM = 0x6D6F6D656E74
"""Separates the choice of positives from other random numbers."""
Cameras = Literal["one", "two", "crops"]
SHARE, APART = 0.8, 0.5
"""Side of the two crops as a part of the shorter side, and by how much of that they lie apart at most."""


@final
class Moments(Source):
    """Every frame as an anchor; its positive is drawn anew in each epoch.

    Args:
        source: The frames.
        cameras: one: a frame of the same video at most `near` frames away. two: the frame of the same moment from
            another camera. crops: another crop of the same frame, which stands for another camera.
        near: Most frames between an anchor and its positive.

    Raises:
        UserError: No frame has a positive.
    """

    samples = "moments"

    def __init__(self, source: Source, cameras: Cameras, near: int) -> None:
        self.source, self.cameras, self.near = source, cameras, near
        self.places = places(source)
        rows = np.arange(len(source))
        self.anchor = rows
        if cameras == "two":
            order = np.lexsort((self.places[:, 1], self.places[:, 2], self.places[:, 0]))
            moment = self.places[order][:, [0, 2]]
            first = np.concatenate([[True], (np.diff(moment, axis=0) != 0).any(1)])
            begins = np.flatnonzero(first)
            ends = np.append(begins[1:], len(order))
            group = np.cumsum(first) - 1
            self.order, self.begin, self.end = order, np.empty(len(rows), np.int64), np.empty(len(rows), np.int64)
            self.at = np.empty(len(rows), np.int64)
            self.begin[order], self.end[order], self.at[order] = begins[group], ends[group], np.arange(len(order))
            self.anchor = rows[self.end - self.begin > 1]
            if not len(self.anchor):
                raise UserError(
                    "no moment of these videos is seen by two cameras: name them view0, view1 (see docs/data.md), or "
                    "use --cameras one or crops"
                )
        elif cameras == "one":
            self.first, self.last = np.zeros(len(rows), np.int64), np.zeros(len(rows), np.int64)
            for start, end in shots(source).tolist():
                at = np.arange(start, end)
                self.first[start:end], self.last[start:end] = (
                    np.maximum(at - near, start),
                    np.minimum(at + near, end - 1),
                )
            self.anchor = rows[self.last > self.first]
            if not len(self.anchor):
                raise UserError("no two of these frames follow each other: time_contrast needs stretches of video")

    def __len__(self) -> int:
        return len(self.anchor)

    def fetch(self, index: Index) -> Raw:
        """Return "moments", this object, and "index", int64 [B]: the view draws the positives."""
        return {"moments": self, "index": np.asarray(index, np.int64)}

    def pairs(self, index: Index, u: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the rows of anchors and positives, int64 [B] each, for numbers in [0, 1), [B]."""
        anchor = self.anchor[index]
        if self.cameras == "crops":
            return anchor, anchor
        if self.cameras == "two":
            many = self.end[anchor] - self.begin[anchor]
            other = 1 + np.floor(u * (many - 1)).astype(np.int64)  # 1 to many - 1 places further, around
            return anchor, self.order[self.begin[anchor] + (self.at[anchor] - self.begin[anchor] + other) % many]
        first, last = self.first[anchor], self.last[anchor]
        chosen = first + np.floor(u * (last - first)).astype(np.int64)
        return anchor, chosen + (chosen >= anchor)

    @property
    def fingerprint(self) -> str:
        """A digest of the frames and of what is a positive."""
        return digest_of(self.source.fingerprint, f"{self.cameras} {self.near}")


@final
class MomentViews(Views):
    """Views "anchor" and "positive", float32 [B, C, S, S], and where they are: "at" and "near", int64 [B, 3].

    Args:
        input: The input of an encoder's spec.
        augment: The changes of each frame.
        cameras: See `Moments`; "auto" is two if there are frames of one moment from two cameras, else one.
        near: See `Moments`.
    """

    def __init__(
        self, input: Mapping[str, Any], augment: Augment, cameras: Cameras | Literal["auto"], near: int
    ) -> None:
        self.frames, self.cameras, self.near = FrameViews(input, anchor=augment, positive=augment), cameras, near

    def bind(self, source: Source) -> Source:
        """Return the moments. Raises UserError if there are no positives."""
        return Moments(source, cameras_of(source) if self.cameras == "auto" else self.cameras, self.near)

    def unused(self) -> dict[str, str]:
        """See `Views.unused`."""
        return self.frames.unused()

    def sample(self, index: Index, epoch: int, seed: int) -> Params:
        """Return the parameters of both views, and "u" [B]."""
        u = uniforms(seed, STREAM, index, epoch, np.arange(1), 1)[:, 0, 0]
        return {**self.frames.sample(index, epoch, seed), "u": u}

    def apply(self, raw: Raw, params: Params, device: torch.device) -> Batch:
        """Return the views on `device`, with "index"."""
        moments: Moments = raw["moments"]
        look = {name: value for name, value in params.items() if name != "u"}
        rows = moments.pairs(raw["index"], params["u"])
        batch: Batch = {"index": torch.from_numpy(raw["index"]).to(device)}
        for v, (name, place) in enumerate((("anchor", "at"), ("positive", "near"))):
            frames: Any = moments.source.fetch(rows[v])["video"]
            if moments.cameras == "crops":
                frames = [camera_crop(frame, v) for frame in frames]
            batch[name] = self.frames.apply({"video": frames}, look, device)[name]
            batch[place] = torch.from_numpy(moments.places[rows[v]]).to(device)
        return batch


def cameras_of(source: Source) -> Cameras:
    """Return "two" if a moment of a source is seen by two cameras, else "one"."""
    place = places(source)
    return "two" if len(np.unique(place[:, [0, 2]], axis=0)) < len(place) else "one"


def camera_crop(frame: NDArray[np.uint8], camera: int) -> NDArray[np.uint8]:
    """Return one of two overlapping squares of a frame [H, W, C], which stand for two cameras.

    Each has 4/5 of the shorter side; the first lies above and to the left of the middle, the second below and to the
    right, at most half a side apart.
    """
    height, width = frame.shape[:2]
    side = max(round(SHARE * min(height, width)), 1)
    y, x = (_start(length, side, camera) for length in (height, width))
    return frame[y : y + side, x : x + side]


def _start(length: int, side: int, camera: int) -> int:
    room = length - side
    apart = min(room, round(APART * side))
    return (room - apart) // 2 + (apart if camera else 0)
