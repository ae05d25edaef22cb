"""Checkpoints as other tools write them: their names and nesting, what lies beside the weights, and both formats."""

from __future__ import annotations

import argparse
import collections
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from selftaught import encoders
from selftaught.encoders import pickled
from selftaught.encoders.weights import Report
from selftaught.errors import UserError

INPUT = {"kind": "image", "size": 72, "channels": 3, "mean": [0.5] * 3, "std": [0.25] * 3}
X = torch.rand(2, 3, 72, 72)
State = dict[str, Tensor]


def resnet(seed: int = 0, **arguments: Any) -> Any:
    torch.manual_seed(seed)
    return encoders.build("resnet18", INPUT, **{"width": 0.125, **arguments}).eval()


def vit(seed: int = 0, **arguments: Any) -> Any:
    torch.manual_seed(seed)
    encoder = encoders.build("vit", INPUT, **{"patch": 24, "width": 16, "depth": 2, "heads": 2, **arguments}).eval()
    with torch.no_grad():
        encoder.cls_token.normal_()
    return encoder


def under(prefix: str, state: State) -> State:
    return {f"{prefix}{key}": value for key, value in state.items()}


def sequential(state: State) -> State:
    """The names of ``nn.Sequential(*list(resnet.children())[:-1])``."""
    places = {"conv1": "0", "bn1": "1", "layer1": "4", "layer2": "5", "layer3": "6", "layer4": "7"}
    split = {key: key.partition(".") for key in state}
    return {f"{places[split[key][0]]}.{split[key][2]}": value for key, value in state.items()}


HEAD = {"fc.0.weight": torch.ones(8, 64), "fc.0.bias": torch.ones(8), "fc.2.weight": torch.ones(4, 8)}
OPTIMIZER = {"state": {0: {"momentum_buffer": torch.ones(3), "step": np.float64(3)}}, "param_groups": [{"lr": 0.03}]}
ARGS = argparse.Namespace(arch="resnet18", out=Path("/there"), best=np.float32(71.5), callback=len)
LAYOUTS: dict[str, tuple[Callable[[State, State], Any], str]] = {
    "moco": (
        lambda right, wrong: {
            "epoch": 200, "arch": "resnet18", "optimizer": OPTIMIZER, "state_dict": collections.OrderedDict(
                under("module.encoder_q.", right | HEAD) | under("module.encoder_k.", wrong | HEAD)
                | {"module.queue": torch.ones(4, 9), "module.queue_ptr": torch.zeros(1, dtype=torch.long)}
            ),
        },
        "encoder_q.fc",
    ),
    "mocov3": (
        lambda right, wrong: {
            "epoch": 300, "optimizer": OPTIMIZER, "scaler": {"scale": 65536.0}, "state_dict": under(
                "module.momentum_encoder.", wrong | HEAD) | under("module.base_encoder.", right | HEAD)
                | under("module.predictor.", {"0.weight": torch.ones(3, 3)}),
        },
        "predictor",
    ),
    "simsiam": (
        lambda right, wrong: {
            "epoch": 100, "state_dict": under("module.encoder.", right | HEAD)
            | under("module.predictor.", {"0.weight": torch.ones(3, 3)}),
        },
        "encoder.fc",
    ),
    "swav": (
        lambda right, wrong: under("module.", right | {"projection_head.0.weight": torch.ones(3, 3),
                                                       "prototypes.weight": torch.ones(5, 3)}),
        "prototypes",
    ),
    "dino": (
        lambda right, wrong: {
            "student": under("module.backbone.", wrong) | under("module.head.", {"mlp.0.weight": torch.ones(3, 3)}),
            "teacher": under("backbone.", right) | under("head.", {"mlp.0.weight": torch.ones(3, 3)}),
            "optimizer": OPTIMIZER, "epoch": 800, "args": ARGS, "dino_loss": {"center": torch.zeros(1, 9)},
        },
        "head",
    ),
    "vicreg": (
        lambda right, wrong: {
            "epoch": 1000, "model": under("module.backbone.", right)
            | under("module.projector.", {"0.weight": torch.ones(3, 3)}), "optimizer": OPTIMIZER,
        },
        "projector",
    ),
    "barlow_twins": (
        lambda right, wrong: {
            "epoch": 1000, "model": under("module.backbone.", right) | {"module.bn.running_mean": torch.ones(3)}
            | under("module.projector.", {"0.weight": torch.ones(3, 3)}), "optimizer": OPTIMIZER,
        },
        "projector",
    ),
    "solo-learn": (
        lambda right, wrong: {
            "pytorch-lightning_version": "2.0", "hyper_parameters": {"args": ARGS}, "callbacks": {ARGS.callback: 1},
            "state_dict": under("momentum_backbone.", wrong) | under("backbone.", right)
            | {"classifier.weight": torch.ones(10, 64), "projector.0.weight": torch.ones(3, 3)},
        },
        "classifier",
    ),
    "lightly": (
        lambda right, wrong: {
            "state_dict": under("backbone.", sequential(right)) | under("backbone_momentum.", sequential(wrong))
            | {"projection_head.layers.0.weight": torch.ones(3, 3)},
        },
        "projection_head",
    ),
    "timm": (
        lambda right, wrong: {
            "arch": "resnet18", "args": ARGS, "version": 2, "state_dict": wrong | {"fc.weight": torch.ones(9, 64)},
            "state_dict_ema": right | {"fc.weight": torch.ones(9, 64)}, "metric": np.float64(80.5),
        },
        "fc",
    ),
    "torchvision": (lambda right, wrong: right | {"fc.weight": torch.ones(9, 64), "fc.bias": torch.ones(9)}, "fc"),
    "compiled": (
        lambda right, wrong: {"model_state": under("_orig_mod.module.", right) | {"_orig_mod.fc.bias": torch.ones(9)}},
        "fc",
    ),
    "compiled inside": (
        lambda right, wrong: {"net": under("net.backbone._orig_mod.", right) | {"net.head.bias": torch.ones(9)}},
        "net.head",
    ),
}  # fmt: skip
"""What each tool writes, by the names of its own repository, and a head that is left aside."""


