"""Convolutions without padding: how much of the image a position sees is known, and no more of it is seen."""

from __future__ import annotations

from typing import Any, final

from torch import Tensor, nn
from torch.nn import functional as F

from selftaught.errors import UserError
from selftaught.method import Encoder
from selftaught.parts.layers import Norm, norm2d


@final
class Unpadded(Encoder):
    """The encoder of AMDIM, made small: maps of about 7 x 7, 5 x 5 and 1 x 1 positions at the end, none of them padded.

    Bachman, Hjelm, Buchwalter, NeurIPS 2019 (arXiv 1906.00910). A convolution of 4 x 4 pixels with stride 2, then of 3
    x 3 with stride 2 until at most 8 positions a side are left, one of 3 x 3 with stride 1, and one over all that
    remains. Each is followed by `depth` residual blocks of 1 x 1 convolutions, which see no further. 32 pixels give
    sides of 15, 7, 5 and 1, where a position sees 4, 8, 16 and 32 pixels; 28 pixels give 13, 6, 4 and 1.

    Args:
        width: Channels of the first map; the second has twice, the others four times as many.
        depth: Residual blocks after each convolution but the last.
        features: Channels of the last map, the encoder's output.
        norm: batch, layer, group or none.
    """

    sees = ("image",)

    def __init__(
        self, input: dict[str, Any], width: int = 32, depth: int = 1, features: int = 1024, norm: Norm = "batch"
    ) -> None:
        super().__init__()
        if width < 1 or depth < 0 or features < 1:
            given = f"{width}, {features} and {depth}"
            raise UserError(
                f"encoder unpadded takes width and features of at least 1 and depth of at least 0, not {given}"
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
        """One [B, C, h, w] per convolution.

        Images of another size are resized to the one that the encoder was made for.
        """
        if x.shape[2:] != (self.size, self.size):
            x = F.interpolate(x, size=(self.size, self.size), mode="bilinear", antialias=True)
        found = []
        for stage in self.stages:
            x = stage(x)
            found.append(x)
        return found

    def forward(self, x: Tensor) -> Tensor:
        """[B, C, S, S] to [B, features]."""
        return self.local(x).flatten(1)


@final
class Residual(nn.Module):
    """x + f(x), f two 1 x 1 convolutions."""

    def __init__(self, channels: int, norm: Norm) -> None:
        super().__init__()
        plain = norm == "none"
        self.body = nn.Sequential(
            nn.Conv2d(channels, channels, 1, bias=plain), norm2d(norm, channels), nn.ReLU(),
            nn.Conv2d(channels, channels, 1, bias=plain), norm2d(norm, channels),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        """[B, C, h, w] to the same."""
        return F.relu(x + self.body(x))
