"""The neural probabilistic language model."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, ClassVar, final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from selftaught.errors import UserError
from selftaught.method import Encoder, Method, Outputs, Player, Source
from selftaught.parts import reader
from selftaught.parts.reader import Reader
from selftaught.parts.symbols import START
from selftaught.views.windows import Windows, WindowViews

CELLS = 1 << 24
"""Number of scores in memory at a time. Beyond it, rows are scored in parts, and again in the backward pass."""


@final
class NNLM(Method):
    """Neural language model that predicts the next word from the vectors of the previous words.

    Bengio, Ducharme, Vincent, Jauvin, JMLR 3, 2003, "A Neural Probabilistic Language Model". Words in similar contexts
    get similar vectors, so an unseen sentence is about as probable as the sentences that it resembles. Counts cannot do
    this. With C the shared vectors, n the order, V outcomes::

        x = [C(w_{t-n+1}); ...; C(w_{t-1})]        y = b + W x + U tanh(d + H x)        L = -log softmax(y)[w_t]

    Shapes: context int64 [B, n - 1] and target int64 [B]; x is [B, (n - 1) dim], y is [B, V]. C is the encoder's table
    with two more rows, for other words and for the padding before a sentence. V counts the encoder's words, other words
    and the end of a sentence.

    Defaults are small for a CPU: dim is the encoder's (--dim; the paper's networks have 30 to 100), n 4 (3 to 6), 64
    hidden units (50 to 100). Departures: batches and AdamW instead of single samples and SGD with a falling rate (use
    --optimizer sgd for SGD); C has no weight decay, so that rare words keep what they learned (in the paper only biases
    are exempt); C is initialised or rescaled to a mean squared length of 1; no mixture with a trigram model.

    Args:
        order: Order n, at least 2. A word is predicted from the n - 1 words before it.
        hidden: Units in the hidden layer, at least 1.
        direct: Use the direct connections W from x to y. Without them, y = b + U tanh(d + H x).

    Raises:
        UserError: An argument is out of range, or the encoder is not a table of word vectors.
    """

    recipe: ClassVar[dict[str, Any]] = {"batch_size": 512, "lr": 2e-3, "weight_decay": 1e-4, "minutes": 2.0}
    sees = ("text",)
    network = "lookup"
    unit = "words"

    def __init__(self, encoder: Encoder, order: int = 4, hidden: int = 64, direct: bool = True) -> None:
        super().__init__()
        if order < 2:
            raise UserError(f"order of nnlm must be at least 2, not {order}")
        if hidden < 1:
            raise UserError(f"hidden of nnlm must be at least 1, not {hidden}")
        table = getattr(encoder, "table", None)
        if not isinstance(table, nn.Parameter) or len(table) != len(getattr(encoder, "words", ())):
            raise UserError(
                f"nnlm needs one vector for each word, "
                f"which the encoder {encoder.spec['name']} does not have: use lookup"
            )
        self.encoder = encoder
        self.words = len(table)
        self.reader = Reader(encoder.spec["input"], encoder.index)  # type: ignore[arg-type]
        self.length = order - 1
        self.views = WindowViews(self.reader.index, self.length)
        width, outcomes = self.length * encoder.dim, self.words + 2
        # the encoder's initial values are too small for tanh; rescaling keeps the geometry of loaded vectors
        with torch.no_grad():
            table.div_(table.square().sum(1).mean().sqrt().clamp(min=1e-12))
        # other words, padding before the sentence
        self.special = nn.Parameter(torch.randn(2, encoder.dim) / math.sqrt(encoder.dim))
        self.H = nn.Linear(width, hidden)
        self.U = nn.Linear(hidden, outcomes)
        self.W = nn.Linear(width, outcomes, bias=False) if direct else None
        for layer in (self.U, *([self.W] if self.W is not None else [])):
            nn.init.normal_(layer.weight, std=0.01)  # at first every word is about as probable as any other
        nn.init.zeros_(self.U.bias)

    def prepare(self, source: Source) -> None:
        """Do nothing: all shapes come from the encoder."""

    def players(self) -> list[Player]:
        """Return one player. Its word vectors have no weight decay."""
        vectors = [self.encoder.get_parameter("table"), self.special]
        rest = [p for layer in (self.H, self.U, self.W) if layer is not None for p in layer.parameters()]
        return [Player("main", [{"params": vectors, "weight_decay": 0.0}, {"params": rest}])]

    def forward(self, context: Tensor, target: Tensor, **_: Any) -> Outputs:
        """Return the cross-entropy of the next token."""
        x, hidden = self.read(context)
        loss, parts = x.new_zeros(()), self._parts(len(context))
        for rows in parts:
            arguments = x[rows], hidden[rows], target[rows]
            loss = loss + (
                self._lost(*arguments) if len(parts) == 1 else checkpoint(self._lost, *arguments, use_reentrant=False)
            )
        return {"loss": loss / len(context)}

    def read(self, context: Tensor) -> tuple[Tensor, Tensor]:
        """Return x [B, (n - 1) dim] and the hidden layer [B, hidden] for context int64 [B, n - 1]."""
        known, table = context < self.words, self.encoder.get_parameter("table")
        vectors = F.embedding(context.clamp(max=self.words - 1), table)  # [B, n - 1, dim]
        others = F.embedding((context == self.words + START).long(), self.special)
        x = torch.where(known[..., None], vectors, others).flatten(1)
        return x, torch.tanh(self.H(x))

    def logits(self, x: Tensor, hidden: Tensor) -> Tensor:
        """Return the logits y [B, V]."""
        y: Tensor = self.U(hidden)
        return y if self.W is None else y + self.W(x)

    def _lost(self, x: Tensor, hidden: Tensor, target: Tensor) -> Tensor:
        return F.cross_entropy(self.logits(x, hidden).float(), target, reduction="sum")

    def _parts(self, rows: int) -> list[slice]:
        size = max(1, CELLS // (self.words + 2))
        return [slice(first, min(first + size, rows)) for first in range(0, rows, size)]

    # --- what was learned ---------------------------------------------------------------------------------------------

    score = reader.score
    unknown = reader.unknown

    @torch.no_grad()
    def score_ids(self, ids: NDArray[np.int32], sentences: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return log P of the tokens and of the end of each sentence, float64 [N + S].

        `ids`, int32 [N], are the encoder's word numbers.
        """
        windows, found = Windows(ids, sentences, self.words, self.length), []
        for context, target in self._batches(windows):
            found.append(reader.log_p(self.logits(*self.read(context)).double(), target))
        return np.concatenate(found) if found else np.zeros(0)

    def _batches(self, windows: Windows) -> Iterator[tuple[Tensor, Tensor]]:
        device, size = self.special.device, self._parts(512)[0].stop
        for first in range(0, len(windows), size):
            raw = windows.fetch(np.arange(first, min(first + size, len(windows))))
            yield torch.from_numpy(raw["context"]).to(device), torch.from_numpy(raw["target"]).to(device)
