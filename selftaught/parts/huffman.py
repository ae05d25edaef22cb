"""A binary tree whose leaves are words, frequent ones near the root."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class Paths(NamedTuple):
    """From the root to each word.

    Word w passes ``nodes[ends[w] : ends[w + 1]]``, root first, and turns left where `left` is true.
    """

    nodes: NDArray[np.int32]
    """Inner nodes, in [0, V - 1); the root has the highest number. [sum of code lengths]."""
    left: NDArray[np.bool_]
    """[sum of code lengths]."""
    ends: NDArray[np.int64]
    """[V + 1]."""


def huffman(counts: Sequence[int] | NDArray[np.int64]) -> Paths:
    """Huffman's tree (1952) over words that occur `counts` times, falling, [V].

    Joins the two lightest trees until one is left. As leaves come sorted, and joined trees grow heavier, the lightest
    are always at the heads of two queues. No tree has a smaller mean path over the text, and no word a longer path than
    a rarer one. One word alone has an empty path.
    """
    size = len(counts)
    weights = [int(count) for count in counts][::-1]  # leaf i is word size - 1 - i
    parent, left = np.zeros(max(2 * size - 1, 1), np.int64), np.zeros(max(2 * size - 1, 1), np.bool_)
    leaf, inner, joined = 0, 0, weights.copy()
    for made in range(size, 2 * size - 1):
        weight = 0
        for turn in (True, False):
            if leaf < size and (size + inner >= made or weights[leaf] <= joined[size + inner]):
                taken, leaf = leaf, leaf + 1
            else:
                taken, inner = size + inner, inner + 1
            parent[taken], left[taken] = made, turn
            weight += joined[taken]
        joined.append(weight)
    return _paths(parent, left, size)


def of_classes(counts: Sequence[int] | NDArray[np.int64]) -> Paths:
    """`huffman` of counts in any order, [K].

    Class k has the path of its place among the falling counts, ties by number.
    """
    counts = np.asarray(counts, np.int64)
    falling = np.argsort(-counts, kind="stable")
    rank = np.argsort(falling)
    sorted_paths = huffman(counts[falling])
    lengths = np.diff(sorted_paths.ends)[rank]
    ends = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    place = np.repeat(sorted_paths.ends[:-1][rank] - ends[:-1], lengths) + np.arange(ends[-1])
    return Paths(sorted_paths.nodes[place], sorted_paths.left[place], ends)


def log_probabilities(paths: Paths, scores: NDArray[np.float32]) -> NDArray[np.float32]:
    """Each leaf's log-probability, [B, V], where a node turns left with the logistic function of its score.

    `scores` are [B, V - 1].
    """
    lengths = np.diff(paths.ends)
    found = np.zeros((len(scores), len(lengths)), np.float32)
    for depth in range(int(lengths.max())):
        leaves = np.flatnonzero(lengths > depth)
        at = paths.ends[leaves] + depth
        found[:, leaves] -= np.logaddexp(
            0, np.where(paths.left[at], -1, 1).astype(np.float32) * scores[:, paths.nodes[at]]
        )
    return found


def _paths(parent: NDArray[np.int64], left: NDArray[np.bool_], size: int) -> Paths:
    """All paths at once, one step towards the root after the other."""
    root = 2 * size - 2
    at = np.arange(size)[::-1].copy()  # the leaf of each word
    depth = np.zeros(size, np.int64)
    steps: list[tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.bool_]]] = []
    words = np.flatnonzero(at != root)
    while words.size:
        steps.append((words, parent[at[words]], left[at[words]]))
        depth[words] += 1
        at[words] = parent[at[words]]
        words = words[at[words] != root]
    ends = np.concatenate([[0], np.cumsum(depth)]).astype(np.int64)
    nodes, turns = np.zeros(ends[-1], np.int32), np.zeros(ends[-1], np.bool_)
    for back, (words, above, turn) in enumerate(steps):
        place = ends[words + 1] - 1 - back
        nodes[place], turns[place] = above - size, turn
    return Paths(nodes, turns, ends)
