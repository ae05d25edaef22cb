"""ELMo: a language model in each direction, whose layers are the vectors of words in context."""

from __future__ import annotations

from typing import Any, ClassVar, final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from selftaught.encoders.lstm import LSTM
from selftaught.errors import UserError
from selftaught.method import Encoder, Method, Outputs, Source
from selftaught.parts import reader
from selftaught.parts.large_softmax import cross_entropy
from selftaught.parts.reader import Reader
from selftaught.views.stream import StreamViews, scored


@final
class ELMo(Method):
    """Predict the next token from those before it, and the one before from those after it, with one LSTM each.

    Peters, Neumann, Iyyer, Gardner, Clark, Lee, Zettlemoyer, NAACL 2018 (arXiv 1802.05365), "Deep Contextualized Word
    Representations". A word's meaning depends on its sentence, and so do the states of two language models that read
    up to the word from either side. With f_t and b_t the last vectors of the two directions at symbol t, and one
    softmax (W, d) for both::

        L = - 1/2 mean_t ( log softmax(W f_t + d)[u_{t+1}]  +  log softmax(W b_t + d)[u_{t-1}] )

    Shapes: tokens int64 [B, T + 1] is a window of the text, T the encoder's context; f and b are [B, T, width].

    What is kept is the encoder: each word has L + 1 vectors, of itself and of each layer. A task uses their mean, or
    learns gamma and s of gamma sum_j softmax(s)_j h_j (`parts/scalar_mix`). The vectors of characters and the softmax
    are shared by the directions, the LSTMs are not.

    Departures: the exact softmax instead of 8192 sampled words; windows of a stream, which may begin inside a sentence
    and go on over the borders of sentences and documents (marks are between them), and state that is never carried
    from one to the next, where the authors' batches go on where the last ones ended; rare words (`min_count`) are one
    symbol in training, and are read by their characters afterwards; the characters of a rare word are therefore not
    learned from; a small encoder (LSTMs of 4096 units, projected to 512, in the paper), with an eighth of its filters;
    no dropout by default, because a few minutes do not overfit (`--encoder.dropout 0.1` is the paper's); AdamW instead
    of Adagrad.

    Raises:
        UserError: The encoder is not an lstm with two directions.
    """

    recipe: ClassVar[dict[str, Any]] = {
        "batch_size": 64, "lr": 2e-3, "betas": (0.9, 0.99), "weight_decay": 0.01, "clip": 1.0, "warmup": 0.05,
        "minutes": 2.0,
    }  # fmt: skip
    sees = ("text",)
    network = "lstm"

    def __init__(self, encoder: Encoder) -> None:
        super().__init__()
        if not isinstance(encoder, LSTM) or encoder.causal:
            raise UserError(f"elmo needs the encoder lstm, not {encoder.spec['name']}")
        self.encoder: LSTM = encoder
        self.words = len(encoder.words)
        self.often = float(encoder.counts[0] / encoder.counts.sum())  # of always naming the most frequent token
        self.reader = Reader(encoder.spec["input"], encoder.index)
        self.views = StreamViews(encoder.index, encoder.context)
        self.softmax = nn.Linear(encoder.width, self.words + 3)
        nn.init.normal_(self.softmax.weight, std=0.02)  # at first every symbol is about as probable as any other
        nn.init.zeros_(self.softmax.bias)

    def prepare(self, source: Source) -> None:
        """Do nothing: all shapes come from the encoder."""

    def forward(self, tokens: Tensor, **_: Any) -> Outputs:
        """Return the mean cross-entropy of both directions, each of them, and how often they name the right token.

        "chance" is the share of the most frequent token in the text that the encoder was made for.
        """
        h = self.encoder.hidden(tokens)[-1]  # [B, T + 1, 2 width]
        width, w, bias = self.encoder.width, self.softmax.weight, self.softmax.bias
        f, b = h[:, :-1, :width].flatten(0, 1), h[:, 1:, width:].flatten(0, 1)  # [B T, width]
        after, right_after = cross_entropy(f, w, tokens[:, 1:].flatten(), bias)
        before, right_before = cross_entropy(b, w, tokens[:, :-1].flatten(), bias)
        return {
            "loss": (after + before) / 2, "forwards": after.detach(), "backwards": before.detach(),
            "accuracy": (right_after + right_before) / 2, "chance": self.often,
        }  # fmt: skip

    # --- what was learned ---------------------------------------------------------------------------------------------

    score = reader.score
    unknown = reader.unknown

    @torch.no_grad()
    def score_ids(self, ids: NDArray[np.int32], sentences: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return log P of the tokens and of the end of each sentence by the forward direction, float64 [N + S].

        `ids`, int32 [N], are the encoder's word numbers. The sentences are one document. Each symbol sees at least half
        of the context, where there is so much before it.
        """
        return scored(ids, sentences, self.words, self.encoder.context, self._log_p)

    def _log_p(self, tokens: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return log P of all symbols but the first of windows [B, T + 1], given those before them: [B, T]."""
        ids = torch.from_numpy(tokens).to(self.softmax.weight.device)
        f = self.encoder.stacks[0](self.encoder.embedded(ids[:, :-1]))[-1]
        return reader.log_p(self.softmax(f).float(), ids[:, 1:])
