"""Which videos show the same scene at the same moments, by their names, and whether they can.

The rule, which docs/data.md states for users: a folder called view, cam or camera with a number or a letter, or such an
ending of a file's name, is a camera. What remains of the path is the scene::

    pouring/view0/cup.mp4, pouring/view1/cup.mp4      the scene pouring/cup from two cameras
    pouring/cup_view0.mp4, pouring/cup_view1.mp4      the same
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from selftaught.data.video.clip import Clip
from selftaught.source import Skipped

FOLDER = re.compile(r"(?:view|cam|camera)[ _.-]?(\d+|[a-z])", re.IGNORECASE)
ENDING = re.compile(r"(.+?)[ _.-](?:view|cam|camera)[ _.-]?(\d+|[a-z])", re.IGNORECASE)
SLACK = 0.02
"""Views of one scene may differ in length by this share, or by one frame: the longer ones are cut at the end."""
FARTHEST = 60
"""Frames by which cameras are compared for starting at different moments."""
SURE, BETTER = 0.5, 0.2
"""Motion of two cameras that agrees so well (a correlation), and so much better, some frames apart is not in time."""


def scene_of(path: str) -> tuple[str, str]:
    """Return the scene of a video without the ending of its name, and what its camera is called; "" = it has none.

    >>> scene_of("pouring/view1/cup"), scene_of("pouring/cup_cam_2"), scene_of("cup")
    (('pouring/cup', '1'), ('pouring/cup', '2'), ('cup', ''))
    """
    *folders, name = path.split("/")
    for place, folder in enumerate(folders):
        if match := FOLDER.fullmatch(folder):
            return "/".join([*folders[:place], *folders[place + 1 :], name]), match[1]
    if match := ENDING.fullmatch(name):
        return "/".join([*folders, match[1]]), match[2]
    return path, ""


def together(clips: Sequence[Clip], called: Sequence[tuple[str, str]]) -> tuple[list[Clip | None], list[Skipped]]:
    """Number the cameras of each scene; None for clips of scenes whose cameras do not show the same moments, and why.

    `called` is the scene and the camera of each clip, see `scene_of`.
    """
    scenes: dict[str, list[int]] = defaultdict(list)
    for row, (scene, _) in enumerate(called):
        scenes[scene].append(row)
    found: list[Clip | None] = list(clips)
    skipped: list[Skipped] = []
    for scene, rows in scenes.items():
        names = [called[row][1] for row in rows]
        if len(rows) == 1 or len(set(names)) < len(rows) or not all(names):
            for row in rows:
                found[row] = replace(clips[row], scene=clips[row].name, camera=0)
            continue
        rows = sorted(rows, key=lambda row: (len(called[row][1]), called[row][1]))
        if reason := why_not([clips[row] for row in rows]):
            skipped.append({"path": scene, "reason": reason})
            for row in rows:
                found[row] = None
            continue
        shortest = min(len(clips[row]) for row in rows)
        for camera, row in enumerate(rows):
            found[row] = replace(clips[row], frames=clips[row].frames[:shortest], scene=scene, camera=camera)
    return found, skipped


def why_not(views: Sequence[Clip]) -> str:
    """Return why clips cannot be views of the same moments, "" if they can."""
    lengths = [len(clip) for clip in views]
    if max(lengths) - min(lengths) > max(1, SLACK * max(lengths)):
        said = " and ".join(map(str, lengths))
        return f"its cameras have {said} frames: views of a scene must show the same moments, so cut them alike"
    rates = [clip.rate for clip in views if clip.rate]
    if rates and max(rates) > 1.01 * min(rates):
        said = " and ".join(f"{rate:.4g}" for rate in rates)
        return f"its cameras have {said} frames a second: --rate gives them one"
    first = energy(views[0])
    for clip in views[1:]:
        apart = shift(first, energy(clip))
        if apart:
            early = f"camera {clip.camera}" if not clip.name else clip.name
            return (
                f"its cameras are not in time: {early} moves like {views[0].name} {abs(apart)} frames "
                f"{'later' if apart > 0 else 'earlier'}, so cut both to the same moments"
            )
    return ""


def energy(clip: Clip) -> NDArray[np.float64]:
    """Return how much changes from each frame to the next, float64 [T - 1]: the mean difference of some pixels."""
    step = max(min(clip.frames.shape[1:3]) // 24, 1)
    small = clip.frames[:, ::step, ::step].astype(np.int16)
    return np.asarray(np.abs(np.diff(small, axis=0)).mean((1, 2, 3)))


def shift(first: NDArray[np.float64], second: NDArray[np.float64]) -> int:
    """Return by how many frames the motion of the second camera comes later than that of the first; 0 if that is open.

    Changes that two cameras see at once have their correlation at 0.
    """
    n = min(len(first), len(second))
    most = min(FARTHEST, n // 4)
    if most < 2:
        return 0
    found = {lag: _correlation(first[max(-lag, 0) : n - max(lag, 0)], second[max(lag, 0) : n - max(-lag, 0)])
             for lag in range(-most, most + 1)}  # fmt: skip
    best = max(found, key=lambda lag: found[lag])
    return best if abs(best) > 1 and found[best] > SURE and found[best] > found[0] + BETTER else 0


def _correlation(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    a, b = a - a.mean(), b - b.mean()
    size = float(np.sqrt((a**2).sum() * (b**2).sum()))
    return float((a * b).sum()) / size if size > 0 else 0.0
