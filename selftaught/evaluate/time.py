"""What features of frames know of time: order, its arrow, where a frame is, and whether two passes agree."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, final

import numpy as np
import torch
from numpy.typing import NDArray

from selftaught.evaluate.embed import BATCH, Features, batches, embed
from selftaught.evaluate.linear import fit_linear
from selftaught.method import Batch, Encoder, Index, Params, Raw, Source, Views
from selftaught.views.augmentation import Augment
from selftaught.views.moments import camera_crop, cameras_of
from selftaught.views.places import places
from selftaught.views.video import FrameViews

STEP = 8
"""Frames between those whose order or direction is asked."""
NEAR = 2
"""Frames by which a frame that was found may be away from the one that was sought."""
BLOCK = 20
"""Frames of one camera that stay on one side when a penalty is chosen."""
Places = NDArray[np.int64]


@final
class Passed(Views):
    """The view "video" of one of the two crops that stand for two passes, see `views.moments.camera_crop`."""

    def __init__(self, input: Mapping[str, Any], number: int) -> None:
        self.frames, self.number = FrameViews(input, video=Augment()), number

    def sample(self, index: Index, epoch: int, seed: int) -> Params:
        """Return the parameters of a plain view."""
        return self.frames.sample(index, epoch, seed)

    def apply(self, raw: Raw, params: Params, device: torch.device) -> Batch:
        """Return the view on `device`."""
        return self.frames.apply({"video": [camera_crop(frame, self.number) for frame in raw["video"]]}, params, device)


def features(encoder: Encoder | None, source: Source, views: Views) -> Features:
    """Return the features of every frame in these views, float32 [N, D]; the pixels if there is no encoder."""
    if encoder is not None:
        return embed(encoder, source, views=views)
    made = batches(source, np.arange(len(source)), views, BATCH, torch.device("cpu"))
    return np.concatenate([batch["video"].flatten(1).numpy() for batch in made])


def measured(
    encoder: Encoder | None, train: Source, test: Source, input: Mapping[str, Any], seed: int = 0
) -> dict[str, float | None]:
    """Return every measure of one encoder, or of the pixels, on held-out frames; None where videos are too short.

    - order: of three frames, `STEP` apart where there is room, how often the two that are farthest apart are the first
      and the last, in percent; nothing is fitted.
    - arrow: how often a linear classifier of the difference of two frames, fitted on training frames, tells which one
      came first, in percent.
    - retrieval: how often the nearest plain frame to a changed one (cropped, recoloured) is of the same camera and at
      most `NEAR` frames away, in percent.
    - alignment: the mean distance in time, as a part of the video's length, from each frame of one pass to the nearest
      frame of another pass of the same moments, in percent. Passes are two cameras, or two overlapping crops.
    """
    plain = FrameViews(input, video=Augment())
    changed = FrameViews(input, video=Augment(crop=(0.4, 0.8), jitter=(0.3, 0.3, 0.3, 0.05), jitter_p=1.0))
    place, known = places(test), features(encoder, test, plain)
    if cameras_of(test) == "two":
        first, second = known[place[:, 1] == 0], known[place[:, 1] == 1]
        at, to = place[place[:, 1] == 0], place[place[:, 1] == 1]
    else:
        first, second = (features(encoder, test, Passed(input, n)) for n in (0, 1))
        at = to = place
    return {
        "order": order(known, place),
        "arrow": arrow(features(encoder, train, plain), places(train), known, place, seed),
        "retrieval": retrieval(features(encoder, test, changed), known, place),
        "alignment": alignment(first, second, at, to),
    }


def order(x: Features, place: Places, step: int = STEP) -> float | None:
    """Return how often the ends of three frames are farther apart than either is from the middle, in percent."""
    right = []
    for rows in cameras(place):
        apart = min(step, (len(rows) - 1) // 2)
        if apart >= 1:
            a, b, c = (x[rows[k * apart : len(rows) - (2 - k) * apart]] for k in range(3))
            inner = np.maximum(((a - b) ** 2).sum(1), ((b - c) ** 2).sum(1))
            right.append(((a - c) ** 2).sum(1) > inner)
    return percent(np.concatenate(right)) if right else None


def arrow(train: Features, before: Places, test: Features, after: Places, seed: int = 0) -> float | None:
    """Return how often the difference of two frames says which one came first, in percent, on test frames."""
    (x, groups), (asked, _) = differences(train, before), differences(test, after)
    if len(x) < 4 or not len(asked):
        return None
    both = np.concatenate([x, -x])
    y = np.repeat(np.array([1, 0], np.int64), len(x))
    fitted = fit_linear(both, y, seed, groups=np.concatenate([groups, groups]) if len(np.unique(groups)) > 1 else None)
    right = np.concatenate([fitted.predict(asked) == 1, fitted.predict(-asked) == 0])
    return percent(right)


def differences(x: Features, place: Places, step: int = STEP) -> tuple[Features, NDArray[np.int64]]:
    """Return later minus earlier frame of every pair `step` apart, [P, D], and groups of pairs of near moments."""
    found, groups = [x[:0]], [np.zeros(0, np.int64)]
    for number, rows in enumerate(cameras(place)):
        apart = min(step, len(rows) - 1)
        if apart >= 1:
            found.append(x[rows[apart:]] - x[rows[:-apart]])
            groups.append(number * 1_000_000 + place[rows[:-apart], 2] // BLOCK)
    return np.concatenate(found), np.concatenate(groups)


def retrieval(queries: Features, keys: Features, place: Places) -> float:
    """Return how often the nearest of all keys is of the query's camera and at most `NEAR` frames away, in percent."""
    nearest = place[most_alike(queries, keys)]
    same = (nearest[:, :2] == place[:, :2]).all(1) & (np.abs(nearest[:, 2] - place[:, 2]) <= NEAR)
    return percent(same)


def alignment(first: Features, second: Features, at: Places, to: Places) -> float | None:
    """Return the mean |t - nearest(t)| / T over the moments of each scene, T of them, in percent.

    0 if both passes have equal features, about a third for random ones.
    """
    found = []
    for scene in np.unique(at[:, 0]):
        a, b = np.flatnonzero(at[:, 0] == scene), np.flatnonzero(to[:, 0] == scene)
        length = len(np.unique(at[a, 2]))
        if length > 1 and len(b):
            nearest = to[b[most_alike(first[a], second[b])], 2]
            found.append(np.abs(nearest - at[a, 2]) / length)
    return round(100 * float(np.concatenate(found).mean()), 2) if found else None


def most_alike(queries: Features, keys: Features) -> NDArray[np.int64]:
    """Return the row of the key with the largest cosine to each query, after the mean of each side is taken away."""
    a, b = (torch.from_numpy(np.asarray(x - x.mean(0), np.float32)) for x in (queries, keys))
    table = torch.nn.functional.normalize(a, dim=1) @ torch.nn.functional.normalize(b, dim=1).T
    return np.asarray(table.argmax(1).numpy(), np.int64)


def cameras(place: Places) -> Iterator[NDArray[np.int64]]:
    """Yield the rows of every camera of every scene, by time, where no frame is missing between them."""
    ranked = np.lexsort((place[:, 2], place[:, 1], place[:, 0]))
    step = np.diff(place[ranked], axis=0)
    cuts = np.flatnonzero((step[:, :2] != 0).any(1) | (step[:, 2] != 1)) + 1
    yield from np.split(ranked, cuts)


def percent(right: NDArray[np.bool_]) -> float:
    """Return the share of true values in percent."""
    return round(100 * float(right.mean()), 2)
