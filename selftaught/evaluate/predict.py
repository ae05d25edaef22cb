"""What a method's own classifier says about samples."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from selftaught.errors import UserError
from selftaught.evaluate.embed import batches, frozen
from selftaught.method import Classifies, Independent, Method, Source, given
from selftaught.views import plain

Said = list[tuple[str, float]]
"""Names of classes with their probabilities, the most probable first."""


def predict(
    method: Method,
    source: Source,
    classes: Sequence[str],
    k: int = 1,
    threshold: float = 0.0,
    batch_size: int = 512,
) -> Iterator[Said]:
    """Return the k most probable classes of each sample, in order, computed as they are asked for.

    As in judging, the method sees plain views (no augmentation) in eval mode. Scores become probabilities by a softmax,
    or each by the logistic function if the method is `Independent`.

    Args:
        method: A trained method with a classifier.
        source: The samples; labels are not used.
        classes: Names of the classes; a class without a name is called by its number.
        k: Number of classes.
        threshold: Only classes with at least this probability.
        batch_size: Number of samples per batch.

    Raises UserError for values out of range, and for probabilities that are not numbers.
    """
    if k < 1:
        raise UserError(f"k, the number of classes to name, must be at least 1, not {k}")
    if not 0 <= threshold <= 1:
        raise UserError(f"threshold must be a probability in [0, 1], not {threshold}")
    if not isinstance(method, Classifies):
        raise UserError(f"{type(method).__name__} has no classifier")
    return _said(method, source, classes, k, threshold, batch_size)


def _said(
    method: Any, source: Source, classes: Sequence[str], k: int, threshold: float, batch_size: int
) -> Iterator[Said]:
    device = next((p.device for p in method.parameters()), torch.device("cpu"))
    independent = isinstance(method, Independent) and method.independent
    with frozen(method):
        for batch in batches(source, np.arange(len(source)), plain(method.encoder.spec["input"]), batch_size, device):
            x, masks = given(batch)
            with torch.no_grad():
                scores: Tensor = method.classify(x, **masks).float()
            probabilities = scores.sigmoid() if independent else scores.softmax(1)
            if not bool(torch.isfinite(probabilities).all()):
                raise UserError("the probabilities are not finite: the classifier diverged in training")
            best = probabilities.topk(min(k, probabilities.shape[1]))
            for values, numbers in zip(best.values.tolist(), best.indices.tolist(), strict=True):
                yield [
                    (classes[number] if number < len(classes) else str(number), value)
                    for value, number in zip(values, numbers, strict=True)
                    if value >= threshold
                ]
