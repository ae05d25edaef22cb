from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from selftaught import methods
from selftaught.errors import UserError
from selftaught.method import Clock
from selftaught.methods.consistency.pi_model import PiModel
from selftaught.parts.ramp import ramp_up
from selftaught.views.image import Augment

LABELS = np.where(np.arange(16) % 4 == 0, np.arange(16) // 4 % 3, -1)

OTHERS: dict[str, Any] = {
    "share": 0.5, "consistency": 3.0, "ramp": 0.9, "noise": 0.5, "dropout": 0.1, "crop": 0.2, "flip": 0.0,
}  # fmt: skip


def prepared(bench: Any, **hyper: Any) -> PiModel:
    method = PiModel(bench.encoder(), **hyper)
    torch.manual_seed(0)
    method.prepare(bench.Pictures(16, labels=LABELS))
    return method


def batch(bench: Any, method: PiModel) -> dict[str, Any]:
    return bench.batch(method) | {"label": torch.from_numpy(LABELS)}


def at(progress: float) -> Clock:
    clock = Clock(0, 1000)
    clock.step = round(1000 * progress)
    return clock


def test_the_loss_is_the_papers(bench: Any) -> None:
    method = prepared(bench, noise=0.0, dropout=0.0)
    data = batch(bench, method)
    with torch.no_grad():
        one, other = (method.head(method.encoder(data[view])).softmax(1) for view in ("first", "second"))
    total = -sum(float(one[i, y].log()) for i, y in enumerate(LABELS) if y >= 0) / 16
    apart = sum(float((one[i] - other[i]) @ (one[i] - other[i])) for i in range(16)) / (3 * 16)
    outputs = method(clock=at(0.5), **data)
    assert outputs["disagreement"].item() == pytest.approx(apart, rel=1e-4) and apart <= 2 / 3
    assert outputs["w"] == 100 * 0.25  # the labelled part of a batch
    assert outputs["loss"].item() == pytest.approx(total + 25 * apart, rel=1e-4)


def test_the_weight_starts_at_nothing_and_never_falls(bench: Any) -> None:
    method = prepared(bench, consistency=10.0, ramp=0.5)
    weights = [method.weight(at(i / 100)) for i in range(101)]
    assert weights[0] == 0 and weights == sorted(weights) and set(weights[50:]) == {2.5}
    assert weights[20] == pytest.approx(2.5 * ramp_up(0.2, 0.5))
    assert prepared(bench, consistency=10.0, ramp=0.25).weight(at(0.3)) == 2.5
    assert prepared(bench, consistency=10.0, share=0.5).weight(at(1)) == 5
    assert prepared(bench, consistency=10.0, share=0.0).weight(at(1)) == pytest.approx(10 * 4 / 16)  # as they come


def test_without_noise_and_dropout_passes_of_one_view_agree(bench: Any) -> None:
    quiet, noisy, dropping = prepared(bench, noise=0, dropout=0), prepared(bench, dropout=0), prepared(bench, noise=0)
    data = batch(bench, quiet)
    data["second"] = data["first"]
    assert quiet(clock=at(0.5), **data)["disagreement"] == 0
    assert noisy(clock=at(0.5), **data)["disagreement"] > 0
    assert dropping(clock=at(0.5), **data)["disagreement"] > 0
    assert noisy.eval()(clock=at(0.5), **data)["disagreement"] == 0  # noise is for training


def test_noise_is_of_the_step(bench: Any) -> None:
    method = prepared(bench)
    data = batch(bench, method)
    losses = [method(clock=at(progress), **data)["loss"].item() for progress in (0.5, 0.5, 0.6)]
    assert losses[0] == losses[1] != losses[2]


def test_unlabelled_rows_have_no_class_loss_and_gradients_flow_through_both_passes(bench: Any) -> None:
    # so that a row is a function of itself, and views differ
    method = prepared(bench, noise=0, dropout=0, crop=0.3).eval()
    data = batch(bench, method)
    first, second = data["first"].requires_grad_(), data["second"].requires_grad_()
    method(clock=at(0), **data)["loss"].backward()
    assert ((first.grad.flatten(1).abs().sum(1) > 0).numpy() == (LABELS >= 0)).all()
    assert second.grad is None or second.grad.abs().sum() == 0
    method(clock=at(0.5), **data)["loss"].backward()
    assert (second.grad.flatten(1).abs().sum(1) > 0).all()


def test_the_disagreement_is_symmetric(bench: Any) -> None:
    method = prepared(bench, noise=0, dropout=0)
    data = batch(bench, method)
    swapped = data | {"first": data["second"], "second": data["first"]}
    one, other = (method(clock=at(0.5), **d)["disagreement"] for d in (data, swapped))
    torch.testing.assert_close(one, other)


def test_accuracy_is_of_the_labelled(bench: Any) -> None:
    method = prepared(bench).eval()
    data = batch(bench, method)
    says = method.classify(data["first"]).argmax(1)
    data["label"] = torch.where(torch.arange(16) < 4, says, -1)
    data["label"][3] = (says[3] + 1) % 3
    outputs = method(clock=Clock(), **data)
    assert outputs["accuracy"] == 0.75 and outputs["chance"] == pytest.approx(1 / 3)
    features = method.encoder(data["first"])
    torch.testing.assert_close(method.classify(data["first"]), F.linear(features, method.head.weight, method.head.bias))


def test_order_and_views(bench: Any) -> None:
    method = prepared(bench, share=0.5, crop=0.9, flip=0.1)
    order = method.order(0, 0, 16)
    assert len(order) == 24 and all((LABELS[order[i : i + 2]] >= 0).sum() == 1 for i in range(0, 24, 2))
    assert method.views.augments == [Augment(crop=(0.9, 1.0), flip=0.1)] * 2


def trace(bench: Any, **hyper: Any) -> list[Any]:
    """What four steps and an epoch's order show of the arguments."""
    method = prepared(bench, **hyper)
    return [bench.fingerprint(method, 4), method.order(0, 0, 16).tolist()]


@pytest.mark.parametrize("argument", OTHERS)
def test_every_argument_matters(bench: Any, argument: str) -> None:
    assert list(OTHERS) == [a.name for a in methods.describe("pi_model").arguments]
    assert trace(bench, **{argument: OTHERS[argument]}) != trace(bench)


@pytest.mark.parametrize(
    "hyper", [{"share": 1.0}, {"dropout": 1.0}, {"ramp": 2.0}, {"consistency": -1.0}, {"noise": -0.1}]
)
def test_values_out_of_range(bench: Any, hyper: dict[str, float]) -> None:
    with pytest.raises(UserError, match=next(iter(hyper))):
        PiModel(bench.encoder(), **hyper)


def test_data_without_labels(bench: Any) -> None:
    with pytest.raises(UserError, match="pi_model needs labels"):
        PiModel(bench.encoder()).prepare(bench.Pictures(labels=np.full(16, -1)))
    with pytest.raises(RuntimeError, match="prepare"):
        PiModel(bench.encoder())(clock=Clock(), **bench.batch(PiModel(bench.encoder())))
