from __future__ import annotations

import resource
import tracemalloc
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from selftaught.data.text import cooccurrence as module
from selftaught.data.text.cooccurrence import Cooccurrence, cooccurrence
from selftaught.errors import UserError

SPILL = 0.02  # megabytes that hold the scratch memory for a few words and no more
LITTLE = 0.04  # ... for 200 words


def naive(sentences: list[list[int]], size: int, window: int, symmetric: bool) -> dict[tuple[int, int], float]:
    found: dict[tuple[int, int], float] = defaultdict(float)
    for sentence in sentences:
        kept = [word for word in sentence if word < size]
        for at, word in enumerate(kept):
            for distance in range(1, min(window, at) + 1):
                other = kept[at - distance]
                found[word, other] += 1 / distance
                if symmetric:
                    found[other, word] += 1 / distance
    return dict(found)


def arrays(sentences: list[list[int]]) -> tuple[np.ndarray, np.ndarray]:
    flat = [word for sentence in sentences for word in sentence]
    return np.array(flat, np.int32), np.cumsum([0, *map(len, sentences)], dtype=np.int64)


def whole(pairs: Cooccurrence) -> dict[tuple[int, int], float]:
    """The table; a symmetric one with both halves."""
    found = {}
    for i, j, x in zip(pairs.first.tolist(), pairs.second.tolist(), pairs.count.tolist(), strict=True):
        assert (i, j) not in found
        found[i, j] = x
        if pairs.symmetric:
            assert i <= j
            found[j, i] = x
    return found


def same(a: Cooccurrence, b: Cooccurrence) -> bool:
    return all(np.array_equal(getattr(a, name), getattr(b, name)) for name in ("first", "second", "count"))


def text(n: int, words: int = 30, longest: int = 40, seed: int = 0) -> list[list[int]]:
    rng = np.random.default_rng(seed)
    odds = 1 / np.arange(1, words + 1)
    return [rng.choice(words, rng.integers(0, longest), p=odds / odds.sum()).tolist() for _ in range(n)]


texts = st.lists(st.lists(st.integers(0, 12), max_size=30), min_size=1, max_size=8)


@settings(max_examples=60, deadline=None)
@given(texts, st.integers(1, 13), st.integers(1, 40), st.booleans())
def test_counts_are_those_of_a_plain_loop(sentences: list[list[int]], size: int, window: int, symmetric: bool) -> None:
    expected = naive(sentences, size, window, symmetric)
    if not expected:
        with pytest.raises(UserError, match="no two words of this text are within"):
            cooccurrence(*arrays(sentences), size, window=window, symmetric=symmetric)
        return
    found = whole(cooccurrence(*arrays(sentences), size, window=window, symmetric=symmetric))
    assert found.keys() == expected.keys()  # so that no pair that counts 0 is ever visited
    assert all(found[pair] == pytest.approx(x, rel=1e-6) for pair, x in expected.items())


def test_a_symmetric_window_gives_a_symmetric_table_and_a_word_beside_itself_counts_twice() -> None:
    pairs = cooccurrence(*arrays([[0, 1, 0, 0]]), 2)
    assert whole(pairs) == pytest.approx(
        {(0, 0): 2 * (1 / 2 + 1 / 3 + 1), (0, 1): 1 + 1 + 1 / 2, (1, 0): 1 + 1 + 1 / 2}
    )
    assert whole(cooccurrence(*arrays([[0, 1, 0, 0]]), 2, symmetric=False)) == pytest.approx(
        {(1, 0): 1, (0, 1): 1.5, (0, 0): 1.5 + 1 / 3}
    )


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 20), st.booleans(), st.sampled_from([1, 3]))
def test_chunks_on_disk_and_threads_give_the_same_bytes(seed: int, window: int, symmetric: bool, threads: int) -> None:
    given_ = *arrays([*text(20, seed=seed), *text(2, longest=2000, seed=seed)]), 25
    expected = cooccurrence(*given_, window=window, symmetric=symmetric)
    assert same(expected, cooccurrence(*given_, window=window, symmetric=symmetric, memory=SPILL, threads=threads))


def test_a_small_memory_really_spills(monkeypatch: pytest.MonkeyPatch) -> None:
    made, temporary = [], module.tempfile.TemporaryFile
    monkeypatch.setattr(module.tempfile, "TemporaryFile", lambda **how: made.append(how) or temporary(**how))
    given_ = *arrays(text(400)), 25
    expected = cooccurrence(*given_)
    assert not made
    spilled = cooccurrence(*given_, memory=SPILL)
    assert len(made) >= 2 and same(expected, spilled)


def test_many_buckets_give_the_same_order_as_one(monkeypatch: pytest.MonkeyPatch) -> None:
    given_ = *arrays(text(200, words=200)), 200
    expected = cooccurrence(*given_)
    monkeypatch.setattr(module, "_BUCKET", 16)
    assert same(expected, cooccurrence(*given_, threads=2))


