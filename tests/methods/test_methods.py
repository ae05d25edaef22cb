"""Discovery, and what holds for every method: each argument is documented and changes something."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from selftaught import methods
from selftaught.errors import UserError
from selftaught.method import Clock, Method
from selftaught.parts.signature import constants
from selftaught.recipe import Recipe

# One other value for every argument of every method. STAGE is what must be on for an argument to matter.
OTHERS: dict[str, dict[str, Any]] = {
    "denoising": {"noise": "gaussian", "level": 0.5, "loss": "l2", "alpha": 2.0, "beta": 0.1, "tied": True},
    "moco": {
        "dim": 5,
        "queue": 31,
        "momentum": 0.5,
        "temperature": 0.3,
        "mlp": True,
        "symmetric": True,
        "shuffle": False,
        "crop": 0.9,
        "jitter": 0.1,
        "hue": 0.4,
        "flip": 0.0,
        "grey": 0.9,
        "blur": 1.0,
    },
    "simclr": {
        "dim": 5,
        "hidden": 9,
        "depth": 3,
        "temperature": 0.1,
        "loss": "triplet",
        "margin": 0.1,
        "crop": 0.9,
        "strength": 0.1,
        "flip": 0.0,
        "grey": 0.9,
        "blur": 1.0,
    },
    "supervised": {"crop": 0.2, "flip": 0.0, "jitter": 0.5, "smoothing": 0.2, "trunk": 0.1},
}
STAGE: dict[str, dict[str, Any]] = {"tied": {"mlp_encoder": True}, "margin": {"loss": "triplet"}}


def others(name: str) -> dict[str, Any]:
    """Another value for every argument of a method.

    From the table above, or from ``OTHERS`` in the test file of the method.
    """
    if name in OTHERS:
        return OTHERS[name]
    path = Path(__file__).parent / methods.describe(name).path.relative_to(methods.ROOT).with_suffix("")
    test = path.with_name(f"test_{path.name}.py")
    assert "OTHERS" in constants(test), (
        f"{test.name} must hold a literal OTHERS: another value for every argument of {name}"
    )
    found: dict[str, Any] = constants(test)["OTHERS"]
    return found


def fingerprint(bench: Any, name: str, **hyper: Any) -> list[Any]:
    """What two steps of training leave behind, and the rates of the groups.

    A changed value anywhere changes it; the random generators start alike.
    """
    encoder = bench.encoder(*(["mlp"] if hyper.pop("mlp_encoder", False) else []))
    method = methods.load(name)(encoder, **hyper)
    method.prepare(bench.Pictures())
    losses = [bench.step(method, groups=4)["loss"].item() for _ in range(2)]
    rates = [group.get("lr_scale", 1.0) for player in method.players() for group in player.groups]
    return [losses, rates, {k: (v.shape, v.numpy().tobytes()) for k, v in method.state_dict().items()}]


def test_listing_and_describing_need_no_torch() -> None:
    code = (
        "import sys; from selftaught import methods\n"
        "for n in methods.names(): print(n, methods.describe(n).folder, methods.describe(n).title)\n"
        "assert 'torch' not in sys.modules"
    )
    lines = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.splitlines()
    folders = dict(line.split(" ", 2)[:2] for line in lines)
    assert list(folders) == sorted(folders)
    expected = {
        "denoising": "reconstruct",
        "moco": "contrast",
        "rotation": "pretext",
        "simclr": "contrast",
        "byol": "consistency",
    }
    assert folders.items() >= expected.items()
    assert "supervised  Supervised classification, the reference that other methods are compared with." in lines


def test_the_text_says_what_the_class_does() -> None:
    for name in methods.names():
        spec, method = methods.describe(name), methods.load(name)
        assert issubclass(method, Method)
        assert spec.recipe == method.recipe
        Recipe(**spec.recipe)
        assert all(a.doc for a in spec.arguments)
        assert [a.name for a in spec.arguments] == list(others(name))
    spec = methods.describe("denoising")
    loss = next(a for a in spec.arguments if a.name == "loss")
    assert (loss.type, loss.default) == ("Literal['l2', 'cross_entropy']", "cross_entropy")


def test_a_misspelt_name_gets_a_suggestion() -> None:
    for function in (methods.describe, methods.load):
        with pytest.raises(UserError, match="unknown method 'simclear': did you mean 'simclr'"):
            function("simclear")


@pytest.mark.parametrize(("name", "argument"), [(n, a) for n, others in OTHERS.items() for a in others])
def test_every_argument_matters(bench: Any, name: str, argument: str) -> None:
    stage = STAGE.get(argument, {})
    assert fingerprint(bench, name, **stage, **{argument: OTHERS[name][argument]}) != fingerprint(bench, name, **stage)


@pytest.mark.parametrize("name", list(OTHERS))
def test_the_fingerprint_is_steady(bench: Any, name: str) -> None:
    assert fingerprint(bench, name) == fingerprint(bench, name)


@pytest.mark.parametrize("name", list(OTHERS))
def test_forward_writes_no_state_of_its_own(bench: Any, name: str) -> None:
    method = methods.load(name)(bench.encoder(norm="layer"))
    method.prepare(bench.Pictures())
    for module in method.modules():  # batch norm's running statistics are the one exception
        if isinstance(module, torch.nn.modules.batchnorm._BatchNorm):
            module.track_running_stats, module.running_mean, module.running_var, module.num_batches_tracked = (
                False,
                None,
                None,
                None,
            )
    before = {k: v.clone() for k, v in method.state_dict().items()}
    method(player="main", clock=Clock(), **bench.batch(method))
    assert all(torch.equal(v, before[k]) for k, v in method.state_dict().items())


@pytest.mark.parametrize("name", ["moco", "rotation", "simclr", "supervised"])
def test_pretexts_with_right_answers_report_accuracy_and_chance(bench: Any, name: str) -> None:
    method = methods.load(name)(bench.encoder())
    method.prepare(bench.Pictures())
    outputs = bench.step(method)
    for key in ("accuracy", "chance"):
        value = outputs[key]
        assert 0 <= float(value) <= 1
        assert not (isinstance(value, Tensor) and value.requires_grad)


@pytest.mark.parametrize(
    ("name", "hyper", "message"),
    [
        ("simclr", {"temperature": 0.0}, "temperature of simclr must be greater than 0, not 0.0"),
        ("simclr", {"crop": 0.0}, "crop"),
        ("simclr", {"flip": 1.5}, "flip"),
        ("simclr", {"depth": -1}, "depth"),
        ("simclr", {"dim": 0}, "dim"),
        ("moco", {"temperature": -1.0}, "temperature of moco must be greater than 0, not -1.0"),
        ("moco", {"momentum": 1.1}, r"momentum of moco must be in \[0, 1\], not 1.1"),
        ("moco", {"queue": 0}, "queue must hold at least 1 key"),
        ("moco", {"hue": 0.6}, "hue"),
        ("rotation", {"blocks": -1}, "at least 0, not -1 and 0"),
        ("denoising", {"noise": "pepper"}, "noise of denoising must be one of gaussian, masking, salt_and_pepper"),
        ("denoising", {"loss": "l1"}, "loss one of l2, cross_entropy"),
        ("denoising", {"level": 1.5}, r"level of denoising must be in \[0, 1\]"),
        ("denoising", {"beta": -0.5}, "alpha and beta of denoising must be at least 0"),
        ("denoising", {"tied": True}, "tied weights of denoising need encoder mlp, not conv"),
        ("supervised", {"smoothing": 1.0}, r"smoothing of supervised must be in \[0, 1\)"),
    ],
)
def test_values_out_of_range_are_refused_in_one_sentence(
    bench: Any, name: str, hyper: dict[str, Any], message: str
) -> None:
    with pytest.raises(UserError, match=message):
        methods.load(name)(bench.encoder(), **hyper)
