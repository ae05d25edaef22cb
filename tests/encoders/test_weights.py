from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from safetensors import safe_open

from selftaught import encoders
from selftaught.encoders.weights import adapt_channels
from selftaught.errors import UserError

INPUT = {"kind": "image", "size": 72, "channels": 3, "mean": [0.5] * 3, "std": [0.25] * 3}


def resnet(channels: int = 3, size: int = 72, **arguments: Any) -> Any:
    return encoders.build("resnet18", INPUT | {"channels": channels, "size": size}, width=0.125, **arguments).eval()


def published(encoder: Any, counters: bool = True) -> dict[str, torch.Tensor]:
    """A state_dict as torchvision publishes it: the encoder's, and a classifier's."""
    tensors = {
        k: v.clone() for k, v in encoder.state_dict().items() if counters or not k.endswith("num_batches_tracked")
    }
    return tensors | {"fc.weight": torch.randn(1000, encoder.dim), "fc.bias": torch.zeros(1000)}


def write(tensors: dict[str, torch.Tensor], path: Path) -> Path:
    if path.suffix == ".safetensors":
        safetensors.torch.save_file(tensors, path)
    else:
        torch.save(tensors, path)
    return path


def test_an_encoder_comes_back_bit_for_bit(tmp_path: Path) -> None:
    encoder = encoders.build("conv", INPUT | {"size": 28}, width=4, norm="layer")
    path = tmp_path / "encoder.safetensors"
    path.write_bytes(encoders.save(encoder))
    loaded = encoders.load(path)
    x = torch.randn(2, 3, 28, 28)
    assert loaded.spec == encoder.spec and not loaded.training
    assert torch.equal(loaded(x), encoder(x))
    with safe_open(path, "pt") as file:
        assert set(file.metadata()) == {"selftaught"}


def test_saving_is_deterministic() -> None:
    encoder = resnet()
    assert encoders.save(encoder) == encoders.save(encoder)


@pytest.mark.parametrize("kind", ["resnet18.pth", "resnet18.safetensors"])
@pytest.mark.parametrize("counters", [True, False])
def test_torchvisions_files_are_loaded_but_for_the_classifier(tmp_path: Path, kind: str, counters: bool) -> None:
    theirs, ours = resnet(), resnet()
    report = encoders.load_weights(ours, write(published(theirs, counters), tmp_path / kind))
    x = torch.randn(2, 3, 72, 72)
    assert torch.equal(ours(x), theirs(x))
    assert report.ignored == ("fc.bias", "fc.weight")
    assert report.unexpected == report.adapted == ()
    skipped = () if counters else tuple(sorted(k for k in ours.state_dict() if k.endswith("num_batches_tracked")))
    assert report.missing == skipped
    assert len(report.loaded) == (120 if counters else 100)


def test_our_own_file_gives_initial_weights(tmp_path: Path) -> None:
    theirs, ours = resnet(), resnet()
    path = tmp_path / "encoder.safetensors"
    path.write_bytes(encoders.save(theirs))
    encoders.load_weights(ours, path)
    assert all(torch.equal(v, theirs.state_dict()[k]) for k, v in ours.state_dict().items())


def test_a_training_checkpoints_wrapping_is_taken_off(tmp_path: Path) -> None:
    theirs, ours = resnet(), resnet()
    content = {"epoch": 3, "state_dict": {f"module.{k}": v for k, v in published(theirs).items()}}
    encoders.load_weights(ours, write(content, tmp_path / "a.pth"))
    assert torch.equal(ours.layer4[1].conv2.weight, theirs.layer4[1].conv2.weight)


def test_what_differs_is_named_and_nothing_changes(tmp_path: Path) -> None:
    ours = resnet()
    before = {k: v.clone() for k, v in ours.state_dict().items()}
    tensors = published(resnet())
    del tensors["layer2.0.conv1.weight"]
    path = write(tensors | {"layer1.5.weight": torch.ones(1), "extra": torch.ones(1)}, tmp_path / "odd.pth")
    message = r"1 tensors missing \(layer2.0.conv1.weight\), 1 tensors unexpected \(layer1.5.weight\)"
    with pytest.raises(UserError, match=message):
        encoders.load_weights(ours, path)
    assert all(torch.equal(v, before[k]) for k, v in ours.state_dict().items())
    report = encoders.load_weights(ours, path, strict=False)
    assert report.missing == ("layer2.0.conv1.weight",)
    assert report.unexpected == ("layer1.5.weight",)
    assert report.ignored == ("extra", "fc.bias", "fc.weight")
    assert torch.equal(ours.layer2[0].conv1.weight, before["layer2.0.conv1.weight"])
    assert not torch.equal(ours.conv1.weight, before["conv1.weight"])


