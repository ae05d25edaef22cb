"""Frames of videos, each with its scene, camera and time."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import cached_property
from typing import Any, Literal, final

import numpy as np
from numpy.typing import NDArray

from selftaught.data.subset import FIFTH, drawn, split_index
from selftaught.data.video.clip import Clip
from selftaught.errors import UserError
from selftaught.source import Index, Labels, Raw, Skipped, Source, checked, digest_of

GUARD = 20
"""One of so many frames of a video, those before its test part, are left out: they show nearly the same."""
STRETCH = 32
"""A limit keeps stretches of at least so many frames, of fewer videos if need be."""


@final
class Frames(Source):
    """Every frame of some videos, or those at `rows`.

    Args:
        clips: The videos.
        labels: int64, one a clip, -1 = unknown.
        classes: Names of the classes.
        rows: Positions among the frames of all clips, one clip after another, int64 [N], increasing.
        skipped: What could not be read.
        framed: Labels in place of those of the clips, one a frame, int64 [N].
        whole: The source with all labels.
    """

    samples = "frames"

    def __init__(
        self,
        clips: Sequence[Clip],
        labels: Labels | None = None,
        classes: Sequence[str] = (),
        *,
        rows: Index | None = None,
        skipped: Sequence[Skipped] = (),
        framed: Labels | None = None,
        whole: Source | None = None,
    ) -> None:
        self.clips = list(clips)
        ends = np.cumsum([len(clip) for clip in clips])
        self._rows = np.arange(ends[-1]) if rows is None else np.asarray(rows, np.int64)
        self._clip = np.searchsorted(ends, self._rows, side="right")
        self._time = self._rows - np.concatenate([[0], ends])[self._clip]
        given = np.full(len(clips), -1, np.int64) if labels is None else np.asarray(labels, np.int64)
        self._labels = given[self._clip] if framed is None else framed
        self.classes, self.skipped, self._whole = tuple(classes), list(skipped), whole
        shapes = {clip.frames.shape[1:] for clip in clips}
        sizes = {shape[:2] for shape in shapes}
        self.traits = {"channels": int(next(iter(shapes))[2])}
        if len(sizes) == 1:
            self.traits |= {"size": tuple(map(int, next(iter(sizes))))}

    def __len__(self) -> int:
        return len(self._rows)

    def fetch(self, index: Index) -> Raw:
        """Return frames and their places.

        ``{"video": uint8 [B, H, W, C], or a list of [H, W, C] if sizes differ, "place": int64 [B, 3], "label",
        "index"}``; see `places`.
        """
        index = checked(index, len(self))
        frames: Any = [self.clips[c].frames[t] for c, t in zip(self._clip[index], self._time[index], strict=True)]
        if "size" in self.traits and frames:
            frames = np.stack(frames)
        return {"video": frames, "place": self.places[index], "label": self._labels[index], "index": index}

    @cached_property
    def places(self) -> NDArray[np.int64]:
        """int64 [N, 3]: the scene, the camera, and the time in frames. Equal scene and time = the same moment."""
        names = {name: i for i, name in enumerate(dict.fromkeys(clip.scene or clip.name for clip in self.clips))}
        scene = np.array([names[clip.scene or clip.name] for clip in self.clips], np.int64)
        camera = np.array([clip.camera for clip in self.clips], np.int64)
        return np.stack([scene[self._clip], camera[self._clip], self._time], 1)

    @property
    def labels(self) -> Labels:
        """int64 [N], -1 = unknown."""
        return self._labels

    @property
    def groups(self) -> Labels:
        """int64 [N]: the scene."""
        return np.ascontiguousarray(self.places[:, 0])

    def names(self, index: Index) -> list[str]:
        """Return "bikes.mp4, frame 7", counted from 0."""
        index = checked(index, len(self))
        return [f"{self.clips[c].name}, frame {t}" for c, t in zip(self._clip[index], self._time[index], strict=True)]

    @cached_property
    def digests(self) -> NDArray[np.uint8]:
        """uint8 [N, 32]: SHA-256 of the pixels of each frame."""
        rows = (self.clips[c].frames[t] for c, t in zip(self._clip, self._time, strict=True))
        found = [hashlib.sha256(np.ascontiguousarray(row).data).digest() for row in rows]
        return np.frombuffer(b"".join(found), np.uint8).reshape(len(self), 32)

    @cached_property
    def fingerprint(self) -> str:
        """A digest of all clips, of which frames these are, and of their labels."""
        clips = [f"{clip.digest} {clip.scene} {clip.camera}" for clip in self.clips]
        return digest_of(*clips, self._rows.tobytes(), self._labels.tobytes())

    @property
    def whole(self) -> Source:
        """The source with all labels."""
        return self if self._whole is None else self._whole

    def relabelled(self, labels: Labels) -> Source:
        """Return the same frames with other labels, int64 [N]."""
        return self._alike(self._rows, labels, self.whole)

    def part(self, chosen: Index) -> Frames:
        """Return the frames at the positions `chosen`, int64 [M], increasing."""
        return self._alike(self._rows[chosen], self._labels[chosen], None)

    def of_clips(self, chosen: Sequence[int]) -> Frames:
        """Return the frames of the clips at the positions `chosen`."""
        return self.part(np.flatnonzero(np.isin(self._clip, chosen)))

    def _alike(self, rows: Index, labels: Labels, whole: Source | None) -> Frames:
        found = Frames(self.clips, None, self.classes, rows=rows, skipped=self.skipped, framed=labels, whole=whole)
        found.notes = self.notes
        return found


@final
class _Scenes(Source):
    """Scenes of frames, each a sample: what `split_index` needs to know of them."""

    def __init__(self, frames: Frames) -> None:
        scene = frames.groups
        self.first = np.unique(scene, return_index=True)[1]
        self._labels = frames.labels[self.first]
        content: dict[int, list[str]] = {}
        for clip, one in dict(zip(frames._clip.tolist(), scene.tolist(), strict=True)).items():
            content.setdefault(one, []).append(frames.clips[clip].digest)
        rows = [hashlib.sha256(" ".join(sorted(one)).encode()).digest() for _, one in sorted(content.items())]
        self._digests = np.frombuffer(b"".join(rows), np.uint8).reshape(len(rows), 32)

    def __len__(self) -> int:
        return len(self.first)

    def fetch(self, index: Index) -> Raw:
        """Not used."""
        raise NotImplementedError

    @property
    def labels(self) -> Labels:
        """int64 [scenes]."""
        return self._labels

    @property
    def digests(self) -> NDArray[np.uint8]:
        """uint8 [scenes, 32]."""
        return self._digests


def by_scene(frames: Frames) -> bool:
    """Return whether there are enough scenes to hold whole ones out: a fifth of them is at least one."""
    return len(np.unique(frames.groups)) >= FIFTH


def can_split(frames: Frames) -> bool:
    """Return whether there are scenes to hold out, or videos long enough to hold their ends out."""
    return by_scene(frames) or max(len(clip) for clip in frames.clips) >= FIFTH


def side_of(frames: Frames, side: Literal["train", "test"]) -> Frames:
    """Return one side of frames without a test part of their own.

    Of five scenes or more a fifth is the test side, as `split_index` says. Of fewer it is the last fifth of each
    video; the twentieth before that is on no side. Raises UserError if the videos are too short for this.
    """
    scene = frames.groups
    if by_scene(frames):
        held = np.unique(scene)[split_index(_Scenes(frames), "test")]
        return frames.part(np.flatnonzero(np.isin(scene, held) == (side == "test")))
    length = np.array([len(clip) for clip in frames.clips])[frames._clip]
    last = length - length // FIFTH
    kept = frames._time >= last if side == "test" else frames._time < last - length // GUARD
    if not (frames._time >= last).any():
        raise UserError(
            f"videos of fewer than {FIFTH} frames cannot be split into train and test: use split all, or give at least "
            f"{FIFTH} videos"
        )
    return frames.part(np.flatnonzero(kept))


def some(frames: Frames, limit: int | None, seed: int) -> Frames:
    """Return at most `limit` frames: the first of each clip, the same share of all; of few frames, of some clips alone.

    Stretches stay whole, because single frames have no neighbours in time. The seed draws the clips. Raises UserError
    if `limit` is below 2.
    """
    if limit is None or limit >= len(frames):
        return frames
    if limit < 2:
        raise UserError(f"limit of frames must be at least 2, not {limit}: a single frame has no neighbour in time")
    clips, sizes = np.unique(frames._clip, return_counts=True)
    first = np.searchsorted(frames._clip, clips)
    order = drawn(frames.labels[first], seed)
    enough = int(np.searchsorted(np.cumsum(sizes[order]), limit)) + 1  # clips that have as many frames together
    chosen = np.sort(order[: min(len(clips), max(limit // STRETCH, enough))])
    share = min(limit / sizes[chosen].sum(), 1.0)
    kept = [np.arange(first[c], first[c] + max(int(sizes[c] * share), 1)) for c in chosen]
    return frames.part(np.concatenate(kept))