def test_the_order_is_no_order_of_the_words() -> None:
    pairs = cooccurrence(*arrays(text(400, words=200)), 200)
    key = pairs.first.astype(np.int64) * 200 + pairs.second
    rank = np.argsort(np.argsort(key))
    assert abs(np.corrcoef(rank, np.arange(len(rank)))[0, 1]) < 5 / len(rank) ** 0.5


def test_no_pair_reaches_across_sentences_or_chunks_twice() -> None:
    one = cooccurrence(*arrays([[0, 1], [2, 3]]), 4)
    assert set(whole(one)) == {(0, 1), (1, 0), (2, 3), (3, 2)}
    long = [list(np.random.default_rng(1).integers(0, 5, 30_000))]  # one sentence of many chunks
    assert same(cooccurrence(*arrays(long), 5), cooccurrence(*arrays(long), 5, memory=SPILL))


def test_windows_too_wide_for_whole_numbers_are_exact_to_nine_digits() -> None:
    sentence = list(range(60))
    found = whole(cooccurrence(*arrays([sentence]), 60, window=59))
    assert found[0, 59] == pytest.approx(1 / 59, rel=1e-7) and found[0, 1] == 1


@pytest.mark.parametrize("window", [0, -3])
def test_a_window_of_nothing_is_refused(window: int) -> None:
    with pytest.raises(UserError, match=f"window must be at least 1 word, not {window}"):
        cooccurrence(*arrays([[0, 1]]), 2, window=window)


def test_too_little_memory_is_refused_with_what_would_do() -> None:
    many = *arrays([[0, 1] * 10]), 100_000
    with pytest.raises(
        UserError, match=r"1 MB is too little memory to count 100000 words: use at least 9 \(--memory\)"
    ):
        cooccurrence(*many, memory=1)
    assert len(cooccurrence(*many, memory=9)) == 3


def test_an_unusable_folder_is_one_sentence(tmp_path: Path) -> None:
    given_ = *arrays(text(400)), 25
    with pytest.raises(
        UserError, match=r"cannot write the counted pairs to .*/none: No such file or directory; choose another folder"
    ):
        cooccurrence(*given_, memory=SPILL, folder=str(tmp_path / "none"))
    assert len(cooccurrence(*given_, folder=str(tmp_path / "none")))  # nothing is written where memory is enough


@pytest.mark.parametrize("full", ["runs", "pairs"])
def test_a_full_disk_is_one_sentence_and_nothing_stays(
    full: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The system's own refusal: no file of this process may grow beyond 1000 bytes."""
    given_ = *arrays(text(400, words=200)), 200
    if full == "pairs":
        monkeypatch.setattr(
            module._Growing,
            "append",
            lambda self, part: self.parts.append(part) or setattr(self, "n", self.n + len(part)),
        )
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
    try:
        with pytest.raises(
            UserError,
            match=rf"cannot write the counted pairs to {tmp_path}: File too large; .*more memory than 0.04 MB",
        ):
            cooccurrence(*given_, memory=LITTLE, folder=str(tmp_path))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert not list(tmp_path.iterdir())


def test_no_file_is_left_and_what_lies_on_disk_can_be_read(tmp_path: Path) -> None:
    given_ = *arrays(text(400, words=200)), 200
    pairs = cooccurrence(*given_, memory=LITTLE, folder=str(tmp_path))
    assert not list(tmp_path.iterdir())  # it has no name
    assert isinstance(pairs.count.base, np.memmap)
    assert same(pairs, cooccurrence(*given_)) and pairs.count.min() > 0


@pytest.mark.parametrize("memory", [0.3, 1.0])
@pytest.mark.parametrize("threads", [1, 2])
def test_the_memory_holds(memory: float, threads: int) -> None:
    given_ = *arrays(text(2000, words=500)), 500  # its table takes about a megabyte
    expected = cooccurrence(*given_, memory=memory, threads=threads)
    tracemalloc.start()
    try:
        assert same(expected, cooccurrence(*given_, memory=memory, threads=threads))
        assert tracemalloc.get_traced_memory()[1] < memory * 2**20 + 5e4  # and some Python
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(("tokens", "budget", "window", "expected"), [
    (10, 1 << 20, 5, 384), (5000, 1 << 20, 5, 5000), (1 << 21, 1 << 20, 5, 1 << 20),
    (1 << 33, (1 << 36) // 32, 15, (1 << 31) - 1), (1 << 33, 1 << 40, 15, (1 << 31) - 1),
])  # fmt: skip
def test_positions_in_a_chunk_fit_into_int32(tokens: int, budget: int, window: int, expected: int) -> None:
    assert module._chunk(tokens, budget, window) == expected
    np.full(1, expected - 1, np.int32)  # the last position; raises if it does not fit
