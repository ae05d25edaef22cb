"""BERT: predict hidden tokens from both sides, and whether one text follows another."""

from __future__ import annotations

from typing import Any, ClassVar, final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from selftaught.encoders.transformer import Transformer, activation
from selftaught.errors import UserError
from selftaught.method import Encoder, Method, Outputs, Source, Terms
from selftaught.parts import gather, reader
from selftaught.parts.attended import attended
from selftaught.parts.large_softmax import cross_entropy
from selftaught.parts.reader import Reader
from selftaught.parts.shown import Pictures, Table
from selftaught.parts.symbols import MASK, spelt
from selftaught.parts.tokens import model_of
from selftaught.views.masked_pairs import MaskedPairs

ROWS = 64
"""Hidden places that are scored at a time."""


@final
class BERT(Method):
    """Predict hidden tokens of a text from what stands on both sides, and whether a second text follows the first.

    Devlin, Chang, Lee, Toutanova, NAACL 2019 (arXiv 1810.04805), "BERT: Pre-training of Deep Bidirectional Transformers
    for Language Understanding". A token that sees itself would have nothing to learn, so a share of the tokens is
    hidden, and each is predicted from all others. CBOW of word2vec is the same task with the mean of a few words in
    place of the network. With M the hidden places, h_t the last vector at t and E the vectors of the symbols::

        L = - 1/|M| sum_{t in M} log softmax( E g(h_t) + b )[u_t]  +  CE( W tanh(P h_0), second text follows )
        g(h) = LayerNorm(GELU(A h))

    Shapes: seen and tokens are int64 [B, T], T the encoder's context; hidden is bool [B, T]; follows is int64 [B].

    A sample is: start, text A, end, text B, end. B follows A in half of the samples, and is from a random place of
    another document in the others. Of the hidden tokens 80% are replaced by a mask, 10% stay and 10% become random
    words, so that the network cannot trust what it sees. They are drawn anew in every epoch. A tenth of the samples are
    shorter, of a random length.

    Departures: a passage is a line of the text, and a longer one is cut into pieces of half of the context; a random B
    also replaces a following one that does not exist, so that slightly less than half of the samples follow; one length
    of context instead of 128 first and then 512; no dropout by default, because a few minutes do not overfit
    (`--encoder.dropout 0.1` is the paper's); LayerNorm comes before attention (`--encoder.norm post` is the paper's); a
    small encoder; AdamW with betas 0.9 and 0.99 and a larger rate, for a few minutes.

    Args:
        share: Share of the tokens that are hidden.
        whole_words: Hide all byte pairs of a word together. Only for --tokens bpe:N.
        nsp: Predict whether the second text follows. Without it there is one text, as in RoBERTa.

    Raises:
        UserError: The encoder is not a transformer that looks both ways, or an argument is out of range.
    """

    recipe: ClassVar[dict[str, Any]] = {
        "batch_size": 32, "lr": 1e-3, "betas": (0.9, 0.99), "weight_decay": 0.1, "clip": 1.0, "warmup": 0.05,
        "minutes": 2.0,
    }  # fmt: skip
    sees = ("text",)
    network = "transformer"

    def __init__(self, encoder: Encoder, share: float = 0.15, whole_words: bool = False, nsp: bool = True) -> None:
        super().__init__()
        if not isinstance(encoder, Transformer) or encoder.causal:
            raise UserError(f"bert needs the encoder transformer, not {encoder.spec['name']}")
        if not 0 < share < 1 or encoder.context < 8:
            raise UserError(
                f"share of bert must be between 0 and 1, and the encoder's context at least 8, not {share} and "
                f"{encoder.context}"
            )
        how = encoder.spec["input"]["tokens"]
        if whole_words and model_of(how) is None:
            raise UserError("whole_words of bert needs words of several tokens: use --tokens bpe:8000, or leave it out")
        self.encoder: Transformer = encoder
        self.often = float(encoder.counts[0] / encoder.counts.sum())  # of always naming the most frequent token
        self.reader = Reader(encoder.spec["input"], encoder.index)
        self.views = MaskedPairs(
            encoder.words, encoder.index, encoder.context, share, nsp, how if whole_words else None
        )
        width = encoder.dim
        gelu, eps = encoder.spec["gelu"], encoder.spec["eps"]
        self.transform = nn.Sequential(nn.Linear(width, width), activation(gelu), nn.LayerNorm(width, eps))
        self.bias = nn.Parameter(torch.zeros(len(encoder.token.weight)))
        self.pooler = nn.Sequential(nn.Linear(width, width), nn.Tanh(), nn.Linear(width, 2)) if nsp else None
        for layer in (self.transform, *([self.pooler] if self.pooler is not None else [])):
            for linear in (m for m in layer if isinstance(m, nn.Linear)):
                nn.init.zeros_(linear.bias)

    def prepare(self, source: Source) -> None:
        """Do nothing: all shapes come from the encoder."""

    def terms(self) -> Terms:
        """Return the loss of hidden tokens, and that of pairs."""
        pairs: Terms = {"nsp": ("encoder", "pooler")} if self.pooler is not None else {}
        return {"mlm": ("encoder", "transform", "bias"), **pairs}

    def forward(
        self, tokens: Tensor, seen: Tensor, segment: Tensor, hidden: Tensor, there: Tensor, follows: Tensor, **_: Any
    ) -> Outputs:
        """Return the loss, and the share of hidden tokens and of pairs that are recognised.

        "chance" is the share of the most frequent token in the text that the encoder was made for.
        """
        h = self.encoder.hidden(seen, None, segment, mask=there)[-1]  # [B, T, width]
        g, target = self.transform(h[hidden]), tokens[hidden]  # [M, width], [M]
        loss, right = cross_entropy(g, self.encoder.token.weight, target, self.bias)
        # the mean over the hidden tokens of all ranks: theirs are not equally many
        count = torch.tensor(float(len(target)), device=loss.device)
        loss = loss * (count / gather.average(count.clone()).clamp(min=1))
        outputs: Outputs = {"mlm": loss, "accuracy": right, "chance": self.often}
        if self.pooler is not None:
            logits = self.pooler(h[:, 0])
            pairs = F.cross_entropy(logits, follows)
            loss = loss + pairs
            outputs |= {"nsp": pairs, "nsp_accuracy": (logits.argmax(1) == follows).float().mean()}
        return {"loss": loss, **outputs}

    def scores(self, g: Tensor) -> Tensor:
        """Return the scores of all symbols for transformed vectors [M, width], float32 [M, V + 4]."""
        return F.linear(g, self.encoder.token.weight, self.bias).float()

    unknown = reader.unknown

    @torch.no_grad()
    def pseudo_score(self, text: str) -> list[tuple[str, float]]:
        """Return the tokens of a text, each with log P given all others; see `method.PseudoScores`.

        Each in turn is hidden (Salazar, Liang, Nguyen, Kirchhoff, ACL 2020, arXiv 1910.14659). A text that is longer
        than the encoder's context is read in pieces.
        """
        tokens, room = self.reader.tokens(text), self.encoder.context - 2
        found = list[float]()
        for begin in range(0, len(tokens), room):
            ids = torch.tensor(self.encoder.numbers(tokens[begin : begin + room]), device=self.bias.device)
            for first in range(1, len(ids) - 1, ROWS):
                places = torch.arange(first, min(first + ROWS, len(ids) - 1), device=ids.device)
                seen = ids.repeat(len(places), 1)  # a row for each place, where it is hidden
                rows = torch.arange(len(places), device=ids.device)
                seen[rows, places] = len(self.encoder.words) + MASK
                h = self.encoder.hidden(seen)[-1][rows, places]
                found += reader.log_p(self.scores(self.transform(h)), ids[places]).tolist()
        return list(zip(tokens, found, strict=True))

    @torch.no_grad()
    def show(self, tokens: Tensor, seen: Tensor, hidden: Tensor, **batch: Any) -> list[Table | Pictures]:
        """Show hidden tokens with what is around them, and the three best guesses with their probabilities.

        Then where the tokens of the first text look.
        """
        h = self.encoder.hidden(seen, None, batch["segment"], mask=batch["there"])[-1]
        p, best = self.scores(self.transform(h[hidden])).softmax(1).topk(3)
        rows = []
        for (text, place), share, guess in zip(hidden.nonzero().tolist(), p.tolist(), best.tolist(), strict=True):
            around = self._text(seen[text, max(0, place - 6) : place]), self._text(seen[text, place + 1 : place + 7])
            guesses = [f"{self._text(torch.tensor([g]))} {100 * s:.0f}%" for g, s in zip(guess, share, strict=True)]
            rows.append([f"{around[0]} ___ {around[1]}", self._text(tokens[text, place : place + 1]), *guesses])
        first, there = seen[:1], batch["there"][0]
        weights = self.encoder.attention(first[:, there], batch["segment"][:1, there])
        names = [self._text(symbol[None]) for symbol in first[0, there]]
        return [
            Table("hidden tokens", ["around", "hidden", "first guess", "second", "third"], rows[:30]),
            *attended(names, [block[0] for block in weights]),
        ]

    def _text(self, ids: Tensor) -> str:
        return spelt(self.encoder.words, ids.tolist(), self.encoder.spec["input"]["tokens"])
