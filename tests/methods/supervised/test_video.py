from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from selftaught import encoders, methods
from selftaught.contract.case import batch
from selftaught.data.hidden import hide
from selftaught.data.video import toy
from selftaught.errors import UserError
from selftaught.method import Source
from selftaught.methods.supervised.video import Supervised

OTHERS: dict[str, Any] = {"crop": 0.1, "flip": 0.0, "jitter": 0.9, "smoothing": 0.5, "trunk": 0.5}
GIVEN = toy.source(48)


def made(source: Source = GIVEN, **arguments: Any) -> Supervised:
    torch.manual_seed(0)
    method = Supervised(encoders.build("conv", toy.seen(), width=4, depth=2), **arguments)
    method.prepare(source)
    return method


def seen(method: Supervised) -> Any:
    return batch(method, GIVEN, range(0, 48, 3))


@pytest.mark.parametrize("smoothing", [0.0, 0.3])
def test_the_loss_is_the_log_probability_of_the_label_of_the_video(smoothing: float) -> None:
    method = made(smoothing=smoothing).eval()
    views = seen(method)
    assert views["label"].tolist() == GIVEN.labels[::3].tolist()
    assert method.head is not None
    log_p = F.log_softmax(method.head(method.encoder(views["frame"])), 1)
    total = 0.0
    for row, label in zip(log_p.tolist(), views["label"].tolist(), strict=True):
        total -= (1 - smoothing) * row[label] + smoothing * sum(row) / 2
    assert method(**views)["loss"].item() == pytest.approx(total / 16, rel=1e-5)


def test_frames_without_a_label_are_never_visited() -> None:
    source = hide(toy.source(96), "4/class", 0)
    order = made(source).order(0, 0, 96)
    assert len(order) == 96 and (source.labels[order] >= 0).all() and len(np.unique(order)) == 8


@pytest.mark.parametrize("argument", OTHERS)
def test_every_argument_matters(argument: str) -> None:
    def fingerprint(**arguments: Any) -> tuple[float, int]:
        method = made(**arguments)
        return float(method(**seen(method))["loss"].detach()), len(method.players()[0].groups)

    assert fingerprint(**{argument: OTHERS[argument]}) != fingerprint()


@pytest.mark.parametrize("arguments", [{"smoothing": 1.0}, {"trunk": 0.0}])
def test_values_out_of_range_are_refused(arguments: Any) -> None:
    with pytest.raises(UserError, match=f"{next(iter(arguments))} of supervised must be"):
        made(**arguments)


def test_the_kind_selects_the_file() -> None:
    assert methods.load("supervised", "video") is Supervised
    own, images = (methods.describe("supervised", kind).arguments for kind in ("video", "image"))
    assert [(one.name, one.default) for one in own] == [(one.name, one.default) for one in images]
