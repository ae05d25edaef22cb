"""The data of the page's 2-D map: coordinates, classes, thumbnails and neighbours, in compact form."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from selftaught.data.subset import Subset
from selftaught.evaluate import embed
from selftaught.method import Encoder, Source
from selftaught.parts.shown import Pictures
from selftaught.report.map import has_tsne, neighbours, pca, tsne, vote
from selftaught.report.shown import shown
from selftaught.report.thumbnails import sheet

NEAREST = 8
"""Number of neighbours kept for each sample, which also vote for the map's nearest-neighbour accuracy."""


def pack(values: NDArray[Any], dtype: str) -> str:
    """Return an array as base64 of its little-endian bytes."""
    return base64.b64encode(np.ascontiguousarray(values, dtype).tobytes()).decode()


def fit_square(points: NDArray[np.float64]) -> NDArray[np.uint16]:
    """Scale coordinates [N, 2] equally on both axes and centre them in the square [0, 65535]^2."""
    low, high = points.min(0), points.max(0)
    scale = max(float((high - low).max()), 1e-12)
    placed: NDArray[np.uint16] = np.round(((points - (low + high) / 2) / scale + 0.5) * 65535).astype(np.uint16)
    return placed


def scatter(encoder: Encoder, source: Source, points: int, held_out: bool) -> dict[str, Any] | None:
    """Return the data of the map, or None if the source has fewer than three samples.

    Packed: "labels" int16 [N] (-1 = unknown), "index" uint32 [N] (in the source), "near" uint16 [N, K] (rows of this
    map), "cosine" uint8 [N, K] (0 to 255 = 0 to 1), each layout uint16 [N, 2].
    """
    if len(source) < 3:
        return None
    chosen = np.random.Generator(np.random.Philox(key=[0, 0])).permutation(len(source))[: min(points, 65535)]
    some = Subset(source, chosen.astype(np.int64))  # shuffled: no class is drawn above the others
    features = np.asarray(embed(encoder, some), np.float64)  # [N, D]
    near, cosine = neighbours(features, NEAREST)
    layouts = {"PCA": pca(features)}
    if has_tsne() and len(some) >= 10:
        layouts["t-SNE"] = tsne(features)
    labels = some.labels
    images = thumbnails(some, encoder.spec["input"])
    return {
        "n": len(some),
        "of": len(source),
        "held_out": held_out,
        "dim": features.shape[1],
        "k": near.shape[1],
        "classes": [str(name) for name in source.classes] or [str(i) for i in range(int(labels.max(initial=-1)) + 1)],
        "labels": pack(labels, "<i2"),
        "index": pack(chosen, "<u4"),
        "near": pack(near, "<u2"),
        "cosine": pack(np.round(np.clip(cosine, 0, 1) * 255), "u1"),
        "layouts": {name: pack(fit_square(xy), "<u2") for name, xy in layouts.items()},
        "accuracy": accuracies(near, features, layouts, labels),
        "sheet": images,
        "tsne": "t-SNE" in layouts,
    }


def accuracies(
    near: NDArray[np.int64],
    features: NDArray[np.float64],
    layouts: dict[str, NDArray[np.float64]],
    labels: NDArray[np.int64],
) -> dict[str, float] | None:
    """Leave-one-out nearest-neighbour accuracy, in percent, in all dimensions and on each layout; None without labels.

    `near` are all samples' neighbours in all dimensions; they serve where all samples have labels.
    """
    known = np.flatnonzero(labels >= 0)
    if len(known) < 3 or len(np.unique(labels[known])) < 2:
        return None
    found = {
        "features": vote(labels[known], near if len(known) == len(labels) else neighbours(features[known], NEAREST)[0])
    }
    for name, xy in layouts.items():
        found[name] = vote(labels[known], neighbours(xy[known], NEAREST, "euclidean")[0])
    return found


def thumbnails(source: Source, seen: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the samples as a sprite sheet; None if the input `seen` of the encoder has no images."""
    parts = [np.arange(i, min(i + 64, len(source))) for i in range(0, len(source), 64)]
    if not pictures(source, parts[0][:1], seen):
        return None
    return sheet(image for part in parts for image in pictures(source, part, seen))


def pictures(source: Source, index: NDArray[np.int64], seen: Mapping[str, Any]) -> Sequence[NDArray[np.uint8]]:
    """Return one image per sample, the first if it has several; none if there is nothing to show."""
    rows = shown(source.fetch(index), seen, len(index))
    return next((row.images for row in rows if isinstance(row, Pictures)), ())
