"""LSTMs over the tokens of a text: one in each direction, or a causal one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, ClassVar, Literal, final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from selftaught.encoders.characters import Characters, coded, marks
from selftaught.encoders.recurrence import Recurrence, State
from selftaught.errors import UserError
from selftaught.method import Encoder
from selftaught.parts import pieces
from selftaught.parts.frequent import frequent
from selftaught.parts.symbols import END, START

NAMES = {
    "lstm": {"causal": False},
    "causal_lstm": {"causal": True, "read": "words", "filters": 0.125, "mix": "top"},
}
SMALL = {"width": 12, "units": 16, "depth": 2, "context": 16, "min_count": 1, "filters": 0.02}
"""Arguments of a small encoder for quick trials."""
MOST = 512
"""Symbols of a text that are read in one go."""


@final
class Memory:
    """What a causal LSTM knows of the symbols so far. `length` is their number."""

    def __init__(self, states: list[State]) -> None:
        self.states, self.length = states, 0

    def select(self, rows: Tensor) -> None:
        """Keep the texts at `rows`, int64 [N], in this order; one can be there several times."""
        self.states = [(h[rows], c[rows]) for h, c in self.states]


@final
class Stack(nn.Module):
    """The layers of one direction. From the second on, a layer's input is added to its output."""

    def __init__(self, width: int, units: int, depth: int, clip: float, dropout: float) -> None:
        super().__init__()
        self.layers = nn.ModuleList(Recurrence(width, units, clip) for _ in range(depth))
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, memory: Memory | None = None) -> list[Tensor]:
        """Return the vectors after each layer, [B, T, width] each. `memory` takes the new symbols in."""
        found = []
        for number, layer in enumerate(self.layers):
            x = self.dropout(x)
            y, state = layer(x, None if memory is None else memory.states[number])
            if memory is not None:
                memory.states[number] = state
            x = x + y if number else y
            found.append(x)
        if memory is not None:
            memory.length += x.shape[1]
        return found


