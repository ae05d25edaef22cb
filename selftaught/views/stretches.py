"""Stretches of videos: frames that follow each other, how much moves in them, and tuples of frames drawn by that."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from itertools import pairwise
from typing import Any, final

import numpy as np
import torch
from numpy.typing import NDArray

from selftaught.errors import UserError
from selftaught.kernels.random import uniforms
from selftaught.method import Batch, Index, Params, Raw, Source, Views
from selftaught.source import digest_of
from selftaught.views.augmentation import Augment
from selftaught.views.places import places
from selftaught.views.video import FrameViews

STREAM = 0x7475706C6573
"""Separates the choice of tuples from other random numbers."""
SMALL = 12
"""Side of the thumbnails by which frames are compared."""
CUT, TIMES, AROUND = 20.0, 3.0, 8
"""Grey levels, times the median change, and frames before and after that this is of: what a cut is."""
NUMBERS = 6
"""Random numbers of one tuple."""
KEPT = 4
"""Data sets whose thumbnails are remembered, because training, judging and the report bind the same ones."""
Rows = NDArray[np.int64]
_THUMBNAILS: OrderedDict[str, NDArray[np.float32]] = OrderedDict()


def stretches(source: Source) -> Rows:
    """Return first row and end of every run of frames of one camera that follow each other, int64 [R, 2]."""
    place = places(source)
    step = np.diff(place, axis=0)
    breaks = np.flatnonzero((step[:, :2] != 0).any(1) | (step[:, 2] != 1)) + 1
    ends = np.append(breaks, len(place))
    return np.stack([np.concatenate([[0], ends[:-1]]), ends], 1)


def shots(source: Source) -> Rows:
    """Return first row and end of every stretch without a cut, int64 [S, 2].

    A cut is a change of more than `CUT` grey levels on average, and several times as large as those around it.
    """
    small, found = thumbnails(source), []
    for start, end in stretches(source).tolist():
        change = np.abs(np.diff(small[start:end], axis=0)).mean(1)
        cuts = [
            start + t + 1
            for t in np.flatnonzero(change > CUT).tolist()
            if change[t] > TIMES * np.median(np.delete(change[max(t - AROUND, 0) : t + AROUND + 1], min(t, AROUND)))
        ]
        borders = [start, *cuts, end]
        found += list(pairwise(borders))
    return np.array(found, np.int64).reshape(-1, 2)


def thumbnails(source: Source) -> NDArray[np.float32]:
    """Return a small grey picture of every frame, float32 [N, `SMALL` ** 2] in [0, 255]: means of its cells."""
    key = source.fingerprint
    if key not in _THUMBNAILS:
        found = np.empty((len(source), SMALL**2), np.float32)
        for start in range(0, len(source), 256):
            frames = source.fetch(np.arange(start, min(start + 256, len(source))))["video"]
            for row, frame in enumerate(frames, start):
                found[row] = thumbnail(frame)
        _THUMBNAILS[key] = found
        while len(_THUMBNAILS) > KEPT:
            _THUMBNAILS.popitem(last=False)
    return _THUMBNAILS[key]


def thumbnail(frame: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return the thumbnail of one frame [H, W, C]; see `thumbnails`."""
    height, width = frame.shape[:2]
    fine = 3  # of each cell so many rows and columns are read
    y = np.minimum((np.arange(fine * SMALL) + 0.5) * height / (fine * SMALL), height - 1).astype(np.int64)
    x = np.minimum((np.arange(fine * SMALL) + 0.5) * width / (fine * SMALL), width - 1).astype(np.int64)
    cells = frame[y][:, x].mean(2, dtype=np.float32).reshape(SMALL, fine, SMALL, fine)
    return np.asarray(cells.mean((1, 3)).reshape(-1), np.float32)


def motion(source: Source) -> NDArray[np.float64]:
    """Return how much changes from each frame to the next of its shot, float64 [N]: the mean difference of cells.

    The last frame of a shot has that of the one before.
    """
    small = thumbnails(source)
    found = np.zeros(len(small))
    if len(small) > 1:
        found[:-1] = np.abs(np.diff(small, axis=0)).mean(1)
    for start, end in shots(source).tolist():
        found[end - 1] = found[end - 2] if end - start > 1 else 0.0
    return found


