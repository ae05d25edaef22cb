"""The Transformer over the tokens of a text: causal, or looking both ways."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, Literal, final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from selftaught.errors import UserError
from selftaught.method import Encoder
from selftaught.parts import pieces
from selftaught.parts.frequent import frequent
from selftaught.parts.symbols import END, MASK, START

NAMES = {"transformer": {"causal": False}, "causal_transformer": {"causal": True}}
SMALL = {"width": 16, "depth": 2, "heads": 2, "context": 16, "min_count": 1}
"""Arguments of a small encoder for quick trials."""

Norm = Literal["pre", "post"]
Positions = Literal["learned", "sinusoidal", "rotary", "none"]


@final
class Cache:
    """The keys and values of the symbols so far, so that the next one needs no more than its own.

    Args:
        keys: One tensor for each block, [B, heads, context, width / heads].
        values: The same.
    """

    def __init__(self, keys: list[Tensor], values: list[Tensor]) -> None:
        self.keys, self.values, self.length = keys, values, 0

    def put(self, block: int, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        """Keep those of new symbols, and return those of all, [B, heads, length + T, width / heads] each."""
        begin, end = self.length, self.length + k.shape[2]
        self.keys[block][:, :, begin:end], self.values[block][:, :, begin:end] = k, v
        return self.keys[block][:, :, :end], self.values[block][:, :, :end]


@final
class Attention(nn.Module):
    """Multi-head attention: softmax(q k^T / sqrt(d)) v in each head, with one matrix for q, k and v."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)

    def project(self, x: Tensor, turn: Tensor | None) -> tuple[Tensor, ...]:
        """Return q, k and v, [B, heads, T, width / heads] each; q and k are turned by `turn`, see `rotated`."""
        q, k, v = self.qkv(x).unflatten(2, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        return (q, k, v) if turn is None else (rotated(q, turn), rotated(k, turn), v)

    def join(self, y: Tensor) -> Tensor:
        """Map [B, heads, T, width / heads] to [B, T, width]."""
        found: Tensor = self.out(y.transpose(1, 2).flatten(2))
        return found


@final
class Block(nn.Module):
    """Attention, then an MLP with a GELU, each with a residual connection and a LayerNorm before or after it."""

    def __init__(self, width: int, heads: int, norm: Norm, dropout: float) -> None:
        super().__init__()
        self.first = norm == "pre"
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attention = Attention(width, heads)
        self.mlp = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, attend: Any) -> Tensor:
        """Map [B, T, width] to the same shape; `attend(attention, x)` is the attention of this block."""
        if self.first:
            x = x + self.dropout(attend(self.attention, self.norm1(x)))
            x = x + self.dropout(self.mlp(self.norm2(x)))
        else:
            x = self.norm1(x + self.dropout(attend(self.attention, x)))
            x = self.norm2(x + self.dropout(self.mlp(x)))
        return x