def test_another_stem_is_explained(tmp_path: Path) -> None:
    path = write(published(resnet()), tmp_path / "resnet18.pth")
    with pytest.raises(
        UserError, match="its first convolution is 7x7 and the encoder's 3x3, so build the encoder with stem='7x7'"
    ):
        encoders.load_weights(resnet(size=32), path)
    encoders.load_weights(resnet(size=32, stem="7x7"), path)


def test_another_width_is_explained(tmp_path: Path) -> None:
    path = write(published(resnet()), tmp_path / "resnet18.pth")
    wide = encoders.build("resnet18", INPUT, width=0.25)
    with pytest.raises(UserError, match=r"bn1.bias is \[8\] there and \[16\] in the encoder"):
        encoders.load_weights(wide, path)


def test_colour_weights_serve_grey_images(tmp_path: Path) -> None:
    colour, grey = resnet(), resnet(channels=1)
    report = encoders.load_weights(grey, write(published(colour), tmp_path / "resnet18.pth"))
    x = torch.randn(2, 1, 72, 72)
    assert torch.allclose(grey(x), colour(x.expand(-1, 3, -1, -1)), atol=1e-5)
    assert report.adapted == ("conv1.weight",)


@pytest.mark.parametrize(("name", "first"), [
    ("conv", "blocks.0.0.weight"), ("resnet18", "conv1.weight"), ("vit", "patch_embed.proj.weight"),
])  # fmt: skip
def test_weights_serve_grey_and_colour_images_both_ways(tmp_path: Path, name: str, first: str) -> None:
    small = encoders.small(name)
    grey, colour, back = (encoders.build(name, INPUT | {"channels": n}, **small).eval() for n in (1, 3, 1))
    for before, after in ((grey, colour), (colour, back)):
        (tmp_path / "encoder.safetensors").write_bytes(encoders.save(before))
        report = encoders.load_weights(after, tmp_path / "encoder.safetensors")
        assert report.adapted == (first,)
        assert f"fitted to other channels or positions: {first}" in report.sentence()
    x = torch.randn(2, 1, 72, 72)
    expected = grey(x)
    assert torch.allclose(colour(x.expand(-1, 3, -1, -1)), expected, atol=1e-5)
    assert torch.allclose(back(x), expected, atol=1e-5)


def test_colour_weights_serve_many_channels(tmp_path: Path) -> None:
    colour, many = resnet(), resnet(channels=13)
    encoders.load_weights(many, write(published(colour), tmp_path / "resnet18.pth"))
    for c in range(13):
        assert torch.allclose(many.conv1.weight[:, c], colour.conv1.weight[:, c % 3] * 3 / 13)
    # Channels that all look alike answer as they did together.
    even = adapt_channels(colour.conv1.weight, 6)
    x = torch.randn(1, 1, 9, 9)
    answers = [torch.nn.functional.conv2d(x.expand(-1, w.shape[1], -1, -1), w) for w in (even, colour.conv1.weight)]
    assert torch.allclose(*answers, atol=1e-5)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 cut", b"\x08\x00\x00\x00\x00\x00\x00\x00{notjson"])
@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_damaged_files_give_one_sentence(tmp_path: Path, content: bytes, suffix: str) -> None:
    path = tmp_path / f"bad{suffix}"
    path.write_bytes(content)
    with pytest.raises(UserError, match="readable"):
        encoders.load_weights(resnet(), path)


def test_a_file_cut_anywhere_is_refused(tmp_path: Path) -> None:
    whole = encoders.save(encoders.build("mlp", INPUT | {"size": 4}, width=3))
    path = tmp_path / "encoder.safetensors"
    for end in range(0, len(whole), 37):
        path.write_bytes(whole[:end])
        with pytest.raises(UserError, match="readable"):
            encoders.load(path)


def test_other_things_give_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="does not exist"):
        encoders.load(tmp_path / "none.safetensors")
    with pytest.raises(UserError, match="does not exist"):
        encoders.load_weights(resnet(), tmp_path / "none.pth")
    with pytest.raises(UserError, match="contains no encoder spec"):
        encoders.load(write({"a": torch.ones(1)}, tmp_path / "other.safetensors"))
    with pytest.raises(UserError, match="contains no state_dict"):
        encoders.load_weights(resnet(), write({"a": 1}, tmp_path / "numbers.pth"))
    with pytest.raises(UserError, match="does not fit encoder resnet18"):
        encoders.load_weights(resnet(), write({"a": torch.ones(1)}, tmp_path / "a.pth"), strict=False)


class Trap:
    """Unpickled, it would write a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return (open, (str(self.path), "w"))


def test_nothing_in_a_file_is_executed(tmp_path: Path) -> None:
    torch.save({"state_dict": Trap(tmp_path / "sprung")}, tmp_path / "trap.pth")
    with pytest.raises(UserError, match="contains no state_dict"):
        encoders.load_weights(resnet(), tmp_path / "trap.pth")
    assert not (tmp_path / "sprung").exists()
