from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from selftaught import encoders
from selftaught.data.text import toy
from selftaught.errors import UserError
from selftaught.method import Clock
from selftaught.methods.supervised.text import Supervised


def prepared(**hyper: Any) -> Supervised:
    torch.manual_seed(0)
    method = Supervised(encoders.build("lookup", toy.seen(), dim=6), **hyper)
    method.prepare(toy.source())
    return method


def batch(method: Supervised) -> dict[str, Any]:
    raw = toy.source().fetch(np.arange(12))
    return method.views.apply(raw, {}, torch.device("cpu")) | {"player": "main", "clock": Clock()}


def test_the_loss_is_the_log_probability_of_the_label() -> None:
    method = prepared().eval()
    given = batch(method)
    log_p = F.log_softmax(method.head(method.encoder(given["text"])), 1)  # type: ignore[misc]
    wanted = -sum(row[label] for row, label in zip(log_p.tolist(), given["label"].tolist(), strict=True)) / 12
    assert method(**given)["loss"].item() == pytest.approx(wanted, rel=1e-5)


def test_unlabelled_samples_are_ignored_and_never_visited() -> None:
    method = prepared().eval()
    given = batch(method)
    given["label"][6:] = -1
    half = {key: value[:6] if key in ("text", "label") else value for key, value in given.items()}
    assert method(**given)["loss"].item() == pytest.approx(method(**half)["loss"].item(), rel=1e-5)
    method.labelled = np.array([2, 5])
    assert set(method.order(0, 0, 20).tolist()) == {2, 5}


def test_arguments_have_their_effects() -> None:
    slow = prepared(trunk=0.1).players()[0].groups
    assert [group.get("lr_scale", 1.0) for group in slow] == [0.1, 1.0]
    assert len(prepared().players()[0].groups) == 1
    torch.manual_seed(1)
    method = prepared(dropout=0.9)
    given = batch(method)
    assert method(**given)["loss"] != method(**given)["loss"]


def test_what_cannot_serve_is_refused() -> None:
    with pytest.raises(UserError, match=r"dropout of supervised must be in \[0, 1\), not 1"):
        prepared(dropout=1.0)
    with pytest.raises(UserError, match="trunk of supervised must be above 0, not 0"):
        prepared(trunk=0.0)
    with pytest.raises(RuntimeError, match="number of classes is not known"):
        Supervised(encoders.build("lookup", toy.seen(), dim=6)).classify([["sea1"]])
