from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from selftaught import methods
from selftaught.errors import UserError
from selftaught.method import Clock, Views
from selftaught.methods.consistency.temporal_ensembling import TemporalEnsembling
from selftaught.parts.ramp import ramp_up
from selftaught.views.image import Augment

LABELS = np.where(np.arange(16) % 4 == 0, np.arange(16) // 4 % 3, -1)

OTHERS: dict[str, Any] = {
    "share": 0.5, "alpha": 0.1, "consistency": 3.0, "ramp": 0.9, "noise": 0.5, "dropout": 0.1, "crop": 0.2, "flip": 0.0,
}  # fmt: skip


def prepared(bench: Any, **hyper: Any) -> TemporalEnsembling:
    method = TemporalEnsembling(bench.encoder(), **hyper)
    torch.manual_seed(0)
    method.prepare(bench.Pictures(16, labels=LABELS))
    return method


def batch(bench: Any, method: TemporalEnsembling, epoch: int = 0) -> dict[str, Any]:
    return bench.batch(method, epoch=epoch) | {"label": torch.from_numpy(LABELS)}


def at(step: int, steps: int = 1000) -> Clock:
    clock = Clock(0, steps)
    clock.step = step
    return clock


def nothing(views: Views, layer: int | None) -> torch.Tensor:
    raise AssertionError("nothing is embedded")


def say(method: TemporalEnsembling, rows: list[int], predictions: Any) -> None:
    """One step in which the network said `predictions` of `rows`."""
    method.after_step(
        Clock(), {"rows": torch.tensor(rows), "predictions": torch.as_tensor(predictions, dtype=torch.float32)}
    )


def empty(bench: Any, alpha: float) -> TemporalEnsembling:
    return prepared(bench, alpha=alpha)


@settings(max_examples=25, deadline=None)
@given(
    st.sampled_from([0.0, 0.3, 0.6]),
    st.lists(st.lists(st.integers(0, 15), max_size=20), min_size=1, max_size=5),
    st.integers(0, 99),
)
def test_targets_are_those_of_a_plain_recursion(alpha: float, epochs: list[list[int]], seed: int) -> None:
    from methods.conftest import Bench

    method, rng = empty(Bench(), alpha), np.random.default_rng(seed)
    z, t = np.zeros((16, 3)), np.zeros(16, int)
    for visits in epochs:
        said = {}
        for start in range(0, len(visits), 7):  # batches, which may hold a sample twice
            rows = visits[start : start + 7]
            predictions = rng.dirichlet(np.ones(3), len(rows))
            said |= dict(zip(rows, predictions, strict=True))
            say(method, rows, predictions)
        method.before_epoch(Clock(), nothing)
        for i, p in said.items():
            z[i] = alpha * z[i] + (1 - alpha) * p
            t[i] += 1
    target, there = method.target(torch.arange(16))
    assert there[:, 0].tolist() == (t > 0).tolist()
    expected = np.where(t[:, None] > 0, z / np.where(t > 0, 1 - alpha ** np.maximum(t, 1), 1)[:, None], 0)
    np.testing.assert_allclose(target.numpy(), expected, atol=1e-5)


@pytest.mark.parametrize("alpha", [0.0, 0.6, 0.95])
def test_the_first_target_is_the_last_prediction_and_constant_ones_stay(bench: Any, alpha: float) -> None:
    method = empty(bench, alpha)
    for _ in range(4):
        say(method, [3], [[0.2, 0.3, 0.5]])
        method.before_epoch(Clock(), nothing)
        torch.testing.assert_close(method.target(torch.tensor([3]))[0], torch.tensor([[0.2, 0.3, 0.5]]))


def test_without_memory_only_the_last_epoch_counts(bench: Any) -> None:
    method = empty(bench, 0.0)
    for p in ([[1.0, 0, 0]], [[0, 1.0, 0]]):
        say(method, [3], p)
        method.before_epoch(Clock(), nothing)
    assert method.target(torch.tensor([3]))[0].tolist() == [[0, 1, 0]]


def test_nothing_changes_within_an_epoch(bench: Any) -> None:
    method = empty(bench, 0.6)
    before = method.ensemble.clone()
    say(method, [3, 4], np.full((2, 3), 1 / 3))
    assert torch.equal(method.ensemble, before) and method.updates.sum() == 0
    method.before_epoch(Clock(), nothing)
    assert method.updates.tolist() == [0, 0, 0, 1, 1] + [0] * 11
    method.before_epoch(Clock(), nothing)  # an epoch that visited nobody
    assert method.updates.tolist() == [0, 0, 0, 1, 1] + [0] * 11


def test_the_loss_is_the_papers(bench: Any) -> None:
    method = prepared(bench, noise=0.0, dropout=0.0, consistency=8.0)
    data = batch(bench, method)
    rows, said = [0, 1, 5, 9], np.random.default_rng(0).dirichlet(np.ones(3), 4)
    say(method, rows, said)
    method.before_epoch(Clock(), nothing)
    with torch.no_grad():
        p = method.head(method.encoder(data["image"])).softmax(1)
    named = -sum(float(p[i, y].log()) for i, y in enumerate(LABELS) if y >= 0) / 16
    apart = sum(float(((p[i].numpy() - z) ** 2).sum()) for i, z in zip(rows, said, strict=True)) / (3 * 16)
    outputs = method(clock=at(100), **data)
    assert outputs["disagreement"].item() == pytest.approx(apart, rel=1e-4)
    assert outputs["w"] == pytest.approx(8 * 0.25 * ramp_up(0.1, 0.27))
    assert outputs["loss"].item() == pytest.approx(named + outputs["w"] * apart, rel=1e-4)
    torch.testing.assert_close(outputs["predictions"], p)
    assert torch.equal(outputs["rows"], data["index"]) and not outputs["predictions"].requires_grad


def test_the_first_epoch_has_labels_alone(bench: Any) -> None:
    method = prepared(bench)
    outputs = method(clock=at(900), **batch(bench, method))
    assert outputs["disagreement"] == 0 and outputs["w"] == 30 * 0.25


def test_held_out_samples_have_no_rows(bench: Any) -> None:
    method = prepared(bench)
    say(method, list(range(16)), np.full((16, 3), 1 / 3))
    method.before_epoch(Clock(), nothing)
    data = batch(bench, method.eval())
    outputs = method(clock=at(900), **data | {"index": data["index"] + 1000})
    assert set(outputs) == {"loss", "accuracy", "chance"}


def test_noise_and_dropout_are_drawn_by_step_and_for_training_alone(bench: Any) -> None:
    for hyper in ({"noise": 0.5, "dropout": 0.0}, {"noise": 0.0, "dropout": 0.5}):
        method = prepared(bench, **hyper)
        data = batch(bench, method)
        losses = [method(clock=at(step), **data)["loss"].item() for step in (5, 5, 6)]
        assert losses[0] == losses[1] != losses[2]
        method.eval()
        assert method(clock=at(5), **data)["loss"] == method(clock=at(6), **data)["loss"]


def test_the_memory_is_in_checkpoints(bench: Any) -> None:
    method, other = prepared(bench), prepared(bench)
    for epoch in range(3):
        bench.step(method, batch(bench, method, epoch))
        method.before_epoch(Clock(), nothing)
    bench.step(method, batch(bench, method, 3))
    other.load_state_dict(method.state_dict())
    for m in (method, other):
        m.before_epoch(Clock(), nothing)
    assert torch.equal(*(m(clock=at(500), **batch(bench, method, 4))["loss"] for m in (method, other)))


def test_order_and_views(bench: Any) -> None:
    method = prepared(bench, share=0.5, crop=0.9, flip=0.1)
    order = method.order(0, 0, 16)
    assert len(order) == 24 and all((LABELS[order[i : i + 2]] >= 0).sum() == 1 for i in range(0, 24, 2))
    assert method.views.augments == [Augment(crop=(0.9, 1.0), flip=0.1)]
    ramps = [prepared(bench, ramp=ramp)(clock=at(300), **batch(bench, method))["w"] for ramp in (0.3, 0.6)]
    assert ramps[0] == 7.5 > ramps[1]


def trace(bench: Any, **hyper: Any) -> list[Any]:
    """What four steps, each an epoch, and an epoch's order show of the arguments."""
    method, losses = prepared(bench, **hyper), []
    for step in range(4):
        method.before_epoch(at(step, 4), nothing)
        losses.append(bench.step(method, batch(bench, method, step), at(step, 4))["loss"].item())
    return [losses, method.order(0, 0, 16).tolist()]


@pytest.mark.parametrize("argument", OTHERS)
def test_every_argument_matters(bench: Any, argument: str) -> None:
    assert list(OTHERS) == [a.name for a in methods.describe("temporal_ensembling").arguments]
    assert trace(bench, **{argument: OTHERS[argument]}) != trace(bench)


@pytest.mark.parametrize(
    "hyper", [{"share": 1.0}, {"dropout": 1.0}, {"alpha": 1.0}, {"ramp": 2.0}, {"consistency": -1.0}, {"noise": -0.1}]
)
def test_values_out_of_range(bench: Any, hyper: dict[str, float]) -> None:
    with pytest.raises(UserError, match=next(iter(hyper))):
        TemporalEnsembling(bench.encoder(), **hyper)


def test_data_without_labels(bench: Any) -> None:
    with pytest.raises(UserError, match="temporal_ensembling needs labels"):
        TemporalEnsembling(bench.encoder()).prepare(bench.Pictures(labels=np.full(16, -1)))
    with pytest.raises(RuntimeError, match="prepare"):
        TemporalEnsembling(bench.encoder())(clock=Clock(), **bench.batch(TemporalEnsembling(bench.encoder())))
