from __future__ import annotations

from collections.abc import Iterator

import torch

from selftaught.evaluate.threads import AHEAD, pool


def test_a_pool_inside_one_of_its_threads_is_that_thread() -> None:
    """Else each thread would wait for the others, for ever."""

    def outer(i: int) -> list[int]:
        with pool() as threads:
            assert threads.executor is None
            return list(threads.map(lambda j: 10 * i + j, range(3)))

    count = torch.get_num_threads()
    with pool() as threads:
        assert list(threads.map(outer, range(4))) == [[10 * i + j for j in range(3)] for i in range(4)]
        assert list(threads.map(lambda _: torch.get_num_threads(), range(4))) == [1] * 4
    assert torch.get_num_threads() == count


def test_a_stream_keeps_the_order_and_asks_for_few_items_ahead() -> None:
    asked: list[int] = []

    def items() -> Iterator[int]:
        for i in range(50):
            asked.append(i)
            yield i

    with pool() as threads:
        for i, value in enumerate(threads.stream(lambda i: 2 * i, items())):
            assert value == 2 * i
            assert len(asked) <= i + AHEAD + 1
