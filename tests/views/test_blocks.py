from __future__ import annotations

import numpy as np
import pytest

from selftaught.views.blocks import Blocks
from selftaught.views.image import Augment


def views(side: int = 8, blocks: int = 4, keep: float = 0.25) -> Blocks:
    seen = {"kind": "image", "size": 4 * side, "channels": 3, "mean": [0.5] * 3, "std": [0.2] * 3}
    return Blocks(seen, Augment(), side, blocks, keep)


@pytest.mark.parametrize("epoch", range(6))
@pytest.mark.parametrize("side", [7, 8, 14])
def test_context_and_targets_are_disjoint_and_of_their_sizes(side: int, epoch: int) -> None:
    drawn = views(side).sample(np.arange(40), epoch, 3)
    targets = [drawn[f"target{m}"] for m in range(4)]
    for size, block in zip(views(side).sizes(epoch, 3), targets, strict=True):
        height, width = size
        assert block.shape == (40, height * width)
        # 15% to 20% of the area, 0.75 to 1.5 times as high as wide, but for rounding to whole patches
        ideal = np.sqrt(side**2 * np.array([0.15 * 0.75, 0.2 * 1.5]))
        assert ideal[0] - 0.5 <= height <= ideal[1] + 0.5
        ideal = np.sqrt(side**2 * np.array([0.15 / 1.5, 0.2 / 0.75]))
        assert ideal[0] - 0.5 <= width <= ideal[1] + 0.5
        for row in block:
            y, x = np.divmod(row, side)
            assert (y.max() - y.min() + 1, x.max() - x.min() + 1) == (height, width)
            assert len(set(row)) == height * width
    context = drawn["context"]
    assert context.shape[1] == round(0.25 * side**2)
    for n in range(40):
        covered = set(np.concatenate([t[n] for t in targets]))
        assert len(set(context[n])) == context.shape[1] and not covered & set(context[n])


def test_the_context_is_a_block_where_targets_leave_enough() -> None:
    """One small context in a large grid: it lies in a block of 85% of the area or more."""
    drawn = views(14, blocks=1, keep=0.5).sample(np.arange(200), 0, 0)
    widest = max(np.ptp(c // 14) for c in drawn["context"])
    least = min(np.ptp(c // 14) for c in drawn["context"])
    assert widest == 13 and least == 12  # sides of 13 or 14 patches


def test_blocks_are_a_function_of_seed_epoch_and_sample() -> None:
    many = views().sample(np.arange(30), 1, 2)
    for other in (views().sample(np.arange(30), 2, 2), views().sample(np.arange(30), 1, 3)):
        assert not np.array_equal(other["context"], many["context"])
    some = views().sample(np.array([7, 3]), 1, 2)
    for name in ("context", "target0", "target3"):
        assert np.array_equal(some[name], many[name][[7, 3]])
    places = {tuple(row) for row in many["target0"]}
    assert len(places) > 10


def test_targets_lie_everywhere() -> None:
    drawn = views().sample(np.arange(2000), 0, 0)
    share = np.bincount(np.concatenate([drawn[f"target{m}"].reshape(-1) for m in range(4)]), minlength=64)
    assert share.min() > 0


def test_targets_that_leave_too_little_are_drawn_again() -> None:
    """Ten blocks of 9 to 12 of 49 patches leave half of them only when they lie on each other."""
    few, many = (views(7, blocks=10, keep=keep).sample(np.arange(60), 0, 0) for keep in (0.02, 0.5))
    for drawn, k in ((few, 1), (many, 24)):
        assert drawn["context"].shape == (60, k)
        for n in range(60):
            assert not set(drawn["context"][n]) & set(np.concatenate([drawn[f"target{m}"][n] for m in range(10)]))
    corner = [all(drawn[f"target{m}"][n][0] == 0 for m in range(10)) for drawn in (few, many) for n in range(60)]
    assert sum(corner[:60]) < 10 and sum(corner[60:]) > 50
