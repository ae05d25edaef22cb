"""The vision Transformer with timm's parameter names, so that weights can be exchanged."""

from __future__ import annotations

from typing import Any, Literal, final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from selftaught.errors import UserError
from selftaught.method import Encoder
from selftaught.parts.chosen import chosen
from selftaught.parts.positions import sincos

NAMES = {
    "vit": {},
    "vit_tiny": {"width": 192, "depth": 12, "heads": 3},
    "vit_small": {"width": 384, "depth": 12, "heads": 6},
    "vit_base": {"width": 768, "depth": 12, "heads": 12},
}
SMALL = {"width": 24, "depth": 2, "heads": 2}
"""Arguments of a small encoder for quick trials, where the name does not fix them."""


@final
class Attention(nn.Module):
    """Multi-head self-attention: softmax(q k^T / sqrt(d)) v in each head, with one matrix for q, k and v."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        """Map [B, T, width] to the same shape."""
        # [B, heads, T, width / heads] each
        q, k, v = self.qkv(x).unflatten(2, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        y: Tensor = self.proj(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2))
        return y


@final
class MLP(nn.Module):
    """Two linear layers with a GELU between them and four times as many hidden units."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(width, 4 * width)
        self.fc2 = nn.Linear(4 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        """Map [..., width] to the same shape."""
        y: Tensor = self.fc2(F.gelu(self.fc1(x)))
        return y


@final
class Block(nn.Module):
    """Pre-norm Transformer block: self-attention, then an MLP, each with a LayerNorm and a residual connection."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width, eps=1e-6)
        self.attn = Attention(width, heads)
        self.norm2 = nn.LayerNorm(width, eps=1e-6)
        self.mlp = MLP(width)

    def forward(self, x: Tensor) -> Tensor:
        """Map [B, T, width] to the same shape."""
        x = x + self.attn(self.norm1(x))
        y: Tensor = x + self.mlp(self.norm2(x))
        return y


@final
class PatchEmbed(nn.Module):
    """A linear embedding of each patch."""

    def __init__(self, channels: int, width: int, patch: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(channels, width, patch, patch)

    def forward(self, x: Tensor) -> Tensor:
        """Map images [B, C, H, W] to [B, width, h, w].

        If patches do not fill the image, it is padded with 0 at the right and at the bottom.
        """
        patch = self.proj.kernel_size[0]
        y: Tensor = self.proj(F.pad(x, (0, -x.shape[3] % patch, 0, -x.shape[2] % patch)))
        return y


@final
class ViT(Encoder):
    """Dosovitskiy et al., ICLR 2021 (arXiv 2010.11929), "An Image is Worth 16x16 Words", without the classifier.

    An image becomes a class token and a sequence of square patches, each embedded with a learned position. `depth`
    blocks of attention and MLP follow, then a LayerNorm. For images of another size, the positions are resampled
    (bicubic and antialiased, as in timm), so that small crops work. If patches do not fill the image, it is padded with
    0, the mean colour.

    Args:
        patch: Side of a patch in pixels. 0 = 4 for images of up to 64 pixels, otherwise 16.
        width: Dimension of a token.
        depth: Number of blocks.
        heads: Number of attention heads. Must divide width.
        pool: cls returns the class token, mean the mean of the patch tokens, both after the LayerNorm.
        positions: How the positions start: random numbers, or sincos, the sines and cosines of `parts.positions` (0 for
            the class token), which tell from the first step which patches are neighbours. Both are trained.
    """

    sees = ("image",)

    def __init__(
        self,
        input: dict[str, Any],
        patch: int = 0,
        width: int = 192,
        depth: int = 6,
        heads: int = 3,
        pool: Literal["cls", "mean"] = "cls",
        positions: Literal["random", "sincos"] = "random",
    ) -> None:
        super().__init__()
        patch = patch or (4 if input["size"] <= 64 else 16)
        if min(patch, width, depth, heads) < 1 or width % heads:
            raise UserError(
                "encoder vit needs patch, width, depth and heads of at least 1, and heads that divide width, "
                f"not {patch}, {width}, {depth} and {heads}"
            )
        if pool not in ("cls", "mean"):
            raise UserError(f"pool of encoder vit must be cls or mean, not '{pool}'")
        if positions not in ("random", "sincos"):
            raise UserError(f"positions of encoder vit must be random or sincos, not '{positions}'")
        shape = {"width": width, "depth": depth, "heads": heads}
        preset = next((name for name, fixed in NAMES.items() if fixed == shape), None)
        own = {"patch": patch, "pool": pool, "positions": positions}
        self.spec = {"name": preset or "vit", "input": input, **own} | ({} if preset else shape)
        self.pool, self.dim, self.patch = pool, width, patch
        self.side = side = -(-input["size"] // patch)
        self.patch_embed = PatchEmbed(input["channels"], width, patch)
        self.cls_token = nn.Parameter(torch.empty(1, 1, width))
        # The class token, then the patches row by row.
        self.pos_embed = nn.Parameter(torch.empty(1, 1 + side * side, width))
        self.blocks = nn.ModuleList(Block(width, heads) for _ in range(depth))
        self.norm = nn.LayerNorm(width, eps=1e-6)
        nn.init.normal_(self.cls_token, std=1e-6)
        nn.init.trunc_normal_(self.pos_embed, std=0.02)
        if positions == "sincos":
            self.pos_embed.data = torch.cat([torch.zeros(1, width), sincos(width, side, side)])[None]
        for m in self.modules():
            if isinstance(m, nn.Linear):
                nn.init.trunc_normal_(m.weight, std=0.02)
                nn.init.zeros_(m.bias)

    @property
    def grid(self) -> tuple[int, int]:
        """The patches of an image, along both sides."""
        return self.side, self.side

    def tokens(
        self, x: Tensor, keep: Tensor | None = None, hide: Tensor | None = None, token: Tensor | None = None
    ) -> tuple[list[Tensor], tuple[int, int]]:
        """Return all tokens after each block, [B, 1 + P, width] each, and the grid's height and width.

        The last are after the LayerNorm. `keep`, int64 [B, P], contains the numbers of the patches that are processed,
        row by row from 0; without it, all are. Where `hide`, bool [B, P], the vector `token`, [width], is in place of
        a patch.
        """
        x = self.patch_embed(x)
        grid = (x.shape[2], x.shape[3])
        positions = resampled(self.pos_embed, grid)
        x = x.flatten(2).transpose(1, 2)
        if hide is not None and token is not None:
            x = torch.where(hide[:, :, None], token.to(x), x)
        x = x + positions[:, 1:]
        if keep is not None:
            x = chosen(x, keep)
        x = torch.cat([(self.cls_token + positions[:, :1]).expand(x.shape[0], -1, -1), x], 1)
        features = []
        for block in self.blocks:
            x = block(x)
            features.append(x)
        features[-1] = self.norm(x)
        return features, grid

    def masked(self, x: Tensor, hide: Tensor, token: Tensor, mask: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Return the patch tokens, [B, P, width], and True for each; see `method.Hides`."""
        last = self.tokens(x, None, hide, token)[0][-1][:, 1:]
        return last, torch.ones_like(hide)

    def visible(self, x: Tensor, keep: Tensor) -> Tensor:
        """Encode only the patches `keep` of images [B, C, S, S], each with its own position: [B, 1 + P, width].

        keep is int64 [B, P]: numbers of patches, row by row from 0, in any order; there are ``side`` in a row. The
        result, after the LayerNorm, is the class token and then the patches in this order. The others are not read.
        """
        return self.tokens(x, keep)[0][-1]

    def layers(self, x: Tensor, **masks: Tensor) -> list[Tensor]:
        """Return the patch tokens after each block, [B, width, h, w] each (the last after the LayerNorm).

        With the mask `keep`, int64 [B, P], only these patches (numbered row by row from 0) are processed: [B, width,
        P].
        """
        features, grid = self.tokens(x, **masks)
        patches = [f[:, 1:].transpose(1, 2) for f in features]
        return patches if masks else [p.unflatten(2, grid) for p in patches]

    def forward(self, x: Tensor, **masks: Tensor) -> Tensor:
        """Map images [B, C, S, S] of any size S to features [B, width]. Masks are those of `layers`."""
        last = self.tokens(x, **masks)[0][-1]
        return last[:, 0] if self.pool == "cls" else last[:, 1:].mean(1)


def patches_of(encoder: Encoder, method: str, least: int, width: int, depth: int, heads: int) -> ViT:
    """Return the encoder of a method that hides patches from it and has a narrow Transformer of its own.

    Raises UserError, in the name of the method, for another encoder, fewer than `least` patches along a side, or a
    narrow Transformer that cannot be.
    """
    if not isinstance(encoder, ViT):
        raise UserError(
            f"{method} needs an encoder of patches that can leave some out, such as vit, not {encoder.spec['name']}"
        )
    if width < 4 or width % 4 or depth < 1 or heads < 1 or width % heads:
        raise UserError(
            f"width of {method} must be a multiple of 4 and of heads, depth and heads at least 1, not {width}, {depth} "
            f"and {heads}"
        )
    if encoder.side < least:
        raise UserError(
            f"{method} needs at least {least} x {least} patches, but images of {encoder.spec['input']['size']} pixels "
            f"have {encoder.side} x {encoder.side} of {encoder.patch}: use a smaller --encoder.patch"
        )
    return encoder


def resampled(positions: Tensor, grid: tuple[int, int]) -> Tensor:
    """Resample the positions of a class token and a square grid, [1, 1 + s * s, D], to [1, 1 + h * w, D]."""
    side = round((positions.shape[1] - 1) ** 0.5)
    if grid == (side, side):
        return positions
    square = positions[:, 1:].transpose(1, 2).unflatten(2, (side, side))
    there = F.interpolate(square.float(), size=grid, mode="bicubic", antialias=True).to(positions.dtype)
    return torch.cat([positions[:, :1], there.flatten(2).transpose(1, 2)], 1)
