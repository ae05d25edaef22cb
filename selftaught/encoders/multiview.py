"""Several networks, each applied to some channels of a colour space.

The encoder of contrastive multiview coding and of split-brain autoencoders; with one view, such as the lightness, that
of colorization.
"""

from __future__ import annotations

import json
from typing import Any, final

import torch
from torch import Tensor, nn

from selftaught.encoders import arguments as arguments_of
from selftaught.encoders import build
from selftaught.errors import UserError
from selftaught.method import Encoder
from selftaught.parts.colour import SPACES, groups


@final
class Multiview(Encoder):
    """Splits a colour image into views, applies one network to each view, and concatenates their features.

    Every channel of the colour space is scaled from its range in sRGB to [-1, 1].

    Args:
        views: Groups of channels of one colour space: "L,ab", "Y,CbCr", "R,G,B" or other groups of the channels of Lab,
            YCbCr, RGB or HCI (hue, chroma and intensity, the mean of RGB), or of the four channels of RGBD. Views may
            leave out channels or share them: "L" is one network that sees the lightness alone.
        network: Name of the encoder that is built for each view.
        arguments: Arguments of these encoders, as JSON.
        split: Divide the width among the networks, so that together they are as wide as one. Needs several views.
    """

    mean: Tensor
    std: Tensor
    low: Tensor
    high: Tensor

    sees = ("image",)

    def __init__(
        self,
        input: dict[str, Any],
        views: str = "L,ab",
        network: str = "conv",
        arguments: str = "{}",
        split: bool = False,
    ) -> None:
        super().__init__()
        self.space, self.groups = groups(views, whole=False)
        channels = len(SPACES[self.space].channels)
        if input["channels"] != channels:
            raise UserError(
                f"encoder multiview needs images with {channels} channels, but these have {input['channels']} channels"
                ": "
                f"use {'colour' if channels == 3 else 'other'} images, or encoder {network}"
            )
        if split and len(self.groups) == 1:
            raise UserError(f"split has no effect on encoder multiview with the one view {views}: remove it")
        if network == "multiview":
            raise UserError("the network of encoder multiview cannot be multiview itself: choose conv, or another")
        self.spec = {
            "name": "multiview", "input": input, "views": views, "network": network, "arguments": arguments,
            "split": split,
        }  # fmt: skip
        own = _settings(arguments)
        if split:
            own["width"] = _share(network, own, len(self.groups))
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

    def scaled(self, channels: Tensor) -> Tensor:
        """Scale channels [B, C, ...] of the colour space to [-1, 1]."""
        low, high = (end.view(-1, *[1] * (channels.ndim - 2)) for end in (self.low, self.high))
        return 2 * (channels - low) / (high - low) - 1

    def unscaled(self, scaled: Tensor) -> Tensor:
        """Return the channels, the inverse of `scaled`."""
        low, high = (end.view(-1, *[1] * (scaled.ndim - 2)) for end in (self.low, self.high))
        return (scaled + 1) / 2 * (high - low) + low

    def views(self, x: Tensor) -> list[Tensor]:
        """Split normalised images [B, C, S, S] into one [B, channels, S, S] in [-1, 1] for each view."""
        pixels = (x.float() * self.std + self.mean).clamp(0, 1)  # values outside [0, 1] come from rounding
        scaled = self.scaled(SPACES[self.space].convert(pixels))
        return [scaled[:, group] for group in self.groups]

    def codes(self, x: Tensor) -> list[Tensor]:
        """Map images [B, C, S, S] to the features of each network, one [B, D] each."""
        return [encoder(view) for encoder, view in zip(self.encoders(), self.views(x), strict=True)]

    def layers(self, x: Tensor, **masks: Tensor) -> list[Tensor]:
        """Return the layers of the networks, with the channels of all views concatenated."""
        each = [encoder.layers(view, **masks) for encoder, view in zip(self.encoders(), self.views(x), strict=True)]
        return [torch.cat(layer, 1) for layer in zip(*each, strict=True)]

    def forward(self, x: Tensor) -> Tensor:
        """Map images [B, C, S, S] to features [B, dim]: the concatenated features of all views."""
        return torch.cat(self.codes(x), 1)


def of(method: str, encoder: Encoder, views: str, split: bool = False) -> Multiview:
    """Return a `multiview` encoder of networks like `encoder`, initialised from its weights where the shapes agree.

    Returns `encoder` itself if it is already a `multiview` encoder. Raises UserError if that has other views than
    `method` needs.
    """
    if isinstance(encoder, Multiview):
        if (encoder.spec["views"], encoder.spec["split"]) != (views, split):
            raise UserError(
                f"the encoder was built for views '{encoder.spec['views']}', not '{views}'"
                f"{' that split its width' if split else ''}: use the same views for {method}"
            )
        return encoder
    settings = {key: value for key, value in encoder.spec.items() if key not in ("name", "input")}
    made = build(
        "multiview",
        encoder.spec["input"],
        views=views,
        network=encoder.spec["name"],
        arguments=json.dumps(settings, sort_keys=True),
        split=split,
    )
    assert isinstance(made, Multiview)
    for network in made.encoders():
        own = network.state_dict()
        fitting = {name: tensor for name, tensor in encoder.state_dict().items() if tensor.shape == own[name].shape}
        network.load_state_dict(own | fitting)
    return made


def _share(network: str, own: dict[str, Any], networks: int) -> float:
    """Return the width of each of `networks` networks that together are as wide as one."""
    width = next((a for a in arguments_of(network) if a.name == "width"), None)
    if width is None:
        raise UserError(f"encoder {network} has no width to divide among {networks} networks: use conv, or another")
    whole: float = own.get("width", width.default)
    return max(whole // networks, 1) if width.type == "int" else whole / networks


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
