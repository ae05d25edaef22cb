"""One small network applied to every patch of an image: the encoder of contrastive predictive coding."""

from __future__ import annotations

from typing import Any, ClassVar, final

from torch import Tensor

from selftaught.encoders import arguments, build
from selftaught.errors import UserError
from selftaught.method import Encoder
from selftaught.parts.layers import Norm, Pool, pooled, pooled_width, take_fitting


@final
class Patchwise(Encoder):
    """Cuts the image into a grid of patches and encodes each patch on its own, so that no code sees beyond its patch.

    The patches are those of `views.patches.Grid(patch, stride)`: as many as fit, centred. With the defaults, 28 pixels
    give 6 x 6 patches of 8 pixels, and 32 pixels give 7 x 7. The code of a patch is the output of `network`, averaged
    over positions: [D].

    Args:
        network: Name of the encoder for one patch.
        patch: Side of a patch in pixels. 0 = a quarter of the image's side, rounded up to an even number.
        stride: Pixels from one patch to the next. 0 = half a patch.
        width: Width of the network. 0 = the network's default.
        depth: Depth of the network. 0 = the network's default.
        norm: Normalisation in the network, if it has this argument. With batch, codes depend on all other patches.
        pool: How the grid of codes becomes one vector: flatten keeps the positions; mean and max pool over them.
        cells: flatten first averages the grid to at most cells x cells positions.
    """

    sees = ("image",)
    effects: ClassVar[dict[str, Any]] = {"cells": {"pool": ("flatten",)}}

    def __init__(
        self,
        input: dict[str, Any],
        network: str = "conv",
        patch: int = 0,
        stride: int = 0,
        width: float = 0.0,
        depth: int = 0,
        norm: Norm = "layer",
        pool: Pool = "flatten",
        cells: int = 4,
    ) -> None:
        super().__init__()
        if network == "patchwise":
            raise UserError("the network of encoder patchwise cannot be patchwise itself: choose conv, or another")
        if min(patch, stride, width, depth) < 0 or cells < 1:
            raise UserError(
                "patch, stride, width and depth of encoder patchwise must be at least 0, and cells at least 1"
            )
        self.spec = {
            "name": "patchwise", "input": input, "network": network, "patch": patch, "stride": stride, "width": width,
            "depth": depth, "norm": norm, "pool": pool, "cells": cells,
        }  # fmt: skip
        self.patch = patch or 2 * -(-input["size"] // 8)
        self.stride = stride or -(-self.patch // 2)
        self.pool = pool
        if self.patch > input["size"]:
            raise UserError(
                f"a patch of {self.patch} pixels does not fit into an image of {input['size']} pixels: "
                "use a smaller patch"
            )
        known = {a.name: a.type for a in arguments(network)}
        chosen: dict[str, Any] = {"width": width, "depth": depth, "norm": norm, "pool": "mean"}
        chosen = {k: int(v) if known[k] == "int" else v for k, v in chosen.items() if k in known and v}
        self.network = build(network, input | {"size": self.patch}, **chosen)
        self.side = min((input["size"] - self.patch) // self.stride + 1, cells)
        self.dim = pooled_width(pool, self.network.dim, self.side**2)

    def cut(self, x: Tensor) -> Tensor:
        """Cut images [B, C, S, S] into patches [B, rows, columns, C, patch, patch]."""
        first = (x.shape[2] - self.patch) % self.stride // 2
        x = x[:, :, first:, first:].unfold(2, self.patch, self.stride).unfold(3, self.patch, self.stride)
        return x.permute(0, 2, 3, 1, 4, 5)

    def encode(self, patches: Tensor) -> Tensor:
        """Map patches [B, rows, columns, C, patch, patch] to codes [B, D, rows, columns]."""
        codes: Tensor = self.network(patches.flatten(0, 2))  # [B * rows * columns, D]
        return codes.view(*patches.shape[:3], -1).permute(0, 3, 1, 2)

    def layers(self, x: Tensor, **masks: Tensor) -> list[Tensor]:
        """Return one [B, D, rows, columns] per layer of the network, and the codes last.

        Layers are averaged over each patch.
        """
        patches = self.cut(x)
        features = [f.flatten(2).mean(2) if f.ndim > 2 else f for f in self.network.layers(patches.flatten(0, 2))]
        return [f.unflatten(0, patches.shape[:3]).permute(0, 3, 1, 2) for f in features[:-1]] + [self.encode(patches)]

    def local(self, x: Tensor) -> Tensor:
        """Return the codes [B, D, rows, columns]."""
        return self.encode(self.cut(x))

    def forward(self, x: Tensor) -> Tensor:
        """Map images [B, C, S, S] to features [B, dim]."""
        return pooled(self.pool, self.local(x), self.side)


def of(encoder: Encoder, patch: int, stride: int, norm: Norm) -> Patchwise:
    """Return a patchwise encoder with a network like `encoder`, with its weights where the shapes agree.

    Returns `encoder` itself if it is already patchwise. Raises UserError when it cuts other patches than those asked
    for (0 accepts any).
    """
    if isinstance(encoder, Patchwise):
        if (patch or encoder.patch, stride or encoder.stride) != (encoder.patch, encoder.stride):
            raise UserError(
                f"the encoder cuts patches of {encoder.patch} pixels every {encoder.stride}, not of {patch} every "
                f"{stride}: "
                "set patch and stride of the encoder only"
            )
        return encoder
    spec = encoder.spec
    kept = {k: spec[k] for k in ("width", "depth", "pool") if k in spec}
    made = build("patchwise", spec["input"], network=spec["name"], patch=patch, stride=stride, norm=norm, **kept)
    assert isinstance(made, Patchwise)
    take_fitting(made.network, encoder)
    return made
