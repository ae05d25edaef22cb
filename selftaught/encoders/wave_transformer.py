"""A Transformer over the codes of strided convolutions, for series and for sound."""

from __future__ import annotations

from typing import Any, Literal, final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from selftaught.encoders.transformer import Attention, Block
from selftaught.encoders.wave import Wave
from selftaught.errors import UserError
from selftaught.method import Encoder

SMALL = {"width": 12, "depth": 2, "heads": 2, "reach": 1}
"""Arguments of a small encoder for quick trials."""


@final
class WaveTransformer(Encoder):
    """Baevski et al. 2020 (arXiv 2006.11477), "wav2vec 2.0": convolutions along time, then blocks over all positions.

    The codes z of `wave`, with channel norm, know their own window alone. Each block lets a position look at all
    others. A convolution over the codes themselves tells where a position is, so that series may have any length::

        x_0 = z + GELU(conv(z)),    x_b = block_b(x_b-1)

    Padding has no part in it: no position looks there, and its features are zeros.

    Args:
        width: Channels of every convolution, and of the blocks.
        kernels: See `wave`.
        strides: See `wave`.
        depth: Number of blocks.
        heads: Number of attention heads. Must divide width.
        reach: Positions before and behind that the convolution of the positions sees. The paper's sees 64.
        pool: Features are the mean or the max over the positions.
        dropout: Probability of dropping a unit after attention and MLP.
    """

    sees = ("signal", "audio")

    def __init__(
        self,
        input: dict[str, Any],
        width: int = 64,
        kernels: tuple[int, ...] = (),
        strides: tuple[int, ...] = (),
        depth: int = 3,
        heads: int = 4,
        reach: int = 4,
        pool: Literal["mean", "max"] = "mean",
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        if min(width, depth, heads, reach) < 1 or width % heads:
            raise UserError(
                "encoder wave_transformer needs width, depth, heads and reach of at least 1, and heads that divide "
                f"width, not {width}, {depth}, {heads} and {reach}"
            )
        if pool not in ("mean", "max") or not 0 <= dropout < 1:
            raise UserError(
                f"pool of encoder wave_transformer must be mean or max and dropout in [0, 1), not '{pool}' and "
                f"{dropout}"
            )
        self.codes = Wave(input, width, kernels, strides, norm="channel")
        self.spec = {
            "name": "wave_transformer", "input": input, "width": width, "kernels": self.codes.spec["kernels"],
            "strides": self.codes.spec["strides"], "depth": depth, "heads": heads, "reach": reach, "pool": pool,
            "dropout": dropout,
        }  # fmt: skip
        self.dim, self.pool = width, pool
        self.place = nn.Conv1d(width, width, 2 * reach + 1, padding=reach, groups=heads)
        self.blocks = nn.ModuleList(Block(width, heads, "pre", dropout, "exact", 1e-5) for _ in range(depth))
        self.norm = nn.LayerNorm(width)
        for block in (m for m in self.blocks.modules() if isinstance(m, nn.Linear)):
            nn.init.trunc_normal_(block.weight, std=0.02)
            nn.init.zeros_(block.bias)

    @property
    def grid(self) -> tuple[int]:
        """The number of positions of a series of full length."""
        return (self.codes.positions,)

    def masked(self, x: Tensor, hide: Tensor, token: Tensor, mask: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Return the vectors of the positions, [B, P, width], and which are no padding; see `method.Hides`."""
        codes, there = self.encode(x, mask)
        return self.read(codes, there, (hide, token))[-1].transpose(1, 2), there

    def layers(self, x: Tensor, mask: Tensor | None = None, **_: Tensor) -> list[Tensor]:
        """Return the codes, then the vectors after each block, [B, width, P] each, the last after the LayerNorm."""
        return self.read(*self.encode(x, mask))

    def forward(self, x: Tensor, mask: Tensor | None = None, **_: Tensor) -> Tensor:
        """Map series [B, C, T] of any length to features [B, width], pooled over the positions of each alone."""
        codes, there = self.encode(x, mask)
        found = self.read(codes, there)[-1]
        if self.pool == "mean":
            return found.sum(2) / there.sum(1, keepdim=True)
        return found.masked_fill(~there[:, None], -torch.inf).amax(2)

    def encode(self, x: Tensor, mask: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Return the codes, [B, width, P], and which positions are no padding, bool [B, P]."""
        codes = self.codes.encode(x, mask)[-1]
        there = torch.ones(codes.shape[0], codes.shape[2], dtype=torch.bool, device=x.device)
        if mask is not None:
            there = torch.arange(codes.shape[2], device=x.device) < self.codes.there(mask)[:, None]
        return codes, there

    def read(self, codes: Tensor, there: Tensor, hidden: tuple[Tensor, Tensor] | None = None) -> list[Tensor]:
        """Return `layers` for what `encode` returned; of `hidden` positions, see `masked`, the token is read."""
        if hidden is not None:
            codes = torch.where(hidden[0][:, None], hidden[1].to(codes)[:, None], codes)
        codes = codes * there[:, None]  # a hidden position may be padding
        h = (codes + F.gelu(self.place(codes))).transpose(1, 2)  # [B, P, width]
        seen = there[:, None, None, :] | torch.eye(there.shape[1], dtype=torch.bool, device=codes.device)

        def attend(attention: Attention, y: Tensor) -> Tensor:
            q, k, v = attention.project(y, None)
            return attention.join(F.scaled_dot_product_attention(q, k, v, attn_mask=seen))

        found = [codes]
        for number, block in enumerate(self.blocks, 1):
            h = block(h, attend)
            out = self.norm(h) if number == len(self.blocks) else h
            found.append(out.transpose(1, 2) * there[:, None])
        return found
