"""Generative pre-training: a causal network, such as a Transformer, that predicts the next token."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar, cast, final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from selftaught.encoders.transformer import Transformer
from selftaught.errors import UserError
from selftaught.method import Encoder, Method, Outputs, ReadsOn, Source
from selftaught.parts import reader
from selftaught.parts.attended import attended
from selftaught.parts.large_softmax import cross_entropy
from selftaught.parts.reader import Reader
from selftaught.parts.sampling import draw
from selftaught.parts.shown import Pictures, Table
from selftaught.parts.symbols import END, START, spelt
from selftaught.parts.tokens import joined
from selftaught.parts.writer import Writer
from selftaught.views.stream import StreamViews, scored

SAMPLES, PROMPT, WRITTEN = 6, 8, 30
"""Texts in the report: their number, the tokens that they begin with, and those that are written."""


@final
class GPT(Method):
    """Language model that predicts the next token from all tokens before it, by attention.

    Radford, Narasimhan, Salimans, Sutskever 2018, "Improving Language Understanding by Generative Pre-Training". What
    helps to guess the next token, such as topic, grammar and facts, ends up in the vectors of the tokens before it.
    With h_t the last vector of symbol t, which saw u_1 .. u_t, and E the vectors of all V symbols::

        L = - mean_t log softmax(E h_t)[u_{t+1}]

    Shapes: tokens int64 [B, T + 1] is a window of the text, T the encoder's context; h is [B, T, width].

    The text is one stream: each document is a start, then its sentences, each with an end. A window begins at a random
    place, anew in every epoch. E is the table that the encoder reads with (tied weights). Scores of tokens are computed
    in parts, see `parts/large_softmax`.

    Departures: LayerNorm comes before attention and MLP, as in GPT-2 (`--encoder.norm post` is GPT's); no dropout by
    default, because a few minutes do not overfit (`--encoder.dropout 0.1` is the paper's); a small encoder (12 blocks
    of width 768 and a context of 512 in the paper); windows may begin inside a sentence and go on over the borders of
    documents, which the start marks; AdamW with betas 0.9 and 0.99 and a larger rate, for a few minutes.

    Raises:
        UserError: The encoder does not read on from what is before: see `method.ReadsOn`.
    """

    recipe: ClassVar[dict[str, Any]] = {
        "batch_size": 32, "lr": 1e-3, "betas": (0.9, 0.99), "weight_decay": 0.1, "clip": 1.0, "warmup": 0.05,
        "minutes": 2.0,
    }  # fmt: skip
    sees = ("text",)
    network = "causal_transformer"

    def __init__(self, encoder: Encoder) -> None:
        super().__init__()
        if not isinstance(encoder, ReadsOn) or not encoder.causal:
            raise UserError(f"gpt needs the encoder causal_transformer or causal_lstm, not {encoder.spec['name']}")
        self.encoder = encoder
        self.words = len(encoder.words)
        self.often = float(encoder.counts[0] / encoder.counts.sum())  # of always naming the most frequent token
        self.reader = Reader(encoder.spec["input"], encoder.index)
        self.views = StreamViews(encoder.index, encoder.context)

    @property
    def body(self) -> ReadsOn:
        """The encoder."""
        return cast(ReadsOn, self.encoder)

    def prepare(self, source: Source) -> None:
        """Do nothing: all shapes come from the encoder."""

    def forward(self, tokens: Tensor, **_: Any) -> Outputs:
        """Return the cross-entropy of the next token, and how often it is the most probable one.

        "chance" is the share of the most frequent token in the text that the encoder was made for.
        """
        h = self.body.hidden(tokens[:, :-1])[-1]  # [B, T, width]
        loss, right = cross_entropy(h.flatten(0, 1), self.body.table, tokens[:, 1:].flatten())
        return {"loss": loss, "accuracy": right, "chance": self.often}

    # --- what was learned ---------------------------------------------------------------------------------------------

    score = reader.score
    unknown = reader.unknown

    @torch.no_grad()
    def score_ids(self, ids: NDArray[np.int32], sentences: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return log P of the tokens and of the end of each sentence given all before, float64 [N + S].

        `ids`, int32 [N], are the encoder's word numbers. The sentences are one document. Each symbol sees at least half
        of the context, where there is so much before it.
        """
        return scored(ids, sentences, self.words, self.body.context, self._log_p)

    def _log_p(self, tokens: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return log P of all symbols but the first of windows [B, T + 1], given those before them: [B, T]."""
        ids = torch.from_numpy(tokens).to(self.body.table.device)
        return reader.log_p(self.logits(self.body.hidden(ids[:, :-1])[-1]), ids[:, 1:])

    def logits(self, h: Tensor) -> Tensor:
        """Return the scores of the next symbol, float32 [..., V + 3], for its last vectors [..., width]."""
        return (h @ self.body.table.T).float()

    @torch.no_grad()
    def generate(
        self, prompt: str, length: int, seed: int, temperature: float = 1.0, top_k: int = 0, top_p: float = 1.0
    ) -> Iterator[str]:
        """Yield what follows `prompt`, piece by piece, for up to `length` tokens; see `method.Generates`.

        The keys and values of earlier symbols are kept. When the context is full, its second half is read again.
        """
        body, device, context = self.body, self.body.table.device, self.body.context
        generator = torch.Generator().manual_seed(seed)
        ids = self._prompt(prompt)
        write, cache, fresh = Writer(self.encoder.spec["input"], prompt), body.empty(1), ids[-context:]
        for _ in range(length):
            if cache.length + len(fresh) > context:
                cache, fresh = body.empty(1), ids[-(context // 2) :]
            h = body.hidden(torch.tensor([fresh], device=device), cache)[-1][0, -1]
            scores = self.logits(h).cpu()
            scores[self.words] = -torch.inf  # other words cannot be written
            symbol = draw(scores, generator, temperature, top_k, top_p)
            if symbol == self.words + START:  # the document ends
                return
            ids.append(symbol)
            fresh = [symbol]
            yield write("\n" if symbol == self.words + END else body.words[symbol])

    @torch.no_grad()
    def show(self, tokens: Tensor, **_: Any) -> list[Table | Pictures]:
        """Show what is written after the beginnings of some windows, drawn and most probable, and where tokens look."""
        rows = []
        for number, window in enumerate(tokens[:SAMPLES]):
            known = [self.body.words[i] for i in window[:PROMPT].tolist() if i < self.words]
            prompt = joined(known, self.encoder.spec["input"]["tokens"])
            drawn, best = ("".join(self.generate(prompt, WRITTEN, number, t)) for t in (0.8, 0.0))
            rows.append([prompt, drawn, best])
        found: list[Table | Pictures] = [
            Table("samples", ["beginning", "drawn, temperature 0.8", "most probable"], rows)
        ]
        if isinstance(self.encoder, Transformer):
            how = self.encoder.spec["input"]["tokens"]
            names = [spelt(self.encoder.words, [i], how) for i in tokens[0, :-1].tolist()]
            found += attended(names, [block[0] for block in self.encoder.attention(tokens[:1, :-1])])
        return found

    def _prompt(self, text: str) -> list[int]:
        """The numbers of the symbols of a beginning of a document: all its lines but the last have an end."""
        exact = self.reader.input["tokens"] == "exact"
        ids = [self.words + START]
        for number, line in enumerate([text] if exact else text.split("\n")):
            ids += [self.words + END] * (number > 0) + self.reader.ids(line).tolist()
        return ids
