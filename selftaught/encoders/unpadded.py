"""Convolutions without padding, so that the receptive field of every position is exactly known."""

from __future__ import annotations

from typing import Any, final

from torch import Tensor, nn
from torch.nn import functional as F

from selftaught.errors import UserError
from selftaught.method import Encoder
from selftaught.parts.layers import Norm, norm2d

SMALL = {"width": 8, "features": 64}
"""Arguments of a small encoder for quick trials."""


@final
class Unpadded(Encoder):
    """A small version of the encoder of AMDIM, without padding.

    Its last maps have about 7 x 7, 5 x 5 and 1 x 1 positions.

    Bachman, Hjelm, Buchwalter, NeurIPS 2019 (arXiv 1906.00910). A 4 x 4 convolution with stride 2, then 3 x 3
    convolutions with stride 2 until at most 8 positions per side are left, one 3 x 3 convolution with stride 1, and one
    over all remaining positions. Each is followed by `depth` residual blocks of 1 x 1 convolutions, which do not
    enlarge the receptive field. 32 pixels give sides of 15, 7, 5 and 1, where a position sees 4, 8, 16 and 32 pixels;
    28 pixels give 13, 6, 4 and 1.

    Args:
        width: Channels of the first map. The second has twice as many, the others four times as many.
        depth: Number of residual blocks after each convolution except the last.
        features: Channels of the last map, the encoder's output.
        norm: Normalisation: batch, layer, group or none.
    """

    sees = ("image",)

    def __init__(
        self, input: dict[str, Any], width: int = 32, depth: int = 1, features: int = 1024, norm: Norm = "batch"
    ) -> None:
        super().__init__()
        if width < 1 or depth < 0 or features < 1:
            given = f"{width}, {features} and {depth}"
            raise UserError(
                f"width and features of encoder unpadded must be at least 1 and depth at least 0, not {given}"
            )
        if input["size"] < 12:
            raise UserError(
                f"encoder unpadded needs images of at least 12 pixels, not {input['size']}: enlarge them with --size"
            )
        self.spec = {
            "name": "unpadded",
            "input": input,
            "width": width,
            "depth": depth,
            "features": features,
            "norm": norm,
        }
        plan, side = [(4, 2)], (input["size"] - 4) // 2 + 1
        while side > 8:
            plan.append((3, 2))
            side = (side - 3) // 2 + 1
        plan.append((3, 1))
        side -= 2
        before, self.stages = input["channels"], nn.ModuleList()
        for i, (kernel, stride) in enumerate(plan):
            after = width * min(2**i, 4)
            convolution = nn.Conv2d(before, after, kernel, stride, bias=norm == "none")
            self.stages.append(
                nn.Sequential(
                    convolution, norm2d(norm, after), nn.ReLU(), *(Residual(after, norm) for _ in range(depth))
                )
            )
            before = after
        last = nn.Conv2d(before, features, side, bias=norm == "none")
        self.stages.append(nn.Sequential(last, norm2d(norm, features), nn.ReLU()))
        self.size = input["size"]
        self.dim = features

    def layers(self, x: Tensor, **masks: Tensor) -> list[Tensor]:
        """Return one [B, C, h, w] per convolution. Images of another size are resized to the expected size."""
        if x.shape[2:] != (self.size, self.size):
            x = F.interpolate(x, size=(self.size, self.size), mode="bilinear", antialias=True)
        found = []
        for stage in self.stages:
            x = stage(x)
            found.append(x)
        return found

    def forward(self, x: Tensor) -> Tensor:
        """Map images [B, C, S, S] to features [B, features]."""
        return self.local(x).flatten(1)


@final
class Residual(nn.Module):
    """Residual block x + f(x), where f is two 1 x 1 convolutions."""

    def __init__(self, channels: int, norm: Norm) -> None:
        super().__init__()
        plain = norm == "none"
        self.body = nn.Sequential(
            nn.Conv2d(channels, channels, 1, bias=plain), norm2d(norm, channels), nn.ReLU(),
            nn.Conv2d(channels, channels, 1, bias=plain), norm2d(norm, channels),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        """Map [B, C, h, w] to the same shape."""
        return F.relu(x + self.body(x))
