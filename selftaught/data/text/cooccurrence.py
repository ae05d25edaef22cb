"""Count co-occurring words of a text of any size in bounded memory. The result depends only on the text."""

from __future__ import annotations

import math
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar, final

import numpy as np
from numpy.typing import NDArray

from selftaught.errors import UserError
from selftaught.kernels import cooccurrence as kernels

Ids = NDArray[np.int32]
Ints = NDArray[np.int64]
Bits = NDArray[np.uint64]
T = TypeVar("T")

_BUCKET = 2**16  # pairs that are sorted together, in the cache of the processor
_PAIR = 12  # bytes: two words and a count
_OUT = 24  # bytes of a pair in the output: two words, an amount and a hash
_MEGABYTE = 2**20


@final
@dataclass(frozen=True, eq=False)
class Cooccurrence:
    """Pairs of words that occur near each other, with counts weighted by distance.

    Each pair occurs once, and no count is 0. The pairs are sorted by a hash, so their order looks random, but it
    depends only on the numbers of the words. The arrays are in memory, or in unnamed files, which the system frees with
    the arrays however the process ends.

    Args:
        first: A word, int32 [M].
        second: The word near it, int32 [M]. If `symmetric`, it is at least as large as `first`, and each pair stands
            for both directions.
        count: The sum over all positions of 1 / distance, float32 [M].
        symmetric: Whether neighbours on both sides were counted; otherwise `second` is left of `first`.
    """

    first: Ids
    second: Ids
    count: NDArray[np.float32]
    symmetric: bool

    def __len__(self) -> int:
        return len(self.first)


