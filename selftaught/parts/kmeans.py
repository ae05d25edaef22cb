"""k-means clustering in torch."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from selftaught.errors import UserError

CHUNK = 8192
"""Number of rows that are compared with all centres at a time."""


@torch.no_grad()
def kmeans(x: Tensor, clusters: int, iterations: int, *seed: int) -> tuple[Tensor, Tensor]:
    """Cluster rows with Lloyd's algorithm from distinct random rows, in torch, so that a bank on a GPU stays there.

    The result is a pure function of the arguments: sums are computed in row order on any device. An empty cluster
    restarts at the row that is farthest from its own centre (the next one at the next farthest, and so on). Clusters
    that are empty in the end get such a row each, from clusters with several, so that none is returned empty.

    Args:
        x: Rows [N, D].
        clusters: K, in [1, N].
        iterations: Largest number of updates of the centres. Stops earlier when nothing changes.
        seed: Integers of at least 0 that select the start.

    Returns the cluster of each row, int64 [N], and the centres [K, D]. Raises UserError for a number of clusters out of
    range.

    >>> import torch
    >>> x = torch.tensor([[0.0], [0.1], [5.0], [5.1]])
    >>> cluster, centres = kmeans(x, 2, 10, 0)
    >>> bool(cluster[0] == cluster[1] and cluster[2] == cluster[3] and cluster[0] != cluster[2])
    True
    """
    if not 1 <= clusters <= len(x):
        raise UserError(f"{len(x)} rows cannot form {clusters} clusters: use 1 to {len(x)} clusters")
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
    return filled(x, labels, distance, centres), centres


def filled(x: Tensor, labels: Tensor, distance: Tensor, centres: Tensor) -> Tensor:
    """Return the labels [N] with a row in each cluster; centres [K, D] of clusters that were empty move to that row.

    `distance` [N] is that of each row from its centre: the farthest rows are taken, but the last of no cluster.
    """
    count = labels.bincount(minlength=len(centres))
    lost = (count == 0).nonzero()[:, 0].tolist()
    if not lost:
        return labels
    labels = labels.clone()
    for row in distance.argsort(descending=True, stable=True).tolist():
        if count[labels[row]] > 1:
            count[labels[row]] -= 1
            labels[row] = cluster = lost.pop(0)
            count[cluster], centres[cluster] = 1, x[row]
            if not lost:
                break
    return labels


def nearest(x: Tensor, centres: Tensor) -> tuple[Tensor, Tensor]:
    """Return the nearest of the centres [K, D] for each row [N, D], int64 [N], and its squared distance [N].

    In a tie, the first centre is returned.
    """
    half = centres.square().sum(1) / 2
    labels, closeness = [], []
    for part in x.split(CHUNK):
        best = (part @ centres.T - half).max(1)  # (|x|^2 - |x - c|^2) / 2
        labels.append(best.indices)
        closeness.append(best.values)
    return torch.cat(labels), (x.square().sum(1) - 2 * torch.cat(closeness)).clamp(min=0)
