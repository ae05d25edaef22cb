"""A network that sees edges instead of colours: fixed Sobel filters of the grey image in front of another encoder."""

from __future__ import annotations

import json
from typing import Any, final

import torch
from torch import Tensor
from torch.nn import functional as F

from selftaught.encoders import build
from selftaught.errors import UserError
from selftaught.method import Encoder
from selftaught.parts.layers import take_fitting

FILTER = ((1.0, 0.0, -1.0), (2.0, 0.0, -2.0), (1.0, 0.0, -1.0))


@final
class Sobel(Encoder):
    """Replaces an image by its horizontal and vertical gradients, two channels, and applies a network to them.

    The image is the mean of the normalised channels, and its edge is repeated, so that a blank image has no gradients.
    The filters are fixed (Sobel and Feldman 1968), as in front of the networks of DeepCluster.

    Args:
        network: Name of the encoder of the gradients.
        arguments: Arguments of this encoder, as JSON.
    """

    filters: Tensor

    sees = ("image",)

    def __init__(self, input: dict[str, Any], network: str = "conv", arguments: str = "{}") -> None:
        super().__init__()
        if network == "sobel":
            raise UserError("the network of encoder sobel cannot be sobel itself: choose conv, or another")
        try:
            own = json.loads(arguments)
        except ValueError:
            own = None
        if not isinstance(own, dict) or "input" in own:
            raise UserError(
                f"""arguments of encoder sobel must be a JSON object such as {{"width": 16}}, not '{arguments}'"""
            )
        self.spec = {"name": "sobel", "input": input, "network": network, "arguments": arguments}
        self.network = build(network, input | {"channels": 2, "mean": [0.0] * 2, "std": [1.0] * 2}, **own)
        self.dim = self.network.dim
        across = torch.tensor(FILTER)
        self.register_buffer("filters", torch.stack([across, across.T])[:, None])  # [2, 1, 3, 3]

    def edges(self, x: Tensor) -> Tensor:
        """Map images [B, C, S, S] to gradients [B, 2, S, S]."""
        return F.conv2d(F.pad(x.mean(1, keepdim=True), (1, 1, 1, 1), mode="replicate"), self.filters)

    def layers(self, x: Tensor, **masks: Tensor) -> list[Tensor]:
        """Return the layers of the network."""
        return self.network.layers(self.edges(x), **masks)

    def local(self, x: Tensor) -> Tensor:
        """Return the network's last features that have positions."""
        return self.network.local(self.edges(x))

    def forward(self, x: Tensor) -> Tensor:
        """Map images [B, C, S, S] to features [B, dim]."""
        features: Tensor = self.network(self.edges(x))
        return features


def of(encoder: Encoder) -> Sobel:
    """Return a Sobel encoder with a network like `encoder`, and its weights where the shapes agree.

    Returns `encoder` itself if it already is one.
    """
    if isinstance(encoder, Sobel):
        return encoder
    spec = {k: v for k, v in encoder.spec.items() if k not in ("name", "input")}
    made = build("sobel", encoder.spec["input"], network=encoder.spec["name"], arguments=json.dumps(spec))
    assert isinstance(made, Sobel)
    take_fitting(made.network, encoder)
    return made
