from __future__ import annotations

from itertools import permutations
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from selftaught import encoders, methods
from selftaught.errors import UserError
from selftaught.methods.consistency.sla import SLA, aggregated, distillation, joint_label, transformed
from selftaught.views.image import Augment

VARIANTS = ({"distill": True, "temperature": 2.0},)
"""More arguments with which its gradients are checked."""

COPIES = {"none": 1, "rotation": 4, "colour": 6, "both": 24}

OTHERS: dict[str, Any] = {"transform": "both", "distill": True, "temperature": 3.0, "crop": 0.2, "flip": 0.0}


def prepared(bench: Any, **hyper: Any) -> SLA:
    method = SLA(bench.encoder(), **hyper)
    torch.manual_seed(0)
    method.prepare(bench.Pictures(16))
    return method.eval()  # a row is a function of itself


def copies(image: torch.Tensor, transform: str) -> list[torch.Tensor]:
    """Every copy of one image [C, S, S], by definition."""
    turns = [torch.rot90(image, r, (1, 2)) for r in range(4)] if transform in ("rotation", "both") else [image]
    orders = list(permutations(range(3))) if transform in ("colour", "both") else [(0, 1, 2)]
    return [turn[list(order)] for turn in turns for order in orders]


@pytest.mark.parametrize("transform", list(COPIES))
def test_copies_stand_side_by_side_the_untouched_one_first(transform: Any) -> None:
    images = torch.rand(3, 3, 6, 6, generator=torch.Generator().manual_seed(0))
    found = transformed(images, transform).unflatten(0, (3, COPIES[transform]))
    for i, image in enumerate(images):
        assert torch.equal(found[i, 0], image)
        assert torch.equal(found[i], torch.stack(copies(image, transform)))


@pytest.mark.parametrize("transform", list(COPIES))
def test_the_loss_and_the_vote_are_those_of_a_loop_over_copies(bench: Any, transform: Any) -> None:
    method = prepared(bench, transform=transform)
    data, m = bench.batch(method, 4), COPIES[transform]
    total, votes = 0.0, torch.zeros(4, 3)
    for i, (image, y) in enumerate(zip(data["image"], data["label"].tolist(), strict=True)):
        for j, one in enumerate(copies(image, transform)):
            with torch.no_grad():
                logits = method.head(method.encoder(one[None]))[0]  # [3 M]
            total -= float(logits.log_softmax(0)[m * y + j]) / (4 * m)
            votes[i] += torch.stack([logits[m * k + j] for k in range(3)]) / m
    outputs = method(**data)
    assert outputs["loss"].item() == pytest.approx(total, rel=1e-4)
    torch.testing.assert_close(method.classify(data["image"]), votes, atol=1e-5, rtol=1e-4)
    assert outputs["accuracy"] == (votes.argmax(1) == data["label"]).float().mean()
    assert outputs["chance"] == pytest.approx(1 / 3)


def test_one_copy_is_plain_cross_entropy(bench: Any) -> None:
    method = prepared(bench, transform="none")
    data = bench.batch(method)
    logits = method.head(method.encoder(data["image"]))
    torch.testing.assert_close(method(**data)["loss"], F.cross_entropy(logits, data["label"]))
    torch.testing.assert_close(method.classify(data["image"]), logits)


