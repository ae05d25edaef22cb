from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from selftaught import encoders
from selftaught.encoders import adapted
from selftaught.errors import UserError

INPUT = {"kind": "image", "size": 16, "channels": 3, "mean": [0.5] * 3, "std": [0.2] * 3}
VIT = {
    "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32, "patch_size": 4,
}  # fmt: skip
RESNET = {"embedding_size": 8, "hidden_sizes": [8, 16], "depths": [1, 1], "layer_type": "basic"}


@pytest.fixture(autouse=True, scope="module")
def installed() -> None:
    try:
        adapted.library("transformers", "hf")
    except UserError as error:
        pytest.skip(str(error))


def make(name: str = "vit", config: Any = None, **arguments: Any) -> Any:
    torch.manual_seed(0)
    given = json.dumps(VIT if name == "vit" and config is None else config or {})
    return encoders.build(f"hf/{name}", INPUT, config=given, **arguments)


@pytest.mark.parametrize(
    ("name", "config", "dim", "last"), [("vit", VIT, 16, (16, 17)), ("resnet", RESNET, 16, (16, 2, 2))]
)
def test_it_is_their_network(name: str, config: Any, dim: int, last: tuple[int, ...]) -> None:
    import transformers

    encoder = make(name, config).eval()
    x = torch.randn(2, 3, 16, 16)
    with torch.no_grad():
        assert encoder.dim == dim and encoder.local(x).shape[1:] == last
        theirs = transformers.AutoModel.from_config(encoder.body.config).eval()
        theirs.load_state_dict(encoder.state_dict())  # by their names
        out = theirs(pixel_values=x).last_hidden_state
        out = out.flatten(2) if out.ndim == 4 else out.transpose(1, 2)
        assert torch.allclose(encoder(x), out.mean(2), atol=1e-5)
        assert len(encoder.layers(x)) == len(theirs(pixel_values=x, output_hidden_states=True).hidden_states)


def test_it_is_saved_and_loaded(tmp_path: Path) -> None:
    encoder = make(pool="cls").eval()
    (tmp_path / "encoder.safetensors").write_bytes(encoders.save(encoder))
    again = encoders.load(tmp_path / "encoder.safetensors")
    x = torch.randn(2, 3, 16, 16)
    assert again.spec == encoder.spec and torch.equal(again(x), encoder(x))
    assert not torch.allclose(again(x), make(pool="mean").eval()(x))


def test_a_folder_gives_network_and_weights(tmp_path: Path) -> None:
    first = make().eval()
    first.body.save_pretrained(tmp_path / "theirs")
    torch.manual_seed(1)
    encoder = encoders.build(f"hf/{tmp_path / 'theirs'}", INPUT).eval()
    x = torch.randn(2, 3, 16, 16)
    assert torch.allclose(encoder(x), first(x), atol=1e-6)
    (tmp_path / "encoder.safetensors").write_bytes(encoders.save(encoder))
    (tmp_path / "theirs" / "config.json").unlink()  # what was saved needs no folder
    assert torch.allclose(encoders.load(tmp_path / "encoder.safetensors")(x), first(x), atol=1e-6)


def test_mistakes_are_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="encoder hf/vitt cannot be built by transformers"):
        encoders.build("hf/vitt", INPUT)
    with pytest.raises(UserError, match="encoder hf/vit cannot be built by transformers"):
        encoders.build("hf/vit", INPUT, config="{")
    with pytest.raises(UserError, match="pool of encoder hf/vit must be mean or cls"):
        make(pool="max")
