from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load
from torch.nn import functional as F

from selftaught import encoders, methods
from selftaught.errors import UserError
from selftaught.method import Clock
from selftaught.methods.consistency.mean_teacher import MeanTeacher, disagree
from selftaught.parts.ramp import ramp_up
from selftaught.views.image import Augment

VARIANTS = ({"cost": "kl"}, {"two_heads": False})
"""More arguments with which its gradients are checked."""

LABELS = np.where(np.arange(16) % 4 == 0, np.arange(16) // 4 % 3, -1)

OTHERS: dict[str, Any] = {
    "share": 0.5,
    "consistency": 3.0,
    "cost": "kl",
    "ramp": 0.9,
    "momentum": 0.1,
    "early": 0.2,
    "two_heads": False,
    "distance": 1.0,
    "noise": 0.5,
    "dropout": 0.1,
    "crop": 0.2,
    "flip": 0.0,
}


def prepared(bench: Any, **hyper: Any) -> MeanTeacher:
    method = MeanTeacher(bench.encoder(), **hyper)
    torch.manual_seed(0)
    method.prepare(bench.Pictures(16, labels=LABELS))
    return method


def batch(bench: Any, method: MeanTeacher) -> dict[str, Any]:
    return bench.batch(method) | {"label": torch.from_numpy(LABELS)}


def at(step: int, steps: int = 1000) -> Clock:
    clock = Clock(0, steps)
    clock.step = step
    return clock


def walk(bench: Any, method: MeanTeacher, steps: int, total: int = 1000) -> list[list[torch.Tensor]]:
    """Students before the first step and after each."""
    seen = []
    for step in range(steps + 1):
        seen.append([p.detach().clone() for p in (*method.encoder.parameters(), *method.head.parameters())])
        if step < steps:
            bench.step(method, batch(bench, method), at(step, total))
    return seen


def teacher(method: MeanTeacher) -> list[torch.Tensor]:
    return list(method.teacher.parameters())


@pytest.mark.parametrize("cost", ["mse", "kl"])
def test_the_loss_is_the_papers(bench: Any, cost: Any) -> None:
    method = prepared(bench, noise=0.0, dropout=0.0, cost=cost, consistency=7.0, distance=0.3)
    with torch.no_grad():
        for p in method.teacher.parameters():
            p.add_(0.05 * torch.randn_like(p))
    data = batch(bench, method)
    with torch.no_grad():
        x = method.encoder(data["student"])
        f, g = method.head(x), method.second(x)
        target = method.teacher["head"](method.teacher["encoder"](data["teacher"]))
    p, q, t = f.softmax(1), g.softmax(1), target.softmax(1)
    named = -sum(float(p[i, y].log()) for i, y in enumerate(LABELS) if y >= 0) / 16
    if cost == "mse":
        apart = sum(float(((t[i] - q[i]) ** 2).sum()) for i in range(16)) / (3 * 16)
    else:
        apart = sum(float(t[i, k] * (t[i, k].log() - q[i, k].log())) for i in range(16) for k in range(3)) / 16
    tied = sum(float(((f[i] - g[i]) ** 2).sum()) for i in range(16)) / (3 * 16)
    outputs = method(clock=at(100), **data)
    assert outputs["disagreement"].item() == pytest.approx(apart, rel=1e-4)
    assert outputs["w"] == pytest.approx(7 * ramp_up(0.1, 0.27))
    assert outputs["loss"].item() == pytest.approx(named + outputs["w"] * apart + 0.3 * tied, rel=1e-4)


@pytest.mark.parametrize("cost", ["mse", "kl"])
def test_costs_vanish_when_logits_agree_and_reach_the_student_alone(cost: Any) -> None:
    logits = torch.randn(5, 4, generator=torch.Generator().manual_seed(0))
    assert disagree(cost, logits, logits) == pytest.approx(0, abs=1e-6)
    student, target = logits.clone().requires_grad_(), (logits + torch.arange(4.0)).requires_grad_()
    disagree(cost, student, target).backward()
    assert student.grad.abs().sum() > 0 and target.grad is None


def test_one_head_may_do_both(bench: Any) -> None:
    method = prepared(bench, two_heads=False, distance=1e6, noise=0.0, dropout=0.0)
    assert method.second is None
    data = batch(bench, method)
    with torch.no_grad():
        outputs = method(clock=at(0), **data)
        f = method.head(method.encoder(data["student"]))
        wanted = F.cross_entropy(f, data["label"], ignore_index=-1, reduction="sum") / 16
    assert outputs["loss"].item() == pytest.approx(
        float(wanted) + outputs["w"] * float(outputs["disagreement"]), rel=1e-4
    )


def test_the_teacher_starts_equal_takes_no_gradient_and_is_nobodys(bench: Any) -> None:
    method = prepared(bench)
    student = [*method.encoder.parameters(), *method.head.parameters()]
    assert all(torch.equal(a, b) for a, b in zip(teacher(method), student, strict=True))
    method(clock=at(500), **batch(bench, method))["loss"].backward()
    assert all(p.grad is None for p in teacher(method))
    owned = {id(p) for p in method.players()[0].groups[0]["params"]}
    assert owned == {id(p) for p in (*student, *method.second.parameters())}


def test_the_first_steps_make_a_plain_average(bench: Any) -> None:
    method = prepared(bench, momentum=0.999, early=0.999)
    seen = walk(bench, method, 4)
    for now, *students in zip(teacher(method), *seen, strict=True):
        torch.testing.assert_close(now, torch.stack(students).mean(0), atol=1e-6, rtol=1e-5)


def test_later_steps_make_the_closed_form(bench: Any) -> None:
    method = prepared(bench, momentum=0.4, early=0.4)
    seen = walk(bench, method, 5)
    for now, first, *students in zip(teacher(method), *seen, strict=True):
        expected = 0.4**5 * first + sum(0.6 * 0.4 ** (5 - t) * s for t, s in enumerate(students, 1))
        torch.testing.assert_close(now, expected, atol=1e-6, rtol=1e-5)


def test_the_momentum_changes_after_the_ramp(bench: Any) -> None:
    method = prepared(bench, momentum=0.0, early=0.5, ramp=0.5)
    walk(bench, method, 4, total=10)
    assert not torch.equal(teacher(method)[0], next(method.encoder.parameters()))
    bench.step(method, batch(bench, method), at(5, 10))
    student = [*method.encoder.parameters(), *method.head.parameters()]
    # momentum 0: the student itself
    assert all(torch.equal(a, b) for a, b in zip(teacher(method), student, strict=True))


def test_a_frozen_teacher_never_changes(bench: Any) -> None:
    method = prepared(bench, momentum=1.0, early=1.0)
    before = [p.clone() for p in teacher(method)]
    for step in (0, 1, 2, 500, 999):  # the first steps too, which average with every other momentum
        with torch.no_grad():
            method.encoder.blocks[0][0].weight.add_(1.0)
            method.after_step(at(step), {})
    assert all(torch.equal(a, b) for a, b in zip(before, teacher(method), strict=True))


def test_the_teacher_keeps_running_statistics_of_its_own_batches(bench: Any) -> None:
    method = prepared(bench)
    data = batch(bench, method)
    data["teacher"] = data["teacher"] + 5
    bench.step(method, data, at(0))
    mine, theirs = (n.blocks[0][1].running_mean for n in (method.encoder, method.teacher["encoder"]))
    fresh = copy.deepcopy(prepared(bench).teacher["encoder"]).train()
    fresh(data["teacher"])
    assert not torch.allclose(mine, theirs, atol=1e-3)
    torch.testing.assert_close(theirs, fresh.blocks[0][1].running_mean, atol=0.05, rtol=0.1)  # but for the noise


def test_student_and_teacher_have_noise_of_their_own(bench: Any) -> None:
    quiet, noisy, dropping = prepared(bench, noise=0, dropout=0), prepared(bench, dropout=0), prepared(bench, noise=0)
    for method in (quiet, noisy, dropping):
        method.second.load_state_dict(method.head.state_dict())
    data = batch(bench, quiet)
    data["teacher"] = data["student"]
    with torch.no_grad():
        assert quiet(clock=at(9), **data)["disagreement"] == pytest.approx(0, abs=1e-8)
        assert noisy(clock=at(9), **data)["disagreement"] > 1e-6
        assert dropping(clock=at(9), **data)["disagreement"] > 1e-6
        assert noisy.eval()(clock=at(9), **data)["disagreement"] == pytest.approx(0, abs=1e-8)


def test_the_teacher_is_what_classifies_and_what_is_kept(bench: Any) -> None:
    method = prepared(bench).eval()
    with torch.no_grad():
        method.teacher["head"].bias.copy_(torch.tensor([0.0, 99.0, 0.0]))
        method.head.bias.copy_(torch.tensor([99.0, 0.0, 0.0]))
    data = batch(bench, method)
    data["label"] = torch.tensor([1, 1, 1, 0] + [-1] * 12)
    outputs = method(clock=Clock(), **data)
    assert (outputs["accuracy"], outputs["student"]) == (0.75, 0.25)
    assert outputs["chance"] == pytest.approx(1 / 3)
    assert (method.classify(data["student"]).argmax(1) == 1).all()
    assert method.kept is method.teacher["encoder"] and method.kept is not method.encoder
    assert MeanTeacher(bench.encoder()).kept.spec == method.kept.spec
    assert load(encoders.save(method.kept)).keys() == bench.encoder().state_dict().keys()


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
    assert list(OTHERS) == [a.name for a in methods.describe("mean_teacher").arguments]
    assert trace(bench, **{argument: OTHERS[argument]}) != trace(bench)


@pytest.mark.parametrize(
    "hyper",
    [
        {"share": 1.0}, {"dropout": 1.0}, {"ramp": 2.0}, {"momentum": 1.1}, {"early": -0.1}, {"consistency": -1.0},
        {"distance": -1.0}, {"noise": -0.1}, {"cost": "l1"},
    ],
)  # fmt: skip
def test_values_out_of_range(bench: Any, hyper: dict[str, Any]) -> None:
    with pytest.raises(UserError, match=next(iter(hyper))):
        MeanTeacher(bench.encoder(), **hyper)


def test_data_without_labels(bench: Any) -> None:
    with pytest.raises(UserError, match="mean_teacher needs labels"):
        MeanTeacher(bench.encoder()).prepare(bench.Pictures(labels=np.full(16, -1)))
    with pytest.raises(RuntimeError, match="prepare"):
        MeanTeacher(bench.encoder())(clock=Clock(), **bench.batch(MeanTeacher(bench.encoder())))
