"""A vector for each word and for each of its character n-grams, so that unseen words also have a vector."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, ClassVar, final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from selftaught.errors import UserError
from selftaught.kernels.subwords import buckets, first_seen
from selftaught.method import Encoder, Start
from selftaught.parts.frequent import frequent
from selftaught.parts.known_to_both import known_to_both, taken
from selftaught.parts.subword_rows import SubwordRows
from selftaught.parts.word_vectors import Vector, WordVectors

MOST_BUCKETS = 2**27
"""The limit on buckets. More would take half a gigabyte for the row numbers only."""

SMALL = {"dim": 8, "min_count": 1}
"""Arguments of a small encoder for quick trials."""


@final
class Subwords(Encoder):
    """The vector of a word is the mean of its own row and the rows of its character n-grams.

    An unknown word has only its n-grams.

    Bojanowski, Grave, Joulin, Mikolov, TACL 2017 (arXiv 1607.04606), "Enriching Word Vectors with Subword Information";
    the mean (the paper has a sum), the word boundary marks and the hash are those of the authors' tool
    (`kernels/subwords`). N-grams are hashed to `bucket` buckets as in the tool, but only buckets with an n-gram of the
    vocabulary get a row: the others would never be trained, and would take 800 MB with the tool's two million. An
    n-gram that occurs in no known word therefore counts as a vector of zeros in an unseen word, where the tool adds
    noise.

    The rows of `table` [V + R, dim] are the words, then the n-grams in the order of their first occurrence in the
    vocabulary.

    Args:
        input: ``{"kind": "text", "tokens": ..., "lower": ..., "words": [V], "counts": [V]}``, most frequent first.
            Words rarer than `min_count` are removed, so that `spec` has only the words of the table.
        dim: Dimension of a vector.
        min_count: Smallest count of a word that gets its own row.
        minn: Smallest number of characters in an n-gram, including the marks < and > around a word.
        maxn: Largest number of characters in an n-gram. 0 uses word vectors only.
        bucket: Number of hash buckets. N-grams in the same bucket share a row.

    Raises UserError when the input is not text, no word occurs often enough, or an argument is out of range.
    """

    sees = ("text",)
    effects: ClassVar[dict[str, Any]] = {"minn": {"maxn": 0}, "bucket": {"maxn": 0}}

    def __init__(
        self,
        input: Mapping[str, Any],
        dim: int = 100,
        min_count: int = 5,
        minn: int = 3,
        maxn: int = 6,
        bucket: int = 2_000_000,
    ) -> None:
        super().__init__()
        if dim < 1:
            raise UserError(f"dim must be at least 1, not {dim}")
        if minn < 1 or (maxn and maxn < minn):
            raise UserError(
                f"n-grams must have 1 <= minn <= maxn characters, or maxn 0 for none, not minn {minn} and maxn {maxn}"
            )
        if not 1 <= bucket <= MOST_BUCKETS:
            raise UserError(f"bucket must be from 1 to {MOST_BUCKETS}, not {bucket}")
        self.words, self.counts, kept = frequent(input, min_count, "subwords")
        self.dim, self.minn, self.maxn, self.bucket = dim, minn, maxn, bucket
        self.spec = {
            "name": "subwords",
            "input": kept,
            "dim": dim,
            "min_count": min_count,
            "minn": minn,
            "maxn": maxn,
            "bucket": bucket,
        }
        size = len(self.words)
        ends, found = buckets(self.words, minn, maxn, bucket)
        self.row_of = np.full(bucket if maxn else 0, -1, np.int32)
        grams = first_seen(found, self.row_of)
        self.row_of[self.row_of >= 0] += size
        # int64 [V + 1]: the rows of word i are rows[starts[i] : starts[i + 1]], its own first
        self.starts = ends + np.arange(size + 1)
        self.rows = np.insert(self.row_of[found] if maxn else found, ends[:-1], np.arange(size, dtype=np.int32))
        self.table = nn.Parameter(torch.rand(size + grams, dim).mul_(2).sub_(1).div_(dim))  # as the tool starts

    @cached_property
    def index(self) -> dict[str, int]:
        """The number of each word."""
        return {word: row for row, word in enumerate(self.words)}

    def rows_of(self, words: Sequence[str]) -> list[NDArray[np.int32]]:
        """Return the rows of each word, int32: its own row if it has one, then the rows of its n-grams.

        Empty if neither the word nor any of its n-grams is known.
        """
        return self._bags(words)[0]

    def _bags(self, words: Sequence[str]) -> tuple[list[NDArray[np.int32]], NDArray[np.int64]]:
        """Return `rows_of` the words, and the number of rows that each mean is over, int64 [V].

        N-grams without a row count as well, as vectors of zeros.
        """
        numbers = [self.index.get(word, -1) for word in words]
        unseen = [word for word, number in zip(words, numbers, strict=True) if number < 0]
        ends, found = buckets(unseen, self.minn, self.maxn, self.bucket)
        grams = iter(np.split(self.row_of[found] if self.maxn else found, ends[1:-1]) if unseen else [])
        bags = [next(grams) if i < 0 else self.rows[self.starts[i] : self.starts[i + 1]] for i in numbers]
        return [bag[bag >= 0] for bag in bags], np.array([max(len(bag), 1) for bag in bags], np.int64)

    @torch.no_grad()
    def vector(self, word: str) -> Vector:
        """Return the mean of the word's rows, float32 [dim], or zeros if it has none."""
        (rows,), (size,) = self._bags([word])
        found: Vector = self.table[torch.from_numpy(rows).long()].sum(0).div(int(size)).cpu().numpy()
        return found

    def unseen(self, word: str) -> Vector | None:
        """Return `vector`, or None if the word has no rows."""
        return self.vector(word) if len(self.rows_of([word])[0]) else None

    @torch.no_grad()
    def word_vectors(self) -> WordVectors:
        """Return the words, their vectors [V, dim], and the function for the vectors of unseen words."""
        rows, starts = torch.from_numpy(self.rows).long(), torch.from_numpy(self.starts[:-1])
        means = nn.functional.embedding_bag(
            rows.to(self.table.device), self.table, starts.to(self.table.device), mode="mean"
        )
        return WordVectors(self.words, means.cpu().numpy(), self.counts, self.unseen)

    def start(self, given: Start) -> None:
        """Initialise from the rows of another `Subwords`, including n-grams, or from vectors of whole words."""
        rows = given.subwords()
        if rows is None:
            vectors = given.vectors()
            given.tell(taken(self.start_from(vectors), len(self.words), vectors))
            return
        copied = self.start_from_rows(rows)
        known = sum(word in rows.index for word in self.words)
        given.tell(
            f"{known:,} of {len(self.words):,} words and {copied - known:,} of "
            f"{len(self.table) - len(self.words):,} n-grams start from its rows, the others at random"
        )

    def subword_rows(self) -> SubwordRows:
        """Return the table with what its rows are of. It shares memory with the encoder."""
        table = self.table.detach().cpu().numpy()
        return SubwordRows(self.words, self.counts, table, self.row_of, self.minn, self.maxn, self.bucket)

    def start_from(self, vectors: WordVectors) -> int:
        """Change the own row of each word in both vocabularies so that its mean is the given vector.

        Returns the number of these words. Rows of n-grams keep their values, because vectors of whole words do not
        define the vectors of their parts. Words that are not in `vectors`, and unseen words, keep their random values.
        Raises UserError when the vectors have another dimension, or no word is in both.
        """
        own, theirs = known_to_both(self.index, self.dim, vectors)
        missing = vectors.matrix[theirs].astype(np.float64) - self.word_vectors().matrix[own]
        with torch.no_grad():
            self.table[own] += torch.from_numpy(np.diff(self.starts)[own][:, None] * missing).to(self.table)
        return len(own)

    def start_from_rows(self, other: SubwordRows) -> int:
        """Copy the rows of the words and n-grams that both tables have, and return their number.

        The other rows keep their values. Raises UserError when the other table has another dimension or other n-gram
        settings, or nothing is shared.
        """
        for name in ("dim", "minn", "maxn", "bucket"):
            theirs, own = getattr(other, name), getattr(self, name)
            if theirs != own:
                option = name if name == "dim" else f"encoder.{name}"
                raise UserError(
                    f"the encoder to start from has {name} {theirs} and this one {own}: give --{option} {theirs}"
                )
        words = [(row, other.index[word]) for word, row in self.index.items() if word in other.index]
        grams = np.flatnonzero((self.row_of >= 0) & (other.row_of >= 0))
        ours = np.concatenate([np.array([a for a, _ in words], np.int64), self.row_of[grams]])
        rows = np.concatenate([np.array([b for _, b in words], np.int64), other.row_of[grams]])
        if not len(ours):
            raise UserError("the encoder to start from has no word and no n-gram of this text (lower case, language?)")
        with torch.no_grad():
            self.table[torch.from_numpy(ours)] = torch.from_numpy(np.asarray(other.table[rows])).to(self.table)
        return len(ours)

    def _means(self, tokens: Sequence[str]) -> tuple[Tensor, list[bool]]:
        """Return the vectors of the tokens that have one, [T, dim], and which tokens these are."""
        bags, sizes = self._bags(tokens)
        known = [len(bag) > 0 for bag in bags]
        filled = [bag for bag in bags if len(bag)]
        device = self.table.device
        flat = torch.from_numpy(np.concatenate([np.empty(0, np.int32), *filled])).long().to(device)
        starts = torch.tensor([0, *(len(bag) for bag in filled[:-1])], device=device).cumsum(0)[: len(filled)]
        sums = nn.functional.embedding_bag(flat, self.table, starts, mode="sum")
        return sums / torch.from_numpy(sizes[known]).to(device)[:, None], known

    def layers(self, x: Sequence[Sequence[str]], **masks: Tensor) -> list[Tensor]:
        """Return one layer: the vectors of the tokens that have one, [B, dim, T], padded with zeros."""
        return [nn.utils.rnn.pad_sequence(self._texts(x), batch_first=True).transpose(1, 2)]

    def forward(self, x: Sequence[Sequence[str]]) -> Tensor:
        """Map texts to the mean of their tokens' vectors, including unseen words, [B, dim], or to zeros."""
        return torch.stack([vectors.sum(0) / max(len(vectors), 1) for vectors in self._texts(x)])

    def _texts(self, x: Sequence[Sequence[str]]) -> list[Tensor]:
        """Return the vectors of the tokens of each text, [T, dim] each."""
        vectors, known = self._means([token for tokens in x for token in tokens])
        ends = np.cumsum([len(tokens) for tokens in x], dtype=np.int64)
        counts = np.diff(np.concatenate([[0], np.cumsum(known, dtype=np.int64)])[np.concatenate([[0], ends])])
        return list(torch.split(vectors, counts.tolist()))
