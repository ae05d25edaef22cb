"""How well a method that learns to name classes names those of data that it did not train on."""

from __future__ import annotations

import numpy as np
import torch

from selftaught.evaluate.embed import batches, frozen
from selftaught.evaluate.knn import percent
from selftaught.evaluate.probe import new_samples
from selftaught.method import Classifies, Method, Source, given
from selftaught.views import plain


def classifier(method: Method, train_source: Source, test_source: Source, batch_size: int = 512) -> float | None:
    """Accuracy in percent of the method's own classifier on labelled test samples.

    None without a classifier or without such samples.

    It sees plain views (no augmentation), as probes do, in eval mode. Test samples that also occur in training are left
    out.

    Args:
        method: Prepared and trained.
        train_source: What it trained on.
        test_source: Held-out samples.
        batch_size: Samples at a time.
    """
    index = new_samples(train_source, test_source)
    if not isinstance(method, Classifies) or len(index) == 0:
        return None
    device = next((p.device for p in method.parameters()), torch.device("cpu"))
    with frozen(method):
        found = batches(test_source, index, plain(method.encoder.spec["input"]), batch_size, device)
        says = np.concatenate([method.classify(given(batch)[0]).argmax(1).cpu().numpy() for batch in found])
    return percent(says, test_source.labels[index])
