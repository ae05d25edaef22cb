"""k-means: rows into as many groups as asked for, each row to the nearest centre, each centre the mean of its rows."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from selftaught.errors import UserError

CHUNK = 8192
"""Rows that are compared with all centres at a time."""


@torch.no_grad()
def kmeans(x: Tensor, clusters: int, iterations: int, *seed: int) -> tuple[Tensor, Tensor]:
    """Lloyd's algorithm from distinct random rows, in torch, so that a bank on a GPU stays there.

    A pure function of its arguments: sums run over rows in their order, whatever the device. A centre that lost all its
    rows starts again from the row that is farthest from its own centre (the next one from the next farthest, and so
    on).

    Args:
        x: Rows [N, D].
        clusters: K, in [1, N].
        iterations: At most so many moves of the centres; fewer when nothing changes any more.
        seed: Whole numbers of at least 0; other numbers, another start.

    Returns each row's cluster, int64 [N], and the centres [K, D]. Raises UserError for a number of clusters out of
    range.
    """
    if not 1 <= clusters <= len(x):
        raise UserError(f"{len(x)} rows cannot be put into {clusters} clusters: ask for 1 to {len(x)}")
    rng = np.random.default_rng([*seed, 0x33EA])
    centres = x[torch.from_numpy(rng.choice(len(x), clusters, replace=False)).to(x.device)]
    labels, distance = nearest(x, centres)
    for _ in range(iterations):
        count = labels.bincount(minlength=clusters)
        means = torch.segment_reduce(x[labels.argsort(stable=True)], "mean", lengths=count, unsafe=True)
        lost = (count == 0).nonzero()[:, 0]
        if len(lost):
            means[lost] = x[distance.argsort(descending=True, stable=True)[: len(lost)]]
        centres, before = means, labels
        labels, distance = nearest(x, centres)
        if torch.equal(labels, before):
            break
    return labels, centres


def nearest(x: Tensor, centres: Tensor) -> tuple[Tensor, Tensor]:
    """The nearest of the centres [K, D] to each row [N, D], the first where several are.

    Int64 [N], and its squared distance [N].
    """
    half = centres.square().sum(1) / 2
    labels, closeness = [], []
    for part in x.split(CHUNK):
        best = (part @ centres.T - half).max(1)  # (|x|^2 - |x - c|^2) / 2
        labels.append(best.indices)
        closeness.append(best.values)
    return torch.cat(labels), (x.square().sum(1) - 2 * torch.cat(closeness)).clamp(min=0)
