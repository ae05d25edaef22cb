"""Held-out samples in two dimensions, and their neighbours in all dimensions."""

from __future__ import annotations

import importlib.util
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.linalg import eigh

from selftaught.evaluate.principal import principal

Array = NDArray[np.float64]
ROWS = 512
"""Rows of a similarity matrix that are in memory at a time."""
EXACT, ROUNDS = 500, 10
"""Rows or columns up to which components are eigenvectors of a Gram matrix, and rounds of subspace iteration beyond."""


def pca(x: NDArray[Any], dims: int = 2) -> Array:
    """Return the first `dims` principal components of x [N, D], as float64 [N, dims]; zeros beyond the rank.

    The eigenvectors of the smaller of the two Gram matrices, which is the SVD of the centred x; where both are large,
    by subspace iteration, which takes a hundredth of the time. Signs are fixed: the largest loading of each component
    is positive (scikit-learn's convention).
    """
    x = np.asarray(x, np.float64)
    x = x - x.mean(0)
    n, d = x.shape
    kept = min(dims, n, d)
    if min(n, d) > EXACT:
        basis = principal(torch.from_numpy(x), kept, rounds=ROUNDS).basis
        assert basis is not None
        loadings = basis.numpy()
        scores: Array = x @ loadings
    else:
        wide = d > n
        gram = x @ x.T if wide else x.T @ x
        values, vectors = eigh(gram, subset_by_index=(len(gram) - kept, len(gram) - 1))
        values, vectors = values[::-1], vectors[:, ::-1]
        # [D, kept]; a positive scale per column does not matter for the sign
        loadings = x.T @ vectors if wide else vectors
        scores = vectors * np.sqrt(np.maximum(values, 0)) if wide else x @ vectors
    signs = np.sign(loadings[np.abs(loadings).argmax(0), np.arange(kept)])
    return np.pad(scores * np.where(signs == 0, 1, signs), ((0, 0), (0, dims - kept)))


def has_tsne() -> bool:
    """Return whether openTSNE, the extra [map], is installed."""
    return importlib.util.find_spec("openTSNE") is not None


def tsne(x: NDArray[Any], seed: int = 0, perplexity: float = 30.0) -> Array:
    """Return t-SNE (van der Maaten and Hinton 2008) of x [N, D] by openTSNE, as float64 [N, 2].

    Starts from PCA, which keeps the large-scale layout of the data (Kobak and Berens 2019), and uses the cosine of the
    first 50 principal components, as the neighbours do. Needs the extra [map].
    """
    from openTSNE import TSNE

    unit = x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-12)
    part = pca(unit, min(50, *x.shape))
    start = part[:, :2] / max(float(part[:, 0].std()), 1e-12) * 1e-4
    start = np.pad(start, ((0, 0), (0, 2 - start.shape[1])))
    fit = TSNE(
        perplexity=min(perplexity, (len(x) - 1) / 3),
        initialization=start,
        neighbors="exact" if len(x) <= 5000 else "auto",
        early_exaggeration_iter=100,
        n_iter=250,  # beyond these, nearest-neighbour accuracy on the map gains nothing
        random_state=seed,
        n_jobs=-1 if len(x) >= 1000 else 1,
        negative_gradient_method="bh" if len(x) <= 5000 else "fft",
    ).fit(part)
    return np.asarray(fit, np.float64)


def neighbours(
    x: NDArray[Any], k: int, metric: Literal["cosine", "euclidean"] = "cosine"
) -> tuple[NDArray[np.int64], Array]:
    """Return the k nearest other rows of each row of x [N, D], nearest first: indices and cosines, [N, k].

    Or distances instead of cosines. Ties go to the lower index. k is at most N - 1.
    """
    x = np.asarray(x, np.float64)
    if metric == "cosine":
        x = x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-12)
    squares = (x * x).sum(1)
    k = min(k, len(x) - 1)
    index, value = np.empty((len(x), k), np.int64), np.empty((len(x), k))
    for start in range(0, len(x), ROWS):
        rows = np.arange(start, min(start + ROWS, len(x)))
        score = x[rows] @ x.T  # [R, N]
        if metric == "euclidean":
            score = -np.maximum(squares[rows, None] + squares - 2 * score, 0)
        score[np.arange(len(rows)), rows] = -np.inf
        index[rows] = largest(score, k)
        value[rows] = np.take_along_axis(score, index[rows], 1)
    return index, np.sqrt(-value) if metric == "euclidean" else value


def largest(score: NDArray[np.floating[Any]], k: int) -> NDArray[np.int64]:
    """Columns of the k largest values of each row [R, k], the largest first; equal ones in their order."""
    some = np.sort(np.argpartition(-score, k - 1, axis=1)[:, :k], axis=1)
    values = np.take_along_axis(score, some, 1)
    found: NDArray[np.int64] = np.take_along_axis(some, np.argsort(-values, axis=1, kind="stable"), 1)
    cut = (score >= values.min(1, keepdims=True)).sum(1) > k  # a partition picks any of equal values at its end
    found[cut] = np.argsort(-score[cut], axis=1, kind="stable")[:, :k]
    return found


def vote(labels: NDArray[np.int64], index: NDArray[np.int64]) -> float:
    """Return how often the majority of a row's neighbours [N, k] has its label, in percent; the nearest break ties."""
    seen = labels[index]  # [N, k]
    weight = 1 - np.arange(index.shape[1]) / (1000.0 * max(index.shape[1], 1))
    counts = np.zeros((len(labels), int(labels.max()) + 1))
    for column, part in zip(seen.T, weight, strict=True):
        counts[np.arange(len(labels)), column] += part
    return float((counts.argmax(1) == labels).mean() * 100)
