"""Several networks side by side, each seeing some channels of a colour space.

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
    """Takes an ordinary colour image apart into views and joins what one network each makes of them.

    Every channel of the colour space is brought from the range that sRGB reaches to [-1, 1].

    Args:
        views: Channels of one colour space in groups: "L,ab", "Y,CbCr", "R,G,B" or any other split of Lab, YCbCr or
            RGB.
        network: Name of the encoder that each view gets, one for each.
        arguments: Of these encoders, as JSON.
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
                f"encoder multiview takes colour images apart, and these have {input['channels']} channels instead "
                "of 3: "
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
        """[B, 3, S, S], normalised, to one [B, channels, S, S] in [-1, 1] for each view."""
        pixels = (x.float() * self.std + self.mean).clamp(0, 1)  # beyond [0, 1] is rounding alone
        channels = SPACES[self.space].convert(pixels)
        scaled = 2 * (channels - self.low) / (self.high - self.low) - 1
        return [scaled[:, group] for group in self.groups]

    def codes(self, x: Tensor) -> list[Tensor]:
        """[B, 3, S, S] to what each network makes of its view: one [B, D] each."""
        return [encoder(view) for encoder, view in zip(self.encoders(), self.views(x), strict=True)]

    def layers(self, x: Tensor, **masks: Tensor) -> list[Tensor]:
        """The networks' layers, the channels of all views one after the other."""
        each = [encoder.layers(view, **masks) for encoder, view in zip(self.encoders(), self.views(x), strict=True)]
        return [torch.cat(layer, 1) for layer in zip(*each, strict=True)]

    def forward(self, x: Tensor) -> Tensor:
        """[B, 3, S, S] to [B, dim]: the codes of all views joined."""
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
