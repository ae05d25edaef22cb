from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
import torch

from selftaught import encoders
from selftaught.errors import UserError
from selftaught.parts.norm import set_groups

INPUT = {"kind": "image", "size": 20, "channels": 2, "mean": [0.5, 0.4], "std": [0.2, 0.3]}
NARROW = {
    "conv": {"width": 4},
    "mlp": {"width": 8},
    "resnet18": {"width": 0.125},
    "resnet34": {"width": 0.0625},
    "resnet50": {"width": 0.0625},
    "vit": {"width": 12, "depth": 2},
    "vit_tiny": {},
}

# One other value for every argument of every encoder.
OTHERS: dict[str, dict[str, Any]] = {
    "conv": {"width": 5, "depth": 2, "pool": "max", "norm": "layer"},
    "mlp": {"width": 9, "depth": 1, "activation": "sigmoid"},
    "resnet18": {"width": 0.25, "stem": "7x7", "pool": "max", "norm": "group"},
    "vit": {"patch": 5, "width": 24, "depth": 1, "heads": 2, "pool": "mean", "positions": "sincos"},
}


def fingerprint(name: str, **arguments: Any) -> list[Any]:
    torch.manual_seed(0)
    encoder = encoders.build(name, INPUT, **(NARROW[name] | arguments))
    x = torch.randn(4, 2, 20, 20, generator=torch.Generator().manual_seed(1))
    return [encoder.dim, encoder(x).tolist()]


def test_names_need_no_torch() -> None:
    code = "import sys; from selftaught import encoders; print(*encoders.names()); assert 'torch' not in sys.modules"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == encoders.names()
    assert {"conv", "mlp", "resnet18", "resnet34", "resnet50", "vit"} <= set(encoders.names())


def test_every_argument_is_documented_and_varied_here() -> None:
    for name, others in OTHERS.items():
        assert [a.name for a in encoders.arguments(name)] == list(others)
    for name in encoders.names():
        assert all(a.doc for a in encoders.arguments(name))


@pytest.mark.parametrize(("name", "argument"), [(n, a) for n, others in OTHERS.items() for a in others])
def test_every_argument_matters(name: str, argument: str) -> None:
    assert fingerprint(name, **{argument: OTHERS[name][argument]}) != fingerprint(name)


@pytest.mark.parametrize("name", NARROW)
def test_the_spec_builds_the_same_encoder_again(name: str) -> None:
    for others in ({}, OTHERS.get(name, {})):
        encoder = encoders.build(name, INPUT, **(NARROW[name] | others)).eval()
        twin = encoders.build(**encoder.spec).eval()
        twin.load_state_dict(encoder.state_dict())
        x = torch.randn(2, 2, 20, 20)
        assert torch.equal(twin(x), encoder(x))
        assert twin.spec == encoder.spec


@pytest.mark.parametrize("name", NARROW)
def test_forward_pools_the_last_layer(name: str) -> None:
    encoder = encoders.build(name, INPUT, **NARROW[name]).eval()
    x = torch.randn(3, 2, 20, 20)
    layers, local, out = encoder.layers(x), encoder.local(x), encoder(x)
    assert torch.equal(layers[-1], local)
    assert out.shape == (3, encoder.dim)
    if name == "conv":
        assert torch.equal(out, local.flatten(1))
        assert [tuple(layer.shape) for layer in layers] == [(3, 4, 10, 10), (3, 8, 5, 5), (3, 16, 3, 3)]
    elif name == "mlp":
        assert torch.equal(out, local)
    elif name.startswith("vit"):
        assert not torch.allclose(out, local.mean((2, 3)), atol=1e-3)  # the class token
        assert all(layer.shape == (3, encoder.dim, 5, 5) for layer in layers)
    else:
        assert torch.allclose(out, local.mean((2, 3)), atol=1e-6)
        assert [layer.shape[2] for layer in layers] == [20, 20, 10, 5, 3]


@pytest.mark.parametrize("name", ["conv", "resnet18"])
@pytest.mark.parametrize("pool", ["mean", "max", "flatten"])
def test_dim_is_right_for_every_pool_and_size(name: str, pool: str) -> None:
    for size in (8, 17, 28):
        encoder = encoders.build(name, INPUT | {"size": size}, **NARROW[name], pool=pool).eval()
        assert encoder(torch.randn(1, 2, size, size)).shape == (1, encoder.dim)


@pytest.mark.parametrize("norm", ["layer", "group"])
@pytest.mark.parametrize("name", ["conv", "resnet18"])
def test_without_batch_norm_a_sample_does_not_see_its_batch(name: str, norm: str) -> None:
    encoder = encoders.build(name, INPUT, **NARROW[name], norm=norm)
    x = torch.randn(3, 2, 20, 20)
    y = torch.cat([x[:1], 7 * torch.randn(2, 2, 20, 20)])
    assert torch.allclose(encoder(x)[0], encoder(y)[0], atol=1e-5)


def test_batch_norm_splits_into_groups() -> None:
    encoder = encoders.build("resnet18", INPUT, **NARROW["resnet18"])
    x = torch.randn(8, 2, 20, 20)
    halves = torch.cat([encoder(x[:4]), encoder(x[4:])])
    assert not torch.allclose(encoder(x), halves, atol=1e-3)
    set_groups(encoder, 2)
    assert torch.allclose(encoder(x), halves, atol=1e-5)


def test_mistakes_are_named_with_a_suggestion() -> None:
    with pytest.raises(UserError, match="unknown encoder 'resnet81': did you mean 'resnet18'"):
        encoders.build("resnet81", INPUT)
    with pytest.raises(UserError, match="unknown argument of encoder conv 'widht': did you mean 'width'"):
        encoders.build("conv", INPUT, widht=3)
    with pytest.raises(UserError, match="unknown argument of encoder resnet18 'depth'"):
        encoders.build("resnet18", INPUT, depth=50)
    with pytest.raises(UserError, match="norm must be one of"):
        encoders.build("conv", INPUT, norm="bn")
    with pytest.raises(UserError, match="pool must be one of"):
        encoders.build("resnet18", INPUT, pool="average")
    with pytest.raises(UserError, match="stem of encoder resnet18 must be auto, 3x3 or 7x7, not '5x5'"):
        encoders.build("resnet18", INPUT, stem="5x5")
    with pytest.raises(UserError, match="at least one channel"):
        encoders.build("resnet18", INPUT, width=0.001)
    with pytest.raises(UserError, match="at least 1, not 0 and 3"):
        encoders.build("conv", INPUT, width=0)
    with pytest.raises(UserError, match="at least 1, not 512 and 0"):
        encoders.build("mlp", INPUT, depth=0)
    with pytest.raises(UserError, match="relu or sigmoid, not 'tanh'"):
        encoders.build("mlp", INPUT, activation="tanh")


def test_mlp_equals_matrix_products() -> None:
    encoder = encoders.build("mlp", INPUT, width=5, depth=2, activation="sigmoid")
    x = torch.randn(3, 2, 20, 20)
    expected = x.reshape(3, -1)
    for i in range(2):
        expected = 1 / (1 + torch.exp(-(expected @ encoder.linears[i].weight.T + encoder.linears[i].bias)))
    assert torch.allclose(encoder(x), expected, atol=1e-6)
    assert [layer.shape for layer in encoder.layers(x)] == [(3, 5), (3, 5)]
