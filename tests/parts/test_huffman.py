"""Huffman's tree: a full prefix code, the cheapest, and short for frequent words."""

import heapq
from fractions import Fraction

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from selftaught.parts.huffman import huffman, log_probabilities, of_classes

COUNTS = st.lists(st.integers(1, 1000), min_size=2, max_size=60).map(lambda c: sorted(c, reverse=True))


def codes(paths):
    return [
        "".join("01"[int(turn)] for turn in paths.left[a:b])
        for a, b in zip(paths.ends[:-1], paths.ends[1:], strict=True)
    ]


@settings(deadline=None)
@given(COUNTS)
def test_codes_are_full_and_none_begins_another(counts):
    found = codes(huffman(counts))
    assert len(found) == len(counts)
    assert sum(Fraction(1, 2 ** len(code)) for code in found) == 1  # Kraft's sum of a full tree
    assert not any(b.startswith(a) for i, a in enumerate(found) for j, b in enumerate(found) if i != j)


@settings(deadline=None)
@given(COUNTS)
def test_the_code_is_the_cheapest_and_frequent_words_have_codes_no_longer_than_rare_ones(counts):
    lengths = np.diff(huffman(counts).ends)
    for i in range(len(counts) - 1):
        assert counts[i] == counts[i + 1] or lengths[i] <= lengths[i + 1]
    heap, cost = counts.copy(), 0
    heapq.heapify(heap)
    while len(heap) > 1:
        both = heapq.heappop(heap) + heapq.heappop(heap)
        cost += both
        heapq.heappush(heap, both)
    assert int((lengths * counts).sum()) == cost


@settings(deadline=None)
@given(COUNTS)
def test_a_path_leads_from_the_root_through_nodes_that_stand_for_what_was_said_so_far(counts):
    paths = huffman(counts)
    prefixes = {}
    for code, a, b in zip(codes(paths), paths.ends[:-1], paths.ends[1:], strict=True):
        assert paths.nodes[a] == len(counts) - 2
        for i, node in enumerate(paths.nodes[a:b]):
            assert prefixes.setdefault(int(node), code[:i]) == code[:i]
    assert sorted(prefixes) == list(range(len(counts) - 1))


def test_a_known_tree():
    lengths = np.diff(huffman([45, 16, 13, 12, 9, 5]).ends)  # the example of Cormen, Leiserson, Rivest, Stein
    np.testing.assert_array_equal(lengths, [1, 3, 3, 3, 4, 4])


def test_one_word_has_no_path():
    paths = huffman([7])
    assert paths.nodes.size == 0
    np.testing.assert_array_equal(paths.ends, [0, 0])


@settings(deadline=None)
@given(st.lists(st.integers(0, 50), min_size=2, max_size=30))
def test_classes_in_any_order_have_the_paths_of_their_falling_counts(counts):
    paths = of_classes(counts)
    found, order = codes(paths), sorted(range(len(counts)), key=lambda k: (-counts[k], k))
    assert [found[k] for k in order] == codes(huffman(sorted(counts, reverse=True)))
    assert set(paths.nodes[paths.ends[:-1]]) == {len(counts) - 2}  # all begin at the root


@settings(deadline=None)
@given(st.lists(st.integers(1, 50), min_size=2, max_size=30), st.integers(0, 99))
def test_a_leaf_is_as_probable_as_the_turns_to_it(counts, seed):
    paths = of_classes(counts)
    scores = np.random.default_rng(seed).normal(0, 3, (4, len(counts) - 1)).astype(np.float32)
    found = log_probabilities(paths, scores)
    np.testing.assert_allclose(np.exp(found).sum(1), 1, atol=1e-5)
    left = 1 / (1 + np.exp(-scores.astype(np.float64)))
    for k in range(len(counts)):
        path = slice(paths.ends[k], paths.ends[k + 1])
        turns = np.where(paths.left[path], left[:, paths.nodes[path]], 1 - left[:, paths.nodes[path]])
        np.testing.assert_allclose(found[:, k], np.log(turns).sum(1), atol=1e-4)
