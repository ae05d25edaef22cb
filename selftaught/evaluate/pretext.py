"""How well a method solves its own puzzle on data that it did not train on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from selftaught.errors import UserError
from selftaught.evaluate.embed import frozen
from selftaught.meter import is_scalar
from selftaught.method import Clock, Method, Source


def pretext(
    method: Method,
    source: Source,
    batch_size: int = 256,
    limit: int | None = None,
    epochs: Sequence[int] = (0,),
    seed: int = 0,
) -> dict[str, float]:
    """Mean over batches of every scalar that `method.forward` gives.

    "loss", and "accuracy" and "chance" (in [0, 1]) where there are any.

    Eval mode, no gradients, nothing changed, the same views every time. The first player of a game is asked. The last
    batch is left out when it is smaller than the others: losses that compare samples depend on how many there are.

    Args:
        method: Prepared (see `Method.prepare`) and trained.
        source: Held-out samples, as users have them: the method's views bind them.
        batch_size: Samples at a time, clipped to what there is; give that of training to compare with its loss.
        limit: At most so many samples.
        epochs: Views are drawn as in these epochs.
        seed: Of the views.

    Raises:
        UserError: There are no samples, or the method does not learn by `forward`.
    """
    if method.gradient is not True:
        raise UserError(f"{type(method).__name__} has no pretext loss to measure: {method.gradient}")
    bound = method.views.bind(source)
    total = min(len(bound), limit or len(bound))
    if total == 0:
        raise UserError("there are no samples to evaluate the pretext task on")
    size = min(batch_size, total)
    device = next((p.device for p in method.parameters()), torch.device("cpu"))
    player = method.players()[0].name
    sums: dict[str, list[float]] = {}
    with frozen(method):
        for epoch in epochs:
            for begin in range(0, total - size + 1, size):
                torch.manual_seed(begin)  # noise inside forward: the same every time
                index = np.arange(begin, begin + size)
                batch = method.views.apply(bound.fetch(index), method.views.sample(index, epoch, seed), device)
                outputs: dict[str, Any] = method(player=player, clock=Clock(seed), **batch)
                for key, value in outputs.items():
                    if is_scalar(value):
                        sums.setdefault(key, []).append(float(value))
    return {key: float(np.mean(values)) for key, values in sums.items()}
