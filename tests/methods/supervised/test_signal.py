from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from selftaught import encoders, evaluate, methods
from selftaught.contract.case import batch
from selftaught.data.hidden import hide
from selftaught.data.signal import toy
from selftaught.data.signal.source import Signals
from selftaught.errors import UserError
from selftaught.methods.supervised.signal import Supervised

OTHERS: dict[str, Any] = {"crop": 0.5, "scale": 0.9, "noise": 1.0, "smoothing": 0.5, "trunk": 0.5}


def made(uneven: bool = False, **arguments: Any) -> Supervised:
    torch.manual_seed(0)
    method = Supervised(encoders.build("wave", toy.seen(uneven=uneven), width=6), **arguments)
    method.prepare(toy.source(12, uneven=uneven))
    return method


def seen(method: Supervised, uneven: bool = False) -> Any:
    return batch(method, toy.source(12, uneven=uneven), range(12))


@pytest.mark.parametrize("smoothing", [0.0, 0.3])
def test_the_loss_is_the_log_probability_of_the_label(smoothing: float) -> None:
    method = made(True, smoothing=smoothing).eval()
    views = seen(method, True)
    assert method.head is not None
    log_p = F.log_softmax(method.head(method.encoder(views["series"], mask=views["series_mask"])), 1)
    total = 0.0
    for row, label in zip(log_p.tolist(), views["label"].tolist(), strict=True):
        total -= (1 - smoothing) * row[label] + smoothing * sum(row) / 3
    assert method(**views)["loss"].item() == pytest.approx(total / 12, rel=1e-5)


def test_samples_without_a_label_are_never_visited() -> None:
    source = hide(toy.source(30), "2/class", 0)
    method = Supervised(encoders.build("wave", toy.seen(), width=6))
    method.prepare(source)
    order = method.order(0, 0, 30)
    assert len(order) == 30 and (source.labels[order] >= 0).all() and len(np.unique(order)) == 6


def test_the_padding_of_a_series_does_not_change_its_class() -> None:
    method, given = made(True), toy.source(12, uneven=True)
    longer = evaluate.classifier(method, toy.source(12, seed=1), given)
    rows = given.fetch(np.arange(12))["signal"]
    alone = [method.eval().classify(torch.from_numpy((row - 0.1) / 0.8)[None]).argmax(1) for row in rows]
    assert longer == pytest.approx(100 * float((torch.cat(alone).numpy() == given.labels).mean()), abs=0.01)


@pytest.mark.parametrize("argument", OTHERS)
def test_every_argument_matters(argument: str) -> None:
    assert list(OTHERS) == [one.name for one in methods.describe("supervised", "signal").arguments]

    def fingerprint(**arguments: Any) -> list[Any]:
        method = made(**arguments)
        groups = [group.get("lr_scale") for group in method.players()[0].groups]
        return [float(method(**seen(method))["loss"].detach()), groups]

    assert fingerprint(**{argument: OTHERS[argument]}) != fingerprint()


def test_what_cannot_be_learned_is_refused() -> None:
    rows = toy.source(6).fetch(np.arange(6))["signal"]
    method = Supervised(encoders.build("wave", toy.seen(), width=6))
    with pytest.raises(UserError, match="supervised needs labels, but this data has none"):
        method.prepare(Signals(rows))
    with pytest.raises(UserError, match="at least two classes"):
        method.prepare(Signals(rows, np.zeros(6, np.int64), ("one",)))
    with pytest.raises(UserError, match="smoothing of supervised must be in"):
        made(smoothing=1.0)
    with pytest.raises(UserError, match="trunk of supervised must be above 0"):
        made(trunk=0.0)
