"""What reads the rows of a task: an encoder, its new symbols, and what mixes its layers."""

from __future__ import annotations

from typing import Any, final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from selftaught.encoders.lstm import LSTM
from selftaught.evaluate.texts.rows import Body
from selftaught.evaluate.texts.training import Training
from selftaught.method import Clock, Encoder, Player
from selftaught.parts.large_softmax import cross_entropy
from selftaught.parts.scalar_mix import ScalarMix
from selftaught.parts.still import still
from selftaught.parts.symbols import END


@final
class Reading(nn.Module):
    """An encoder that reads rows of symbols for a head.

    - A causal one (GPT) has two new symbols, the delimiter and the extract, whose vectors are learned.
    - One that looks both ways (BERT) is used as it is.
    - An lstm (ELMo) gives gamma sum_j softmax(s)_j h_j of its layers, read by an LSTM in each direction.

    Frozen, a copy of the encoder is read, in eval mode without gradients, and an end of a sentence stands for the new
    symbols, so that nothing but the head (with ELMo's mix and LSTM) is learned.

    Args:
        encoder: The encoder. It is trained itself, unless it is frozen.
        how: Options of the training.
        frozen: Whether the encoder stays as it is.
    """

    def __init__(self, encoder: Body, how: Training, frozen: bool) -> None:
        super().__init__()
        encoder = still(encoder) if frozen else encoder
        self._held = [encoder]  # a module of the method already, and saved there
        self.how, self.causal = how, encoder.causal
        self.register_buffer("frozen", torch.tensor(frozen))
        self.size = len(encoder.words) + 3 if isinstance(encoder, LSTM) else len(encoder.table)
        width = encoder.width if isinstance(encoder, LSTM) else encoder.dim
        self.marks = nn.Parameter(0.02 * torch.randn(2, width)) if self.causal and not frozen else None
        mixes = is_mixed(encoder)
        self.mix = ScalarMix(encoder.spec["depth"] + 1) if mixes else None
        self.lstm = nn.LSTM(encoder.dim, how.units, batch_first=True, bidirectional=True) if mixes else None
        self.dim = 2 * how.units if mixes else encoder.dim
        self.dropout = nn.Dropout(how.dropout)
        for module in encoder.modules():
            if isinstance(module, nn.Dropout):
                module.p = how.dropout
        self.still = frozen

    @property
    def encoder(self) -> Body:
        """The encoder, or the copy of a frozen one. It is this one that the method keeps."""
        return self._held[0]

    def train(self, mode: bool = True) -> Reading:
        """Switch all but a frozen encoder. The method must have it before this module."""
        super().train(mode)
        if self.still:
            self.encoder.eval()
        return self

    @property
    def marked(self) -> bool:
        """Whether the vector of one symbol stands for the row: that of the extract (GPT) or of the start (BERT)."""
        return not self.still and self.mix is None

    def forward(
        self, ids: Tensor, there: Tensor, segment: Tensor, clock: Clock | None, codes: Tensor | None = None
    ) -> Tensor:
        """Return a vector for each symbol, [N, T, dim]. In the `head_warmup`, none has gradients of the encoder."""
        warm = clock is not None and clock.progress < self.how.head_warmup
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.still and not warm):
            layers = self._layers(ids, there, segment, codes)
        if self.mix is None or self.lstm is None:
            last: Tensor = self.dropout(layers[-1])
            return last
        h = self.dropout(self.mix(layers))
        lengths = there.sum(1).cpu()
        packed = nn.utils.rnn.pack_padded_sequence(h, lengths, batch_first=True, enforce_sorted=False)
        y, _ = self.lstm(packed)
        found, _ = nn.utils.rnn.pad_packed_sequence(y, batch_first=True, total_length=ids.shape[1])
        read: Tensor = self.dropout(found)
        return read

    def on(self, ids: Tensor, cache: Any) -> Tensor:
        """Return the vectors of symbols int64 [N, T] that go on after those in a `cache` of the causal encoder."""
        last: Tensor = self.encoder.after(self._vectors(ids), cache)[-1]
        return last

    def _layers(self, ids: Tensor, there: Tensor, segment: Tensor, codes: Tensor | None) -> list[Tensor]:
        encoder = self.encoder
        if isinstance(encoder, LSTM):
            if codes is not None:
                codes = torch.cat([encoder.codes.to(codes.device), codes])
            return encoder.after(self._vectors(ids, codes), None, mask=there)
        masks = {"mask": there} if not self.causal else {}  # before padding, which is at the end, nothing sees it
        return encoder.after(self._vectors(ids), None, None if self.causal else segment, **masks)

    def _vectors(self, ids: Tensor, codes: Tensor | None = None) -> Tensor:
        new = ids >= self.size
        if not self.causal:
            return self.encoder.embedded(ids, codes) if isinstance(self.encoder, LSTM) else self.encoder.embedded(ids)
        x = self.encoder.embedded(ids.masked_fill(new, len(self.encoder.words) + END))
        if self.marks is None:
            return x
        return torch.where(new[..., None], F.embedding((ids - self.size).clamp(min=0), self.marks).to(x.dtype), x)

    def language(self, h: Tensor, ids: Tensor, there: Tensor) -> Tensor:
        """Return the mean cross-entropy of the next symbol of each row, 0 if the encoder is not a language model.

        New symbols are read, but not predicted.
        """
        if not self.causal or not self.how.lm or self.still:
            return h.new_zeros(())
        asked = there[:, 1:] & (ids[:, 1:] < self.size)
        return cross_entropy(h[:, :-1][asked], self.encoder.table, ids[:, 1:][asked])[0]

    def player(self, method: nn.Module) -> Player:
        """Return one player: heads at the full rate, each layer below at `layer_decay` of that above."""
        groups: dict[int, list[nn.Parameter]] = {}
        depth = int(self.encoder.spec["depth"])
        inside = {id(p): _level(name, depth) for name, p in self.encoder.named_parameters()}
        for parameter in method.parameters():
            if parameter.requires_grad:
                groups.setdefault(inside.get(id(parameter), depth + 1), []).append(parameter)
        decay = self.how.layer_decay
        return Player("main", [
            {"params": groups[level], "lr_scale": decay ** (depth + 1 - level)} for level in sorted(groups)
        ])  # fmt: skip


