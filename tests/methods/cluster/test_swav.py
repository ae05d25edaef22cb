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
from selftaught.methods.cluster.swav import SwAV
from selftaught.parts.gather import rank
from selftaught.parts.sinkhorn import sinkhorn
from selftaught.views.image import Augment

SMALL = {"prototypes": 16, "hidden": 64, "small": 1, "crop": 0.6, "small_crop": 0.4}
"""Arguments that fit the method to the toys of the contract."""

OTHERS: dict[str, Any] = {
    "dim": 5,
    "hidden": 9,
    "prototypes": 7,
    "temperature": 0.3,
    "epsilon": 0.2,
    "iterations": 1,
    "freeze": 0,
    "queue": 8,
    "queue_epoch": 0,
    "small": 1,
    "small_size": 7,
    "crop": 0.9,
    "small_crop": 0.02,
    "strength": 0.1,
    "flip": 0.0,
    "grey": 0.9,
    "blur": 1.0,
}
STAGE: dict[str, dict[str, Any]] = {"queue": {"queue_epoch": 0}, "queue_epoch": {"queue": 16}}
"""What must be on for an argument to matter."""


def later(step: int = 1000, epoch: int = 0) -> Clock:
    clock = Clock()
    clock.step, clock.epoch = step, epoch
    return clock


def make(bench: Any, **arguments: Any) -> SwAV:
    torch.manual_seed(1)
    return SwAV(bench.encoder(), **({"prototypes": 6, "dim": 8, "hidden": 16} | arguments))


def projected(method: SwAV, views: list[Tensor]) -> list[Tensor]:
    return [F.normalize(method.head(method.encoder(view)), dim=1) for view in views]


@pytest.mark.parametrize("small", [0, 3])
@pytest.mark.parametrize(("temperature", "epsilon", "iterations"), [(0.1, 0.05, 3), (0.3, 0.2, 1)])
@torch.no_grad()
def test_the_loss_is_the_papers(bench: Any, small: int, temperature: float, epsilon: float, iterations: int) -> None:
    method = make(bench, small=small, temperature=temperature, epsilon=epsilon, iterations=iterations).eval()
    batch = bench.batch(method)
    outputs = method(clock=later(), **batch)
    z = projected(method, batch["views"])
    assert len(z) == 2 + small
    total, hits = 0.0, 0.0
    for s in (0, 1):
        code = sinkhorn(z[s] @ method.prototypes.T, epsilon, iterations)
        for t in range(len(z)):
            if s == t:
                continue
            for i in range(16):
                exps = [math.exp(z[t][i] @ c / temperature) for c in method.prototypes]
                total -= sum(float(code[i, k]) * math.log(exps[k] / sum(exps)) for k in range(6))
                hits += float(code[i, max(range(6), key=exps.__getitem__)])
    pairs = 2 * (len(z) - 1) * 16
    assert outputs["loss"].item() == pytest.approx(total / pairs, rel=1e-4)
    assert outputs["accuracy"].item() == pytest.approx(hits / pairs, rel=1e-4)
    assert outputs["chance"] == pytest.approx(1 / 6)
    assert torch.allclose(outputs["rows"], torch.stack(z[:2], 1), atol=1e-6)


def test_codes_carry_no_gradient(bench: Any) -> None:
    method = make(bench)
    z = projected(method, bench.batch(method)["views"])
    assert not method.code(0, z[0] @ method.prototypes.T, later()).requires_grad


def test_only_full_crops_are_assigned(bench: Any) -> None:
    method = make(bench, small=3).eval()
    asked: list[int] = []
    code = method.code
    method.code = lambda view, scores, clock: asked.append(view) or code(view, scores, clock)  # type: ignore[method-assign]
    method(clock=later(), **bench.batch(method))
    assert asked == [0, 1]


def test_swapping_the_full_crops_changes_nothing(bench: Any) -> None:
    method = make(bench, small=1).eval()
    one, two, small = bench.batch(method)["views"]
    a, b = (method(views=v, clock=later())["loss"] for v in ([one, two, small], [two, one, small]))
    assert torch.allclose(a, b, rtol=1e-5)


@pytest.mark.parametrize("small", [0, 2])
def test_a_collapsed_encoder_is_at_chance(bench: Any, small: int) -> None:
    method = make(bench, small=small).eval()
    with torch.no_grad():
        method.head[-1].weight[1:] = 0  # one direction is left
    outputs = method(views=[torch.ones(16, 3, 12, 12)] * (2 + small), clock=later())
    assert float(outputs["accuracy"]) == pytest.approx(1 / 6, rel=1e-4)


def test_prototypes_have_length_one_after_every_step(bench: Any) -> None:
    method = make(bench, freeze=0)
    before = method.prototypes.detach().clone()
    for _ in range(2):
        assert torch.allclose(method.prototypes.norm(dim=1), torch.ones(6), atol=1e-6)
        bench.step(method)
    assert torch.allclose(method.prototypes.norm(dim=1), torch.ones(6), atol=1e-6)
    assert (method.prototypes - before).abs().max() > 1e-3


def test_prototypes_are_frozen_for_the_first_steps(bench: Any) -> None:
    method = make(bench, freeze=3)
    before, encoder = method.prototypes.detach().clone(), method.encoder.blocks[0][0].weight.detach().clone()
    for step in range(3):
        bench.step(method, clock=later(step))
        assert torch.allclose(method.prototypes, before, atol=1e-6)
    assert not torch.equal(method.encoder.blocks[0][0].weight, encoder)
    bench.step(method, clock=later(3))
    assert (method.prototypes - before).abs().max() > 1e-3


