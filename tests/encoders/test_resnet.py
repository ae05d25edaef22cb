from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from selftaught import encoders

PHOTO = {"kind": "image", "size": 224, "channels": 3, "mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]}
BLOCKS = {"resnet18": [2, 2, 2, 2], "resnet34": [3, 4, 6, 3], "resnet50": [3, 4, 6, 3]}
NORM = ["weight", "bias", "running_mean", "running_var"]


def torchvision_shapes(name: str, classes: int = 1000) -> dict[str, tuple[int, ...]]:
    """Names and shapes in torchvision's files of this architecture, written down from the paper's table 1."""
    wide = 4 if name == "resnet50" else 1
    shapes: dict[str, tuple[int, ...]] = {"conv1.weight": (64, 3, 7, 7)} | {f"bn1.{n}": (64,) for n in NORM}
    before = 64
    for stage, (width, count) in enumerate(zip([64, 128, 256, 512], BLOCKS[name], strict=True), 1):
        for block in range(count):
            at = f"layer{stage}.{block}"
            kernels = [(width, before, 1), (width, width, 3), (width * 4, width, 1)]
            if wide == 1:
                kernels = [(width, before, 3), (width, width, 3)]
            for i, (out, into, kernel) in enumerate(kernels, 1):
                shapes[f"{at}.conv{i}.weight"] = (out, into, kernel, kernel)
                shapes |= {f"{at}.bn{i}.{n}": (out,) for n in NORM}
            if block == 0 and (stage > 1 or wide == 4):
                shapes[f"{at}.downsample.0.weight"] = (width * wide, before, 1, 1)
                shapes |= {f"{at}.downsample.1.{n}": (width * wide,) for n in NORM}
            before = width * wide
    return shapes | {"fc.weight": (classes, before), "fc.bias": (classes,)}


@pytest.mark.parametrize(
    ("name", "tensors", "weights"),
    [("resnet18", 102, 11_689_512), ("resnet34", 182, 21_797_672), ("resnet50", 267, 25_557_032)],
)
def test_names_and_shapes_are_torchvisions(name: str, tensors: int, weights: int) -> None:
    expected = torchvision_shapes(name)
    assert len(expected) == tensors  # of the files that torchvision publishes without batch counters
    trained = {k: s for k, s in expected.items() if "running" not in k}
    # the parameter count that torchvision documents
    assert sum(torch.Size(s).numel() for s in trained.values()) == weights
    with torch.device("meta"):
        encoder = encoders.build(name, PHOTO)
    own = {k: tuple(v.shape) for k, v in encoder.state_dict().items() if not k.endswith("num_batches_tracked")}
    assert own == {k: s for k, s in expected.items() if not k.startswith("fc.")}


def by_the_paper(x: Tensor, w: dict[str, Tensor], name: str, small: bool) -> Tensor:
    """The network as arithmetic on a state_dict, in eval mode."""

    def norm(x: Tensor, at: str) -> Tensor:
        mean, var, gain, shift = (
            w[f"{at}.{n}"].view(1, -1, 1, 1) for n in ("running_mean", "running_var", "weight", "bias")
        )
        return (x - mean) / torch.sqrt(var + 1e-5) * gain + shift

    x = norm(F.conv2d(x, w["conv1.weight"], stride=1 if small else 2, padding=1 if small else 3), "bn1").relu()
    if not small:
        x = F.max_pool2d(x, 3, 2, 1)
    for stage, count in enumerate(BLOCKS[name], 1):
        for block in range(count):
            at, y = f"layer{stage}.{block}", x
            stride = 2 if stage > 1 and block == 0 else 1
            last = 3 if name == "resnet50" else 2
            for i in range(1, last + 1):
                # on the 3x3 convolution of a bottleneck, the first of a basic block
                strided = stride if i == last - 1 else 1
                kernel = w[f"{at}.conv{i}.weight"]
                y = norm(F.conv2d(y, kernel, stride=strided, padding=kernel.shape[2] // 2), f"{at}.bn{i}")
                y = y.relu() if i < last else y
            if f"{at}.downsample.0.weight" in w:
                x = norm(F.conv2d(x, w[f"{at}.downsample.0.weight"], stride=stride), f"{at}.downsample.1")
            x = (x + y).relu()
    return x.mean((2, 3))


@pytest.mark.parametrize("name", BLOCKS)
@pytest.mark.parametrize("size", [32, 72])
def test_computes_what_the_paper_says(name: str, size: int) -> None:
    torch.manual_seed(0)
    encoder = encoders.build(name, PHOTO | {"size": size}, width=0.125).eval()
    for key, value in encoder.state_dict().items():
        if "running" in key or "bn" in key:
            value.copy_(torch.rand(value.shape) + 0.5) if value.is_floating_point() else None
    x = torch.randn(2, 3, size, size)
    with torch.no_grad():
        expected = by_the_paper(x, encoder.state_dict(), name, small=size <= 64)
        assert torch.allclose(encoder(x), expected, rtol=1e-4, atol=1e-4 * expected.abs().max().item())


def test_the_stem_suits_the_size() -> None:
    for size, stem, kernel in [(64, "auto", 3), (65, "auto", 7), (32, "7x7", 7), (224, "3x3", 3)]:
        with torch.device("meta"):
            encoder = encoders.build("resnet18", PHOTO | {"size": size}, stem=stem)
        assert encoder.conv1.weight.shape == (64, 3, kernel, kernel)


def test_width_multiplies_every_channel() -> None:
    with torch.device("meta"):
        encoder = encoders.build("resnet50", PHOTO | {"channels": 13}, width=2)
    assert encoder.conv1.weight.shape == (128, 13, 7, 7)
    assert encoder.layer4[2].conv3.weight.shape == (4096, 1024, 1, 1)
    assert encoder.dim == 4096
