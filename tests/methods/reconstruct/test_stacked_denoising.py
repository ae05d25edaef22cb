from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from selftaught.contract.training import state, train
from selftaught.errors import UserError
from selftaught.method import Clock
from selftaught.methods.reconstruct.stacked_denoising import StackedDenoising
from selftaught.recipe import Recipe
from selftaught.run import RunFolder
from selftaught.views.corruption import damaged

SMALL = {"level": 0.25}
"""Arguments that fit the method to the toys of the contract."""
OTHERS: dict[str, Any] = {"noise": "gaussian", "level": 0.5, "tied": True, "fine_tune": 0.6}


def make(bench: Any, labels: Any = None, activation: str = "relu", depth: int = 2, **arguments: Any) -> Any:
    method = StackedDenoising(bench.encoder("mlp", width=20, depth=depth, activation=activation), **arguments)
    method.prepare(bench.Pictures(16, labels=labels))
    return method


def at(step: int, steps: int = 100) -> Clock:
    clock = Clock(0, steps)
    clock.step = step
    return clock


def test_stages_follow_each_other(bench: Any) -> None:
    method = make(bench, depth=3, fine_tune=0.4)
    assert [method.stage(p) for p in (0, 0.19, 0.21, 0.39, 0.41, 0.59, 0.61, 1.0)] == [0, 0, 1, 1, 2, 2, 3, 3]
    without = make(bench, labels=np.full(16, -1), depth=3)
    assert without.head is None and [without.stage(p) for p in (0, 0.34, 0.67, 1.0)] == [0, 1, 2, 2]
    assert make(bench, fine_tune=0.0).head is None


def test_the_input_of_a_layer_is_the_clean_code_below(bench: Any) -> None:
    method = make(bench, depth=3)
    batch = bench.batch(method)
    x = ((batch["clean"] - method.mean) / method.std).flatten(1)
    assert torch.equal(method.code(batch["clean"], 0), batch["clean"].flatten(1))
    for layer, linear in enumerate(method.encoder.linears):
        x = linear(x).relu()
        assert torch.allclose(method.encoder.layers((batch["clean"] - method.mean) / method.std)[layer], x)
        if layer < 2:
            assert torch.equal(method.code(batch["clean"], layer + 1), x)


@pytest.mark.parametrize(("layer", "activation"), [(0, "relu"), (1, "relu"), (1, "sigmoid")])
def test_the_loss_is_that_of_a_denoising_autoencoder_of_one_layer(bench: Any, layer: int, activation: str) -> None:
    method = make(bench, activation=activation)
    batch = bench.batch(method)
    target = method.code(batch["clean"], layer).detach()
    corrupt, mask = damaged("masking", target, batch["noise"][:, : target.shape[1]], 0.25)
    seen = corrupt if layer else ((corrupt.view(-1, 3, 12, 12) - method.mean) / method.std).flatten(1)
    decoder = method.decoders[layer]
    act = torch.relu if activation == "relu" else torch.sigmoid
    z = act(method.encoder.linears[layer](seen)) @ decoder.weights[0].T + decoder.biases[0]
    if layer == 0 or activation == "sigmoid":
        expected = F.binary_cross_entropy_with_logits(z, target, reduction="sum") / 16
        z = z.sigmoid()
    else:
        expected = ((z - target) ** 2).sum() / 2 / 16
    outputs = method(clock=at(0 if layer == 0 else 40), **batch)
    assert outputs["layer"] == layer + 1
    assert torch.allclose(outputs["loss"], expected, rtol=1e-5)
    assert torch.allclose(outputs["error"], (z - target)[mask].square().mean(), rtol=1e-4)
    assert torch.allclose(outputs["untouched"], target[mask].square().mean(), rtol=1e-4)


@pytest.mark.parametrize("layer", [0, 1, 2])
def test_a_stage_moves_its_own_layer_alone(bench: Any, layer: int) -> None:
    method = make(bench, depth=3, fine_tune=0.25)
    method(clock=at(25 * layer + 1), **bench.batch(method))["loss"].backward()
    moved = {name for name, p in method.named_parameters() if p.grad is not None and p.grad.abs().sum() > 0}
    assert moved == {
        f"encoder.linears.{layer}.weight", f"encoder.linears.{layer}.bias",
        f"decoders.{layer}.biases.0", f"decoders.{layer}.weights.0",
    }  # fmt: skip