@pytest.mark.parametrize("old", [False, True], ids=["zip", "sequence"])
@pytest.mark.parametrize("made", [resnet, vit], ids=["resnet", "vit"])
@pytest.mark.parametrize("tool", LAYOUTS)
def test_the_encoder_of_every_tool_is_found(tool: str, made: Callable[..., Any], old: bool, tmp_path: Path) -> None:
    if made is vit and tool == "lightly":
        return  # a sequence of a ResNet's children
    right, wrong, ours = made(1), made(2), made(3)
    write, head = LAYOUTS[tool]
    path = tmp_path / "checkpoint.pth.tar"
    torch.save(write(right.state_dict(), wrong.state_dict()), path, _use_new_zipfile_serialization=not old)
    report = encoders.load_weights(ours, path)
    assert torch.equal(ours(X), right(X)) and not torch.equal(ours(X), wrong(X))
    assert set(report.loaded) == set(right.state_dict()) and not report.missing and not report.unexpected
    count = sum(not key.endswith("num_batches_tracked") for key in right.state_dict())
    assert report.sentence().startswith(f"{count} of {count} tensors of the encoder start from the file")
    assert head in report.sentence().partition("left aside: ")[2]


def test_a_whole_module_that_was_saved_is_read_without_its_code(tmp_path: Path) -> None:
    theirs, ours = resnet(1), resnet(2)
    torch.save({"model": theirs, "epoch": 3}, tmp_path / "whole.pt")
    encoders.load_weights(ours, tmp_path / "whole.pt")
    assert torch.equal(ours(X), theirs(X))


def saved(content: Any, path: Path) -> Path:
    torch.save(content, path)
    return path


def loaded(encoder: Any, content: Any, tmp_path: Path) -> Report:
    return encoders.load_weights(encoder, saved(content, tmp_path / "a.pth"))


