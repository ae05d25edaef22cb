from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from selftaught import encoders
from selftaught.encoders.multiview import Multiview
from selftaught.errors import UserError
from selftaught.parts.colour import lab, ycbcr

INPUT = {"kind": "image", "size": 12, "channels": 3, "mean": [0.5, 0.4, 0.6], "std": [0.2, 0.3, 0.25]}


def make(views: str = "L,ab", network: str = "conv", size: int = 12, **own: object) -> Multiview:
    torch.manual_seed(0)
    own = own or {"width": 4, "depth": 2}
    made = encoders.build("multiview", INPUT | {"size": size}, views=views, network=network, arguments=json.dumps(own))
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


def test_mistakes_are_named() -> None:
    with pytest.raises(UserError, match="these have 1 channels instead of 3: use colour images, or encoder conv"):
        encoders.build("multiview", INPUT | {"channels": 1})
    with pytest.raises(UserError, match="cannot be multiview itself"):
        make(network="multiview")
    with pytest.raises(UserError, match="each channel once, not 'L,a'"):
        make("L,a")
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
    ]
