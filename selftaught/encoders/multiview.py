"""Several networks, each applied to some channels of a colour space.

The encoder of contrastive multiview coding.
"""

from __future__ import annotations

import json
from typing import Any, final

import torch
from torch import Tensor, nn

from selftaught.encoders import build
from selftaught.errors import UserError
from selftaught.method import Encoder
from selftaught.parts.colour import SPACES, groups


@final
class Multiview(Encoder):
    """Splits a colour image into views, applies one network to each view, and concatenates their features.

    Every channel of the colour space is scaled from its range in sRGB to [-1, 1].

    Args:
        views: Groups of channels of one colour space: "L,ab", "Y,CbCr", "R,G,B" or any other split of Lab, YCbCr or
            RGB.
        network: Name of the encoder that is built for each view.
        arguments: Arguments of these encoders, as JSON.
    """

    mean: Tensor
    std: Tensor
    low: Tensor
    high: Tensor

    sees = ("image",)

    def __init__(
        self, input: dict[str, Any], views: str = "L,ab", network: str = "conv", arguments: str = "{}"
    ) -> None:
        super().__init__()
        if input["channels"] != 3:
            raise UserError(
                f"encoder multiview needs images with 3 channels, but these have {input['channels']} channels"
                ": "
                f"use colour images, or encoder {network}"
            )
        if network == "multiview":
            raise UserError("the network of encoder multiview cannot be multiview itself: choose conv, or another")
        self.spec = {"name": "multiview", "input": input, "views": views, "network": network, "arguments": arguments}
        self.space, self.groups = groups(views)
        own = _settings(arguments)
        self.networks = nn.ModuleList(build(network, self._input(len(group)), **own) for group in self.groups)
        self.dim = sum(encoder.dim for encoder in self.encoders())
        for name in ("mean", "std"):
            self.register_buffer(name, torch.tensor(input[name]).view(-1, 1, 1))
        for name, end in zip(("low", "high"), zip(*SPACES[self.space].channels.values(), strict=True), strict=True):
            self.register_buffer(name, torch.tensor(end).view(-1, 1, 1))

    def _input(self, channels: int) -> dict[str, Any]:
        half = [0.5] * channels
        return {"kind": "image", "size": self.spec["input"]["size"], "channels": channels, "mean": half, "std": half}

    def encoders(self) -> list[Encoder]:
        """The networks, one for each view."""
        return [network for network in self.networks if isinstance(network, Encoder)]

    def views(self, x: Tensor) -> list[Tensor]:
        """Split normalised images [B, 3, S, S] into one [B, channels, S, S] in [-1, 1] for each view."""
        pixels = (x.float() * self.std + self.mean).clamp(0, 1)  # values outside [0, 1] come from rounding
        channels = SPACES[self.space].convert(pixels)
        scaled = 2 * (channels - self.low) / (self.high - self.low) - 1
        return [scaled[:, group] for group in self.groups]

    def codes(self, x: Tensor) -> list[Tensor]:
        """Map images [B, 3, S, S] to the features of each network, one [B, D] each."""
        return [encoder(view) for encoder, view in zip(self.encoders(), self.views(x), strict=True)]

    def layers(self, x: Tensor, **masks: Tensor) -> list[Tensor]:
        """Return the layers of the networks, with the channels of all views concatenated."""
        each = [encoder.layers(view, **masks) for encoder, view in zip(self.encoders(), self.views(x), strict=True)]
        return [torch.cat(layer, 1) for layer in zip(*each, strict=True)]

    def forward(self, x: Tensor) -> Tensor:
        """Map images [B, 3, S, S] to features [B, dim]: the concatenated features of all views."""
        return torch.cat(self.codes(x), 1)


def _settings(arguments: str) -> dict[str, Any]:
    try:
        found = json.loads(arguments)
    except ValueError:
        found = None
    if not isinstance(found, dict) or "input" in found:
        raise UserError(
            f"""arguments of encoder multiview must be a JSON object such as {{"width": 16}}, not '{arguments}'"""
        )
    return found