def cooccurrence(
    ids: Ids,
    sentences: Ints,
    size: int,
    *,
    window: int = 15,
    symmetric: bool = True,
    memory: float = 1024,
    threads: int = 1,
    folder: str = "",
) -> Cooccurrence:
    """Count co-occurring words. The result is bitwise the same for any `memory` and `threads`.

    Amounts are integers (a neighbour at distance d counts lcm(1 ... window) / d, or 2^32 / d rounded if that is
    larger), so their sum does not depend on the order. The text is read in chunks; the tables of the chunks are merged
    at the end, and written to disk if they do not fit into memory.

    As in GloVe's own program, words that are not counted leave no gap: their neighbours move one position closer. Pairs
    do not cross the borders of sentences, and a word next to itself counts from both sides.

    Args:
        ids: The words of the text, int32 [N].
        sentences: The start of each sentence in `ids`, and the end, int64 [S + 1].
        size: V; only words below it are counted.
        window: Words on each side, at least 1.
        symmetric: Count neighbours on both sides; otherwise only those on the left.
        memory: Megabytes of memory to use at most, for all threads together.
        threads: At least 1.
        folder: Where to keep what does not fit into memory; "" is the system's folder for temporary files.

    Raises UserError if there are no pairs, the memory is too small for the vocabulary, or the disk is full.
    """
    if window < 1:
        raise UserError(f"window must be at least 1 word, not {window}")
    budget = int(memory * _MEGABYTE)
    each = (13 + _OUT) * size  # a row, its bitmaps and its list, and the output row, which may be full
    least = 2 * (each + 8 * (size + 1)) + 64 * (window + 1) * 8
    if budget < least:
        raise UserError(
            f"{memory:g} MB is too little memory to count {size} words: use at least {math.ceil(least / _MEGABYTE)} "
            "(--memory), "
            "or a smaller vocabulary (--min-count)"
        )
    threads = max(1, min(threads, budget // (2 * each)))
    room = max(size, min(2**20, budget // (4 * threads * _OUT)))
    try:
        with ThreadPoolExecutor(threads) as pool:
            table = _Table(size, threads, room, pool)
            runs = table.count(ids, sentences, window, symmetric, budget, folder)
            return table.ordered(runs, _unit(window), symmetric, budget, folder)
    except OSError as e:
        raise UserError(
            f"cannot write the counted pairs to {folder or tempfile.gettempdir()}: {e.strerror}; choose another "
            "folder (--scratch), "
            f"or allow more memory than {memory:g} MB (--memory)"
        ) from e


def _unit(window: int) -> int:
    """The integer amount of a neighbour at distance 1."""
    return min(math.lcm(*range(1, window + 1)), 2**32)


def _chunk(tokens: int, budget: int, window: int) -> int:
    """Return the tokens of a chunk of text: as many as there are and as the budget allows. Positions are int32."""
    return min(max(min(tokens, budget), 64 * (window + 1)), np.iinfo(np.int32).max)


@final
@dataclass(frozen=True, eq=False)
class _Runs:
    """Tables of R chunks: row w of table r is ``words[starts[r, w] : starts[r, w + 1]]``, with its amounts."""

    words: Ids
    amounts: Ints
    starts: Ints  # [R, V + 1]


@final
class _Table:
    """Count and merge rows, with several threads that each have a block of rows and their own scratch memory."""

    def __init__(self, size: int, threads: int, room: int, pool: ThreadPoolExecutor) -> None:
        self.size, self.threads, self.room, self.pool = size, threads, room, pool
        middle = -(-size // 64)
        self.scratch = [
            (
                np.zeros(size, np.int64),
                np.empty(size + 1, np.int32),
                np.zeros(middle, np.uint64),
                np.zeros(-(-middle // 64), np.uint64),
            )
            for _ in range(threads)
        ]

    def count(self, ids: Ids, sentences: Ints, window: int, symmetric: bool, budget: int, folder: str) -> _Runs:
        """Return one run per chunk of text."""
        weights = np.array([0, *(round(_unit(window) / d) for d in range(1, window + 1))], np.int64)
        # a token takes 8 bytes: itself and its position
        room = _chunk(len(ids) + len(sentences), budget // 32, window)
        tokens, places, starts = np.empty(room, np.int32), np.empty(room, np.int32), np.empty(self.size + 1, np.int64)
        token = sentence = old = 0
        with (
            _Growing(np.int32, budget // 12, folder) as words, _Growing(np.int64, budget // 6, folder) as amounts,
            _Growing(np.int64, budget // 16, folder) as borders,
        ):  # fmt: skip
            while sentence < len(sentences) - 1:
                n, token, sentence = kernels.gather(ids, sentences, self.size, token, sentence, old, tokens)
                kernels.invert(tokens[:n], starts, places)
                ends = [np.array([len(words)], np.int64)]
                for found, sums, stops in self.rows(tokens[:n], old, starts, places, weights, symmetric):
                    ends.append(len(words) + stops)
                    words.append(found)
                    amounts.append(sums)
                borders.append(np.concatenate(ends))
                old = min(n, window)  # the start of the next chunk, to find the pairs that cross the border
                tokens[:old] = tokens[n - old : n].copy()
            if not len(words):
                raise UserError(
                    f"no two words of this text are within {window} words of each other in one sentence, so there "
                    "is nothing to count"
                )
            return _Runs(words.whole(), amounts.whole(), borders.whole().reshape(-1, self.size + 1))

    def rows(
        self, tokens: Ids, old: int, starts: Ints, places: Ids, weights: Ints, symmetric: bool
    ) -> Iterator[tuple[Ids, Ints, Ints]]:
        """Yield all rows of a chunk, block by block: words, amounts, and the end of each row in its block."""
        reach = (len(weights) - 1) * (1 + symmetric)
        most = np.minimum(self.size - np.arange(self.size) if symmetric else self.size, np.diff(starts) * reach)

        def one(block: tuple[int, int], scratch: Any) -> tuple[Ids, Ints, Ints]:
            words, amounts, ends = _room(most, *block)
            n = kernels.count(tokens, old, starts, places, *block, weights, symmetric, *scratch, words, amounts, ends)
            return words[:n].copy(), amounts[:n].copy(), ends

        return self.each(one, self.blocks(most))

    def ordered(self, runs: _Runs, unit: int, symmetric: bool, budget: int, folder: str) -> Cooccurrence:
        """Merge the runs and sort the pairs by their hashes.

        The pairs are distributed into buckets by the upper bits of their hashes, then each bucket is sorted.
        """
        most = np.minimum(sum(np.diff(starts) for starts in runs.starts), self.size)
        bits = max(1, math.ceil(math.log2(max(int(most.sum()) / min(_BUCKET, self.room), 1)) + 1))
        shift, sizes = 64 - bits, np.zeros(2**bits, np.int64)
        blocks = self.blocks(most)

        def merged(block: tuple[int, int], scratch: Any) -> tuple[Ids, Ids, Ints, Bits]:
            words, amounts, ends = _room(most, *block)
            n = kernels.merge(runs.words, runs.amounts, runs.starts, *block, *scratch, words, amounts, ends)
            rows, mixed = np.repeat(np.arange(*block, dtype=np.int32), np.diff(ends, prepend=0)), np.empty(n, np.uint64)
            kernels.scramble(rows, words[:n], mixed)
            return rows, words[:n], amounts[:n], mixed

        def sized(block: tuple[int, int], scratch: Any) -> Ints:
            found = np.zeros_like(sizes)
            kernels.tally(merged(block, scratch)[3], shift, found)
            return found

        for found in self.each(sized, blocks):
            sizes += found
        total, ends = int(sizes.sum()), np.cumsum(sizes)
        in_memory = total * _PAIR <= budget // 2
        first, second = (_array(total, np.int32, in_memory, folder) for _ in range(2))
        counts = _array(total, np.float32, in_memory, folder)
        free = ends - sizes
        for rows, words, amounts, mixed in self.each(merged, blocks):
            kernels.deal(rows, words, amounts, float(unit), mixed, shift, free, first, second, counts)

        def sort(bucket: int, scratch: Any) -> None:
            part = slice(int(ends[bucket - 1]) if bucket else 0, int(ends[bucket]))
            mixed = np.empty(part.stop - part.start, np.uint64)
            kernels.scramble(first[part], second[part], mixed)
            order = np.argsort(mixed)
            for array in (first, second, counts):
                array[part] = array[part][order]

        for _ in self.each(sort, range(len(sizes))):
            pass
        return Cooccurrence(first, second, counts, symmetric)

    def blocks(self, most: Ints) -> list[tuple[int, int]]:
        """Split rows of at most `most` entries each into blocks for the threads whose results fit into memory."""
        sums, begin, blocks = np.cumsum(most), 0, []
        room = max(self.size, min(self.room, int(sums[-1]) // (4 * self.threads)))  # a single row always fits
        while begin < len(most):
            before = int(sums[begin - 1]) if begin else 0
            end = max(begin + 1, int(np.searchsorted(sums, before + room, side="right")))
            blocks.append((begin, end))
            begin = end
        return blocks

    def each(self, work: Callable[[Any, Any], T], tasks: Sequence[Any]) -> Iterator[T]:
        """Call ``work(task, scratch)`` for each task, in parallel, and return the results in order."""
        for begin in range(0, len(tasks), self.threads):
            yield from self.pool.map(work, tasks[begin : begin + self.threads], self.scratch)


def _room(most: Ints, begin: int, end: int) -> tuple[Ids, Ints, Ints]:
    """Allocate the output of `kernels.count` and `kernels.merge` for rows begin .. end."""
    n = int(most[begin:end].sum())
    return np.empty(n, np.int32), np.empty(n, np.int64), np.empty(end - begin, np.int64)


def _array(n: int, dtype: Any, in_memory: bool, folder: str) -> NDArray[Any]:
    """Allocate an array of n elements in memory, or in an unnamed file whose disk space is reserved first."""
    if in_memory:
        return np.empty(n, dtype)
    with tempfile.TemporaryFile(dir=folder or None) as file:
        # writing to a memory map of a full disk would kill the process
        os.posix_fallocate(file.fileno(), 0, n * np.dtype(dtype).itemsize)
        return np.asarray(np.memmap(file, dtype, "r+", shape=(n,)))


@final
class _Growing:
    """An array that grows at its end: in memory up to `limit` bytes, then in an unnamed file."""

    def __init__(self, dtype: Any, limit: int, folder: str) -> None:
        self.dtype, self.limit, self.folder = np.dtype(dtype), limit, folder
        self.parts: list[NDArray[Any]] = []
        self.file: Any = None
        self.n = 0

    def __enter__(self) -> _Growing:
        return self

    def __exit__(self, *_: object) -> None:
        if self.file is not None:
            self.file.close()  # the memory map stays valid

    def __len__(self) -> int:
        return self.n

    def append(self, part: NDArray[Any]) -> None:
        """Append to the end."""
        self.n += len(part)
        self.parts.append(part)
        if self.file is None and self.n * self.dtype.itemsize > self.limit:
            self.file = tempfile.TemporaryFile(buffering=0, dir=self.folder or None)  # noqa: SIM115
        if self.file is not None:
            for part in self.parts:
                rest = part.tobytes()
                while rest:
                    rest = rest[self.file.write(rest) :]
            self.parts = []

    def whole(self) -> NDArray[Any]:
        """Return the whole array. Nothing can be appended afterwards."""
        if self.file is None:
            return np.concatenate(self.parts)
        return np.asarray(np.memmap(self.file, self.dtype, "r+", shape=(self.n,)))