def test_training_a_layer_leaves_those_below_as_they_are(bench: Any, tmp_path: Path) -> None:
    """The whole loop, weight decay and moments of the optimiser included."""
    states: dict[int, Any] = {}

    class Watch:
        def step(self, clock: Clock, method: Any, scalars: Any) -> None:
            states[clock.step] = state(method)

        def finish(self) -> None:
            pass

    build = lambda: StackedDenoising(bench.encoder("mlp", width=20))  # noqa: E731
    train(build, tmp_path / "run", bench.Pictures(32), observers=[Watch()], steps=10, weight_decay=0.1)
    stages = {name: sorted(k for k in states[1] if name in k) for name in ("linears.0", "linears.1", "head")}

    def same(keys: list[str], first: int, second: int) -> bool:
        return all(torch.equal(states[first][k], states[second][k]) for k in keys)

    # Of 10 steps, 4 are for the first layer (progress 0 to .3), 3 for the second, 3 for labels.
    assert not same(stages["linears.0"], 1, 4) and same(stages["linears.1"] + stages["head"], 1, 4)
    assert same(stages["linears.0"] + stages["head"], 4, 7) and not same(stages["linears.1"], 4, 7)
    assert not any(same([k], 7, 10) for name in stages.values() for k in name)
    losses = [line["loss"] for line in RunFolder.open(tmp_path / "run").metrics()]
    assert len(losses) == 10


def test_each_stage_starts_with_a_fresh_optimiser(bench: Any) -> None:
    method = make(bench)
    resets = []
    for step in range(100):
        clock = at(step)
        method.after_step(clock, {})
        resets += [step + 1] if clock.resets else []
    assert resets == [35, 70]
    rates = [Recipe(**StackedDenoising.recipe).factor(progress) for progress in (0.1, 0.5, 0.99)]
    assert rates == [1.0, 1.0, 1.0]  # no layer is trained with a smaller rate than another


def test_fine_tuning_lowers_the_supervised_loss(bench: Any) -> None:
    method = make(bench)
    optimizer = torch.optim.AdamW(method.parameters(), 1e-2)
    losses = []
    for _ in range(30):
        outputs = method(clock=at(90), **bench.batch(method))
        optimizer.zero_grad()
        outputs["loss"].backward()
        optimizer.step()
        losses.append(outputs["loss"].item())
    assert losses[-1] < 0.3 * losses[0] and outputs["accuracy"] > 0.9 and outputs["chance"] == pytest.approx(1 / 3)


def test_samples_without_a_label_do_not_count(bench: Any) -> None:
    labels = np.arange(16) % 3
    labels[::2] = -1
    method = make(bench, labels=labels)
    batch = bench.batch(method) | {"label": torch.from_numpy(labels)}
    logits = method.head(method.encoder((batch["clean"] - method.mean) / method.std))
    expected = F.cross_entropy(logits[1::2], batch["label"][1::2])
    assert torch.allclose(method(clock=at(99), **batch)["loss"], expected)
    order = method.order(0, 0, 16)
    assert (np.asarray(labels)[order[:8]] >= 0).sum() == 4


def test_encoding_is_without_noise(bench: Any) -> None:
    method = make(bench, level=0.9).eval()
    batches = [bench.batch(method, epoch=epoch) for epoch in (0, 1)]
    assert not torch.equal(batches[0]["noise"], batches[1]["noise"])
    features = [method.encoder((b["clean"] - method.mean) / method.std) for b in batches]
    assert torch.equal(*features) and torch.equal(features[0], method.code(batches[0]["clean"], 2))


@pytest.mark.parametrize(
    ("argument", "value"), {"noise": "gaussian", "level": 0.5, "tied": True, "fine_tune": 0.9}.items()
)
def test_every_argument_has_an_effect(bench: Any, argument: str, value: Any) -> None:
    assert bench.fingerprint(make(bench)) == bench.fingerprint(make(bench))
    assert bench.fingerprint(make(bench, **{argument: value})) != bench.fingerprint(make(bench))


def test_shows_what_each_depth_rebuilds(bench: Any) -> None:
    method = make(bench, level=0.5).eval()
    batch = bench.batch(method, n=3)
    rows = method.show(**batch)
    assert [row.name for row in rows] == [
        "clean", "damaged", "rebuilt through the first layer", "rebuilt through all 2 layers"
    ]  # fmt: skip
    clean, damaged_, first, deep = (np.stack(row.images) for row in rows)
    np.testing.assert_array_equal(clean, bench.Pictures(3).images)
    assert ((damaged_ == clean) | (damaged_ == 0)).all() and (damaged_ != clean).any()
    assert (first != deep).any()


def test_mistakes_are_named(bench: Any) -> None:
    with pytest.raises(UserError, match="fully connected layers of encoder mlp, not conv"):
        StackedDenoising(bench.encoder())
    with pytest.raises(UserError, match="needs codes in"):
        make(bench, noise="salt_and_pepper")
    make(bench, noise="salt_and_pepper", activation="sigmoid")
    with pytest.raises(UserError, match=r"fine_tune of stacked_denoising must be in \[0, 1\), not 1.0"):
        make(bench, fine_tune=1.0)
    with pytest.raises(UserError, match="level"):
        make(bench, level=2.0)
    with pytest.raises(UserError, match="at least two classes"):
        make(bench, labels=np.zeros(16, np.int64))
