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
from selftaught.method import Encoder, Start
from selftaught.parts import pieces
from selftaught.parts.frequent import frequent
from selftaught.parts.symbols import END, MASK, START

NAMES = {"transformer": {"causal": False}, "causal_transformer": {"causal": True}}
SMALL = {"width": 16, "depth": 2, "heads": 2, "context": 16, "min_count": 1}
"""Arguments of a small encoder for quick trials."""

Norm = Literal["pre", "post"]
Positions = Literal["learned", "sinusoidal", "rotary", "none"]
Gelu = Literal["exact", "tanh"]


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

    def select(self, rows: Tensor) -> None:
        """Keep the texts at `rows`, int64 [N], in this order; one can be there several times."""
        for kept in (self.keys, self.values):
            for block, old in enumerate(kept):
                new = old.new_empty(len(rows), *old.shape[1:])
                new[:, :, : self.length] = old[rows, :, : self.length]
                kept[block] = new


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

    def __init__(self, width: int, heads: int, norm: Norm, dropout: float, gelu: Gelu, eps: float) -> None:
        super().__init__()
        self.first = norm == "pre"
        self.norm1, self.norm2 = nn.LayerNorm(width, eps), nn.LayerNorm(width, eps)
        self.attention = Attention(width, heads)
        self.mlp = nn.Sequential(nn.Linear(width, 4 * width), activation(gelu), nn.Linear(4 * width, width))
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
            in the paper (GPT), and of the sum of vectors if it looks both ways (BERT).
        positions: learned: a vector for each; sinusoidal: the paper's sines and cosines, whose products depend on
            distances alone; rotary: q and k are turned by angles that grow with the position (Su et al. 2021,
            arXiv 2104.09864); none: the order is unknown, except by causal attention.
        dropout: Probability of dropping a unit after attention and MLP, and of the sum of vectors.
        min_count: Smallest count of a known word.
        pool: mean: the features of a text are the mean of its tokens' last vectors; last: those of its last symbol;
            first: those of the start, which has seen the text only if the encoder looks both ways.
        gelu: exact, or tanh: the approximation in the released GPT-2.
        eps: Added to the variance in LayerNorm. 1e-12 in the released BERT.

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
        pool: Literal["mean", "last", "first"] = "mean",
        gelu: Gelu = "exact",
        eps: float = 1e-5,
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
        if not 0 <= dropout < 1 or pool not in ("mean", "last", "first") or (pool == "first" and causal):
            raise UserError(
                f"dropout of encoder {name} must be in [0, 1) and pool mean or last, or first if it looks both ways, "
                f"not {dropout} and '{pool}'"
            )
        if gelu not in ("exact", "tanh") or not eps > 0:
            raise UserError(f"gelu of encoder {name} must be exact or tanh, and eps positive, not '{gelu}' and {eps}")
        self.words, self.counts, kept = frequent(input, min_count, name)
        self.spec = {
            "name": name, "input": kept, "width": width, "depth": depth, "heads": heads, "context": context,
            "norm": norm, "positions": positions, "dropout": dropout, "min_count": min_count, "pool": pool,
            "gelu": gelu, "eps": eps,
        }  # fmt: skip
        self.dim, self.context, self.causal, self.positions, self.pool = width, context, causal, positions, pool
        self.token = nn.Embedding(len(self.words) + (START if causal else MASK) + 1, width)
        self.segment = None if causal else nn.Embedding(2, width)
        self.position = nn.Embedding(context, width) if positions == "learned" else None
        self.begin = nn.LayerNorm(width, eps) if norm == "post" and not causal else nn.Identity()
        self.blocks = nn.ModuleList(Block(width, heads, norm, dropout, gelu, eps) for _ in range(depth))
        self.norm = nn.LayerNorm(width, eps) if norm == "pre" else nn.Identity()
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

    def start(self, given: Start) -> None:
        """Copy the weights of another transformer: of its symbols those that both have, of its positions the first."""
        found = given.symbols()
        if found is None:
            given.load_into(self)
            return
        words, tensors = found
        own, place = self.state_dict(), {word: row for row, word in enumerate(words)}
        for name, tensor in own.items():
            if name not in tensors or (name != "token.weight" and not _begins(tensors[name], tensor, name)):
                there = f"{list(tensors[name].shape)} there" if name in tensors else "not there"
                raise UserError(
                    f"the weights to start from do not fit: {name} is {there} and {list(tensor.shape)} in encoder "
                    f"{self.spec['name']}: leave out the options of the encoder, which are then those of the weights"
                )
        table, marks = own["token.weight"].clone(), len(own["token.weight"]) - len(self.words)
        known = [row for row, word in enumerate(self.words) if word in place]
        if not known:
            raise UserError(
                "the weights to start from know none of the tokens of this text: split it as theirs was (--tokens)"
            )
        rows = torch.tensor(known)
        theirs = tensors["token.weight"]
        table[rows] = theirs[torch.tensor([place[self.words[row]] for row in known])].to(table)
        table[-marks:] = theirs[len(words) : len(words) + marks].to(table)
        copied = {name: tensors[name][: len(tensor)].to(tensor) for name, tensor in own.items()}
        self.load_state_dict({**copied, "token.weight": table})
        given.tell(
            f"{len(known):,} of {len(self.words):,} tokens start from its vectors, and all blocks from its blocks"
        )

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

    @property
    def grid(self) -> tuple[int]:
        """The number of symbols that are seen at once."""
        return (self.context,)

    def masked(self, x: Tensor, hide: Tensor, token: Tensor, mask: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Return the vectors of symbols int64 [B, T], [B, T, width], and which are no padding; see `method.Hides`."""
        there = torch.ones_like(hide) if mask is None else mask
        vectors = self.embedded(x)
        vectors = torch.where(hide[:, :, None], token.to(vectors), vectors)
        return self.after(vectors, mask=there)[-1], there

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
        return self.dropout(self.begin(x)), turn

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
    def attention(self, ids: Tensor, segment: Tensor | None = None) -> list[Tensor]:
        """Return the weights a of each block, [B, heads, T, T], for ids [B, T]: row t says where symbol t looks."""
        first, turn = self._placed(self.embedded(ids), 0, segment)
        found = []
        for block, x in zip(self.blocks, [first, *self.hidden(ids, None, segment)[:-1]], strict=True):
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
            if self.pool != "mean":
                return torch.stack([h[-1 if self.pool == "last" else 0] for h in last])
            return torch.stack([pieces.mean(h, 1 if self.causal else 2) for h in last])
        h, there = self.hidden(x, None, None, **masks)[-1], masks.get("mask", torch.ones_like(x, dtype=torch.bool))
        if self.pool != "mean":
            return self._outer(h, there)
        return (h * there[..., None]).sum(1) / there.sum(1, keepdim=True)

    def texts(self, ids: Tensor, there: Tensor) -> Tensor:
        """Return the features [B, width] of texts by their `numbers`, int64 [B, T], as of lists of their tokens.

        `there`, bool [B, T], is False for padding, which is at the end. No text is longer than `context`.
        """
        h = self.hidden(ids, None, None, mask=there)[-1]
        if self.pool != "mean":
            return self._outer(h, there)
        where, size = torch.arange(ids.shape[1], device=ids.device), there.sum(1, keepdim=True)
        inner = there & (where > 0) & (where < size - (0 if self.causal else 1))
        weight = (inner | (there & ~inner.any(1, keepdim=True))).to(h)  # an empty text is its marks
        return (h * weight[..., None]).sum(1) / weight.sum(1, keepdim=True)

    def _outer(self, h: Tensor, there: Tensor) -> Tensor:
        """Return the vectors of the last symbols, or of the first, as `pool` says."""
        if self.pool == "first":
            return h[:, 0]
        return h[torch.arange(len(h), device=h.device), there.sum(1) - 1]

    def _read(self, texts: Sequence[Sequence[str]]) -> list[list[Tensor]]:
        """Return the vectors of each text's symbols after each block, [T, width] each."""
        ids = [torch.tensor(self.numbers(tokens), device=self.token.weight.device) for tokens in texts]
        return pieces.read(
            ids, self.context, lambda ids, there: self.hidden(ids) if self.causal else self.hidden(ids, mask=there)
        )


def _begins(given: Tensor, own: Tensor, name: str) -> bool:
    """Whether a tensor fits, or has positions beyond those that are needed."""
    if name == "position.weight":
        return given.shape[1:] == own.shape[1:] and len(given) >= len(own)
    return given.shape == own.shape


def activation(gelu: Gelu) -> nn.Module:
    """Return the GELU of this form."""
    return nn.GELU("tanh" if gelu == "tanh" else "none")


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
