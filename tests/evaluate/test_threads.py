from __future__ import annotations

import torch

from selftaught.evaluate.threads import pool


def test_a_pool_inside_one_of_its_threads_is_that_thread() -> None:
    """Else each thread would wait for the others, for ever."""

    def outer(i: int) -> list[int]:
        with pool() as threads:
            return list(threads.map(lambda j: 10 * i + j, range(3)))

    count = torch.get_num_threads()
    with pool() as threads:
        assert list(threads.map(outer, range(4))) == [[10 * i + j for j in range(3)] for i in range(4)]
        assert list(threads.map(lambda _: torch.get_num_threads(), range(4))) == [1] * 4
    assert torch.get_num_threads() == count
