from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from selftaught import encoders
from selftaught.encoders.multiview import Multiview
from selftaught.errors import UserError
from selftaught.parts.colour import lab, rgb_of_lab, ycbcr

INPUT = {"kind": "image", "size": 12, "channels": 3, "mean": [0.5, 0.4, 0.6], "std": [0.2, 0.3, 0.25]}


def make(views: str = "L,ab", network: str = "conv", size: int = 12, split: bool = False, **own: object) -> Multiview:
    torch.manual_seed(0)
    own = own or {"width": 4, "depth": 2}
    made = encoders.build(
        "multiview", INPUT | {"size": size}, views=views, network=network, arguments=json.dumps(own), split=split
    )
    assert isinstance(made, Multiview)
    return made.eval()


def seen(pixels: torch.Tensor) -> torch.Tensor:
    mean, std = (torch.tensor(INPUT[k]).view(-1, 1, 1) for k in ("mean", "std"))
    return (pixels - mean) / std


def test_views_are_the_pictures_channels_scaled() -> None:
    pixels = torch.rand(4, 3, 12, 12)
    lightness, colour = make().views(seen(pixels))
    converted = lab(pixels)
    assert torch.allclose(lightness, converted[:, :1] / 50 - 1, atol=1e-4)
    assert torch.allclose(colour[:, 0], 2 * (converted[:, 1] + 86.183) / (86.183 + 98.233) - 1, atol=1e-4)
    assert torch.allclose(colour[:, 1], 2 * (converted[:, 2] + 107.857) / (107.857 + 94.478) - 1, atol=1e-4)
    luma, *_ = make("Y,Cb,Cr").views(seen(pixels))
    assert torch.allclose(luma, 2 * (ycbcr(pixels)[:, :1] - 16) / 219 - 1, atol=1e-4)
    r, g, b = make("R,G,B").views(seen(pixels))
    assert torch.allclose(torch.cat([r, g, b], 1), 2 * pixels - 1, atol=1e-5)
    assert make().views(100 * torch.randn(2, 3, 12, 12))[0].abs().max() <= 1 + 1e-5


@pytest.mark.parametrize("views", ["L,ab", "Y,CbCr", "R,G,B"])
@pytest.mark.parametrize(
    ("network", "own"), [("conv", {"width": 4}), ("conv", {"width": 4, "pool": "mean"}), ("resnet18", {"width": 0.125})]
)
def test_the_features_of_all_views_are_joined(views: str, network: str, own: dict[str, object]) -> None:
    encoder = make(views, network, **own)
    x = torch.randn(2, 3, 12, 12)
    codes = [net(view) for net, view in zip(encoder.networks, encoder.views(x), strict=True)]
    assert len(codes) == len(views.split(","))
    assert torch.equal(encoder(x), torch.cat(codes, 1))
    assert encoder(x).shape == (2, encoder.dim)
    layers = encoder.layers(x)
    one = encoder.networks[0].layers(encoder.views(x)[0])
    assert torch.equal(encoder.local(x), layers[-1])
    assert [layer.shape[1] for layer in layers] == [len(codes) * layer.shape[1] for layer in one]
    assert all(torch.equal(layer[:, : part.shape[1]], part) for layer, part in zip(layers, one, strict=True))


def test_networks_have_weights_of_their_own() -> None:
    encoder = make("R,G,B")
    first = [net.blocks[0][0].weight for net in encoder.networks]
    assert not torch.equal(first[0], first[1])


def test_it_is_saved_and_loaded_like_any_other(tmp_path: Path) -> None:
    encoder = make("Y,CbCr", width=3, depth=1)
    (tmp_path / "encoder.safetensors").write_bytes(encoders.save(encoder))
    loaded = encoders.load(tmp_path / "encoder.safetensors")
    x = torch.randn(2, 3, 12, 12)
    assert torch.equal(loaded(x), encoder(x))
    assert loaded.spec == encoder.spec == encoders.build(**encoder.spec).spec


def test_one_view_sees_nothing_but_its_channels() -> None:
    encoder, pixels = make("L"), torch.rand(2, 3, 12, 12)
    assert len(encoder.networks) == 1 and encoder.dim == encoder.networks[0].dim
    converted = lab(pixels)
    converted[:, 1:] *= 0.9  # other colours of the same lightness
    assert torch.allclose(encoder(seen(pixels)), encoder(seen(rgb_of_lab(converted))), atol=1e-4)
    assert not torch.allclose(encoder(seen(pixels)), encoder(seen(pixels * 0.9)), atol=1e-2)
    grey = make("I").views(seen(pixels))[0]
    assert torch.allclose(grey, 2 * pixels.mean(1, keepdim=True) - 1, atol=1e-5)


def test_networks_divide_the_width_of_one() -> None:
    whole, halves = make("L,ab", width=8), make("L,ab", split=True, width=8)
    assert [net.spec["width"] for net in whole.networks] == [8, 8]
    assert [net.spec["width"] for net in halves.networks] == [4, 4]
    assert halves.dim == encoders.build("conv", INPUT, width=8).dim  # joined, they are as wide as one network
    assert make("L,ab", "resnet18", split=True, width=0.25).networks[1].spec["width"] == 0.125
    assert encoders.build("multiview", INPUT, split=True).networks[0].spec["width"] == 16  # of the default, 32


def test_a_fourth_channel_is_a_view_of_its_own() -> None:
    four = {key: [*value, 0.5] if isinstance(value, list) else value for key, value in INPUT.items()} | {"channels": 4}
    encoder = encoders.build("multiview", four, views="RGB,D", arguments='{"width": 4}')
    pixels = torch.rand(2, 4, 12, 12)
    mean, std = (torch.tensor(four[k]).view(-1, 1, 1) for k in ("mean", "std"))
    colour, depth = encoder.views((pixels - mean) / std)
    assert torch.allclose(torch.cat([colour, depth], 1), 2 * pixels - 1, atol=1e-5)


def test_scaling_goes_back() -> None:
    encoder, channels = make(), lab(torch.rand(2, 3, 4, 4))
    assert torch.allclose(encoder.unscaled(encoder.scaled(channels)), channels, atol=1e-4)


def test_mistakes_are_named() -> None:
    with pytest.raises(UserError, match="but these have 1 channels: use colour images, or encoder conv"):
        encoders.build("multiview", INPUT | {"channels": 1})
    with pytest.raises(UserError, match="cannot be multiview itself"):
        make(network="multiview")
    with pytest.raises(UserError, match="each channel once, not 'L,Cb'"):
        make("L,Cb")
    with pytest.raises(UserError, match="split has no effect on encoder multiview with the one view L: remove it"):
        encoders.build("multiview", INPUT, views="L", split=True)
    with pytest.raises(UserError, match="encoder vit_tiny has no width to divide among 2 networks"):
        encoders.build("multiview", INPUT, network="vit_tiny", split=True)
    with pytest.raises(UserError, match="needs images with 4 channels, but these have 3 channels: use other images"):
        make("RGB,D")
    for wrong in ("width=3", "[1]", '{"input": 1}'):
        with pytest.raises(UserError, match="must be a JSON object"):
            encoders.build("multiview", INPUT, arguments=wrong)
    with pytest.raises(UserError, match="unknown argument of encoder conv 'widht': did you mean 'width'"):
        make(widht=3)


def test_every_argument_is_documented() -> None:
    assert [(a.name, bool(a.doc)) for a in encoders.arguments("multiview")] == [
        ("views", True),
        ("network", True),
        ("arguments", True),
        ("split", True),
    ]
