"""Performance of a method on its pretext task, on data that it was not trained on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch.nn import functional as F

from selftaught.data.subset import drawn
from selftaught.errors import UserError
from selftaught.evaluate.embed import BATCH, embed_pairs, frozen
from selftaught.meter import is_scalar
from selftaught.method import Clock, Encoder, Method, Source, Views
from selftaught.views import augment

ROUNDING = 1e-6
"""By less than this, two cosines are equal: features that are all alike find nothing."""


def pretext(
    method: Method,
    source: Source,
    batch_size: int = 256,
    limit: int | None = None,
    epochs: Sequence[int] = (0,),
    seed: int = 0,
) -> dict[str, float]:
    """Return the mean over batches of every scalar that `method.forward` returns.

    These are "loss", and "accuracy" and "chance" (in [0, 1]) if the method has them. Read them beside those of the
    method untrained: some tasks are solved by a network that has learned nothing. `retrieval` measures what it learned
    there.

    Uses eval mode, no gradients and always the same views, and changes nothing. If a method has several players, the
    first one is used. The last batch is skipped if it is smaller than the others, because losses that compare samples
    depend on their number.

    Args:
        method: A prepared (see `Method.prepare`) and trained method.
        source: Held-out samples as raw data: the method's views bind them.
        batch_size: Number of samples per batch, at most all; use that of training to compare with the training loss.
        limit: Largest number of samples, drawn by the seed.
        epochs: Epochs whose random views are used.
        seed: Seed of the views and the draw.

    Raises:
        UserError: If there are no samples, or the method does not learn by `forward`.
    """
    if method.gradient is not True:
        raise UserError(f"{type(method).__name__} has no pretext loss to measure: {method.gradient}")
    bound = method.views.bind(source)
    chosen = np.arange(len(bound)) if limit is None else np.sort(drawn(bound.labels, seed)[:limit])
    total = len(chosen)
    if total == 0:
        raise UserError("there are no samples to evaluate the pretext task on")
    size = min(batch_size, total)
    device = next((p.device for p in method.parameters()), torch.device("cpu"))
    player = method.players()[0].name
    sums: dict[str, list[float]] = {}
    with frozen(method):
        for epoch in epochs:
            for begin in range(0, total - size + 1, size):
                torch.manual_seed(begin)  # the same random numbers inside forward every time
                index = chosen[begin : begin + size]
                batch = method.views.apply(bound.fetch(index), method.views.sample(index, epoch, seed), device)
                outputs: dict[str, Any] = method(player=player, clock=Clock(seed), **batch)
                for key, value in outputs.items():
                    if is_scalar(value):
                        sums.setdefault(key, []).append(float(value))
    return {key: float(np.mean(values)) for key, values in sums.items()}


def retrieval(
    encoder: Encoder, source: Source, views: Views | None = None, limit: int | None = None, seed: int = 0
) -> dict[str, float]:
    """Return how often an encoder finds the other view of a sample among the second views of all samples.

    "accuracy", the fraction of first views whose own second view is the nearest of all in direction, after the mean
    over the samples is subtracted; and "chance", 1 / N. A measure for every method whose views are two: unlike a
    pretext task, it is the same for all of them, and with many samples an untrained network does not solve it.

    Args:
        encoder: The encoder, in any mode; it is not changed.
        source: Held-out samples.
        views: Views "first" and "second"; by default those of the kind of sample (`views.augment`).
        limit: Largest number of samples, drawn by the seed.
        seed: Seed of the draw.

    Raises:
        UserError: If there are no samples, or the kind has no random views.
    """
    chosen = np.arange(len(source)) if limit is None else np.sort(drawn(source.labels, seed)[:limit])
    if len(chosen) == 0:
        raise UserError("there are no samples to find again")
    views = augment(encoder.spec["input"]) if views is None else views
    device = next((p.device for p in encoder.parameters()), torch.device("cpu"))
    with frozen(encoder):
        pairs = embed_pairs(encoder, source, chosen, views, device)
    first, second = (F.normalize(x - x.mean(0), dim=1) for x in pairs)
    own = (first * second).sum(1)
    hits = 0
    for begin in range(0, len(first), BATCH):
        part = slice(begin, begin + BATCH)
        cosines = first[part] @ second.T
        cosines[torch.arange(len(cosines)), torch.arange(begin, begin + len(cosines))] = -torch.inf
        hits += int((own[part] > cosines.amax(1) + ROUNDING).sum())
    return {"accuracy": hits / len(first), "chance": 1 / len(first)}
