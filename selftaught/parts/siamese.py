"""One network applied to every patch of an image: the trunk of methods that compare or order patches."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, final

from torch import Tensor, nn

from selftaught.errors import UserError
from selftaught.parts.layers import pooled, shape_of
from selftaught.parts.norm import BatchNorm1d

Local = Callable[[Any], Tensor]

POSITIONS = 4
"""Largest side of the positions of a patch; more are averaged."""


@final
class Siamese(nn.Module):
    """Codes of patches: the encoder's positions of a patch, flattened, and a layer that is discarded after training.

    The layer is linear, with batch normalisation without scale and shift, and ReLU. The encoder stays outside, because
    it is the one that is kept.

    Args:
        encoder: The encoder.
        local: What gives its features with positions.
        spec: Its spec.
        side: Side of a patch in pixels.
        width: Width of a code.
        method: The method's name, for the message of the error.
    """

    def __init__(
        self, encoder: nn.Module, local: Local, spec: Mapping[str, Any], side: int, width: int, method: str
    ) -> None:
        """Raises UserError for an encoder without positions."""
        super().__init__()
        if len(shape_of(local, encoder, spec["input"])) != 3:
            raise UserError(f"{method} needs an encoder with positions, such as conv or resnet18, not {spec['name']}")
        shape = shape_of(local, encoder, {**spec["input"], "size": side})
        self.side = min(shape[1], POSITIONS)
        self.layer = nn.Sequential(
            nn.Linear(shape[0] * self.side**2, width, bias=False), BatchNorm1d(width, affine=False), nn.ReLU()
        )

    def forward(self, local: Local, patches: Tensor) -> Tensor:
        """Map patches [B, ..., C, p, p] to codes [B, P, width], in reading order."""
        features = pooled("flatten", local(patches.flatten(0, -4)), self.side)
        codes: Tensor = self.layer(features)
        return codes.view(len(patches), -1, codes.shape[1])
