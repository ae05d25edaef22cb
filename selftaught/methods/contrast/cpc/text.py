"""Contrastive predictive coding of text: sentences foretell the sentences that follow them."""

from __future__ import annotations

from typing import Any, ClassVar, final

import torch
from torch import Tensor, nn

from selftaught.encoders.sentence_conv import SentenceConv
from selftaught.errors import UserError
from selftaught.method import Encoder, Method, Outputs, Terms
from selftaught.parts import gather
from selftaught.parts.gather import gather_with_gradient, rank
from selftaught.parts.info_nce import info_nce
from selftaught.views.successions import SuccessionViews


@final
class CPC(Method):
    """Predict the codes of the next sentences from a summary of the sentences so far, with a contrastive loss.

    van den Oord, Li, Vinyals 2018 (arXiv 1807.03748), "Representation Learning with Contrastive Predictive Coding",
    section 3.3. A sentence is encoded by itself; a recurrent network summarises the codes up to it. The summary must
    identify the true code some sentences later among those of other sentences. What helps is what lasts: topic, style
    and facts, not the single word.

    With z_s the code of sentence s, c_s = GRU(z_1 .. z_s) and Z the codes of all sentences of the batch::

        f_k(z, c) = exp(z^T W_k c)        L = -mean_sk log( f_k(z_s+k, c_s) / sum_{z in Z} f_k(z, c_s) )

    Shapes: tokens int64 [B, S, T] and there bool [B, S, T] are S successive sentences of T words; z is [B, S, D] and c
    is [B, S, hidden]. The context itself, the sentences up to s, and sentences without a word are no candidates, on any
    rank; the others of the same document are, so that its topic alone is no answer.

    What is kept is the encoder of a sentence; a document is one long sentence to it.

    Departures: the loss is the mean over steps, not the sum; smaller networks than the paper's 2400 units
    (`--encoder.dim`, `--hidden`); words of the text instead of a vocabulary extended by word2vec; a sentence is a line
    of the text, or `most` words of a longer one; AdamW for a few minutes.

    Args:
        steps: Number of sentences ahead that are predicted, 1 to steps.
        length: Sentences of a sample, more than one.
        hidden: Units of the recurrent network. 0 = the width of the codes.
        most: Most words of a sentence; a longer one is read as several.

    Raises:
        UserError: The encoder is no sentence_conv, an argument is out of range, or no document has two sentences.
    """

    recipe: ClassVar[dict[str, Any]] = {
        "batch_size": 32, "lr": 1e-3, "weight_decay": 0.01, "clip": 1.0, "warmup": 0.05, "minutes": 2.0,
    }  # fmt: skip
    network = "sentence_conv"

    def __init__(self, encoder: Encoder, steps: int = 3, length: int = 8, hidden: int = 0, most: int = 64) -> None:
        super().__init__()
        if not isinstance(encoder, SentenceConv):
            raise UserError(f"cpc of text needs the encoder sentence_conv, not {encoder.spec['name']}")
        if min(steps, most) < 1 or length < 2 or hidden < 0 or steps >= length:
            raise UserError(
                f"steps and most of cpc must be at least 1, length greater than steps and hidden at least 0, not "
                f"{steps}, {most}, {length} and {hidden}"
            )
        self.encoder: SentenceConv = encoder
        self.steps = steps
        self.views = SuccessionViews(encoder.index, length, 2, most)
        self.context = nn.GRU(encoder.dim, hidden or encoder.dim, batch_first=True)
        self.maps = nn.ModuleList(nn.Linear(hidden or encoder.dim, encoder.dim, bias=False) for _ in range(steps))
        for w in self.maps.children():
            nn.init.xavier_normal_(w.get_parameter("weight"))

    def terms(self) -> Terms:
        """Return the only term: it moves contexts and targets."""
        return {"loss": ("encoder", "context", "maps")}

    def forward(self, tokens: Tensor, there: Tensor, **_: Any) -> Outputs:
        """Return the contrastive loss, averaged over all predictions, and how often the true sentence is found."""
        z = self.encoder.codes(tokens.flatten(0, 1), there.flatten(0, 1)).unflatten(0, tokens.shape[:2])  # [B, S, D]
        c, _ = self.context(z)  # [B, S, hidden]
        return self.predict(z, c, there.any(2))

    def predict(self, z: Tensor, c: Tensor, real: Tensor) -> Outputs:
        """Return the loss of the predictions of codes z [B, S, D] from contexts c [B, S, hidden].

        `real`, bool [B, S], is whether there is a sentence.
        """
        everyone = gather_with_gradient(z.flatten(0, 1))  # [N S, D]
        known = gather_with_gradient(real.flatten().to(z)) > 0.5  # [N S]
        batch, size = real.shape
        place = torch.arange(len(everyone), device=z.device)
        found = []
        for k, w in enumerate(self.maps, 1):
            query = w(c[:, : size - k])  # [B, S - k, D]
            row, s = (real[:, : size - k] & real[:, k:]).nonzero(as_tuple=True)  # [Q] each
            query, first = query[row, s], (rank() * batch + row) * size  # where the own document begins
            aim = (query * z[row, s + k]).sum(1)
            table = query @ everyone.T  # [Q, N S]
            own = (place >= first[:, None]) & (place <= (first + s)[:, None])  # the context
            away = own | (place == (first + s + k)[:, None]) | ~known
            found.append((aim, table.masked_fill(away, -torch.inf)))
        positive, negative = (torch.cat(part) for part in zip(*found, strict=True))
        outputs: Outputs = info_nce(positive, negative)
        # the mean over the predictions of all ranks: theirs are not equally many
        count = torch.tensor(float(len(positive)), device=z.device)
        return outputs | {"loss": outputs["loss"] * (count / gather.average(count.clone()))}
