import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from selftaught.errors import UserError
from selftaught.parts.hogwild import cores, slices, spread


@given(lengths=st.lists(st.integers(0, 9), min_size=1, max_size=40), parts=st.integers(1, 12), data=st.data())
def test_slices_cover_all_sentences_once(lengths: list[int], parts: int, data: st.DataObject) -> None:
    sentences = np.cumsum([0, *lengths])
    first = data.draw(st.integers(0, len(lengths) - 1))
    last = data.draw(st.integers(first + 1, len(lengths)))
    borders = slices(sentences, first, last, parts)
    assert borders[0] == first and borders[-1] == last and (np.diff(borders) > 0).all() and len(borders) <= parts + 1
    words = np.diff(sentences[borders])
    assert words.max() < (sentences[last] - sentences[first]) / parts + 2 * 9  # each border is off by less than a sentence


def test_every_thread_works_on_its_own_sentences_at_once() -> None:
    done, barrier = [], threading.Barrier(3, timeout=10)

    def work(begin: int, end: int) -> None:
        barrier.wait()
        done.append((begin, end))

    spread(work, np.arange(0, 70, 10), 0, 6, 3)
    assert sorted(done) == [(0, 2), (2, 4), (4, 6)]


def test_a_thread_that_is_held_up_leaves_its_runs_to_the_others() -> None:
    held, done = threading.Event(), []

    def work(begin: int, end: int) -> None:
        done.append((begin, end, threading.get_ident()))
        if begin == 0:
            assert held.wait(10)
        elif len(done) == 6:
            held.set()

    spread(work, np.arange(0, 70, 10), 0, 6, 2, each=3)
    assert sorted(run[:2] for run in done) == [(i, i + 1) for i in range(6)]
    assert len({run[2] for run in done[1:]}) == 1
    done.clear()
    spread(work, np.arange(0, 70, 10), 1, 6, 1, each=3)
    assert [run[:2] for run in done] == [(1, 6)]


def test_what_goes_wrong_in_a_thread_is_heard() -> None:
    def work(begin: int, end: int) -> None:
        raise ZeroDivisionError

    for threads in (1, 2):
        with pytest.raises(ZeroDivisionError):
            spread(work, np.arange(0, 70, 10), 0, 6, threads)


def test_no_number_of_threads_means_one_a_core() -> None:
    assert cores(3) == 3 and cores(0) >= 1
    with pytest.raises(UserError, match="not -1"):
        cores(-1)
