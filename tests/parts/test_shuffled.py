import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from selftaught.parts.shuffled import Shuffled, pieces, slices

DIGIT = st.integers(0, 9)
LENGTHS = st.lists(DIGIT, min_size=1, max_size=40)


@given(lengths=LENGTHS, parts=st.integers(1, 12))
def test_slices_cover_all_sentences_once(lengths: list[int], parts: int) -> None:
    sentences = np.cumsum([0, *lengths])
    borders = slices(sentences, parts)
    assert (
        borders[0] == 0 and borders[-1] == len(lengths) and (np.diff(borders) > 0).all() and len(borders) <= parts + 1
    )
    # each border is off by less than a sentence
    assert np.diff(sentences[borders]).max() < sentences[-1] / parts + 2 * 9


@given(
    lengths=LENGTHS,
    step=st.integers(1, 100),
    least=st.integers(1, 12),
    run=st.integers(0, 100),
    seed=DIGIT,
    epoch=DIGIT,
)
def test_an_epoch_has_every_sentence_once(
    lengths: list[int], step: int, least: int, run: int, seed: int, epoch: int
) -> None:
    sentences = np.cumsum([0, *lengths])
    deals = Shuffled(sentences, step, least, run)
    steps = [deals.step(seed, epoch, place) for place in range(deals.steps)]
    order = np.concatenate([one.order for one in steps])
    assert sorted(order) == list(range(len(lengths))) and (run > 0 or (np.diff(order) == 1).all())
    assert all(len(one.order) for one in steps) and deals.steps <= max(-(-sentences[-1] // step), least)
    for order, begins, runs in steps:
        assert begins[0] == 0 and np.diff(begins).tolist() == np.array(lengths)[order].tolist()
        words = np.concatenate([np.arange(*run) for run in runs])
        assert words.tolist() == [word for i in order for word in range(sentences[i], sentences[i + 1])]


def test_every_epoch_has_an_order_of_its_own_in_runs_of_neighbours() -> None:
    deals = Shuffled(np.arange(0, 4010, 10), 500, 1, 50)
    orders = [
        np.concatenate([deals.step(*when, place).order for place in range(8)])
        for when in [(0, 0), (0, 0), (0, 1), (1, 0)]
    ]
    assert np.array_equal(orders[0], orders[1])
    for one, other in [(0, 2), (0, 3), (2, 3)]:
        assert (orders[one] == orders[other]).mean() < 0.2
    for order in orders:
        # five sentences of ten words stay together
        assert (np.diff(order).reshape(-1)[np.arange(399) % 5 != 4] == 1).all()
    assert deals.steps == 8


def test_long_sentences_are_cut_and_short_ones_are_not() -> None:
    short = np.array([0, 3, 3, 1003], np.int64)
    assert pieces(short, 1000) is short
    found = pieces(np.array([0, 5, 5, 2505, 2600, 4600], np.int64), 1000)
    np.testing.assert_array_equal(found, [0, 5, 5, 1005, 2005, 2505, 2600, 3600, 4600])
