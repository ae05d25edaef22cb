from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from selftaught import encoders
from selftaught.encoders import adapted
from selftaught.errors import UserError
from selftaught.parts.norm import BatchNorm2d, set_groups

INPUT = {"kind": "image", "size": 32, "channels": 3, "mean": [0.5] * 3, "std": [0.2] * 3}


def make(name: str = "resnet10t", **arguments: Any) -> Any:
    torch.manual_seed(0)
    return encoders.build(f"timm/{name}", INPUT, **arguments)


@pytest.fixture(autouse=True, scope="module")
def installed() -> None:
    try:
        adapted.library("timm", "timm")
    except UserError as error:
        pytest.skip(str(error))


@pytest.mark.parametrize(
    ("name", "arguments", "dim", "last"),
    [
        ("resnet10t", {}, 512, (512, 1, 1)),
        ("resnet10t", {"pool": "flatten"}, 512, (512, 1, 1)),
        ("vit_tiny_patch16_224", {"patch": 8}, 192, (192, 4, 4)),
        ("vit_tiny_patch16_224", {"patch": 8, "pool": "mean"}, 192, (192, 4, 4)),
    ],
)
def test_it_is_timms_network(name: str, arguments: dict[str, Any], dim: int, last: tuple[int, ...]) -> None:
    import timm

    encoder = make(name, **arguments).eval()
    x = torch.randn(2, 3, 32, 32)
    with torch.no_grad():
        assert encoder.dim == dim and encoder(x).shape == (2, dim)
        assert encoder.layers(x)[-1].shape[1:] == last == encoder.local(x).shape[1:]
        own = {"img_size": 32, "patch_size": 8} if "patch" in arguments else {}
        theirs = timm.create_model(name, num_classes=0, **own).eval()
        theirs.load_state_dict(encoder.state_dict())  # by timm's names
        if "pool" not in arguments:
            assert torch.allclose(encoder(x), theirs(x), atol=1e-5)
        else:
            assert torch.allclose(encoder(x), encoder.local(x).flatten(2).mean(2), atol=1e-5)


def test_it_is_saved_and_loaded(tmp_path: Path) -> None:
    encoder = make("vit_tiny_patch16_224", patch=16, pool="mean").eval()
    (tmp_path / "encoder.safetensors").write_bytes(encoders.save(encoder))
    again = encoders.load(tmp_path / "encoder.safetensors")
    x = torch.randn(2, 3, 32, 32)
    assert again.spec == encoder.spec and torch.equal(again(x), encoder(x))


def test_weights_of_timm_are_loaded_from_disk(tmp_path: Path) -> None:
    import timm

    theirs = timm.create_model("resnet10t", num_classes=7).eval()
    save_file(theirs.state_dict(), tmp_path / "model.safetensors")
    encoder = make().eval()
    x = torch.randn(2, 3, 32, 32)
    encoders.load_weights(encoder, tmp_path / "model.safetensors")
    assert torch.allclose(encoder(x), theirs.forward_head(theirs.forward_features(x), pre_logits=True), atol=1e-5)


def test_batch_norms_are_grouped() -> None:
    encoder = make().train()
    norms = [m for m in encoder.modules() if isinstance(m, torch.nn.BatchNorm2d)]
    assert norms and all(isinstance(m, BatchNorm2d) for m in norms)
    x = torch.randn(8, 3, 32, 32)
    set_groups(encoder, 2)
    both = encoder(x)
    set_groups(encoder, 1)
    assert torch.allclose(both[:4], encoder(x[:4]), atol=1e-4)


def test_other_arguments_give_other_networks() -> None:
    x = torch.randn(2, 3, 32, 32)
    one, patch, pool = (make("vit_tiny_patch16_224", **a).eval()(x) for a in ({}, {"patch": 8}, {"pool": "max"}))
    assert not torch.allclose(one, patch) and not torch.allclose(one, pool)
    assert [a.name for a in encoders.arguments("timm/resnet18")] == ["patch", "pool"]


def test_mistakes_are_named() -> None:
    with pytest.raises(UserError, match="unknown network of timm 'resnet81': did you mean 'resnet"):
        make("resnet81")
    with pytest.raises(UserError, match=r"encoder timm/resnet10t has no patch: leave --encoder\.patch out"):
        make("resnet10t", patch=4)