@final
class LSTM(Encoder):
    """The network of Peters et al., NAACL 2018 (arXiv 1802.05365): an LSTM in each direction over vectors of words.

    A symbol has L + 1 vectors: h_0, by which it is read, from its characters alone, then the outputs of each layer, the
    forward one, which knows what is before it, beside the backward one, which knows what is after it (h_0 is there
    twice). `causal_lstm` has the forward direction alone and a vector for each word, as a model that predicts the next
    token from the table that it reads with.

    Texts are lists of tokens, or the numbers of symbols: the V words, then other words, the end of a sentence, and the
    start of a document, which is put before each list; `lstm` also puts an end after it. From lists it reads words that
    are not among the V by their characters, too. Bytes of a word beyond the first 48 are not read.

    The network has no state between calls: every text begins with zeros, so that its vectors depend on nothing else.
    (The authors' program carries the state from batch to batch; it gives a sentence other vectors each time.) Only who
    hands a causal one a `Memory` (see `empty`) lets it go on from there.

    Args:
        input: ``{"kind": "text", "tokens": ..., "lower": ..., "words": [V], "counts": [V]}``, most frequent first.
        width: Dimension of a symbol's vector in one direction; memories are projected to it.
        units: Dimension of the memory of a layer (4096 in the paper, whose width is 512).
        depth: Number of layers.
        context: Number of symbols that are seen at once in training. Longer texts can be read.
        causal: Whether a symbol sees only those before it.
        read: characters: the vector of a word comes from its characters; words: each has one of its own.
        filters: Share of the paper's filters of characters, which are 2048.
        clip: Largest absolute value of memories and outputs. 0 does not clip.
        dropout: Probability of dropping a unit of a layer's input.
        min_count: Smallest count of a known word.
        mix: mean: the features are the mean of h_0 to h_L; top: h_L.
        pool: mean: the features of a text are the mean of its tokens'; last: the forward ones of its last symbol and
            the backward ones of its first.

    Raises UserError when the input is not text, or an argument is out of range.
    """

    sees = ("text",)
    effects: ClassVar[dict[str, Any]] = {"filters": {"read": ("characters",)}}

    def __init__(
        self,
        input: Mapping[str, Any],
        width: int = 128,
        units: int = 256,
        depth: int = 2,
        context: int = 32,
        causal: bool = False,
        read: Literal["characters", "words"] = "characters",
        filters: float = 0.125,
        clip: float = 3.0,
        dropout: float = 0.0,
        min_count: int = 2,
        mix: Literal["mean", "top"] = "mean",
        pool: Literal["mean", "last"] = "mean",
    ) -> None:
        super().__init__()
        name = "causal_lstm" if causal else "lstm"
        if min(width, units, depth) < 1 or context < 2:
            raise UserError(
                f"encoder {name} needs width, units and depth of at least 1 and a context of at least 2, not {width}, "
                f"{units}, {depth} and {context}"
            )
        if not 0 <= dropout < 1 or not clip >= 0 or not 0 < filters <= 1:
            raise UserError(
                f"dropout of encoder {name} must be in [0, 1), clip at least 0 and filters in (0, 1], not {dropout}, "
                f"{clip} and {filters}"
            )
        if read not in ("characters", "words") or mix not in ("mean", "top") or pool not in ("mean", "last"):
            raise UserError(
                f"read of encoder {name} must be characters or words, mix mean or top, and pool mean or last, not "
                f"'{read}', '{mix}' and '{pool}'"
            )
        self.words, self.counts, kept = frequent(input, min_count, name)
        self.spec = {
            "name": name, "input": kept, "width": width, "units": units, "depth": depth, "context": context,
            "clip": clip, "dropout": dropout, "min_count": min_count, "pool": pool,
        } | ({} if causal else {"read": read, "filters": filters, "mix": mix})  # fmt: skip
        self.width, self.dim, self.context, self.causal = width, width if causal else 2 * width, context, causal
        self.mix, self.pool = mix, pool
        self.token = nn.Embedding(len(self.words) + START + 1, width) if read == "words" else None
        self.characters = Characters(width, filters) if read == "characters" else None
        self.stacks = nn.ModuleList(Stack(width, units, depth, clip, dropout) for _ in range(1 if causal else 2))
        if self.token is not None:
            nn.init.normal_(self.token.weight, std=0.02 if causal else 1.0)  # a causal one predicts with it, too

    @cached_property
    def index(self) -> dict[str, int]:
        """The number of each known word."""
        return {word: row for row, word in enumerate(self.words)}

    @cached_property
    def codes(self) -> Tensor:
        """The characters of all symbols, int16 [V + 3, 50]."""
        return torch.cat([coded(self.words), marks()])

    @property
    def table(self) -> Tensor:
        """The vectors by which it reads the symbols, [V + 3, width]. Only if it reads words."""
        if self.token is None:
            raise AttributeError("an LSTM that reads characters has no table")
        return self.token.weight

    def numbers(self, tokens: Sequence[str]) -> list[int]:
        """Return the numbers of a text's symbols: the start of a document, its tokens, and the end if not `causal`."""
        other = len(self.words)
        found = [other + START, *(self.index.get(token, other) for token in tokens)]
        return found if self.causal else [*found, other + END]

    def embedded(self, ids: Tensor, codes: Tensor | None = None) -> Tensor:
        """Return h_0 of symbols int64 [...], [..., width]. `codes` are the characters of all that have numbers."""
        if self.characters is None:
            vectors: Tensor = self.token(ids)  # type: ignore[misc]
            return vectors
        codes = self.codes if codes is None else codes
        known, where = ids.unique(return_inverse=True)
        return F.embedding(where, self.characters(codes[known.to(codes.device)].to(ids.device)))

    def empty(self, batch: int) -> Memory:
        """Return the memory of a causal encoder before the first symbols of `batch` texts."""
        return Memory([layer.start(batch) for layer in self.stacks[0].layers])  # type: ignore[union-attr]

    def hidden(self, ids: Tensor, memory: Memory | None = None, **masks: Tensor) -> list[Tensor]:
        """Return h_0 to h_L of each symbol, [B, T, dim] each.

        Args:
            ids: int64 [B, T], the numbers of symbols.
            memory: Of the symbols before, for a causal encoder; it takes the new ones in.
            masks: "mask", bool [B, T], False for padding, which is at the end.
        """
        return self.after(self.embedded(ids), memory, **masks)

    def after(self, x: Tensor, memory: Memory | None = None, **masks: Tensor) -> list[Tensor]:
        """Return `hidden` of symbols by their h_0, [B, T, width]."""
        if self.causal:
            return [x, *self.stacks[0](x, memory)]
        forwards, backwards = self.stacks
        turned = [_turned(h, masks.get("mask")) for h in backwards(_turned(x, masks.get("mask")))]
        both = zip([x, *forwards(x)], [x, *turned], strict=True)
        return [torch.cat(pair, 2) for pair in both]

    def layers(self, x: Any, **masks: Tensor) -> list[Tensor]:
        """Return h_0 to h_L of the symbols, [B, dim, T], padded with zeros."""
        if isinstance(x, Tensor):
            return [h.transpose(1, 2) for h in self.hidden(x, None, **masks)]
        return pieces.stacked(self._read(x))

    def forward(self, x: Any, **masks: Tensor) -> Tensor:
        """Map B lists of tokens, or ids int64 [B, T] with "mask" for padding at the end, to features [B, dim].

        The mean leaves out the start and the end of a list, unless it is empty.
        """
        if not isinstance(x, Tensor):
            texts = [self._mixed(layers) for layers in self._read(x)]
            if self.pool == "last":
                return torch.stack([self._outer(h) for h in texts])
            return torch.stack([pieces.mean(h, 1 if self.causal else 2) for h in texts])
        h, there = self._mixed(self.hidden(x, None, **masks)), masks.get("mask", torch.ones_like(x, dtype=torch.bool))
        if self.pool == "last":
            return torch.stack([self._outer(row[mask]) for row, mask in zip(h, there, strict=True)])
        return (h * there[..., None]).sum(1) / there.sum(1, keepdim=True)

    def _mixed(self, layers: Sequence[Tensor]) -> Tensor:
        return layers[-1] if self.mix == "top" else torch.stack(list(layers)).mean(0)

    def _outer(self, h: Tensor) -> Tensor:
        """Return where each direction has seen all of a text [T, dim]: [dim]."""
        return torch.cat([h[-1, : self.width], h[0, self.width :]])

    def _read(self, texts: Sequence[Sequence[str]]) -> list[list[Tensor]]:
        """Return h_0 to h_L of each text's symbols, [T, dim] each."""
        device = next(self.parameters()).device
        numbers, codes = [self.numbers(tokens) for tokens in texts], None
        if self.characters is not None:
            new = {token: 0 for tokens in texts for token in tokens if token not in self.index}
            new = {token: len(self.codes) + row for row, token in enumerate(new)}
            codes = torch.cat([self.codes, coded(list(new))])
            for ids, tokens in zip(numbers, texts, strict=True):
                ids[1 : 1 + len(tokens)] = [new.get(token, i) for token, i in zip(tokens, ids[1:], strict=False)]
        return pieces.read(
            [torch.tensor(ids, device=device) for ids in numbers],
            MOST,
            lambda ids, there: self.after(self.embedded(ids, codes), mask=there),
        )


def _turned(x: Tensor, there: Tensor | None) -> Tensor:
    """Return the symbols of each row [B, T, D] in reverse order; padding stays at the end."""
    if there is None:
        return x.flip(1)
    where = torch.arange(x.shape[1], device=x.device)
    lengths = there.sum(1, keepdim=True)
    order = torch.where(where < lengths, lengths - 1 - where, where)
    return x.gather(1, order[..., None].expand_as(x))