def is_mixed(encoder: Encoder) -> bool:
    """Return whether the layers of an encoder are mixed, as ELMo's are."""
    return isinstance(encoder, LSTM) and not encoder.causal


def _level(name: str, depth: int) -> int:
    """Return how high in an encoder a parameter is: 0 for the vectors of symbols, then the layers, then the norm."""
    parts = name.split(".")
    if parts[0] == "blocks":
        return int(parts[1]) + 1
    if parts[0] == "stacks":
        return int(parts[3]) + 1
    return depth + 1 if parts[0] == "norm" else 0


def averages(h: Tensor, texts: Tensor) -> list[Tensor]:
    """Return the mean of the vectors [N, T, D] of each of the texts at int64 [N, K, 2], [N, D] each; 0 for none."""
    place = torch.arange(h.shape[1], device=h.device)
    inside = (place >= texts[..., :1]) & (place < texts[..., 1:])  # [N, K, T]
    shares = inside / inside.sum(2, keepdim=True).clamp(min=1)
    return list((shares.to(h.dtype) @ h).unbind(1))


def apart(a: Tensor, b: Tensor) -> Tensor:
    """Return (KL(p | q) + KL(q | p)) / 2 for logits [N, K] of p and q, the mean over rows (R-Drop)."""
    p, q = a.log_softmax(1), b.log_softmax(1)
    return (_kl(q, p) + _kl(p, q)) / 2


def _kl(q: Tensor, p: Tensor) -> Tensor:
    """Return KL(p | q), the mean over rows [N, K] of log-probabilities."""
    return (p.exp() * (p - q)).sum(1).mean()
