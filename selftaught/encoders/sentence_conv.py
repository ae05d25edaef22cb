"""A convolution over the words of a sentence, and their mean: the encoder of CPC for text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, Literal, final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from selftaught.errors import UserError
from selftaught.method import Encoder
from selftaught.parts.frequent import frequent

SMALL = {"width": 16, "dim": 12, "min_count": 1}
"""Arguments of a small encoder for quick trials."""


@final
class SentenceConv(Encoder):
    """Vectors of words, a convolution over each with its neighbours, and the mean or the maximum over the sentence.

    van den Oord, Li, Vinyals 2018 (arXiv 1807.03748), section 3.3: z = pool_t relu(sum_k W_k v_{t+k} + b).

    Args:
        input: ``{"kind": "text", "tokens": ..., "lower": ..., "words": [V], "counts": [V]}``, most frequent first.
        width: Dimension of a word's vector.
        dim: Filters of the convolution, and dimension of the features.
        kernel: Words that a filter sees, an odd number.
        min_count: Smallest count of a known word. All others have one vector.
        pool: mean over the words, as in the paper, or max.

    Raises UserError when the input is not text, or an argument is out of range.
    """

    sees = ("text",)

    def __init__(
        self,
        input: Mapping[str, Any],
        width: int = 128,
        dim: int = 256,
        kernel: int = 3,
        min_count: int = 2,
        pool: Literal["mean", "max"] = "mean",
    ) -> None:
        super().__init__()
        if min(width, dim, kernel) < 1 or kernel % 2 == 0 or pool not in ("mean", "max"):
            raise UserError(
                f"width, dim and kernel of encoder sentence_conv must be at least 1, kernel odd and pool mean or max, "
                f"not {width}, {dim}, {kernel} and '{pool}'"
            )
        self.words, self.counts, kept = frequent(input, min_count, "sentence_conv")
        self.spec = {
            "name": "sentence_conv", "input": kept, "width": width, "dim": dim, "kernel": kernel,
            "min_count": min_count, "pool": pool,
        }  # fmt: skip
        self.dim, self.pool = dim, pool
        self.token = nn.Embedding(len(self.words) + 1, width)  # the last is of all other words
        self.conv = nn.Conv1d(width, dim, kernel, padding=kernel // 2)
        nn.init.kaiming_normal_(self.conv.weight, nonlinearity="relu")

    @cached_property
    def index(self) -> dict[str, int]:
        """The number of each known word."""
        return {word: row for row, word in enumerate(self.words)}

    def codes(self, ids: Tensor, there: Tensor) -> Tensor:
        """Return z of sentences, [B, dim], for word numbers int64 [B, T] and where there is a word, bool [B, T].

        Padding is at the end and changes nothing; a sentence without a word is zeros.
        """
        h = self._filtered(ids, there)
        if self.pool == "max":
            return h.amax(2)  # rectified, so that zeros of the padding are never above
        return h.sum(2) / there.sum(1, keepdim=True).clamp(min=1)

    def _filtered(self, ids: Tensor, there: Tensor) -> Tensor:
        """Return the rectified convolution, [B, dim, T], zero where there is no word."""
        v = self.token(ids) * there[..., None]
        found: Tensor = F.relu(self.conv(v.transpose(1, 2))) * there[:, None]
        return found

    def layers(self, x: Any, **masks: Tensor) -> list[Tensor]:
        """Return the vectors of the words and the convolution, [B, width or dim, T], padded with zeros."""
        ids, there = self._numbered(x)
        v = self.token(ids) * there[..., None]
        return [v.transpose(1, 2), self._filtered(ids, there)]

    def forward(self, x: Any, **masks: Tensor) -> Tensor:
        """Map B lists of tokens to features [B, dim]."""
        return self.codes(*self._numbered(x))

    def _numbered(self, texts: Sequence[Sequence[str]]) -> tuple[Tensor, Tensor]:
        device, other = self.token.weight.device, len(self.words)
        rows = [torch.tensor([self.index.get(token, other) for token in tokens]) for tokens in texts]
        ids = nn.utils.rnn.pad_sequence([row.long() for row in rows], batch_first=True)
        ids = F.pad(ids, (0, int(ids.shape[1] == 0)))  # a convolution needs a place
        there = torch.arange(ids.shape[1]) < torch.tensor([len(row) for row in rows])[:, None]
        return ids.to(device), there.to(device)
