"""Documents as averaged word vectors, evaluated by their labels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from selftaught.errors import UserError
from selftaught.evaluate.embed import BATCH, batches
from selftaught.evaluate.probe import fresh, probe
from selftaught.evaluate.threads import pool as one_thread_each
from selftaught.evaluate.words.judge import vectors_of
from selftaught.method import Encoder, Source
from selftaught.parts.word_vectors import WordVectors
from selftaught.views import plain

Pool = Literal["mean", "sif"]
SMOOTH = 1e-3
"""a of the smooth inverse frequency. The weight of words rarer than one in a thousand is close to 1."""


def documents(
    encoder: Encoder, train: Source, test: Source, seed: int = 0, *, pool: Pool = "mean", **arguments: Any
) -> dict[str, Any]:
    """Run `evaluate.probe` on an encoder of text: each document is one vector and its label is the class.

    Args:
        encoder: The encoder to evaluate.
        train: Labelled documents.
        test: Labelled documents.
        seed: Seed of the splits and draws.
        pool: "mean": the encoder's own output, the mean of the word vectors of a document. "sif": see `Sif`.
        **arguments: Arguments of `evaluate.probe`.

    Raises:
        UserError: As `evaluate.probe`; if `pool` is unknown; with "sif" if the encoder has no word vectors.
    """
    if pool not in ("mean", "sif"):
        raise UserError(f"pool must be 'mean' or 'sif', not '{pool}'")
    if pool == "sif":
        before = arguments.pop("untrained", None) or fresh(encoder, seed)
        encoder, arguments["untrained"] = Sif.of(encoder, train), Sif.of(before, train)
    result = probe(encoder, train, test, seed, **arguments)
    result["protocol"]["pool"] = pool
    return result


@final
class Sif(Encoder):
    """Weighted mean of word vectors, with less weight for frequent words and without the common component.

    Arora, Liang and Ma 2017, "A Simple but Tough-to-Beat Baseline for Sentence Embeddings" (ICLR): a document s is v_s
    = 1/|s| sum over its words of a / (a + p(w)) v_w, and then v_s - u u^T v_s, where p(w) is the frequency of w in the
    corpus that the vectors were trained on, and u is the first singular vector of the v_s of the training documents
    (not centred).

    A word without a vector is skipped, in the sum and in |s|. A document without any is a vector of zeros.

    Args:
        vectors: Words, vectors and counts.
        input: The input of their encoder.
        smooth: a, greater than 0.

    Raises UserError if the vectors have no counts, or `smooth` is not above 0.
    """

    def __init__(self, vectors: WordVectors, input: dict[str, Any], smooth: float = SMOOTH) -> None:
        super().__init__()
        if vectors.counts is None:
            raise UserError("these vectors have no word counts, which 'sif' needs for its weights: use pool 'mean'")
        if not smooth > 0:
            raise UserError(f"smooth must be greater than 0, not {smooth}")
        self.vectors, self.dim = vectors, vectors.dim
        self.spec = {"name": "sif", "input": input, "smooth": smooth}
        self.weight = smooth / (smooth + vectors.counts / vectors.counts.sum())  # [V]
        self.register_buffer("common", torch.zeros(self.dim))
        self.common: Tensor
        # vectors of words without a row, each computed only once
        self._parts: dict[str, NDArray[np.float32] | None] = {}

    @classmethod
    def of(cls, encoder: Encoder, source: Source, smooth: float = SMOOTH, batch_size: int = BATCH) -> Sif:
        """Make it for the vectors of an encoder, with the common component of the documents of `source`."""
        made = cls(vectors_of(encoder), encoder.spec["input"], smooth)
        place = torch.device("cpu")
        total = np.zeros((made.dim, made.dim))
        for batch in batches(source, np.arange(len(source)), plain(made.spec["input"]), batch_size, place):
            x = made.pooled(batch["text"])
            total += x.T @ x
        made.common = torch.from_numpy(np.linalg.eigh(total)[1][:, -1].astype(np.float32))
        return made

    def pooled(self, x: Sequence[Sequence[str]]) -> NDArray[np.float64]:
        """[B, D]: weighted means, before the common component is removed."""
        found = np.zeros((len(x), self.dim))
        if self.vectors.unseen is not None:
            new = {token for tokens in x for token in tokens} - self.vectors.index.keys() - self._parts.keys()
            with one_thread_each():  # small sums, for which torch's thread synchronisation is too slow
                self._parts |= {token: self.vectors.vector(token) for token in sorted(new)}
        for row, tokens in zip(found, x, strict=True):
            rows = [index for token in tokens if (index := self.vectors.index.get(token)) is not None]
            parts = [vector for token in tokens if (vector := self._parts.get(token)) is not None]
            if rows or parts:
                # an unseen word has frequency 0 and weight 1
                row += self.weight[rows] @ self.vectors.matrix[rows]
                row += np.sum(parts, axis=0) if parts else 0
                row /= len(rows) + len(parts)
        return found

    def layers(self, x: Any, **masks: Tensor) -> list[Tensor]:
        """One layer: the documents, [B, D]."""
        v = torch.from_numpy(self.pooled(x)).to(self.common)
        return [v - (v @ self.common)[:, None] * self.common]

    def forward(self, x: Any) -> Tensor:
        """[B, D] of B lists of tokens."""
        return self.layers(x)[0]
