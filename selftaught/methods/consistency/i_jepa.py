"""I-JEPA."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from selftaught.encoders.vit import Block, ViT, patches_of
from selftaught.errors import UserError
from selftaught.method import Clock, Encoder, Method, Outputs
from selftaught.parts.chosen import chosen
from selftaught.parts.matching import matching
from selftaught.parts.momentum import follow, momentum_copy
from selftaught.parts.positions import sincos
from selftaught.parts.shown import Pictures
from selftaught.parts.spread import spread
from selftaught.views.blocks import Blocks
from selftaught.views.image import Augment, denormalise


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
    blocks of a batch there); where too little is left of the context block, blocks are drawn again, as there, but after
    8 times all targets are in one corner (the released code lets context and targets overlap); the class token is part
    of the context; the encoder's positions are learned (fixed sines and cosines there: ``--encoder.positions sincos``
    starts from them); weight decay stays 0.05 instead of growing from 0.04 to 0.4; the predictor has 2 blocks of width
    96 (12 of 384 there); momentum starts at 0.99 (0.996) and AdamW trains for minutes instead of 300 epochs.

    Args:
        blocks: Number M of target blocks, at least 1.
        keep: Share of the patches that are the context, in (0, 1).
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
        if blocks < 1 or not 0 < keep < 1 or not 0 <= momentum <= 1:
            raise UserError(
                "i_jepa needs blocks of at least 1, keep between 0 and 1 and momentum in [0, 1], not "
                f"{blocks}, {keep} and {momentum}"
            )
        encoder = patches_of(encoder, "i_jepa", 3, width, depth, heads)
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
            true = chosen(whole, block)  # [B, n, D]
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