def test_what_stays_untrained_is_said(tmp_path: Path) -> None:
    theirs = vit(1)
    state = {k: v for k, v in theirs.state_dict().items() if not k.startswith("norm.")}  # timm's, pooled by the mean
    report = loaded(ours := vit(2), state | {"fc_norm.weight": torch.ones(16)}, tmp_path)
    assert report.missing == ("norm.bias", "norm.weight") and report.ignored == ("fc_norm.weight",)
    assert report.sentence().endswith("left aside: fc_norm (1); not in the file, so untrained: norm (2)")
    assert torch.equal(ours.blocks[1].mlp.fc1.weight, theirs.blocks[1].mlp.fc1.weight)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (lambda: under("encoder.", resnet(1, width=0.25).state_dict()), r"bn1.bias is \[16\] there and \[8\] in the"),
        (lambda: vit(1).state_dict(), "does not fit encoder resnet18: 120 tensors missing"),
        (lambda: encoders.build("resnet34", INPUT, width=0.125).state_dict(), "96 tensors unexpected .layer1.2.bn1.b"),
        (
            lambda: {"conv1.weight": resnet(1).conv1.weight.detach()},
            "does not fit encoder resnet18: 119 tensors miss",
        ),
        (lambda: {"bn1.bias": torch.ones(8)}, "does not fit"),
    ],
)
def test_what_does_not_match_is_refused_and_nothing_changes(
    content: Callable[[], Any], words: str, tmp_path: Path
) -> None:
    ours = resnet(0)
    before = ours(X)
    with pytest.raises(UserError, match=words):
        loaded(ours, {"state_dict": content()}, tmp_path)
    assert torch.equal(ours(X), before)


def test_tensors_are_what_torch_reads(tmp_path: Path) -> None:
    base = torch.arange(24.0).view(4, 6)
    tensors: State = {
        "half": base.half(), "brain": base.bfloat16(), "double": base.double(), "long": base.long(), "bool": base > 3,
        "turned": base.T, "part": base[1:3, 2:5], "scalar": torch.tensor(3.5), "empty": torch.zeros(0, 3),
        "parameter": nn.Parameter(base), "int": base.int(), "short": base.short(), "char": base.char(),
        "byte": base.byte(),
    }  # fmt: skip
    for old in (False, True):
        torch.save(tensors, tmp_path / "all.pt", _use_new_zipfile_serialization=not old)
        content = pickled.read(tmp_path / "all.pt")
        for name, tensor in tensors.items():
            found = content[name].tensor()
            assert found.dtype == tensor.dtype and torch.equal(found, tensor), name


@pytest.mark.parametrize("old", [False, True], ids=["zip", "sequence"])
def test_a_file_cut_anywhere_is_one_sentence(old: bool, tmp_path: Path) -> None:
    path = tmp_path / "whole.pth"
    torch.save({"state_dict": vit(1).state_dict()}, path, _use_new_zipfile_serialization=not old)
    whole, ours = path.read_bytes(), vit(2)
    before = ours(X)
    for end in [*range(0, 400, 13), *range(400, len(whole) - 1, len(whole) // 40)]:
        path.write_bytes(whole[:end])
        with pytest.raises(UserError, match=r"readable|damaged"):
            encoders.load_weights(ours, path)
    assert torch.equal(ours(X), before)


class Trap:
    """Unpickled by others, it would write a file; so would its class, its state and what it calls."""

    def __init__(self, how: str, path: Path) -> None:
        self.how, self.path = how, str(path)

    def __reduce__(self) -> tuple[Any, ...]:
        if self.how == "call":
            return (open, (self.path, "w"))
        if self.how == "state":
            return (argparse.Namespace, (), {"a": OpensWhenBuilt(self.path)})
        return (eval, (f"open({self.path!r}, 'w')",))


class OpensWhenBuilt:
    def __init__(self, path: str) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return (open, (self.path, "w"))


@pytest.mark.parametrize("old", [False, True], ids=["zip", "sequence"])
@pytest.mark.parametrize("how", ["call", "state", "eval"])
def test_nothing_is_executed_and_the_weights_are_read_beside_it(how: str, old: bool, tmp_path: Path) -> None:
    theirs, ours = resnet(1), resnet(2)
    content = {"args": Trap(how, tmp_path / "sprung"), "model": theirs.state_dict()}
    torch.save(content, tmp_path / "trap.pth", _use_new_zipfile_serialization=not old)
    encoders.load_weights(ours, tmp_path / "trap.pth")
    assert torch.equal(ours(X), theirs(X))
    assert not (tmp_path / "sprung").exists()
