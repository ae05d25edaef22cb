from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from selftaught import encoders, methods
from selftaught.contract.ranks import Ranks
from selftaught.errors import UserError
from selftaught.method import Clock
from selftaught.methods.consistency.dino import DINO, entropy
from selftaught.optimizer import build
from selftaught.parts.norm import BatchNorm1d
from selftaught.recipe import Recipe
from selftaught.views.image import Augment

SMALL = {"hidden": 64, "prototypes": 64, "small": 2, "crop": 0.6, "small_crop": 0.4, "strength": 0.5, "solarise": 0.0}
"""Arguments that fit the method to the toys of the contract."""
VARIANTS = ({"norm": False},)
"""More arguments with which its gradients are checked."""

OTHERS: dict[str, Any] = {
    "hidden": 7,
    "bottleneck": 6,
    "prototypes": 9,
    "norm": False,
    "student_temperature": 0.5,
    "teacher_temperature": 0.5,
    "first_teacher_temperature": 0.2,
    "rise": 1.0,
    "momentum": 0.2,
    "centring": 0.1,
    "freeze": 1.0,
    "small": 1,
    "small_size": 6,
    "crop": 0.9,
    "small_crop": 0.3,
    "strength": 0.1,
    "flip": 0.0,
    "grey": 0.9,
    "blur": 1.0,
    "other_blur": 1.0,
    "small_blur": 1.0,
    "solarise": 0.9,
}


def make(bench: Any, encoder: Any = None, **arguments: Any) -> DINO:
    return DINO(
        encoder or bench.encoder(),
        **({"hidden": 16, "bottleneck": 8, "prototypes": 12, "small": 2, "teacher_temperature": 0.07} | arguments),
    )


def at(step: int, steps: int = 100) -> Clock:
    clock = Clock(0, steps)
    clock.step = step
    return clock


def softmax(row: list[float]) -> list[float]:
    e = [math.exp(x - max(row)) for x in row]
    return [x / sum(e) for x in e]


def looped(student: list[Tensor], teacher: list[Tensor], centre: Tensor, hot: float, cold: float) -> tuple[float, int]:
    """The loss of cosines with prototypes, crop by crop and image by image; and the number of its terms."""
    total, terms = 0.0, 0
    for f, taught in enumerate(teacher):
        for v, learnt in enumerate(student):
            if v == f:
                continue
            terms += 1
            for i in range(len(taught)):
                p = softmax([float(x) / cold for x in taught[i] - centre])
                q = softmax([float(x) / hot for x in learnt[i]])
                total -= sum(a * math.log(b) for a, b in zip(p, q, strict=True)) / len(taught)
    return total / terms, terms


@pytest.mark.parametrize("small", [0, 1, 3])
def test_the_loss_is_the_papers(bench: Any, small: int) -> None:
    method = make(bench, small=small, rise=0.0, teacher_temperature=0.05, student_temperature=0.2).eval()
    views = bench.batch(method)["views"]
    with torch.no_grad():
        method.centre.copy_(0.1 * torch.randn(12))
        method.prototypes.weight.mul_(3)  # its length does not count

        def scores(network: Any, x: Tensor) -> Tensor:
            encoder, head, prototypes = network
            z = F.normalize(head(encoder(x)), dim=1)
            return (z @ F.normalize(prototypes.weight, dim=1).T).double()

        student = [scores((method.encoder, method.head, method.prototypes), v) for v in views]
        teacher = [scores(method.teacher, v) for v in views[:2]]
        outputs = method(views=views, clock=at(50))
    expected, terms = looped(student, teacher, method.centre, 0.2, 0.05)
    assert terms == 2 * (2 + small) - 2
    assert outputs["loss"].item() == pytest.approx(expected, rel=1e-4)
    assert torch.allclose(outputs["scores"].double(), (teacher[0] + teacher[1]) / 2, atol=1e-5)


def test_the_crops_are_two_full_ones_and_small_ones(bench: Any) -> None:
    method = make(bench, small=3)
    views = bench.batch(method)["views"]
    assert [v.shape[-1] for v in views] == [12, 12, 5, 5, 5]
    seen: list[int] = []
    method.teacher[0].register_forward_hook(lambda _, inputs, __: seen.append(inputs[0].shape[-1]))
    method(views=views, clock=at(50))
    assert seen == [12]  # the teacher sees full crops, both at once


def test_no_gradient_reaches_the_teacher(bench: Any) -> None:
    method = make(bench)
    method(views=bench.batch(method)["views"], clock=at(50))["loss"].backward()
    assert all(p.grad is None for p in method.teacher.parameters())
    own = [*method.encoder.parameters(), *method.head.parameters(), *method.prototypes.parameters()]
    assert all(p.grad is not None for p in own)
    assert all(p.requires_grad for p in own)
    assert method.prototypes.weight.grad.abs().sum() > 0


