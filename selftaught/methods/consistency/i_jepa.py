"""I-JEPA."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from selftaught.encoders.vit import Block, ViT
from selftaught.errors import UserError
from selftaught.kernels.random import uniforms
from selftaught.method import Batch, Clock, Encoder, Index, Method, Outputs, Params, Raw, Views
from selftaught.parts.matching import matching
from selftaught.parts.momentum import follow, momentum_copy
from selftaught.parts.positions import sincos
from selftaught.parts.shown import Pictures
from selftaught.parts.spread import spread
from selftaught.views.image import Augment, ImageViews, denormalise

SIZES, PLACES = 0x6A657061, 0x6A657062  # separate the blocks from other views' random numbers
TARGET, ASPECT, CONTEXT = (0.15, 0.2), (0.75, 1.5), (0.85, 1.0)
"""Areas of a target block, its height over its width, and areas of the context block: shares of the image."""


@final
class IJEPA(Method):
    """Predict the features of blocks of an image from those of the patches around them.

    Assran, Duval, Misra, Bojanowski, Vincent, Rabbat, LeCun, Ballas, CVPR 2023 (arXiv 2301.08243), "Self-Supervised
    Learning from Images with a Joint-Embedding Predictive Architecture". Neither pixels are predicted nor views
    compared: the targets are features of a momentum encoder that sees the whole image, so what cannot be predicted need
    not be kept. No colours are changed and nothing is mirrored.

    With s_j the target encoder's token of patch j, normalised to mean 0 and variance 1 over its features, and B_1 ...
    B_M blocks of patches::

        p_j = predictor(encoder(context patches), position of j),    j in B_m
        L = 1/M sum_m mean_{j in B_m} smooth_l1(p_j, LayerNorm(s_j)),    target <- m * target + (1 - m) * encoder

    where m rises linearly from `momentum` to 1. The context is a block of 85% to 100% of the image without all target
    blocks; the encoder sees nothing else. Target blocks have 15% to 20% of the patches and are 0.75 to 1.5 times as
    high as wide.

    Shapes: image is [B, C, S, S]; context is int64 [B, K] and targets are M of int64 [B, n_m], numbers of patches row
    by row; p and s are [B, n_m, D].

    As there are no labels to predict, "accuracy" is how often the mean prediction of a block is closest in direction,
    among the images of the batch, to the mean of its own targets (both less their means over the batch, as position
    alone predicts these). "spread" of these targets is 1 when healthy and 0 when collapsed.

    The target encoder is kept, as the paper judges it, by the mean of its patch tokens: ``--encoder.pool mean``.
    Departures: K patches are drawn from what is left of the context block, the same number for all images (the released
    code cuts to the fewest in the batch, the first ones); sizes are drawn for each block number and epoch (one for all
    blocks of a batch there); where too little is left of the context block, the context is the rest of the whole image
    (there blocks are drawn again); the class token is part of the context; the encoder's positions are learned (fixed
    sines and cosines there: ``--encoder.positions sincos`` starts from them); weight decay stays 0.05 instead of
    growing from 0.04 to 0.4; the predictor has 2 blocks of width 96 (12 of 384 there); momentum starts at 0.99 (0.996)
    and AdamW trains for minutes instead of 300 epochs.

    Args:
        blocks: Number M of target blocks, at least 1.
        keep: Share of the patches that are the context, in (0, 1), or fewer where targets leave fewer.
        momentum: Momentum of the target encoder at the start, in [0, 1]. It rises to 1.
        width: Dimension of a token of the predictor, a multiple of 4.
        depth: Number of blocks of the predictor, at least 1.
        heads: Number of attention heads of the predictor. Must divide width.
        crop: Smallest area of the random crop, as a fraction of the image.

    Raises:
        UserError: An argument is out of range, or the encoder cannot encode patches one by one (`ViT.visible`).
    """

    recipe: ClassVar[dict[str, Any]] = {
        "batch_size": 128, "lr": 1e-3, "minutes": 1.5, "weight_decay": 0.05, "warmup": 0.1,
    }  # fmt: skip
    sees = ("image",)
    network = "vit"

    encoder: ViT
    positions: Tensor

    def __init__(
        self,
        encoder: Encoder,
        blocks: int = 4,
        keep: float = 0.25,
        momentum: float = 0.99,
        width: int = 96,
        depth: int = 2,
        heads: int = 3,
        crop: float = 0.3,
    ) -> None:
        super().__init__()
        if not isinstance(encoder, ViT):
            raise UserError(
                f"i_jepa needs an encoder of patches that can leave some out, such as vit, not {encoder.spec['name']}"
            )
        if blocks < 1 or not 0 < keep < 1 or not 0 <= momentum <= 1:
            raise UserError(
                "i_jepa needs blocks of at least 1, keep between 0 and 1 and momentum in [0, 1], not "
                f"{blocks}, {keep} and {momentum}"
            )
        if width < 4 or width % 4 or depth < 1 or heads < 1 or width % heads:
            raise UserError(
                "width of i_jepa must be a multiple of 4 and of heads, depth and heads at least 1, not "
                f"{width}, {depth} and {heads}"
            )
        if encoder.side < 3 or blocks * largest(encoder.side) >= encoder.side**2:
            raise UserError(
                f"{blocks} target blocks may cover all of the {encoder.side} x {encoder.side} patches of "
                f"{encoder.spec['input']['size']} pixels: use a smaller --encoder.patch than {encoder.patch}, or fewer "
                "blocks"
            )
        self.encoder, self.momentum = encoder, momentum
        self.target = momentum_copy(encoder)
        self.views = Blocks(encoder.spec["input"], Augment(crop=(crop, 1.0)), encoder.side, blocks, keep)
        self.embed = nn.Linear(encoder.dim, width)
        self.token = nn.Parameter(torch.empty(1, 1, width))
        self.blocks = nn.Sequential(*(Block(width, heads) for _ in range(depth)), nn.LayerNorm(width, eps=1e-6))
        self.predict = nn.Linear(width, encoder.dim)
        self.register_buffer("positions", sincos(width, encoder.side, encoder.side))
        for m in self.modules():
            if isinstance(m, nn.Linear) and m not in (*encoder.modules(), *self.target.modules()):
                nn.init.trunc_normal_(m.weight, std=0.02)
                nn.init.zeros_(m.bias)
        nn.init.trunc_normal_(self.token, std=0.02)

    @property
    def kept(self) -> ViT:
        """The target encoder."""
        assert isinstance(self.target, ViT)
        return self.target

    def forward(self, image: Tensor, context: Tensor, targets: Sequence[Tensor], **_: Any) -> Outputs:
        """Return the loss, and how well the predictions find their image."""
        with torch.no_grad():
            last = self.kept.tokens(image)[0][-1][:, 1:]  # [B, P, D]
            whole = F.layer_norm(last.float(), last.shape[2:])
        seen = self.embed(self.encoder.visible(image, context))  # [B, 1 + K, width]
        seen = torch.cat([seen[:, :1], seen[:, 1:] + self.positions[context]], 1)
        losses, found = [], []
        for block in targets:
            asked = self.token + self.positions[block]  # [B, n, width]
            predicted = self.predict(self.blocks(torch.cat([seen, asked], 1))[:, -block.shape[1] :]).float()
            true = whole.gather(1, block[:, :, None].expand(-1, -1, whole.shape[2]))  # [B, n, D]
            losses.append(F.smooth_l1_loss(predicted, true))
            p, s = predicted.detach().mean(1), true.mean(1)
            found.append(matching(p - p.mean(0), s - s.mean(0)))
        return {
            "loss": torch.stack(losses).mean(),
            **{name: torch.stack([f[name] for f in found]).mean() for name in found[0]},
            "spread": spread(whole.mean(1) - whole.mean((0, 1))),
        }

    def after_step(self, clock: Clock, outputs: Outputs) -> None:
        """Update the target encoder."""
        follow(self.target, self.encoder, self.momentum + (1 - self.momentum) * clock.progress)

    def show(self, image: Tensor, context: Tensor, targets: Sequence[Tensor], **_: Any) -> list[Pictures]:
        """Show images, the patches that the encoder sees, and the blocks whose features it predicts."""
        shown = {"image": image, "context": self.only(image, context), "predicted": self.only(image, *targets)}
        return [Pictures(name, list(denormalise(x, self.encoder.spec["input"]))) for name, x in shown.items()]

    def only(self, image: Tensor, *patches: Tensor) -> Tensor:
        """Return images [B, C, S, S] with the mean colour (0) in all patches but those numbered, int64 [B, K] each."""
        side, size = self.encoder.side, image.shape[2]
        mask = torch.zeros(len(image), side * side, device=image.device)
        mask = mask.scatter(1, torch.cat(patches, 1), 1.0).view(-1, 1, side, side)
        return image * F.interpolate(mask, scale_factor=self.encoder.patch)[:, :, :size, :size]


@final
class Blocks(Views):
    """Views "image", and "context" and "targets": the numbers of the patches that are seen and that are predicted."""

    def __init__(self, input: Mapping[str, Any], augment: Augment, side: int, blocks: int, keep: float) -> None:
        self.image, self.side, self.blocks, self.keep = ImageViews(input, image=augment), side, blocks, keep

    def sizes(self, epoch: int, seed: int) -> NDArray[np.int64]:
        """Return height and width in patches of each target block of an epoch, int64 [M, 2]."""
        u = uniforms(seed, SIZES, np.zeros(1, np.int64), epoch, np.arange(self.blocks), 2)[0]  # [M, 2]
        return shape(self.side, TARGET[0] + u[:, 0] * (TARGET[1] - TARGET[0]), u[:, 1])

    def sample(self, index: Index, epoch: int, seed: int) -> Params:
        """Return the image view's parameters, "context" int64 [B, K], and "target0" ... int64 [B, n_m].

        K is what `keep` says, or the fewest that the targets of the epoch may leave.
        """
        side, count = self.side, self.side**2
        u = uniforms(seed, PLACES, index, epoch, np.arange(1), 3 + 2 * self.blocks + count)[:, 0]  # [B, ...]
        rest = np.ones((len(index), count), bool)
        targets: Params = {}
        sizes = self.sizes(epoch, seed)
        for m, (height, width) in enumerate(sizes):
            targets[f"target{m}"] = box = rectangle(u[:, 2 * m : 2 * m + 2], height, width, side)
            np.put_along_axis(rest, box, False, 1)
        place, share, draw = u[:, -count - 3 : -count - 1], u[:, -count - 1], u[:, -count:]
        edge = np.rint(np.sqrt(count * (CONTEXT[0] + share * (CONTEXT[1] - CONTEXT[0]))))  # [B]
        first = np.floor(place * (side - edge + 1)[:, None])  # [B, 2]
        y, x = np.divmod(np.arange(count), side)
        inside = [(first[:, [d]] <= c) & (c < first[:, [d]] + edge[:, None]) for d, c in enumerate((y, x))]
        left = rest & inside[0] & inside[1]
        k = min(max(round(self.keep * count), 1), count - int(sizes.prod(1).sum()))
        left = np.where(left.sum(1, keepdims=True) >= k, left, rest)
        context = np.argsort(np.where(left, draw, 2.0), 1)[:, :k]
        return {**self.image.sample(index, epoch, seed), **targets, "context": np.sort(context, 1)}

    def apply(self, raw: Raw, params: Params, device: torch.device) -> Batch:
        """Return the views on `device`. "label" and "index" pass through."""
        own = ["context", *(f"target{m}" for m in range(self.blocks))]
        batch = self.image.apply(raw, {k: v for k, v in params.items() if k not in own}, device)
        context, *targets = (torch.from_numpy(np.ascontiguousarray(params[name])).to(device) for name in own)
        return {**batch, "context": context, "targets": targets}


def shape(side: int, area: float | NDArray[np.float64], aspect: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return height and width in patches, int64 [M, 2], of blocks with a share of the area and `aspect` in [0, 1)."""
    ratio = ASPECT[0] + aspect * (ASPECT[1] - ASPECT[0])
    both = side * np.stack([np.sqrt(area * ratio), np.sqrt(area / ratio)], 1)
    return np.clip(np.rint(both), 1, side - 1).astype(np.int64)


def largest(side: int) -> int:
    """Return the number of patches of the largest target block."""
    return int(shape(side, TARGET[1], np.linspace(0, 1, 101)).prod(1).max())


def rectangle(place: NDArray[np.float64], height: int, width: int, side: int) -> NDArray[np.int64]:
    """Return the patches of a rectangle in a grid, int64 [B, height * width], at a random place [B, 2] in [0, 1)."""
    top, left = (np.floor(place[:, d] * (side - n + 1)).astype(np.int64) for d, n in enumerate((height, width)))
    rows = top[:, None] + np.arange(height)  # [B, height]
    columns = left[:, None] + np.arange(width)
    return (rows[:, :, None] * side + columns[:, None, :]).reshape(len(place), -1)
