from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from selftaught import encoders
from selftaught.encoders.alexnet import AlexNet
from selftaught.errors import UserError
from selftaught.parts.hypercolumn import hypercolumn


def input_of(size: int, channels: int = 3) -> dict[str, Any]:
    return {"kind": "image", "size": size, "channels": channels, "mean": [0.5] * channels, "std": [0.2] * channels}


def make(size: int = 32, **arguments: Any) -> AlexNet:
    torch.manual_seed(0)
    made = encoders.build("alexnet", input_of(size), **({"width": 0.125} | arguments))
    assert isinstance(made, AlexNet)
    return made.eval()


def torchvisions() -> nn.Module:
    """torchvision's alexnet, written out: 0 to 12 are its features, then its classifier."""
    whole = nn.Module()
    whole.features = nn.Sequential(
        nn.Conv2d(3, 64, 11, 4, 2), nn.ReLU(), nn.MaxPool2d(3, 2), nn.Conv2d(64, 192, 5, padding=2), nn.ReLU(),
        nn.MaxPool2d(3, 2), nn.Conv2d(192, 384, 3, padding=1), nn.ReLU(), nn.Conv2d(384, 256, 3, padding=1), nn.ReLU(),
        nn.Conv2d(256, 256, 3, padding=1), nn.ReLU(), nn.MaxPool2d(3, 2),
    )  # fmt: skip
    whole.classifier = nn.Sequential(
        nn.Dropout(), nn.Linear(256 * 6 * 6, 4096), nn.ReLU(), nn.Dropout(), nn.Linear(4096, 4096), nn.ReLU(),
        nn.Linear(4096, 10),
    )  # fmt: skip
    return whole.eval()


@pytest.mark.parametrize(("size", "sides"), [(32, [16, 7, 3, 3, 3]), (64, [32, 15, 7, 7, 7]), (96, [23, 11, 5, 5, 5])])
def test_layers_are_the_five_convolutions(size: int, sides: list[int]) -> None:
    encoder, x = make(size), torch.randn(2, 3, size, size)
    layers = encoder.layers(x)
    assert [tuple(layer.shape) for layer in layers] == [
        (2, channels, side, side) for channels, side in zip((8, 24, 48, 32, 32), sides, strict=True)
    ]
    assert torch.equal(encoder.local(x), layers[-1])
    assert torch.equal(encoder(x), layers[-1].flatten(1)) and encoder(x).shape == (2, encoder.dim)


def test_torchvisions_weights_give_torchvisions_features(tmp_path: Path) -> None:
    reference = torchvisions()
    from safetensors.torch import save_file

    save_file(reference.state_dict(), tmp_path / "alexnet.safetensors")
    for full in (False, True):
        encoder = encoders.build("alexnet", input_of(224), norm="none", full=full).eval()
        assert set(encoder.state_dict()) <= set(reference.state_dict())
        encoders.load_weights(encoder, tmp_path / "alexnet.safetensors", strict=False)
        x = torch.randn(1, 3, 224, 224)
        before_pool: Tensor = reference.features[:12](x)
        expected = (
            reference.classifier[:6](F.adaptive_avg_pool2d(reference.features(x), 6).flatten(1))
            if full
            else before_pool
        )
        found = encoder(x) if full else encoder.local(x)
        assert torch.allclose(found, expected, atol=1e-5)


def test_fully_connected_layers_come_last() -> None:
    encoder, x = make(full=True), torch.randn(2, 3, 32, 32)
    layers = encoder.layers(x)
    assert [tuple(layer.shape[1:]) for layer in layers[5:]] == [(512, 1, 1), (512, 1, 1)]
    assert torch.equal(encoder(x), layers[-1].flatten(1)) and encoder.dim == 512
    assert torch.equal(encoder.local(x), layers[4])


def test_a_hypercolumn_takes_all_its_layers() -> None:
    encoder, x = make(full=True), torch.randn(2, 3, 32, 32)
    columns = hypercolumn([x, *encoder.layers(x)], torch.tensor([[[0, 0], [31, 31]]] * 2), 32)
    assert columns.shape == (2, 2, 3 + 8 + 24 + 48 + 32 + 32 + 512 + 512)


@pytest.mark.parametrize(
    ("name", "other"), [("width", 0.25), ("full", True), ("pool", "mean"), ("norm", "layer"), ("norm", "none")]
)
def test_every_argument_matters_and_the_spec_builds_it_again(name: str, other: Any) -> None:
    first, second, x = make(), make(**{name: other}), torch.randn(2, 3, 32, 32)
    assert first.dim != second.dim or not torch.equal(first(x), second(x))
    twin = encoders.build(**second.spec).eval()
    twin.load_state_dict(second.state_dict())
    assert torch.equal(twin(x), second(x))


def test_images_of_other_sizes_have_the_same_width() -> None:
    encoder = make(32)
    assert encoder(torch.randn(1, 3, 48, 48)).shape == encoder(torch.randn(1, 3, 32, 32)).shape


def test_mistakes_are_named() -> None:
    with pytest.raises(UserError, match="width of encoder alexnet must leave at least one channel"):
        make(width=0.001)
    with pytest.raises(UserError, match="encoder alexnet needs images of at least 15 pixels, not 12: enlarge them"):
        make(12)