def test_the_last_layer_rests_at_first(bench: Any) -> None:
    method = make(bench, freeze=0.1)
    views = bench.batch(method)["views"]
    for step, moves in ((0, False), (9, False), (10, True)):
        method.zero_grad(set_to_none=True)
        method(views=views, clock=at(step))["loss"].backward()
        assert bool(method.prototypes.weight.grad.any()) == moves
        assert method.head[0].weight.grad.any()


def test_the_last_layer_rests_in_the_optimiser_too(bench: Any) -> None:
    method = make(bench)
    optimizer = build(method.players()[0], Recipe(weight_decay=0.5))
    for group in optimizer.param_groups:
        own = any(p is method.prototypes.weight for p in group["params"])
        assert group["weight_decay"] == (0 if own or group["params"][0].ndim < 2 else 0.5)
    method(views=bench.batch(method)["views"], clock=at(0))["loss"].backward()
    before = method.prototypes.weight.clone()
    optimizer.step()
    assert torch.equal(method.prototypes.weight, before)


@pytest.mark.parametrize(("step", "momentum"), [(0, 0.9), (50, 0.95), (100, 1.0)])
def test_the_teacher_and_its_centre_follow(bench: Any, step: int, momentum: float) -> None:
    method = make(bench, momentum=0.9, centring=0.8)
    with torch.no_grad():
        for p in [*method.encoder.parameters(), *method.head.parameters(), *method.prototypes.parameters()]:
            p.add_(1)
        method.centre.copy_(torch.arange(12.0))
    before = [p.clone() for p in method.teacher.parameters()]
    scores = torch.randn(16, 12)
    method.after_step(at(step), {"scores": scores})
    student = [*method.encoder.parameters(), *method.head.parameters(), *method.prototypes.parameters()]
    for now, old, new in zip(method.teacher.parameters(), before, student, strict=True):
        assert torch.allclose(now, momentum * old + (1 - momentum) * new, atol=1e-5)
    assert torch.allclose(method.centre, 0.8 * torch.arange(12.0) + 0.2 * scores.mean(0), atol=1e-6)


def test_forward_writes_no_centre(bench: Any) -> None:
    method = make(bench)
    method(views=bench.batch(method)["views"], clock=at(50))
    assert not method.centre.any()


def test_the_teachers_temperature_rises(bench: Any) -> None:
    method = make(bench, teacher_temperature=0.07)
    assert [method.sharpness(p) for p in (0.0, 0.15, 0.3, 1.0)] == pytest.approx([0.04, 0.055, 0.07, 0.07])
    assert make(bench, rise=0.0, teacher_temperature=0.07).sharpness(0.0) == 0.07


def test_entropy_flags_both_collapses(bench: Any) -> None:
    method = make(bench).eval()
    views = bench.batch(method)["views"]
    with torch.no_grad():
        method.centre.zero_()
        healthy = method(views=views, clock=at(50))
        method.teacher[2].weight.copy_(torch.ones(12, 8))  # every prototype as likely as the others
        uniform = method(views=views, clock=at(50))
        method.teacher[2].weight.copy_(torch.randn(12, 8))
        method.centre[3] = -5.0  # one prototype for everything
        one = method(views=views, clock=at(50))
    assert uniform["entropy"] == pytest.approx(1) and uniform["marginal_entropy"] == pytest.approx(1)
    assert one["entropy"] == pytest.approx(0, abs=1e-6) and one["marginal_entropy"] == pytest.approx(0, abs=1e-6)
    assert 0 < healthy["entropy"] < 1


def test_views_of_an_image_are_matched_by_their_centred_scores(bench: Any) -> None:
    method = make(bench).eval()
    views = bench.batch(method)["views"]
    same = method(views=[views[0], views[0], *views[2:]], clock=at(50))  # the student starts as the teacher
    assert same["accuracy"] == 1 and same["chance"] == pytest.approx(1 / 16)
    assert method(views=[views[0], views[0].roll(1, 0), *views[2:]], clock=at(50))["accuracy"] == 0


def test_the_heads_norm_is_an_option(bench: Any) -> None:
    for norm in (True, False):
        assert sum(isinstance(m, BatchNorm1d) for m in make(bench, norm=norm).head) == 2 * norm


def test_entropy_is_a_part_of_the_largest() -> None:
    assert entropy(torch.full((4,), 0.25)).item() == pytest.approx(1)
    assert entropy(torch.tensor([[1.0, 0.0, 0.0]])).tolist() == [0]
    assert entropy(torch.tensor([0.5, 0.5, 0.0, 0.0])).item() == pytest.approx(0.5)


def test_centring_keeps_one_prototype_from_winning(bench: Any) -> None:
    """With the centre held at zero and a sharp teacher, the teacher's bias towards one prototype stays.

    The centre takes it away.
    """
    method = make(bench).eval()
    views = bench.batch(method)["views"]
    with torch.no_grad():
        known, scores = method.taught(views[:2])
        bias = torch.zeros(12)
        bias[4] = 1.0  # a prototype that wins everywhere
        biased = [s + bias for s in scores]
        before = torch.cat([(s / 0.04).softmax(1) for s in biased]).mean(0)
        for _ in range(100):
            method.after_step(at(100), {"scores": torch.stack(biased).mean(0)})
        after = torch.cat([((s - method.centre) / 0.04).softmax(1) for s in biased]).mean(0)
    assert before.max() > 0.9
    assert after.max() < 0.5
    assert len(known) == 2


