"""A model of the fastText tool: words, labels, the table of words and hashed n-grams, and the output vectors.

`export/fasttext_bin` writes and reads it as a file.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, final, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from selftaught.errors import UserError
from selftaught.parts.subword_rows import SubwordRows
from selftaught.parts.word_vectors import Subworded, WordVectors

ARGUMENTS = (
    "dim", "ws", "epoch", "minCount", "neg", "wordNgrams", "loss", "model", "bucket", "minn", "maxn", "lrUpdateRate",
)  # fmt: skip
"""Integers that a file holds, in its order."""
LOSSES = {"hierarchical": 1, "negative": 2, "softmax": 3, "one_vs_all": 4}
MODELS = {"cbow": 1, "skipgram": 2, "supervised": 3}
LABEL = "__label__"
"""The beginning of a label in the tool's files."""
Table = Any
"""float32 [rows, dim], or a `Scattered`, which is read in slices."""


@final
class Scattered:
    """The table of a file, made slice by slice: V words, then a row for each bucket, zeros for those without one.

    Args:
        rows: The table with what its rows are of.
    """

    def __init__(self, rows: SubwordRows) -> None:
        self.rows = rows
        self.shape = len(rows.words) + len(rows.row_of), rows.dim

    def __getitem__(self, part: slice) -> NDArray[np.float32]:
        size = len(self.rows.words)
        begin, end, _ = part.indices(self.shape[0])
        found = np.zeros((max(end - begin, 0), self.shape[1]), np.float32)
        words = max(min(end, size) - begin, 0)
        found[:words] = self.rows.table[begin : begin + words]
        at = self.rows.row_of[max(begin, size) - size : max(end - size, 0)]
        found[words:][at >= 0] = self.rows.table[at[at >= 0]]
        return found


@final
@dataclass(frozen=True, eq=False)
class Model:
    """What a file holds.

    Args:
        arguments: The values of `ARGUMENTS`, and "t", the threshold of subsampling.
        words: V words as bytes.
        counts: int64 [V + K], of the words, then of the labels.
        table: float32 [V + bucket, dim].
        out: float32 [V, dim], or [K, dim] if it is supervised.
        labels: K labels as bytes, with their prefix; empty unless it is supervised.
    """

    arguments: dict[str, float]
    words: Sequence[bytes]
    counts: NDArray[np.int64]
    table: Table
    out: NDArray[np.float32]
    labels: Sequence[bytes] = field(default=())

    @property
    def maxn(self) -> int:
        """The largest number of characters of an n-gram, 0 for none."""
        return int(self.arguments["maxn"]) if self.arguments["bucket"] else 0


@runtime_checkable
class Convertible(Protocol):
    """A method that can be written as a model of the fastText tool."""

    def fasttext_model(self, classes: Sequence[str]) -> Model:
        """Return the model. `classes` are the names of the classes that it was trained on, if any.

        Raises UserError if the tool has no model like this one.
        """


def of_words(
    vectors: WordVectors, rows: SubwordRows | None, out: NDArray[np.float32] | None = None, **said: Any
) -> Model:
    """Return the model with these word vectors, and those of n-grams if `rows` has them.

    Args:
        vectors: The words and their vectors.
        rows: The table of words and n-grams that they are means of.
        out: The output vectors of the words, by default zeros, with which training cannot go on.
        **said: Arguments that are not the tool's defaults.
    """
    counts = np.ones(len(vectors), np.int64) if vectors.counts is None else vectors.counts
    grams = rows is not None and rows.maxn > 0
    arguments = {
        "dim": vectors.dim, "ws": 5, "epoch": 5, "minCount": 1, "neg": 5, "wordNgrams": 1, "loss": LOSSES["negative"],
        "model": MODELS["skipgram"], "bucket": 0, "minn": 0, "maxn": 0, "lrUpdateRate": 100, "t": 1e-4,
    }  # fmt: skip
    if rows is not None and grams:
        arguments |= {"bucket": rows.bucket, "minn": rows.minn, "maxn": rows.maxn}
    return Model(
        arguments | said,
        [word.encode("utf-8", "surrogatepass") for word in vectors.words],
        counts,
        Scattered(rows) if rows is not None and grams else vectors.matrix,
        np.zeros(vectors.matrix.shape, np.float32) if out is None else out,
    )


def of_classifier(
    encoder: Any,
    classes: Sequence[str],
    texts: NDArray[np.int64],
    out: NDArray[np.float32],
    loss: str,
    runs: tuple[NDArray[np.int32], NDArray[np.float32], int, int],
) -> Model:
    """Return the supervised model of averaged word vectors.

    The tool sorts labels by their number of texts. For its tree of the classes it also joins the two lightest trees,
    but of two that weigh the same it takes another one first than `parts/huffman`, and it turns right where that turns
    left. So the counts n of the labels are written as 2 K n + 1, which have the same order, and are less than a sum of
    others where the counts themselves are equal to it.

    Args:
        encoder: The encoder of the words, with or without n-grams.
        classes: K names.
        texts: Number of texts of each class, int64 [K].
        out: Vectors of the classes [K, dim], or of the inner nodes of their tree [K - 1, dim].
        loss: A key of `LOSSES`.
        runs: The buckets of the runs of words, int32 [R], their vectors [R, dim], the number of buckets, and the
            largest number of words in a run.

    Raises UserError if it has n-grams of characters and runs of words, which share their rows in the tool.
    """
    seen, vectors, bucket, longest = runs
    words = encoder.word_vectors()
    rows = encoder.subword_rows() if isinstance(encoder, Subworded) else None
    if rows is not None and rows.maxn and longest > 1:
        raise UserError(
            "a classifier with character n-grams and runs of words cannot be a fastText model, where both share one "
            "table: train it with --word-ngrams 1, or with --encoder lookup"
        )
    if longest > 1:
        row_of = np.full(bucket, -1, np.int32)
        row_of[seen] = np.arange(len(seen), dtype=np.int32) + len(words)
        rows = SubwordRows(words.words, words.counts, np.concatenate([words.matrix, vectors]), row_of, 0, 0, bucket)
    order = np.argsort(-texts, kind="stable")
    counts = texts[order]
    if loss == "hierarchical":
        counts = 2 * len(texts) * counts + 1
        out = np.concatenate([-out, np.zeros((1, out.shape[1]), np.float32)])  # the tool keeps an unused row
    else:
        out = out[order]
    made = of_words(words, rows, out, model=MODELS["supervised"], loss=LOSSES[loss], wordNgrams=longest)
    arguments = made.arguments | ({"bucket": bucket} if longest > 1 else {})
    table = Scattered(rows) if longest > 1 and rows is not None else made.table
    labels = [f"{LABEL}{classes[k] if k < len(classes) else k}".encode("utf-8", "replace") for k in order.tolist()]
    return Model(arguments, made.words, np.concatenate([made.counts, counts]), table, made.out, labels)
