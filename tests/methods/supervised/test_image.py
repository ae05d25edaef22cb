from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from selftaught.errors import UserError
from selftaught.methods.supervised.image import Supervised
from selftaught.views.image import Augment


def prepared(bench: Any, **hyper: Any) -> Supervised:
    method = Supervised(bench.encoder(), **hyper)
    method.prepare(bench.Pictures())
    return method


@pytest.mark.parametrize("smoothing", [0.0, 0.3])
def test_the_loss_is_the_log_probability_of_the_label(bench: Any, smoothing: float) -> None:
    method = prepared(bench, smoothing=smoothing).eval()
    batch = bench.batch(method)
    log_p = F.log_softmax(method.head(method.encoder(batch["image"])), 1)
    total = 0.0
    for row, label in zip(log_p.tolist(), batch["label"].tolist(), strict=True):
        total -= (1 - smoothing) * row[label] + smoothing * sum(row) / 3
    assert method(**batch)["loss"].item() == pytest.approx(total / 16, rel=1e-5)


def test_accuracy_counts_right_answers(bench: Any) -> None:
    method = prepared(bench).eval()
    batch = bench.batch(method)
    answers = method.head(method.encoder(batch["image"])).argmax(1)
    batch["label"] = torch.cat([answers[:12], (answers[12:] + 1) % 3])
    outputs = method(**batch)
    assert outputs["accuracy"] == 0.75
    assert outputs["chance"] == pytest.approx(1 / 3)


def test_unlabelled_samples_are_ignored(bench: Any) -> None:
    method = prepared(bench).eval()
    batch = bench.batch(method)
    few = {"image": batch["image"][:5], "label": batch["label"][:5]}
    batch["label"][5:] = -1
    for name, value in method(**few).items():
        assert torch.allclose(method(**batch)[name], value, atol=1e-6), name
    batch["label"][:] = -1
    outputs = method(**batch)
    assert outputs["loss"] == 0 and outputs["accuracy"] == 0
    outputs["loss"].backward()
    assert all(p.grad is None or p.grad.abs().sum() == 0 for p in method.parameters())


def test_unlabelled_samples_are_never_visited(bench: Any) -> None:
    method = Supervised(bench.encoder())
    method.prepare(bench.Pictures(16, labels=np.where(np.arange(16) % 4 == 0, np.arange(16) // 4 % 2, -1)))
    order = method.order(0, 0, 16)  # an epoch is as long as the data, so that any batch fits into it
    assert [sorted(order[i : i + 4].tolist()) for i in range(0, 16, 4)] == [[0, 4, 8, 12]] * 4
    assert np.array_equal(order, method.order(0, 0, 16))
    assert len({tuple(method.order(epoch, 0, 16)) for epoch in range(20)}) > 3


def test_one_output_per_class(bench: Any) -> None:
    assert prepared(bench).head.out_features == 3
    source = bench.Pictures()
    source.classes = ("a", "b", "c", "d", "e")  # the source knows classes that this split lacks
    method = Supervised(bench.encoder())
    method.prepare(source)
    assert method.head.out_features == 5


def test_data_that_cannot_serve_is_refused(bench: Any) -> None:
    method = Supervised(bench.encoder())
    with pytest.raises(UserError, match="supervised needs labels, but this data has none"):
        method.prepare(bench.Pictures(labels=np.full(16, -1)))
    with pytest.raises(UserError, match="at least two classes, but this data has one"):
        method.prepare(bench.Pictures(labels=np.zeros(16, np.int64)))
    with pytest.raises(RuntimeError, match="prepare"):
        method(**bench.batch(method))


def test_augmentations_are_mirrors_and_shifts(bench: Any) -> None:
    assert Supervised(bench.encoder()).views.augments[0].crop == (0.6, 1.0)
    assert Supervised(bench.encoder(), crop=1.0, flip=0.1, jitter=0.2).views.augments == [
        Augment(crop=(1.0, 1.0), flip=0.1, jitter=(0.2, 0.2, 0.2, 0.0), jitter_p=0.8)
    ]


def test_the_trunk_has_a_share_of_the_learning_rate(bench: Any) -> None:
    (plain,) = prepared(bench).players()
    assert len(plain.groups) == 1
    method = prepared(bench, trunk=0.1)
    (player,) = method.players()
    trunk, head = player.groups
    assert trunk["lr_scale"] == 0.1 and "lr_scale" not in head
    assert {id(p) for p in trunk["params"]} == {id(p) for p in method.encoder.parameters()}
    assert {id(p) for p in head["params"]} == {id(p) for p in method.head.parameters()}
    with pytest.raises(UserError, match="trunk of supervised must be above 0, not 0"):
        Supervised(bench.encoder(), trunk=0.0)