def test_joint_labels_round_trip() -> None:
    label = torch.tensor([0, 2, -1, 5])
    joint = joint_label(label, 4)
    assert joint[2].tolist() == [-1] * 4
    known = joint[label >= 0]
    assert torch.equal(known // 4, label[label >= 0, None].expand(-1, 4))
    assert torch.equal(known % 4, torch.arange(4).expand(3, -1))


def test_with_additive_logits_the_vote_is_that_of_the_class_alone() -> None:
    """The multi-task model, with separate logits for class and transformation, has additive joint logits."""
    generator = torch.Generator().manual_seed(0)
    # [B, M, K], [B, M, M]
    classes, turn = torch.randn(5, 4, 3, generator=generator), torch.randn(5, 4, 4, generator=generator)
    joint = (classes[..., None] + turn[:, :, None]).flatten(2)  # [B, M, KM]
    assert torch.equal(aggregated(joint).argmax(1), classes.mean(1).argmax(1))
    y, j = torch.tensor([0, 2, 1, 1, 0]), torch.arange(4)
    both = F.cross_entropy(joint.flatten(0, 1), joint_label(y, 4).flatten())
    apart = F.cross_entropy(classes.flatten(0, 1), y.repeat_interleave(4)) + F.cross_entropy(
        turn.flatten(0, 1), j.repeat(5)
    )
    torch.testing.assert_close(both, apart)


def test_distillation_adds_a_classifier_of_one_view(bench: Any) -> None:
    method = prepared(bench, distill=True, temperature=2.0)
    data = bench.batch(method)
    joint, _ = method.joint(data["image"])
    alone = method.single(method.encoder(data["image"]))  # the untransformed images
    base = F.cross_entropy(joint.flatten(0, 1), joint_label(data["label"], 4).flatten())
    wanted = base + distillation(aggregated(joint), alone, 2.0) + F.cross_entropy(alone, data["label"])
    outputs = method(**data)
    torch.testing.assert_close(outputs["loss"], wanted)
    torch.testing.assert_close(method.classify(data["image"]), alone)
    assert outputs["accuracy"] == (alone.argmax(1) == data["label"]).float().mean()
    assert outputs["aggregated"] == (aggregated(joint).argmax(1) == data["label"]).float().mean()


@pytest.mark.parametrize("t", [1.0, 3.0])
def test_the_distillation_is_a_divergence_and_its_teacher_gets_no_gradient(t: float) -> None:
    generator = torch.Generator().manual_seed(0)
    teacher, student = (torch.randn(5, 4, generator=generator).requires_grad_() for _ in range(2))
    p, q = (teacher / t).softmax(1), (student / t).softmax(1)
    loss = distillation(teacher, student, t)
    torch.testing.assert_close(loss, t**2 * (p * (p.log() - q.log())).sum(1).mean())
    loss.backward()
    assert teacher.grad is None and student.grad.abs().sum() > 0
    assert distillation(student, student, t).item() == pytest.approx(0, abs=1e-6)


def test_unlabelled_rows_teach_nothing_and_are_not_visited(bench: Any) -> None:
    method = prepared(bench)
    data = bench.batch(method)
    image = data["image"].requires_grad_()
    data["label"] = torch.where(torch.arange(16) % 2 == 0, data["label"], -1)
    method(**data)["loss"].backward()
    assert ((image.grad.flatten(1).abs().sum(1) > 0) == (data["label"] >= 0)).all()
    method.prepare(bench.Pictures(16, labels=np.where(np.arange(16) % 4 == 0, np.arange(16) // 4 % 2, -1)))
    assert set(method.order(0, 0, 16).tolist()) == {0, 4, 8, 12} and len(method.order(0, 0, 16)) == 16


def test_views(bench: Any) -> None:
    assert SLA(bench.encoder(), crop=0.9, flip=0.1).views.augments == [Augment(crop=(0.9, 1.0), flip=0.1)]


@pytest.mark.parametrize("argument", OTHERS)
def test_every_argument_matters(bench: Any, argument: str) -> None:
    assert list(OTHERS) == [a.name for a in methods.describe("sla").arguments]
    stage = {"distill": True} if argument == "temperature" else {}
    one, other = (
        bench.fingerprint(prepared(bench, **stage, **hyper).train()) for hyper in ({}, {argument: OTHERS[argument]})
    )
    assert one != other


@pytest.mark.parametrize("transform", ["colour", "both"])
def test_colour_is_refused_where_there_is_none(transform: Any) -> None:
    grey = {"kind": "image", "size": 12, "channels": 1, "mean": [0.5], "std": [0.2]}
    with pytest.raises(UserError, match="needs images with 3 channels, but these have 1"):
        SLA(encoders.build("conv", grey, width=4, depth=2), transform=transform)


def test_what_cannot_be_is_refused(bench: Any) -> None:
    with pytest.raises(UserError, match="transform of sla must be one of none, rotation, colour, both, not 'shear'"):
        SLA(bench.encoder(), transform="shear")  # type: ignore[arg-type]
    with pytest.raises(UserError, match="temperature"):
        SLA(bench.encoder(), temperature=0.0)
    with pytest.raises(UserError, match="sla needs labels"):
        SLA(bench.encoder()).prepare(bench.Pictures(labels=np.full(16, -1)))
    with pytest.raises(RuntimeError, match="prepare"):
        SLA(bench.encoder())(**bench.batch(SLA(bench.encoder())))