@pytest.mark.parametrize("pool", ["flatten", "mean"])
def test_small_crops_serve_convolutions(bench: Any, pool: str) -> None:
    method = make(bench, bench.encoder(pool=pool))
    assert math.isfinite(bench.step(method)["loss"].item())


@pytest.mark.parametrize("pool", ["cls", "mean"])
def test_small_crops_serve_the_vit(bench: Any, pool: str) -> None:
    torch.manual_seed(0)
    method = make(bench, encoders.build("vit", bench.input, width=12, depth=1, heads=2, pool=pool))
    outputs = bench.step(method)
    assert math.isfinite(outputs["loss"].item())
    assert [v.shape[-1] for v in bench.batch(method)["views"]] == [12, 12, 5, 5]


def test_an_encoder_of_one_size_has_no_small_crops(bench: Any) -> None:
    torch.manual_seed(0)
    encoder = encoders.build("mlp", bench.input, width=8)
    with pytest.raises(UserError, match="small crops"):
        make(bench, encoder)
    assert math.isfinite(bench.step(make(bench, encoder, small=0))["loss"].item())


def centre_of(seed: int) -> Tensor:
    """The centre after one step, in which this rank sees its half of the scores."""
    from selftaught.parts.gather import rank, world

    torch.manual_seed(0)
    spec = {"kind": "image", "size": 8, "channels": 3, "mean": [0.5] * 3, "std": [0.2] * 3}
    method = DINO(encoders.build("conv", spec, width=2, depth=1), hidden=4, bottleneck=4, prototypes=6)
    scores = torch.randn(8, 6, generator=torch.Generator().manual_seed(seed))
    method.after_step(at(0), {"scores": scores.chunk(world())[rank()]})
    return method.centre


def test_ranks_share_the_centre(ranks: Ranks) -> None:
    alone = centre_of(1)
    for theirs in ranks.call("methods.consistency.test_dino", "centre_of", seed=1):
        assert torch.allclose(theirs, alone, atol=1e-7)


def test_half_precision_keeps_the_loss(bench: Any) -> None:
    method = make(bench)
    batch = bench.batch(method)
    full = method(clock=at(50), **batch)["loss"].item()
    with torch.autocast("cpu", torch.bfloat16):
        half = method(clock=at(50), **batch)
    assert half["loss"].dtype == torch.float32
    assert half["loss"].item() == pytest.approx(full, rel=0.05)
    method.after_step(at(50), half)


def test_augmentations_are_the_papers(bench: Any) -> None:
    first, second, *small = make(bench, small=2, blur=1.0, other_blur=0.1, small_blur=0.5).views.augments
    shared: dict[str, Any] = {
        "flip": 0.5,
        "jitter": (0.4, 0.4, 0.2, 0.1),
        "jitter_p": 0.8,
        "grey": 0.2,
        "blur_sigma": (0.1, 2.0),
    }
    assert first == Augment(crop=(0.4, 1.0), blur=1.0, **shared)
    assert second == Augment(crop=(0.4, 1.0), blur=0.1, solarise=0.2, **shared)
    assert small == [Augment(crop=(0.05, 0.4), blur=0.5, size=5, **shared)] * 2


@pytest.mark.parametrize("argument", OTHERS)
def test_every_argument_matters(bench: Any, argument: str) -> None:
    assert list(OTHERS) == [a.name for a in methods.describe("dino").arguments]
    assert bench.fingerprint(make(bench, **{argument: OTHERS[argument]}), 4) != bench.fingerprint(make(bench), 4)


@pytest.mark.parametrize("argument", ["student_temperature", "teacher_temperature", "first_teacher_temperature"])
def test_temperatures_are_positive(bench: Any, argument: str) -> None:
    with pytest.raises(UserError, match="temperatures of dino must be greater than 0"):
        make(bench, **{argument: 0.0})


def test_mistakes_are_named(bench: Any) -> None:
    for argument in ("rise", "momentum", "centring", "freeze"):
        with pytest.raises(UserError, match=r"rise, momentum, centring and freeze of dino must be in \[0, 1\]"):
            make(bench, **{argument: 1.5})
    for wrong in ({"hidden": 0}, {"bottleneck": 0}, {"prototypes": 1}):
        with pytest.raises(UserError, match="at least 2 prototypes"):
            make(bench, **wrong)
    with pytest.raises(UserError, match="small crops must be at least 0"):
        make(bench, small=-1)


def test_the_teacher_is_kept(bench: Any) -> None:
    method = make(bench)
    assert method.kept is method.teacher[0] and method.kept is not method.encoder


def test_gradients_are_clipped_parameter_by_parameter() -> None:
    assert DINO.recipe["clip"] == 3.0 and DINO.recipe["clip_each"] is True