@final
class Transformer(Encoder):
    """Vaswani et al., NIPS 2017 (arXiv 1706.03762), "Attention Is All You Need": the stack of blocks, over tokens.

    Each token is a vector, the sum of its own and that of its position. Every block lets it look at the others::

        a = softmax_t'( q_t . k_t' / sqrt(d) )        y_t = W_O [ sum_t' a v_t' of each head ]

    `causal_transformer` looks only at what is before (t' <= t), as a model that predicts the next token must.

    Texts are lists of tokens, or the numbers of symbols: the V words, then other words, the end of a sentence, and the
    start of a document, which is put before each list. An encoder that looks both ways has a symbol for a hidden token,
    puts an end after each list, and two vectors of segments, by which the two texts of a pair are told apart (BERT).
    Texts longer than `context` are read in pieces of that length.

    Args:
        input: ``{"kind": "text", "tokens": ..., "lower": ..., "words": [V], "counts": [V]}``, most frequent first.
        width: Dimension of a token's vector.
        depth: Number of blocks.
        heads: Number of attention heads. Must divide width.
        context: Number of symbols that are seen at once.
        causal: Whether a token sees only those before it.
        norm: pre: LayerNorm before attention and MLP, and at the end (GPT-2); post: after the residual connections, as
            in the paper (GPT, BERT).
        positions: learned: a vector for each; sinusoidal: the paper's sines and cosines, whose products depend on
            distances alone; rotary: q and k are turned by angles that grow with the position (Su et al. 2021,
            arXiv 2104.09864); none: the order is unknown, except by causal attention.
        dropout: Probability of dropping a unit after attention and MLP, and of the sum of vectors.
        min_count: Smallest count of a known word.
        pool: mean: the features of a text are the mean of its tokens' last vectors; last: those of its last symbol.

    Raises UserError when the input is not text, or an argument is out of range.
    """

    sees = ("text",)

    def __init__(
        self,
        input: Mapping[str, Any],
        width: int = 256,
        depth: int = 4,
        heads: int = 4,
        context: int = 128,
        causal: bool = False,
        norm: Norm = "pre",
        positions: Positions = "learned",
        dropout: float = 0.0,
        min_count: int = 2,
        pool: Literal["mean", "last"] = "mean",
    ) -> None:
        super().__init__()
        name = "causal_transformer" if causal else "transformer"
        if min(width, depth, heads) < 1 or context < 2 or width % heads:
            raise UserError(
                f"encoder {name} needs width, depth and heads of at least 1, heads that divide width, and a context of "
                f"at least 2, not {width}, {depth}, {heads} and {context}"
            )
        if (positions == "rotary" and width // heads % 2) or (positions == "sinusoidal" and width % 2):
            raise UserError(f"{positions} positions of encoder {name} need an even width in each head, not {width}")
        if norm not in ("pre", "post") or positions not in ("learned", "sinusoidal", "rotary", "none"):
            raise UserError(
                f"norm of encoder {name} must be pre or post, and positions learned, sinusoidal, rotary or none, not "
                f"'{norm}' and '{positions}'"
            )
        if not 0 <= dropout < 1 or pool not in ("mean", "last"):
            raise UserError(
                f"dropout of encoder {name} must be in [0, 1) and pool mean or last, not {dropout} and '{pool}'"
            )
        self.words, self.counts, kept = frequent(input, min_count, name)
        self.spec = {
            "name": name, "input": kept, "width": width, "depth": depth, "heads": heads, "context": context,
            "norm": norm, "positions": positions, "dropout": dropout, "min_count": min_count, "pool": pool,
        }  # fmt: skip
        self.dim, self.context, self.causal, self.positions, self.pool = width, context, causal, positions, pool
        self.token = nn.Embedding(len(self.words) + (START if causal else MASK) + 1, width)
        self.segment = None if causal else nn.Embedding(2, width)
        self.position = nn.Embedding(context, width) if positions == "learned" else None
        self.blocks = nn.ModuleList(Block(width, heads, norm, dropout) for _ in range(depth))
        self.norm = nn.LayerNorm(width) if norm == "pre" else nn.Identity()
        self.dropout = nn.Dropout(dropout)
        self.apply(_initialise)
        for path, weight in self.named_parameters():
            if path.endswith(("attention.out.weight", "mlp.2.weight")):  # GPT-2: residuals add up over the depth
                nn.init.normal_(weight, std=0.02 / math.sqrt(2 * depth))

    @cached_property
    def index(self) -> dict[str, int]:
        """The number of each known word."""
        return {word: row for row, word in enumerate(self.words)}

    def numbers(self, tokens: Sequence[str]) -> list[int]:
        """Return the numbers of a text's symbols: the start of a document, its tokens, and the end if not `causal`."""
        other = len(self.words)
        found = [other + START, *(self.index.get(token, other) for token in tokens)]
        return found if self.causal else [*found, other + END]

    @property
    def table(self) -> Tensor:
        """The vectors by which it reads the symbols, [V + 3, width], or V + 4 if it looks both ways."""
        return self.token.weight

    def hidden(
        self, ids: Tensor, cache: Cache | None = None, segment: Tensor | None = None, **masks: Tensor
    ) -> list[Tensor]:
        """Return the vectors of each symbol after each block, [B, T, width] each, the last after the last LayerNorm.

        Args:
            ids: int64 [B, T], the numbers of symbols, T at most `context` (with those in the cache).
            cache: Of the symbols before, for a causal encoder; it takes the new ones in. T must be 1 unless it is
                empty.
            segment: 0 or 1, int64 [B, T], if the encoder looks both ways; by default 0.
            masks: "mask", bool [B, T], False for padding; "document", int64 [B, T]: only symbols with equal numbers see
                each other.
        """
        return self.after(self.embedded(ids), cache, segment, **masks)

    def embedded(self, ids: Tensor) -> Tensor:
        """Return the vectors of symbols int64 [...] by themselves, [..., width]."""
        vectors: Tensor = self.token(ids)
        return vectors

    def after(
        self, x: Tensor, cache: Cache | None = None, segment: Tensor | None = None, **masks: Tensor
    ) -> list[Tensor]:
        """Return `hidden` of symbols by their own vectors, [B, T, width]."""
        x, turn = self._placed(x, 0 if cache is None else cache.length, segment)
        seen = self._seen(x, masks)
        causal = self.causal and seen is None and x.shape[1] > 1
        features = []
        for number, block in enumerate(self.blocks):

            def attend(attention: Attention, y: Tensor, number: int = number) -> Tensor:
                q, k, v = attention.project(y, turn)
                if cache is not None:
                    k, v = cache.put(number, k, v)
                return attention.join(F.scaled_dot_product_attention(q, k, v, attn_mask=seen, is_causal=causal))

            x = block(x, attend)
            features.append(x)
        if cache is not None:
            cache.length += x.shape[1]
        features[-1] = self.norm(x)
        return features

    def _placed(self, x: Tensor, before: int = 0, segment: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        """Return the sums of the vectors of symbols, segments and positions, and the angles of rotary positions."""
        if self.segment is not None:
            first = torch.zeros(x.shape[:2], dtype=torch.int64, device=x.device)
            x = x + self.segment(first if segment is None else segment)
        where = torch.arange(before, before + x.shape[1], device=x.device)
        if self.position is not None:
            x = x + self.position(where)
        elif self.positions == "sinusoidal":
            x = x + sinusoids(where, self.dim).to(x)
        turn = angles(where, self.dim // self.spec["heads"]) if self.positions == "rotary" else None
        return self.dropout(x), turn

    def _seen(self, x: Tensor, masks: Mapping[str, Tensor]) -> Tensor | None:
        """Which symbols see which, bool [B, 1, T, T]; None if all do, or all before."""
        if not masks:
            return None
        t = x.shape[1]
        seen = torch.ones(1, 1, t, t, dtype=torch.bool, device=x.device)
        if self.causal:
            seen = seen.tril()
        if "mask" in masks:
            seen = seen & masks["mask"][:, None, None, :]
        if "document" in masks:
            seen = seen & (masks["document"][:, None, :, None] == masks["document"][:, None, None, :])
        # a padding symbol sees itself, or its weights would be 0 / 0
        return seen | torch.eye(t, dtype=torch.bool, device=x.device)

    def empty(self, batch: int) -> Cache:
        """Return an empty cache for `batch` texts."""
        shape = batch, self.spec["heads"], self.context, self.dim // self.spec["heads"]
        like = self.token.weight
        return Cache(*([like.new_empty(shape) for _ in self.blocks] for _ in range(2)))

    @torch.no_grad()
    def attention(self, ids: Tensor) -> list[Tensor]:
        """Return the weights a of each block, [B, heads, T, T], for ids [B, T]: row t says where symbol t looks."""
        first, turn = self._placed(self.embedded(ids))
        found = []
        for block, x in zip(self.blocks, [first, *self.hidden(ids)[:-1]], strict=True):
            assert isinstance(block, Block)
            q, k, _ = block.attention.project(block.norm1(x) if block.first else x, turn)
            scores = q @ k.transpose(2, 3) / math.sqrt(q.shape[3])
            if self.causal:
                scores = scores.masked_fill(~torch.ones_like(scores, dtype=torch.bool).tril(), -math.inf)
            found.append(scores.softmax(3))
        return found

    def layers(self, x: Any, **masks: Tensor) -> list[Tensor]:
        """Return the vectors of the symbols after each block, [B, width, T], padded with zeros."""
        if isinstance(x, Tensor):
            return [h.transpose(1, 2) for h in self.hidden(x, None, None, **masks)]
        return pieces.stacked(self._read(x))

    def forward(self, x: Any, **masks: Tensor) -> Tensor:
        """Map B lists of tokens, or ids int64 [B, T] with "mask" for padding at the end, to features [B, width].

        The mean leaves out the start and the end of a list, unless it is empty.
        """
        if not isinstance(x, Tensor):
            last = [layers[-1] for layers in self._read(x)]
            marks = 1 if self.causal else 2
            return torch.stack([h[-1] if self.pool == "last" else pieces.mean(h, marks) for h in last])
        h, there = self.hidden(x, None, None, **masks)[-1], masks.get("mask", torch.ones_like(x, dtype=torch.bool))
        if self.pool == "last":
            return h[torch.arange(len(h), device=h.device), there.sum(1) - 1]
        return (h * there[..., None]).sum(1) / there.sum(1, keepdim=True)

    def _read(self, texts: Sequence[Sequence[str]]) -> list[list[Tensor]]:
        """Return the vectors of each text's symbols after each block, [T, width] each."""
        ids = [torch.tensor(self.numbers(tokens), device=self.token.weight.device) for tokens in texts]
        return pieces.read(
            ids, self.context, lambda ids, there: self.hidden(ids) if self.causal else self.hidden(ids, mask=there)
        )


def sinusoids(where: Tensor, width: int) -> Tensor:
    """Return the sine and cosine of t / 10000^(2i / width) side by side, float32 [T, width], for positions t [T]."""
    angle = where[:, None] / 10000 ** (torch.arange(0, width, 2, device=where.device) / width)
    return torch.stack([angle.sin(), angle.cos()], 2).flatten(1)


def angles(where: Tensor, width: int) -> Tensor:
    """Return (cosine, sine) of the rotary angles t / 10000^(2i / width), float32 [2, T, width / 2]."""
    angle = where[:, None] / 10000 ** (torch.arange(0, width, 2, device=where.device) / width)
    return torch.stack([angle.cos(), angle.sin()])


def rotated(x: Tensor, turn: Tensor) -> Tensor:
    """Turn each pair (i, i + d / 2) of x [..., T, d] by its angle; the product of two depends on their distance."""
    a, b = x.chunk(2, -1)
    cosine, sine = turn.to(x.dtype)
    return torch.cat([a * cosine - b * sine, b * cosine + a * sine], -1)


def _initialise(module: nn.Module) -> None:
    if isinstance(module, nn.Linear | nn.Embedding):
        nn.init.normal_(module.weight, std=0.02)
    if isinstance(module, nn.Linear):
        nn.init.zeros_(module.bias)
