"""Generative pre-training: a causal Transformer that predicts the next token."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar, final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from selftaught.encoders.transformer import END, START, Transformer
from selftaught.errors import UserError
from selftaught.method import Encoder, Method, Outputs, Source
from selftaught.parts.large_softmax import cross_entropy
from selftaught.parts.reader import Reader
from selftaught.parts.sampling import draw
from selftaught.parts.writer import Writer
from selftaught.views.stream import Stream, StreamViews

TOGETHER = 16
"""Windows that are scored at a time."""


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
        UserError: The encoder is not a causal_transformer.
    """

    recipe: ClassVar[dict[str, Any]] = {
        "batch_size": 32, "lr": 1e-3, "betas": (0.9, 0.99), "weight_decay": 0.1, "clip": 1.0, "warmup": 0.05,
        "minutes": 2.0,
    }  # fmt: skip
    sees = ("text",)
    network = "causal_transformer"

    def __init__(self, encoder: Encoder) -> None:
        super().__init__()
        if not isinstance(encoder, Transformer) or not encoder.causal:
            raise UserError(f"gpt needs the encoder causal_transformer, not {encoder.spec['name']}")
        self.encoder: Transformer = encoder
        self.words = len(encoder.words)
        self.often = float(encoder.counts[0] / encoder.counts.sum())  # of always naming the most frequent token
        self.reader = Reader(encoder.spec["input"], encoder.index)
        self.views = StreamViews(encoder.index, encoder.context)

    def prepare(self, source: Source) -> None:
        """Do nothing: all shapes come from the encoder."""

    def forward(self, tokens: Tensor, **_: Any) -> Outputs:
        """Return the cross-entropy of the next token, and how often it is the most probable one.

        "chance" is the share of the most frequent token in the text that the encoder was made for.
        """
        h = self.encoder.hidden(tokens[:, :-1])[-1]  # [B, T, width]
        loss, right = cross_entropy(h.flatten(0, 1), self.encoder.token.weight, tokens[:, 1:].flatten())
        return {"loss": loss, "accuracy": right, "chance": self.often}

    # --- what was learned ---------------------------------------------------------------------------------------------

    def score(self, text: str) -> list[tuple[str, float]]:
        """Return the tokens of one sentence and its end, each with log P given the tokens before it.

        All unknown words share one probability.
        """
        return self.reader.scored(text, self.score_ids)

    def unknown(self, text: str) -> list[str]:
        """Return the tokens that are not in the vocabulary."""
        return self.reader.unknown(text)

    @torch.no_grad()
    def score_ids(self, ids: NDArray[np.int32], sentences: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return log P of the tokens and of the end of each sentence given all before, float64 [N + S].

        `ids`, int32 [N], are the encoder's word numbers. The sentences are one document. Each symbol sees at least half
        of the context, where there is so much before it.
        """
        reach, device = self.encoder.context, self.encoder.token.weight.device
        stream = Stream(ids, sentences, np.array([0, len(sentences) - 1]), self.words, max(reach // 2, 1), reach + 1)
        found = np.empty(stream.size)
        known = 1  # symbols before this place are scored; nothing predicts the first one
        for first in range(0, len(stream), TOGETHER):
            index = np.arange(first, min(first + TOGETHER, len(stream)))
            tokens = torch.from_numpy(stream.fetch(index)["tokens"]).to(device)
            y = self.logits(self.encoder.hidden(tokens[:, :-1])[-1]).log_softmax(2)
            log_p = y.gather(2, tokens[:, 1:, None])[..., 0].double().cpu().numpy()
            for place, row in zip((index * stream.length).tolist(), log_p, strict=True):
                last = min(place + reach + 1, stream.size)
                if last > known:
                    found[known:last] = row[known - place - 1 : last - place - 1]
                    known = last
        return found[1:]

    def logits(self, h: Tensor) -> Tensor:
        """Return the scores of the next symbol, float32 [..., V + 3], for its last vectors [..., width]."""
        return (h @ self.encoder.token.weight.T).float()

    @torch.no_grad()
    def generate(
        self, prompt: str, length: int, seed: int, temperature: float = 1.0, top_k: int = 0, top_p: float = 1.0
    ) -> Iterator[str]:
        """Yield what follows `prompt`, piece by piece, for up to `length` tokens; see `method.Generates`.

        The keys and values of earlier symbols are kept. When the context is full, its second half is read again.
        """
        device, context = self.encoder.token.weight.device, self.encoder.context
        generator = torch.Generator().manual_seed(seed)
        ids = self._prompt(prompt)
        write, cache, fresh = Writer(self.encoder.spec["input"], prompt), self.encoder.empty(1), ids[-context:]
        for _ in range(length):
            if cache.length + len(fresh) > context:
                cache, fresh = self.encoder.empty(1), ids[-(context // 2) :]
            h = self.encoder.hidden(torch.tensor([fresh], device=device), cache)[-1][0, -1]
            scores = self.logits(h).cpu()
            scores[self.words] = -torch.inf  # other words cannot be written
            symbol = draw(scores, generator, temperature, top_k, top_p)
            if symbol == self.words + START:  # the document ends
                return
            ids.append(symbol)
            fresh = [symbol]
            yield write("\n" if symbol == self.words + END else self.encoder.words[symbol])

    def _prompt(self, text: str) -> list[int]:
        """The numbers of the symbols of a beginning of a document: all its lines but the last have an end."""
        exact = self.reader.input["tokens"] == "exact"
        ids = [self.words + START]
        for number, line in enumerate([text] if exact else text.split("\n")):
            ids += [self.words + END] * (number > 0) + self.reader.ids(line).tolist()
        return ids
