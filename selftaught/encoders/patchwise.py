"""One small network for every patch of an image: the encoder of contrastive predictive coding."""

from __future__ import annotations

from typing import Any, final

import torch
from torch import Tensor

from selftaught.encoders import arguments, build
from selftaught.errors import UserError
from selftaught.method import Encoder
from selftaught.parts.layers import Norm, Pool, pooled, pooled_width


@final
class Patchwise(Encoder):
    """Cuts the image into patches on a grid and codes each on its own, so that no code sees beyond its patch.

    The patches are those of `views.patches.Grid(patch, stride)`: as many as fit, centred. With the defaults 28 pixels
    give 6 x 6 patches of 8 pixels, 32 pixels 7 x 7. `network` codes a patch by the mean over its positions, [D] for
    each.

    Args:
        network: Name of the encoder that codes one patch.
        patch: Side of a patch in pixels; 0 takes a quarter of the image's, rounded up to an even number.
        stride: Pixels from one patch to the next; 0 takes half a patch.
        width: Of the network; 0 takes its own default.
        depth: Of the network; 0 takes its own default.
        norm: Of the network, where it has a choice. batch lets every code depend on all other patches.
        pool: How the grid of codes becomes one vector: flatten keeps positions, mean and max pool over them.
        cells: flatten averages the grid to at most cells x cells positions.
    """

    sees = ("image",)

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
                "encoder patchwise takes patch, stride, width and depth of at least 0 and cells of at least 1"
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
                f"a patch of {self.patch} pixels does not fit into an image of {input['size']}: make it smaller"
            )
        known = {a.name: a.type for a in arguments(network)}
        chosen: dict[str, Any] = {"width": width, "depth": depth, "norm": norm, "pool": "mean"}
        chosen = {k: int(v) if known[k] == "int" else v for k, v in chosen.items() if k in known and v}
        self.network = build(network, input | {"size": self.patch}, **chosen)
        self.side = min((input["size"] - self.patch) // self.stride + 1, cells)
        self.dim = pooled_width(pool, self.network.dim, self.side**2)

    def cut(self, x: Tensor) -> Tensor:
        """[B, C, S, S] to [B, rows, columns, C, patch, patch]."""
        first = (x.shape[2] - self.patch) % self.stride // 2
        x = x[:, :, first:, first:].unfold(2, self.patch, self.stride).unfold(3, self.patch, self.stride)
        return x.permute(0, 2, 3, 1, 4, 5)

    def encode(self, patches: Tensor) -> Tensor:
        """[B, rows, columns, C, patch, patch] to codes [B, D, rows, columns]."""
        codes: Tensor = self.network(patches.flatten(0, 2))  # [B * rows * columns, D]
        return codes.view(*patches.shape[:3], -1).permute(0, 3, 1, 2)

    def layers(self, x: Tensor, **masks: Tensor) -> list[Tensor]:
        """One [B, D, rows, columns] per layer of the network but its last, averaged over each patch, and then the codes."""
        patches = self.cut(x)
        features = [f.flatten(2).mean(2) if f.ndim > 2 else f for f in self.network.layers(patches.flatten(0, 2))]
        return [f.unflatten(0, patches.shape[:3]).permute(0, 3, 1, 2) for f in features[:-1]] + [self.encode(patches)]

    def local(self, x: Tensor) -> Tensor:
        """The codes: [B, D, rows, columns]."""
        return self.encode(self.cut(x))

    def forward(self, x: Tensor) -> Tensor:
        """[B, C, S, S] to [B, dim]."""
        return pooled(self.pool, self.local(x), self.side)


def of(encoder: Encoder, patch: int, stride: int, norm: Norm) -> Patchwise:
    """A patchwise encoder around a network like `encoder`, with `encoder`'s weights where their shapes allow.

    Itself if it is one.

    Raises UserError when `encoder` cuts other patches than those asked for (0 asks for none in particular).
    """
    if isinstance(encoder, Patchwise):
        if (patch or encoder.patch, stride or encoder.stride) != (encoder.patch, encoder.stride):
            raise UserError(
                f"the encoder cuts patches of {encoder.patch} pixels every {encoder.stride}, not of {patch} every "
                f"{stride}: "
                "give patch and stride to the encoder alone"
            )
        return encoder
    spec = encoder.spec
    kept = {k: spec[k] for k in ("width", "depth", "pool") if k in spec}
    made = build("patchwise", spec["input"], network=spec["name"], patch=patch, stride=stride, norm=norm, **kept)
    assert isinstance(made, Patchwise)
    theirs, own = encoder.state_dict(), made.network.state_dict()
    with torch.no_grad():
        for name, tensor in own.items():
            if name in theirs and theirs[name].shape == tensor.shape:
                tensor.copy_(theirs[name])
    return made
