"""Residual networks with torchvision's parameter names, so that weights travel both ways."""

from __future__ import annotations

from typing import Any, Literal, final

from torch import Tensor, nn
from torch.nn import functional as F

from selftaught.errors import UserError
from selftaught.method import Encoder
from selftaught.parts.layers import Norm, Pool, norm2d, pooled, pooled_width

NAMES = {"resnet18": {"depth": 18}, "resnet34": {"depth": 34}, "resnet50": {"depth": 50}}
BLOCKS = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 6, 3)}


@final
class Block(nn.Module):
    """x + f(x): two 3x3 convolutions (basic), or 1x1, 3x3, 1x1 with four times the channels at the end (bottleneck).

    The stride sits on the 3x3 convolution, as in torchvision ("v1.5").
    """

    def __init__(self, before: int, width: int, stride: int, bottleneck: bool, norm: Norm) -> None:
        super().__init__()
        after = width * 4 if bottleneck else width
        # (in, out, kernel, stride) of conv1, conv2 and, in a bottleneck, conv3
        if bottleneck:
            plan = [(before, width, 1, 1), (width, width, 3, stride), (width, after, 1, 1)]
        else:
            plan = [(before, width, 3, stride), (width, width, 3, 1)]
        for i, (a, b, kernel, s) in enumerate(plan, 1):
            self.add_module(f"conv{i}", nn.Conv2d(a, b, kernel, s, kernel // 2, bias=False))
            self.add_module(f"bn{i}", norm2d(norm, b))
        self.convolutions = len(plan)
        self.downsample = None
        if stride != 1 or before != after:
            self.downsample = nn.Sequential(nn.Conv2d(before, after, 1, stride, bias=False), norm2d(norm, after))

    def forward(self, x: Tensor) -> Tensor:
        """[B, before, h, w] to [B, after, h/stride, w/stride]."""
        y = x
        for i in range(1, self.convolutions + 1):
            y = self.get_submodule(f"bn{i}")(self.get_submodule(f"conv{i}")(y))
            if i < self.convolutions:
                y = F.relu(y)
        return F.relu(y + (x if self.downsample is None else self.downsample(x)))


@final
class ResNet(Encoder):
    """He, Zhang, Ren, Sun, CVPR 2016, "Deep Residual Learning for Image Recognition", without the classifier.

    Up to 64 pixels the stem is a 3x3 convolution with stride 1 and no pooling, as in every small-image paper; above,
    7x7 with stride 2 and max pooling. Convolutions start from He's normal initialisation.

    Args:
        depth: 18 or 34 (basic blocks), 50 (bottlenecks); set by the names resnet18, resnet34 and resnet50.
        width: Multiplies every channel count (the 2x and 4x of SimCLR).
        stem: auto decides by the input's size.
        pool: mean, max, or flatten to keep positions.
        norm: batch, layer, group or none.
    """

    sees = ("image",)

    def __init__(
        self,
        input: dict[str, Any],
        depth: int = 18,
        width: float = 1.0,
        stem: Literal["auto", "3x3", "7x7"] = "auto",
        pool: Pool = "mean",
        norm: Norm = "batch",
    ) -> None:
        super().__init__()
        if stem not in ("auto", "3x3", "7x7"):
            raise UserError(f"stem of encoder resnet{depth} must be auto, 3x3 or 7x7, not '{stem}'")
        base = round(64 * width)
        if base < 1:
            raise UserError(f"width of encoder resnet{depth} must leave at least one channel (1/64), not {width}")
        self.spec = {"name": f"resnet{depth}", "input": input, "width": width, "stem": stem, "pool": pool, "norm": norm}
        self.pool = pool
        small = stem == "3x3" or (stem == "auto" and input["size"] <= 64)
        self.conv1 = nn.Conv2d(
            input["channels"], base, 3 if small else 7, 1 if small else 2, 1 if small else 3, bias=False
        )
        self.bn1 = norm2d(norm, base)
        self.maxpool = nn.Identity() if small else nn.MaxPool2d(3, 2, 1)
        channels = base
        for stage, count in enumerate(BLOCKS[depth]):
            blocks = []
            for i in range(count):
                blocks.append(Block(channels, base * 2**stage, 2 if stage and not i else 1, depth >= 50, norm))
                channels = base * 2**stage * (4 if depth >= 50 else 1)
            self.add_module(f"layer{stage + 1}", nn.Sequential(*blocks))
        for m in self.modules():
            if isinstance(m, nn.Conv2d):
                nn.init.kaiming_normal_(m.weight, mode="fan_out", nonlinearity="relu")
        self.side = -(-input["size"] // (8 if small else 32))
        self.dim = pooled_width(pool, channels, self.side**2)

    def layers(self, x: Tensor, **masks: Tensor) -> list[Tensor]:
        """[B, C, h, w] after the stem (pooled, where it pools) and after each of the four stages."""
        features = [self.maxpool(F.relu(self.bn1(self.conv1(x))))]
        for stage in range(1, 5):
            features.append(self.get_submodule(f"layer{stage}")(features[-1]))
        return features

    def forward(self, x: Tensor) -> Tensor:
        """[B, C, S, S] to [B, dim], whatever S.

        Positions of images of another size are repeated or averaged to as many.
        """
        return pooled(self.pool, self.local(x), self.side)
