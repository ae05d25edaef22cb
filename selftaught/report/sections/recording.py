"""What changes slowly in the features along a recording, with its sound."""

from __future__ import annotations

from typing import Any, NamedTuple, final

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.linalg import eigh

from selftaught import views
from selftaught.evaluate.embed import frozen
from selftaught.method import Encoder, Source, given
from selftaught.parts.shown import Sounds
from selftaught.report.page import Page
from selftaught.report.shown import chart, sound
from selftaught.source import evenly

ORDER = 35
TITLE = "Along a recording"
NAV = "Along a recording"
MISSING = ""
COUNT, FITTED = 3, 64
"""Recordings that are shown, and from which slow features are found."""
SLOWEST = 3
"""Number of slow features."""
POSITIONS = 6
"""Fewest positions of a recording that says something about change."""
SAME = 1e-3
"""Directions with a smaller share of the variance than this have no slow features: what is left there is rounding."""
BYTES = 160_000
"""Largest size of a recording's sound; a longer one is cut."""


@final
class Followed(NamedTuple):
    """A recording as the encoder hears it: its wave [T] and the features along it, [t, D]."""

    wave: NDArray[np.float32]
    rate: int
    features: NDArray[np.float32]


def suits(page: Page) -> bool:
    """For encoders of what has a rate, if there are samples."""
    return page.encoder is not None and page.shown is not None and "rate" in page.encoder.spec["input"]


def data(page: Page) -> dict[str, Any] | None:
    """``{"rows": [{"name", "sound", "wave", "slow"}], "change": [%]}``; None where there is nothing to follow.

    "sound" is that of `report.shown.sound`; "wave" and "slow" are charts of one line and of `SLOWEST` lines over the
    same time. "change" says of each slow feature by how much it changes from one position to the next, in percent of
    what it would if positions were in random order.
    """
    if page.encoder is None or page.shown is None or page.seen is None:
        return None
    known = [one.features for one in followed(page.encoder, page.seen, evenly(len(page.seen), FITTED))]
    found = slow(known)
    if found is None:
        return None
    mean, directions = found
    source, rows = page.shown, []
    for i in longest(source):
        for one in followed(page.encoder, source, np.array([i])):
            told = sound(one.wave, one.rate, BYTES // 2)
            share = told["seconds"] / told["of"]
            wave = one.wave[: round(share * len(one.wave))]
            line = (one.features[: max(round(share * len(one.features)), 1)] - mean) @ directions  # [t, SLOWEST]
            rows.append({
                "name": called(source, i), "sound": told, "wave": chart(wave[None]), "slow": chart(line.T),
            })  # fmt: skip
    changes = change([(one - mean) @ directions for one in known])
    return {"rows": rows, "change": [round(100 * value, 1) for value in changes.tolist()]} if rows else None


def longest(source: Source) -> list[int]:
    """Return the positions of `COUNT` recordings in different parts of the source, of each part a long one."""
    found = []
    for part in np.array_split(np.arange(len(source)), min(COUNT, len(source))):
        some = part[evenly(len(part), FITTED)]
        raw = source.fetch(some)
        name = next(key for key in raw if key not in ("label", "index"))
        found.append(int(some[np.argmax([np.shape(one)[-1] for one in raw[name]])]))
    return found


def called(source: Source, i: int) -> str:
    """Return the class of a recording, if it is known, and its name."""
    label, name = int(source.labels[i]), source.names(np.array([i]))[0]
    return f"{source.classes[label]}: {name}" if 0 <= label < len(source.classes) else name


def followed(encoder: Encoder, source: Source, index: NDArray[np.int64]) -> list[Followed]:
    """Return the recordings at `index` that are sounds and have positions enough, without their padding."""
    seen, found = encoder.spec["input"], []
    plain = views.plain(seen)
    device = next((p.device for p in encoder.parameters()), torch.device("cpu"))
    with frozen(encoder):
        for i in index.tolist():
            at = np.array([i])
            x, masks = given(plain.apply(source.fetch(at), plain.sample(at, 0, 0), device))
            shown = views.show("", x, seen)
            if not isinstance(shown, Sounds):
                return []
            h = encoder.layers(x, **masks)[-1]  # [1, D, t]
            wave = np.asarray(shown.waves[0], np.float32)
            there = float(masks["mask"].float().mean()) if "mask" in masks else 1.0
            kept = int(there * h.shape[2]) if h.ndim == 3 else 0  # without one that is padding in part
            if kept >= POSITIONS:
                features = h[0, :, :kept].T.float().cpu().numpy()
                found.append(Followed(wave[: round(there * len(wave))], shown.rate, features))
    return found


def slow(known: list[NDArray[np.float32]]) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
    """Return the mean [D] and the directions [D, SLOWEST] of the slowest features of sequences [t, D] each.

    Slow feature analysis (Wiskott and Sejnowski 2002): of all projections of variance 1 that do not correlate, those
    whose changes from one position to the next are smallest. None if the features have fewer directions.
    """
    if not known:
        return None
    x = np.concatenate(known).astype(np.float64)
    mean = x.mean(0)
    variance, axes = eigh((x - mean).T @ (x - mean) / len(x))
    kept = variance > SAME * max(variance.sum(), 1e-12)
    if kept.sum() < SLOWEST:
        return None
    white = axes[:, kept] / np.sqrt(variance[kept])  # [D, K]
    steps = np.concatenate([np.diff(one.astype(np.float64), axis=0) for one in known]) @ white
    directions: NDArray[np.float64] = white @ eigh(steps.T @ steps / len(steps))[1][:, :SLOWEST]
    signs = np.sign(directions[np.abs(directions).argmax(0), np.arange(SLOWEST)])
    return mean, directions * signs


def change(lines: list[NDArray[np.float64]]) -> NDArray[np.float64]:
    """Return how much features [t, K] of several recordings change from one position to the next.

    The root of the mean squared difference over that of two values at random, which is the root of twice the variance.
    """
    steps = np.concatenate([np.diff(one, axis=0) for one in lines])
    found: NDArray[np.float64] = np.sqrt((steps**2).mean(0) / (2 * np.concatenate(lines).var(0)))
    return found