@final
class Tuples(Source):
    """Frames a < b < c < d < e of one shot, drawn anew in each epoch: as many samples as frames.

    Frame c is drawn with the motion around it as weight. b and d are 1 to `span` / 2 frames from it, and a and e `gap`
    to twice as many frames before b and after d, where the shot has room. Of `tries` such tuples the one is taken
    whose a and e are least like c.

    Args:
        source: The frames.
        span: Most frames from b to d.
        gap: Fewest frames from a to b and from d to e.
        tries: Tuples of which one is taken.

    Raises:
        UserError: No shot has 3 + 2 gap frames.
    """

    samples = "tuples"

    def __init__(self, source: Source, span: int, gap: int, tries: int) -> None:
        self.source, self.span, self.gap, self.tries = source, span, gap, tries
        self.first, self.end = np.zeros(len(source), np.int64), np.zeros(len(source), np.int64)
        weight = np.zeros(len(source))
        moved, reach = motion(source), max(span // 2, 1)
        for start, end in shots(source).tolist():
            self.first[start:end], self.end[start:end] = start, end
            sums = np.concatenate([[0.0], np.cumsum(moved[start:end])])
            at = np.arange(end - start)
            low, high = np.maximum(at - reach, 0), np.minimum(at + reach + 1, end - start)
            around = (sums[high] - sums[low]) / (high - low) + 1e-6  # where nothing moves, all are alike
            around[: gap + 1] = around[max(end - start - gap - 1, 0) :] = 0
            weight[start:end] = around
        if not weight.any():
            longest = int((self.end - self.first).max())
            raise UserError(
                f"the longest shot has {longest} frames, but a tuple needs {3 + 2 * gap}: lower gap, or use longer "
                "videos"
            )
        self.cumulative = np.cumsum(weight / weight.sum())
        self.small = thumbnails(source)

    def __len__(self) -> int:
        return len(self.source)

    def fetch(self, index: Index) -> Raw:
        """Return "tuples", this object, and "index", int64 [B]: the view draws which frames are read."""
        return {"tuples": self, "index": np.asarray(index, np.int64)}

    def rows(self, u: NDArray[np.float64]) -> Rows:
        """Return the rows of a, b, c, d and e, int64 [B, 5], for numbers in [0, 1), [B, tries, `NUMBERS`]."""
        centre = np.minimum(np.searchsorted(self.cumulative, u[:, :, 0], side="right"), len(self) - 1)
        first, end, gap = self.first[centre], self.end[centre], self.gap
        most = max(self.span // 2, 1)
        before = 1 + _up_to(u[:, :, 1], np.minimum(most, centre - first - gap) - 1)
        after = 1 + _up_to(u[:, :, 2], np.minimum(most, end - 1 - centre - gap) - 1)
        b, d = centre - before, centre + after
        a = b - gap - _up_to(u[:, :, 3], np.minimum(gap, b - first - gap))
        e = d + gap + _up_to(u[:, :, 4], np.minimum(gap, end - 1 - d - gap))
        found = np.stack([a, b, centre, d, e], 2)  # [B, tries, 5]
        small = self.small[found]
        apart = ((small[:, :, [0, 4]] - small[:, :, 2:3]) ** 2).mean(3).min(2)  # [B, tries]
        return np.asarray(found[np.arange(len(found)), apart.argmax(1)])

    def read(self, rows: Rows) -> Any:
        """Return the frames at `rows` [B, K], B * K of them, one tuple after another."""
        return self.source.fetch(rows.reshape(-1))["video"]

    @property
    def fingerprint(self) -> str:
        """A digest of the frames and of how tuples are drawn."""
        return digest_of(self.source.fingerprint, f"{self.span} {self.gap} {self.tries}")


def _up_to(u: NDArray[np.float64], most: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return whole numbers from 0 to `most`, drawn by u in [0, 1)."""
    return np.asarray(np.floor(u * (np.maximum(most, 0) + 1)), np.int64)


@final
class TupleViews(Views):
    """Views "frames", float32 [B, 5, C, S, S] of `Tuples`, all of a tuple changed alike, and "turned", bool [B]."""

    def __init__(self, input: Mapping[str, Any], augment: Augment, span: int, gap: int, tries: int) -> None:
        self.frames, self.span, self.gap, self.tries = FrameViews(input, frames=augment), span, gap, tries

    def bind(self, source: Source) -> Source:
        """Return the tuples. Raises UserError for a source without videos that are long enough."""
        return Tuples(source, self.span, self.gap, self.tries)

    def unused(self) -> dict[str, str]:
        """See `Views.unused`."""
        return self.frames.unused()

    def sample(self, index: Index, epoch: int, seed: int) -> Params:
        """Return the parameters of the view, and "u" [B, tries, `NUMBERS`]."""
        u = uniforms(seed, STREAM, index, epoch, np.arange(self.tries), NUMBERS)
        return {**self.frames.sample(index, epoch, seed), "u": u}

    def apply(self, raw: Raw, params: Params, device: torch.device) -> Batch:
        """Return the views on `device`, with "index"."""
        tuples: Tuples = raw["tuples"]
        rows = tuples.rows(params["u"])
        look = {name: np.repeat(value, rows.shape[1], 0) for name, value in params.items() if name != "u"}
        frames = self.frames.apply({"video": tuples.read(rows)}, look, device)["frames"]
        turned = torch.from_numpy(params["u"][:, 0, 5] < 0.5).to(device)
        index = torch.from_numpy(raw["index"]).to(device)
        return {"frames": frames.unflatten(0, rows.shape), "turned": turned, "index": index}
