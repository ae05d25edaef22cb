"""Accuracy of a method's own classifier on data that it was not trained on."""

from __future__ import annotations

import numpy as np
import torch

from selftaught.evaluate.embed import BATCH, batches, frozen
from selftaught.evaluate.knn import percent
from selftaught.evaluate.probe import new_samples
from selftaught.method import Classifies, Method, Source, given
from selftaught.views import plain


def classifier(method: Method, train_source: Source, test_source: Source, batch_size: int = BATCH) -> float | None:
    """Return the accuracy in percent of the method's own classifier on labelled test samples.

    Returns None if the method has no classifier or there are no such samples.

    As in the probes, the method sees plain views (no augmentation) in eval mode. Test samples that also occur in the
    training data are skipped.

    Args:
        method: The prepared and trained method.
        train_source: The data it was trained on.
        test_source: Held-out samples.
        batch_size: Number of samples per batch.
    """
    index = new_samples(train_source, test_source)
    if not isinstance(method, Classifies) or len(index) == 0:
        return None
    device = next((p.device for p in method.parameters()), torch.device("cpu"))
    with frozen(method):
        found = batches(test_source, index, plain(method.encoder.spec["input"]), batch_size, device)
        seen = map(given, found)
        says = np.concatenate([method.classify(x, **masks).argmax(1).cpu().numpy() for x, masks in seen])
    return percent(says, test_source.labels[index])
