from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest

from selftaught.kernels.permutations import spread

FOUR = np.array(list(permutations(range(4))), np.int8)


def by_loop(candidates: np.ndarray, count: int) -> list[int]:
    chosen = [0]
    while len(chosen) < count:
        distances = [[int((row != candidates[c]).sum()) for c in chosen] for row in candidates]
        chosen.append(max(range(len(candidates)), key=lambda r: (min(distances[r]), sum(distances[r]), -r)))
    return chosen


@pytest.mark.parametrize("count", [1, 2, 5, 24])
def test_each_choice_is_that_of_a_loop(count: int) -> None:
    chosen, smallest = spread(FOUR, count)
    assert chosen.tolist() == by_loop(FOUR, count)
    rows = FOUR[chosen]
    apart = [(a != b).sum() for i, a in enumerate(rows) for b in rows[:i]]
    assert smallest == min(apart, default=4)


def test_a_latin_square_comes_first() -> None:
    chosen, smallest = spread(FOUR, 4)
    assert smallest == 4 and all(len(set(column)) == 4 for column in FOUR[chosen].T)
