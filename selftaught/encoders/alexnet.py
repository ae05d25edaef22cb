"""AlexNet with torchvision's parameter names, so that weights can be exchanged."""

from __future__ import annotations

from itertools import pairwise
from typing import Any, ClassVar, final

from torch import Tensor, nn
from torch.nn import functional as F

from selftaught.errors import UserError
from selftaught.method import Encoder
from selftaught.parts.layers import Norm, Pool, norm2d, pooled, pooled_width

SMALL = {"width": 0.125}
"""Arguments of a small encoder for quick trials."""
CONVOLUTIONS = {"0": 64, "3": 192, "6": 384, "8": 256, "10": 256}
"""Output channels of the convolutions, by their place in torchvision's ``features``."""
POOLED = ("3", "6")
"""Convolutions whose input is max pooled: the second and the third."""


@final
class AlexNet(Encoder):
    """Krizhevsky, Sutskever, Hinton, NIPS 2012, "ImageNet Classification with Deep Convolutional Neural Networks".

    The form of one tower that torchvision has (Krizhevsky 2014, arXiv 1404.5997), without the classifier: five
    convolutions, with max pooling after the first and the second, and, with `full`, the two fully connected layers fc6
    and fc7. For images of up to 64 pixels, the first convolution is 5x5 with stride 2 instead of 11x11 with stride 4,
    so that 32 pixels leave 16, 7, 3, 3 and 3 positions a side. `layers` returns every layer, for hypercolumns.

    With norm "none", the shapes and names are torchvision's (its images are larger than 64 pixels). By default each
    convolution is followed by batch norm, without which it does not train within minutes.

    Args:
        width: Multiplies every channel count.
        full: Add fc6 and fc7 (4096 units each, times the width), on the last positions resized to 6x6.
        pool: mean, max, or flatten to keep positions. Not used with `full`.
        norm: Normalisation of the convolutions: batch, layer, group or none.
    """

    sees = ("image",)
    effects: ClassVar[dict[str, Any]] = {"pool": {"full": (False,)}}

    def __init__(
        self,
        input: dict[str, Any],
        width: float = 1.0,
        full: bool = False,
        pool: Pool = "flatten",
        norm: Norm = "batch",
    ) -> None:
        super().__init__()
        if round(64 * width) < 1:
            raise UserError(f"width of encoder alexnet must leave at least one channel (1/64), not {width}")
        if input["size"] < 15:
            raise UserError(
                f"encoder alexnet needs images of at least 15 pixels, not {input['size']}: enlarge them with --size"
            )
        self.spec = {"name": "alexnet", "input": input, "width": width, "full": full, "pool": pool, "norm": norm}
        self.pool, self.full = pool, full
        small = input["size"] <= 64
        channels = [input["channels"], *(max(round(c * width), 1) for c in CONVOLUTIONS.values())]
        self.features, self.norms = nn.Module(), nn.ModuleDict()
        for name, (before, after) in zip(CONVOLUTIONS, pairwise(channels), strict=True):
            kernel, stride, padding = {"0": (5, 2, 2) if small else (11, 4, 2), "3": (5, 1, 2)}.get(name, (3, 1, 1))
            self.features.add_module(name, nn.Conv2d(before, after, kernel, stride, padding))
            self.norms[name] = norm2d(norm, after)
        side = (input["size"] + 1) // 2 if small else (input["size"] - 7) // 4 + 1
        for _ in POOLED:
            side = (side - 3) // 2 + 1
        self.side = side
        self.dim = pooled_width(pool, channels[-1], side**2)
        if full:
            self.dim = max(round(4096 * width), 1)
            self.classifier = nn.ModuleDict(
                {"1": nn.Linear(channels[-1] * 36, self.dim), "4": nn.Linear(self.dim, self.dim)}
            )

    def convolved(self, x: Tensor) -> list[Tensor]:
        """Return [B, C, h, w] after each of the five convolutions, before pooling."""
        found = []
        for name in CONVOLUTIONS:
            if name in POOLED:
                x = F.max_pool2d(x, 3, 2)
            x = F.relu(self.norms[name](self.features.get_submodule(name)(x)))
            found.append(x)
        return found

    def layers(self, x: Tensor, **masks: Tensor) -> list[Tensor]:
        """Return [B, C, h, w] after each convolution; with `full`, also fc6 and fc7 as [B, D, 1, 1]."""
        found = self.convolved(x)
        return [*found, *(layer[:, :, None, None] for layer in self.connected(found[-1]))] if self.full else found

    def local(self, x: Tensor) -> Tensor:
        """Return the last convolution: [B, C, h, w]."""
        return self.convolved(x)[-1]

    def connected(self, x: Tensor) -> list[Tensor]:
        """Return fc6 and fc7, [B, D] each, of the last convolution [B, C, h, w]."""
        pooled_last = F.max_pool2d(x, 3, 2) if x.shape[2] > 6 else x
        first = F.relu(self.classifier["1"](F.adaptive_avg_pool2d(pooled_last, 6).flatten(1)))
        return [first, F.relu(self.classifier["4"](first))]

    def forward(self, x: Tensor) -> Tensor:
        """Map images [B, C, S, S] of any size S to features [B, dim].

        For other image sizes, positions are repeated or averaged to the expected number.
        """
        last = self.local(x)
        return self.connected(last)[-1] if self.full else pooled(self.pool, last, self.side)
