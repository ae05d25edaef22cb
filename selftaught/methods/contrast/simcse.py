"""SimCSE: sentences that are recognised under another dropout."""

from __future__ import annotations

from typing import Any, ClassVar, final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from selftaught.encoders.transformer import Transformer
from selftaught.errors import UserError
from selftaught.method import Encoder, Method, Outputs, Planned, Source, Terms
from selftaught.parts.attended import attended
from selftaught.parts.gather import gather_with_gradient, rank
from selftaught.parts.shown import Pictures, Table
from selftaught.parts.streamed_info_nce import streamed_info_nce
from selftaught.parts.symbols import spelt
from selftaught.views.sentences import SentenceViews


@final
class SimCSE(Method):
    """Recognise a sentence that was encoded again, with other units dropped, among the other sentences of the batch.

    Gao, Yao, Chen, EMNLP 2021 (arXiv 2104.08821), "SimCSE: Simple Contrastive Learning of Sentence Embeddings", without
    labels. Words cannot be changed without changing the meaning, but a unit can be dropped: two passes of the same
    sentence through the network differ by their dropout alone. Other sentences are pushed apart, which spreads the
    vectors over the sphere. With h_i and h'_i the two encodings of sentence i behind a small head, and t the
    temperature::

        L = -1/N sum_i log( exp(cos(h_i, h'_i)/t) / sum_j exp(cos(h_i, h'_j)/t) )

    Shapes: tokens int64 [B, T] and there bool [B, T] are sentences and their padding; h and h' are [B, width]; N counts
    the samples of all ranks. Both passes are one batch, in which each row has a mask of its own.

    The head, a linear layer and tanh, is for training alone: the features are those before it. A model with good
    vectors of tokens is the better start: --init with a run of bert.

    Departures: the features are those that the encoder's `pool` says, by default the mean of the tokens, where the
    paper takes the vector of the start (`--encoder.pool first`); the head uses the same; a sentence is a line of the
    text, and a longer one is cut into pieces; an encoder of random weights and a larger rate, where the paper goes on
    from BERT with 3e-5 (--lr); no choice of a checkpoint by rated pairs; without the supervised form. In eval mode
    nothing is dropped, so that the task is trivial, and no accuracy is returned.

    Args:
        temperature: t, greater than 0.
        dropout: Probability of dropping a unit in the encoder, unless that has one of its own (--encoder.dropout).
        length: Most symbols of a sentence with its marks, at most the encoder's context.

    Raises:
        UserError: The encoder is no transformer that looks both ways, or an argument is out of range.
    """

    recipe: ClassVar[dict[str, Any]] = {
        "batch_size": 64, "lr": 5e-4, "weight_decay": 0.01, "clip": 1.0, "warmup": 0.05, "minutes": 2.0,
    }  # fmt: skip
    sees = ("text",)
    network = "transformer"
    distributed = "each rank draws the dropout of its own sentences"
    together = 2

    def __init__(self, encoder: Encoder, temperature: float = 0.05, dropout: float = 0.1, length: int = 32) -> None:
        super().__init__()
        if not isinstance(encoder, Transformer) or encoder.causal:
            raise UserError(f"simcse needs the encoder transformer, not {encoder.spec['name']}")
        if not temperature > 0 or not 0 < dropout < 1:
            raise UserError(
                f"temperature of simcse must be greater than 0 and dropout in (0, 1), without which both passes are "
                f"alike, not {temperature} and {dropout}"
            )
        if length < 3:
            raise UserError(f"length of simcse must be at least 3, a token and two marks, not {length}")
        self.encoder: Transformer = encoder
        self.temperature = temperature
        self.own = encoder.spec["dropout"] > 0
        if not self.own:
            for layer in (m for m in encoder.modules() if isinstance(m, nn.Dropout)):
                layer.p = dropout
        self.head = nn.Sequential(nn.Linear(encoder.dim, encoder.dim), nn.Tanh())
        self.views = SentenceViews(encoder.index, min(length, encoder.context), end=True)

    def prepare(self, source: Source) -> None:
        """Do nothing: all shapes come from the encoder."""

    def unused(self, planned: Planned) -> dict[str, str]:
        """Return the dropout, if the encoder has one of its own."""
        said = "dropout has no effect on an encoder with a dropout of its own: use --encoder.dropout"
        return super().unused(planned) | ({"dropout": said} if self.own else {})

    def terms(self) -> Terms:
        """Return the only term."""
        return {"loss": ("encoder", "head")}

    def forward(self, tokens: Tensor, there: Tensor, **_: Any) -> Outputs:
        """Return the loss over all ranks' sentences, and how often a sentence is recognised."""
        h = self.head(self.encoder.texts(torch.cat([tokens, tokens]), torch.cat([there, there])))  # [2B, width]
        z, other = F.normalize(h, dim=1).chunk(2)  # [B, width] each
        found = self.contrast(z, other, gather_with_gradient(other), rank() * len(other))
        return found if self.training else {"loss": found["loss"]}

    def contrast(self, z: Tensor, other: Tensor, everyone: Tensor, first: int) -> Outputs:
        """Return the loss of `z` [B, width], whose other passes are rows first, first + 1, ... of `everyone`."""
        mine = torch.arange(first, first + len(z), device=z.device)[:, None]
        return streamed_info_nce(z, (z * other).sum(1), everyone, self.temperature, exclude=mine)

    @torch.no_grad()
    def show(self, tokens: Tensor, there: Tensor, **_: Any) -> list[Table | Pictures]:
        """Show where the tokens of the longest of some sentences look."""
        row = int(there.sum(1).argmax())
        ids, how = tokens[row, there[row]], self.encoder.spec["input"]["tokens"]
        names = [spelt(self.encoder.words, [symbol], how) for symbol in ids.tolist()]
        return attended(names, [block[0] for block in self.encoder.attention(ids[None])])