def test_the_queue_joins_in_the_balance_from_its_epoch_and_once_it_is_full(bench: Any) -> None:
    method, plain = make(bench, queue=40, queue_epoch=2), make(bench)
    plain.load_state_dict(method.state_dict(), strict=False)
    for step in range(3):
        z = projected(method, bench.batch(method)["views"])
        scores = [one @ method.prototypes.T for one in z[:2]]
        assert method.pushed == 16 * step
        # not yet full
        assert torch.equal(method.code(0, scores[0], later(epoch=2)), plain.code(0, scores[0], later(epoch=2)))
        bench.step(method, clock=later())
    z = projected(method, bench.batch(method)["views"])
    for s in (0, 1):
        scores = z[s] @ method.prototypes.T
        past = method.queue.keys[:, 8 * s : 8 * s + 8] @ method.prototypes.T
        expected = sinkhorn(torch.cat([scores, past]), 0.05, 3)[:16]
        assert torch.allclose(method.code(s, scores, later(epoch=2)), expected, atol=1e-6)
        assert torch.equal(method.code(s, scores, later(epoch=1)), sinkhorn(scores, 0.05, 3))  # its epoch has not come
        assert (expected - sinkhorn(scores, 0.05, 3)).abs().max() > 1e-3


def test_the_queue_holds_the_last_full_crops_after_they_were_scored(bench: Any) -> None:
    method = make(bench, queue=20, queue_epoch=0)
    first, second = bench.step(method), bench.step(method)
    rows = torch.cat([first["rows"], second["rows"]]).flatten(1)[-20:]
    ring = torch.cat([method.queue.keys[method.queue.pointer :], method.queue.keys[: method.queue.pointer]])
    assert torch.allclose(ring, rows)
    assert method.pushed == 32


def test_without_a_queue_none_is_kept(bench: Any) -> None:
    assert make(bench).queue is None


def code_on_rank(scores: Tensor, encoder: dict[str, Any]) -> Tensor:
    method = SwAV(encoders.build(**encoder), prototypes=6, dim=8)
    mine = scores.chunk(2)[rank()]
    return method.code(0, mine, Clock())


def test_codes_balance_the_batches_of_all_ranks(bench: Any, ranks: Ranks) -> None:
    scores = torch.rand(12, 6, generator=torch.Generator().manual_seed(3))
    parts = ranks.call("methods.cluster.test_swav", "code_on_rank", scores=scores, encoder=bench.encoder().spec)
    assert torch.allclose(torch.cat(parts), sinkhorn(scores, 0.05, 3), atol=1e-6)
    assert not torch.allclose(parts[0], sinkhorn(scores[:6], 0.05, 3), atol=1e-3)


def test_the_views_are_the_papers(bench: Any) -> None:
    arguments = {"crop": 0.14, "small_crop": 0.05, "strength": 1.0, "blur": 0.5, "flip": 0.25, "grey": 0.1, "small": 6}
    views = make(bench, **arguments).views
    look = {
        "flip": 0.25,
        "jitter": (0.8, 0.8, 0.8, 0.2),
        "jitter_p": 0.8,
        "grey": 0.1,
        "blur": 0.5,
        "blur_sigma": (0.1, 2.0),
    }
    assert views.augments == [Augment(crop=(0.14, 1.0), **look)] * 2 + [Augment(crop=(0.05, 0.14), size=5, **look)] * 6
    assert [v.shape[-1] for v in bench.batch(make(bench, small=2, small_size=7))["views"]] == [12, 12, 7, 7]
    assert [v.shape[-1] for v in bench.batch(make(bench, small=1, small_size=12))["views"]] == [12, 12, 12]


def test_widths_are_as_asked(bench: Any) -> None:
    method = make(bench, dim=5, hidden=7, prototypes=9)
    assert [m.weight.shape for m in method.head if isinstance(m, torch.nn.Linear)] == [(7, method.encoder.dim), (5, 7)]
    assert method.prototypes.shape == (9, 5)


def test_the_queue_and_its_count_are_in_checkpoints(bench: Any) -> None:
    method, other = make(bench, queue=8), make(bench, queue=8)
    bench.step(method)
    other.load_state_dict(method.state_dict())
    assert torch.equal(other.queue.keys, method.queue.keys) and other.pushed == 16


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"temperature": 0.0}, "greater than 0, not 0.0 and 0.05"),
        ({"epsilon": -1.0}, "greater than 0, not 0.1 and -1.0"),
        ({"prototypes": 1}, "at least 2 prototypes and 1 iteration, not 1 and 3"),
        ({"iterations": 0}, "at least 2 prototypes and 1 iteration, not 6 and 0"),
        ({"queue": -1}, "at least 0, not -1, 15 and 50"),
        ({"freeze": -1}, "at least 0, not 0, 15 and -1"),
        ({"small": -1}, "at least 0, not -1 and 0"),
        ({"small_crop": 0.9}, "a view's crop must be a range"),
    ],
)
def test_values_out_of_range_are_refused(bench: Any, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        make(bench, **arguments)


def test_an_encoder_of_one_size_is_refused_but_without_small_crops(bench: Any) -> None:
    with pytest.raises(UserError, match="encoder mlp takes images of 12 pixels only"):
        SwAV(encoders.build("mlp", bench.input, width=4))
    assert SwAV(encoders.build("mlp", bench.input, width=4), small=0).views.sides == [12, 12]


@pytest.mark.parametrize("argument", OTHERS)
def test_every_argument_matters(bench: Any, argument: str) -> None:
    assert list(OTHERS) == [a.name for a in methods.describe("swav").arguments]
    stage = STAGE.get(argument, {})
    assert bench.fingerprint(make(bench, **stage, **{argument: OTHERS[argument]})) != bench.fingerprint(
        make(bench, **stage)
    )
