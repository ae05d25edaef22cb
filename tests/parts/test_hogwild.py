import threading

import numpy as np
import pytest

from selftaught.errors import UserError
from selftaught.parts.hogwild import cores, spread


def test_every_thread_works_on_its_own_sentences_at_once() -> None:
    done, barrier = [], threading.Barrier(3, timeout=10)

    def work(begin: int, end: int) -> None:
        barrier.wait()
        done.append((begin, end))

    spread(work, np.arange(0, 130, 10), 3)
    assert sorted(done) == [(i, i + 1) for i in range(12)]


def test_a_thread_that_is_held_up_leaves_its_runs_to_the_others() -> None:
    held, done = threading.Event(), []
    texts = np.arange(0, 90, 10)

    def work(begin: int, end: int) -> None:
        done.append((begin, end, threading.get_ident()))
        if begin == 0:
            assert held.wait(10)
        elif len(done) == 8:
            held.set()

    spread(work, texts, 2)
    assert sorted(run[:2] for run in done) == [(i, i + 1) for i in range(8)]
    assert len({run[2] for run in done[1:]}) == 1
    done.clear()
    held.set()
    spread(work, texts, 1)
    assert [run[:2] for run in done] == [(0, 8)]


def test_what_goes_wrong_in_a_thread_is_heard() -> None:
    def work(begin: int, end: int) -> None:
        raise ZeroDivisionError

    for threads in (1, 2):
        with pytest.raises(ZeroDivisionError):
            spread(work, np.arange(0, 70, 10), threads)


def test_no_number_of_threads_means_one_a_core() -> None:
    assert cores(3) == 3 and cores(0) >= 1
    with pytest.raises(UserError, match="not -1"):
        cores(-1)
