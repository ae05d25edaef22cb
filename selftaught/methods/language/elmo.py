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
from selftaught.parts.shown import Table
from selftaught.parts.spread import spread
from selftaught.parts.symbols import spelt
from selftaught.views.occurrences import Occurrences
from selftaught.views.stream import Stream, StreamViews, scored

CANDIDATES, LEAST, MOST = 48, 12, 32
"""Words whose occurrences are compared for the report; fewest and most occurrences of each."""
TOLD, AROUND = 5, 6
"""Words that are shown, and the tokens on either side."""


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
        self.text: Stream | None = None

    def prepare(self, source: Source) -> None:
        """Keep the text, so that words can be shown in it. All shapes come from the encoder."""
        self.text = source if isinstance(source, Stream) else None

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

    @torch.no_grad()
    def show(self, **_: Any) -> list[Table]:
        """Show words that mean several things: two occurrences that are unlike, and the nearest ones of each.

        Candidates are words of all frequencies, except the most frequent ones, which make up half of the text. Those
        whose vectors in context are spread most are shown. Without the text nothing is.
        """
        if self.text is None:
            return []
        found = Occurrences(self.text)
        texts, vectors = [], []
        for word in self._candidates(found.counts):
            windows, at = found.windows(found.places(word, MOST), self.encoder.context)
            vectors.append(self.in_context(windows, at))
            texts.append([self._around(row, place) for row, place in zip(windows.tolist(), at.tolist(), strict=True)])
        if not vectors:
            return []
        centre = torch.cat(vectors).mean(0)
        unit = [nn.functional.normalize(h - centre, dim=1) for h in vectors]
        several = sorted(range(len(unit)), key=lambda i: -float(spread(unit[i])))[:TOLD]
        rows = [row for i in several for row in _senses(vectors[i], texts[i])]
        return [Table("words in context", ["occurrence", "nearest", "second", "third"], rows)] if rows else []

    def in_context(self, windows: NDArray[np.int64], at: NDArray[np.int64]) -> Tensor:
        """Return the last vectors [K, 2 width] of the symbols at places int64 [K] of windows int64 [K, T]."""
        ids = torch.from_numpy(windows).to(self.softmax.weight.device)
        h = self.encoder.hidden(ids)[-1]
        return h[torch.arange(len(h), device=h.device), torch.from_numpy(at).to(h.device)].float()

    def _candidates(self, counts: NDArray[np.int64]) -> list[int]:
        share = np.cumsum(counts) / max(int(counts.sum()), 1)
        possible = [
            word for word in np.flatnonzero((share > 0.5) & (counts >= LEAST)).tolist()
            if self.encoder.words[word].isalpha()
        ]  # fmt: skip
        return (
            [possible[i] for i in np.unique(np.geomspace(1, len(possible), CANDIDATES).astype(int)) - 1]
            if possible
            else []
        )

    def _around(self, window: list[int], at: int) -> str:
        words = self.encoder.words
        left, right = window[max(0, at - AROUND) : at], window[at + 1 : at + 1 + AROUND]
        return f"{spelt(words, left)} [{spelt(words, window[at : at + 1])}] {spelt(words, right)}".strip()


def _senses(vectors: Tensor, texts: list[str]) -> list[list[str]]:
    """Return the two occurrences of a word that are most unlike, each with the three most similar other ones.

    Vectors [K, D] are compared without their mean, which is what the word has in all contexts.
    """
    kept = sorted({text: row for row, text in enumerate(texts)}.values())  # a text that is repeated tells nothing
    if len(kept) < 4:
        return []
    texts = [texts[row] for row in kept]
    unit = nn.functional.normalize(vectors[kept] - vectors[kept].mean(0), dim=1)
    cosines = unit @ unit.T
    rows = []
    for row in sorted(divmod(int(cosines.argmin()), len(texts))):
        near = cosines[row].clone()
        near[row] = -torch.inf
        best = near.topk(3).indices.tolist()
        rows.append([texts[row], *(f"{float(near[other]):.2f} {texts[other]}" for other in best)])
    return rows
