from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from parts.test_exemplar import by_loop, embedded
from torch.nn import functional as F

from selftaught import methods
from selftaught.errors import UserError
from selftaught.methods.consistency.s4l import S4L
from selftaught.parts.exemplar import exemplar
from selftaught.views.image import Augment

VARIANTS = ({"kind": "exemplar"},)
"""More arguments with which its gradients are checked."""

LABELS = np.where(np.arange(16) % 2 == 0, np.arange(16) // 2 % 3, -1)

OTHERS: dict[str, Any] = {
    "kind": "exemplar", "share": 0.25, "weight": 3.0, "copies": 3, "dim": 5, "crop": 0.2, "patch": 0.5, "flip": 0.0,
    "jitter": 0.1,
}  # fmt: skip


def prepared(bench: Any, **hyper: Any) -> S4L:
    method = S4L(bench.encoder(), **hyper)
    torch.manual_seed(0)
    method.prepare(bench.Pictures(16, labels=LABELS))
    return method.eval()  # a row is a function of itself


def batch(bench: Any, method: S4L) -> dict[str, Any]:
    return bench.batch(method) | {"label": torch.from_numpy(LABELS)}


def test_rotation_is_both_losses_over_all_turns(bench: Any) -> None:
    method = prepared(bench, weight=0.7)
    data = batch(bench, method)
    named, puzzle, solved = 0.0, 0.0, 0
    for i, y in enumerate(LABELS):
        for r in range(4):
            with torch.no_grad():
                features = method.encoder(torch.rot90(data["image"][i : i + 1], r, (2, 3)))
                p, q = method.head(features).log_softmax(1)[0], method.puzzle(features).log_softmax(1)[0]
            puzzle -= float(q[r]) / (4 * 16)
            solved += int(q.argmax() == r)
            if y >= 0:  # the label of an image stands beside each of its turns
                named -= float(p[y]) / (4 * 8)
    outputs = method(**data)
    assert outputs["class_loss"].item() == pytest.approx(named, rel=1e-4)
    assert outputs["loss"].item() == pytest.approx(named + 0.7 * puzzle, rel=1e-4)
    assert outputs["solved"].item() == pytest.approx(solved / 64)
    says = method.classify(data["image"]).argmax(1)
    assert outputs["accuracy"] == (says == data["label"])[::2].float().mean() and outputs["chance"] == pytest.approx(
        1 / 3
    )


def test_without_the_puzzle_it_is_supervised(bench: Any) -> None:
    method = prepared(bench, weight=0.0)
    data = batch(bench, method)
    image = data["image"].requires_grad_()
    method(**data)["loss"].backward()
    # unlabelled ones never enter the class loss
    assert ((image.grad.flatten(1).abs().sum(1) > 0).numpy() == (LABELS >= 0)).all()
    assert method.puzzle.weight.grad is None or method.puzzle.weight.grad.abs().sum() == 0


def test_the_puzzle_is_for_everyone_and_shares_the_trunk(bench: Any) -> None:
    for kind in ("rotation", "exemplar"):
        method = prepared(bench, kind=kind)
        data = batch(bench, method)
        data["label"] = torch.full((16,), -1)
        outputs = method(**data)
        assert outputs["class_loss"] == 0 and outputs["accuracy"] == 0
        outputs["loss"].backward()
        assert method.puzzle.weight.grad.abs().sum() > 0
        assert all(p.grad.abs().sum() > 0 for p in method.encoder.parameters() if p.dim() == 4)


def test_exemplar_is_both_losses_over_all_copies(bench: Any) -> None:
    method = prepared(bench, kind="exemplar", weight=0.7, copies=3, dim=6)
    data = batch(bench, method)
    assert len(data["views"]) == 3
    with torch.no_grad():
        features = method.encoder(torch.stack(data["views"], 1).flatten(0, 1))
        logits, z = method.head(features), F.normalize(method.puzzle(features), dim=1)
    assert z.shape == (48, 6)
    named = F.cross_entropy(logits, torch.from_numpy(LABELS).repeat_interleave(3), ignore_index=-1)
    puzzle, solved = by_loop(z, 3)
    outputs = method(**data)
    assert outputs["loss"].item() == pytest.approx(float(named) + 0.7 * puzzle, rel=1e-4)
    assert outputs["solved"].item() == pytest.approx(solved)


def test_permuting_images_or_scaling_the_puzzle_head_changes_nothing(bench: Any) -> None:
    z = embedded(6, 3).view(6, 3, 5)
    torch.testing.assert_close(
        exemplar(z[torch.randperm(6)].flatten(0, 1), 3)["loss"], exemplar(z.flatten(0, 1), 3)["loss"]
    )
    method = prepared(bench, kind="exemplar")
    data = batch(bench, method)
    before = method(**data)["loss"]
    with torch.no_grad():
        method.puzzle.weight.mul_(3)
        method.puzzle.bias.mul_(3)
    torch.testing.assert_close(method(**data)["loss"], before)


def test_order_and_views(bench: Any) -> None:
    method = prepared(bench, share=0.25, crop=0.9, flip=0.1)
    order = method.order(0, 0, 16)
    assert all((LABELS[order[i : i + 4]] >= 0).sum() == 1 for i in range(0, len(order) - 3, 4))
    assert method.views.augments == [Augment(crop=(0.9, 1.0), flip=0.1)]
    views = S4L(bench.encoder(), kind="exemplar", copies=3, jitter=0.8, patch=0.9, flip=0.1).views.augments
    assert views == [Augment(crop=(0.9, 1.0), flip=0.1, jitter=(0.8, 0.8, 0.8, 0.2))] * 3


def trace(bench: Any, **hyper: Any) -> list[Any]:
    """What two steps and an epoch's order show of the arguments."""
    method = prepared(bench, **hyper)
    return [bench.fingerprint(method.train()), method.order(0, 0, 16).tolist()]


@pytest.mark.parametrize("argument", OTHERS)
def test_every_argument_matters(bench: Any, argument: str) -> None:
    assert list(OTHERS) == [a.name for a in methods.describe("s4l").arguments]
    stage = {"kind": "exemplar"} if argument in ("copies", "dim", "patch", "jitter") else {}
    assert trace(bench, **stage, **{argument: OTHERS[argument]}) != trace(bench, **stage)


@pytest.mark.parametrize("hyper", [{"kind": "jigsaw"}, {"share": 1.0}, {"weight": -1.0}, {"copies": 1}, {"dim": 0}])
def test_values_out_of_range(bench: Any, hyper: dict[str, Any]) -> None:
    with pytest.raises(UserError, match=next(iter(hyper))):
        S4L(bench.encoder(), **hyper)


def test_data_without_labels(bench: Any) -> None:
    with pytest.raises(UserError, match="s4l needs labels"):
        S4L(bench.encoder()).prepare(bench.Pictures(labels=np.full(16, -1)))
    with pytest.raises(RuntimeError, match="prepare"):
        S4L(bench.encoder())(**bench.batch(S4L(bench.encoder())))
