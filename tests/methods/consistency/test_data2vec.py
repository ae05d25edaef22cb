from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from selftaught import encoders, methods
from selftaught.contract.case import Case, batch
from selftaught.errors import UserError
from selftaught.method import Clock, Method
from selftaught.methods.consistency.data2vec import Data2Vec, deviation, normalised, regression
from selftaught.parts.gather import average

SMALL = {"layers": 2, "span": 2}
"""Arguments that fit the method to the toys of the contract."""
VARIANTS = ({"beta": 0.0, "output": "mlp"},)
"""More arguments with which its gradients are checked."""

OTHERS: dict[str, Any] = {
    "share": 0.2,
    "span": 1,
    "layers": 1,
    "output": "mlp",
    "normalise": "instance",
    "beta": 0.1,
    "momentum": 0.1,
    "last": 0.995,
    "rise": 0.0,
    "shared": False,
    "head": 1,
    "guard": 0,
}
KINDS = ("image", "signal", "audio", "text")


def case(kind: str, **toy: Any) -> Case:
    return Case("data2vec", kind, SMALL, toy=toy)


def made(kind: str, toy: Any = None, **arguments: Any) -> Data2Vec:
    method = case(kind, **(toy or {})).build(**arguments).train()
    assert isinstance(method, Data2Vec)
    return method


def seen(method: Method, kind: str, n: int = 8, **toy: Any) -> dict[str, Any]:
    return batch(method, case(kind, **toy).source(48), range(n))


def at(step: int, steps: int = 1000) -> Clock:
    clock = Clock(0, steps)
    clock.step = step
    return clock


def moved(module: nn.Module, by: float = 0.1) -> None:
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for p in module.parameters():
            p.add_(by * torch.randn(p.shape, generator=generator))


@pytest.mark.parametrize(
    ("kind", "toy", "arguments"),
    [
        ("image", {}, {"beta": 0.3}),
        ("signal", {"uneven": True}, {"normalise": "instance", "beta": 0.0}),
        ("text", {}, {"normalise": "layer", "layers": 1}),
        ("text", {}, {"normalise": "instance", "output": "mlp"}),
    ],
)
@torch.no_grad()
def test_the_loss_is_the_papers(kind: str, toy: Any, arguments: dict[str, Any]) -> None:
    method = made(kind, toy, **arguments)
    moved(method.teacher)
    moved(method.encoder, 0.2)
    views = seen(method, kind, **toy)
    x, hide, mask = views["sample"], views["hide"], views.get("mask")
    inner: list[Tensor] = []
    for block in method.teacher.blocks:
        part = block.mlp if method.output == "mlp" else block
        part.register_forward_hook(lambda _, __, out: inner.append(out))
    nothing = torch.zeros_like(hide)
    _, there = method.teacher.masked(x, nothing, torch.full_like(method.token, 99.0), mask)  # reads no token
    last = [a[:, -hide.shape[1] :] for a in inner[-method.averaged :]]
    assert len(last) == method.averaged and (mask is None) == bool(there.all())
    said, _ = method.encoder.masked(x, hide, method.token, mask)
    total, count = 0.0, 0
    for n in range(len(hide)):
        kept = [a[n][there[n]] for a in last]  # [P of this sample, D] each
        axis = 0 if method.normalise == "instance" else 1
        y = torch.stack(
            [(a - a.mean(axis, keepdim=True)) / (a.var(axis, False, keepdim=True) + 1e-5).sqrt() for a in kept]
        )
        for t, true in zip(there[n].nonzero()[:, 0].tolist(), y.mean(0), strict=True):
            if hide[n, t]:
                off = (method.head(said[n, t]) - true).abs()
                beta = method.beta
                each = off**2 if beta == 0 else torch.where(off <= beta, off**2 / (2 * beta), off - beta / 2)
                total, count = total + float(each.sum()) / len(off) ** 0.5, count + 1
    assert count == int((hide & there).sum()) > 0
    assert method(**views)["loss"].item() == pytest.approx(total / count, rel=1e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_the_student_does_not_see_what_is_hidden_and_the_teacher_does(kind: str) -> None:
    method = made(kind)
    views = seen(method, kind)
    x, hide, mask = views["sample"], views["hide"], views.get("mask")
    student = method.encoder.masked(x, hide, method.token, mask)[0]
    taught = method.taught(x, hide, mask)
    if kind == "text":
        other = torch.where(hide, (x + 1) % 5, x)
    else:  # samples of which every position that reads them is hidden
        reading = torch.stack(
            [slopes(method, x, position) for position in range(hide.shape[1])], 1
        )  # [B, P, *positions of x]
        open_ = (reading & ~hide.view(*hide.shape, *[1] * (reading.ndim - 2))).any(1)[:, None]
        other = torch.where(open_, x, x + 1)
    assert not torch.equal(other, x)
    assert torch.allclose(method.encoder.masked(other, hide, method.token, mask)[0], student, atol=1e-5)
    assert not torch.allclose(method.taught(other, hide, mask), taught, atol=1e-3)
    changed = method.encoder.masked(x, hide, torch.linspace(-1, 1, len(method.token)), mask)[0]
    assert not torch.allclose(changed, student, atol=1e-3)


def slopes(method: Data2Vec, x: Tensor, position: int) -> Tensor:
    """Which samples the code of a position reads, before the blocks: bool [B, *positions of x]."""
    x = x.clone().requires_grad_()
    encoder = method.encoder
    codes = encoder.patch_embed(x) if hasattr(encoder, "patch_embed") else encoder.codes.encode(x)[-1]
    (slope,) = torch.autograd.grad(codes.flatten(2)[:, :, position].square().sum(), x)
    found: Tensor = (slope != 0).any(1)
    return found


def test_unhidden_positions_and_padding_carry_no_loss() -> None:
    method = made("signal", {"uneven": True})
    views = seen(method, "signal", uneven=True)
    _, there = method.encoder.masked(views["sample"], views["hide"], method.token, views["mask"])
    assert not there.all()
    before = method(**views)["loss"].item()
    taught = method.taught(views["sample"], views["hide"], views["mask"])
    for where, matters in ((~views["hide"], False), (views["hide"] & ~there, False), (views["hide"] & there, True)):
        changed = taught + 7.0 * where[:, :, None]
        method.taught = lambda *_, changed=changed: changed  # type: ignore[method-assign]
        assert (abs(method(**views)["loss"].item() - before) > 1e-3) is matters


def test_squares_join_the_absolute_value_at_beta() -> None:
    e = torch.tensor([0.0, 0.5, 1.999, 2.0, 2.001, 5.0], dtype=torch.float64, requires_grad=True)
    loss = regression(e, torch.zeros_like(e), 2.0)
    assert torch.allclose(
        loss.detach(), torch.tensor([0.0, 0.0625, 0.999, 1.0, 1.001, 4.0], dtype=torch.float64), atol=1e-6
    )
    (slope,) = torch.autograd.grad(loss.sum(), e)
    assert slope.tolist() == pytest.approx([0.0, 0.25, 0.9995, 1.0, 1.0, 1.0])
    assert torch.equal(regression(e, torch.zeros_like(e), 0.0), e.square())


def test_normalisations() -> None:
    x, there = torch.randn(2, 5, 3) * 4 + 2, torch.ones(2, 5, dtype=torch.bool)
    there[1, 3:] = False
    layer = normalised(x, there, "layer")
    assert torch.allclose(layer.mean(2), torch.zeros(2, 5), atol=1e-5)
    instance = normalised(x, there, "instance")
    for n, length in ((0, 5), (1, 3)):
        assert torch.allclose(instance[n, :length].mean(0), torch.zeros(3), atol=1e-5)
        assert torch.allclose(instance[n, :length].var(0, False), torch.ones(3), atol=1e-4)
    flat = torch.randn(2, 1, 3).expand(2, 5, 3)  # what is constant over the positions
    assert normalised(flat, there, "instance").abs().max() < 1e-3 < normalised(flat, there, "layer").abs().max()


def test_the_deviation_is_that_of_the_released_code() -> None:
    x = torch.randn(50, 4) * torch.tensor([1.0, 2.0, 3.0, 0.0])
    assert deviation(x).item() == pytest.approx(float((x.var(0) + 1e-6).sqrt().mean()), rel=1e-5)
    assert deviation(torch.ones(9, 4)).item() == pytest.approx(1e-3)
    assert deviation(x[:1]).item() == pytest.approx(1e-3) and deviation(x[:0]).item() == pytest.approx(1e-3)
    same = torch.randn(4000, 16)
    layers = [nn.functional.layer_norm(torch.randn(4000, 16), (16,)) for _ in range(8)]
    assert deviation(torch.stack([same] * 8).mean(0)).item() == pytest.approx(1.0, abs=0.03)
    assert deviation(torch.stack(layers).mean(0)).item() == pytest.approx(8**-0.5, abs=0.02)


def test_collapsed_targets_and_predictions_are_noticed() -> None:
    method = made("text", guard=500)
    views = seen(method, "text")
    with torch.no_grad():
        healthy = method(**views)
        method.head[-1].weight.zero_()
        flat = method(**views)
    method.after_step(at(500), healthy)
    method.after_step(at(499), flat)
    with pytest.raises(
        UserError, match=r"collapsed at step 500: its targets deviate by \d\.\d+ and its predictions by 0.001"
    ):
        method.after_step(at(500), flat)
    with torch.no_grad():
        collapsed = made("text", normalise="layer", guard=0)
        for p in collapsed.teacher.blocks.parameters():
            p.zero_()
        for p in collapsed.teacher.parameters():
            p.copy_(p.mean(0, keepdim=True).expand_as(p))  # all symbols and places are alike
        outputs = collapsed(**seen(collapsed, "text"))
    assert outputs["target_deviation"].item() == pytest.approx(1e-3, rel=0.1) and outputs["deviation"].item() > 0.01
    with pytest.raises(UserError, match=r"its targets deviate by 0\.001"):
        collapsed.after_step(at(0), outputs)


@pytest.mark.parametrize(("step", "kept"), [(0, 0.9), (100, 0.925), (200, 0.95), (800, 0.95)])
@pytest.mark.parametrize("shared", [True, False])
def test_the_teachers_blocks_follow_with_a_rising_momentum(step: int, kept: float, shared: bool) -> None:
    method = made("image", momentum=0.9, last=0.95, rise=0.2, shared=shared)
    moved(method.encoder)
    before = {name: p.clone() for name, p in method.teacher.named_parameters()}
    healthy = {"target_deviation": 1.0, "deviation": 1.0}
    with torch.no_grad():
        method.after_step(at(step), healthy)
    for name, now in method.teacher.named_parameters():
        new = method.encoder.get_parameter(name)
        own = name.startswith("blocks.") or not shared
        assert torch.allclose(now, kept * before[name] + (1 - kept) * new if own else new, atol=1e-6), name


def test_the_teacher_drops_nothing_and_gets_no_gradient() -> None:
    source = case("text").source(48)
    torch.manual_seed(0)
    encoder = encoders.build("transformer", case("text").toys.seen(), **encoders.small("transformer"), dropout=0.5)
    method = Data2Vec(encoder, **SMALL).train()
    views = batch(method, source, range(8))
    x = views["sample"], views["hide"], views["mask"]
    assert torch.equal(method.taught(*x), method.taught(*x))
    assert not torch.equal(method(**views)["loss"], method(**views)["loss"])
    method(**views)["loss"].backward()
    assert all(p.grad is None and not p.requires_grad for p in method.teacher.parameters())


@torch.no_grad()
def test_the_pretext_is_scored_at_one_hidden_position_of_each_sample(monkeypatch: pytest.MonkeyPatch) -> None:
    method = made("signal", {"uneven": True})
    views = seen(method, "signal", n=16, uneven=True)
    where = views["hide"] & method.encoder.masked(views["sample"], views["hide"], method.token, views["mask"])[1]
    taught = method.taught(views["sample"], views["hide"], views["mask"])
    own = [(n, int(w.nonzero()[0])) for n, w in enumerate(where) if w.any()]
    given: list[Tensor] = []
    monkeypatch.setattr("selftaught.methods.consistency.data2vec.matching", lambda p, z: given.extend((p, z)) or {})
    outputs = method(**views)
    assert torch.allclose(given[1], torch.stack([taught[n, t] for n, t in own]))
    true = taught[where]
    assert outputs["guess"].item() == pytest.approx(float((true - true.mean(0)).square().mean()), rel=0.05)


@pytest.mark.parametrize("kind", KINDS)
def test_the_report_shows_what_is_hidden(kind: str) -> None:
    method = made(kind)
    views = seen(method, kind, n=3)
    shown = method.show(**views)
    if kind == "text":
        (table,) = shown
        for n, (text, error) in enumerate(table.rows):
            words = str(text).split(" ")
            there = int(views["mask"][n].sum())
            assert len(words) == there and [w == "___" for w in words] == views["hide"][n, :there].tolist()
            assert error == "-" or float(str(error)) > 0
        return
    what = {"image": "images", "audio": "waves"}.get(kind, "curves")
    whole, part = (np.stack(getattr(row, what)) for row in shown)
    if kind == "audio":
        whole, part = whole[:, None], part[:, None]
    changed = (whole != part).any(3 if kind == "image" else 1)  # [B, *positions]
    side = whole.shape[1 if kind == "image" else 2]
    for n, hide in enumerate(views["hide"].view(3, *method.encoder.grid)):
        cells = hide.float()[None, None]
        blank = nn.functional.interpolate(cells, size=[side] * hide.ndim)[0, 0] > 0
        assert not changed[n][~blank.numpy()].any() and changed[n][blank.numpy()].mean() > 0.9


def test_each_kind_gets_an_encoder_of_blocks() -> None:
    found = {kind: methods.describe("data2vec", kind).network for kind in KINDS}
    assert found == {
        "image": "vit", "signal": "wave_transformer", "audio": "wave_transformer", "text": "transformer",
    }  # fmt: skip
    assert set(methods.sees("data2vec")) == set(KINDS) and methods.describe("byol", "image").network == ""


def fingerprint(**arguments: Any) -> list[Any]:
    """What three steps leave behind, those from step 2 of 4."""
    method = made("image", **({"normalise": "layer"} | arguments))
    for step in range(1, 4):
        views = batch(method, case("image").source(48), range(8), epoch=step)
        outputs = method(**views)
        outputs["loss"].backward()
        with torch.no_grad():
            for p in method.parameters():
                if p.grad is not None:
                    p.sub_(0.1 * p.grad)
            method.after_step(at(step, 4), {k: v.detach() for k, v in outputs.items()})
    return [outputs["loss"].item(), {k: (v.shape, v.numpy().tobytes()) for k, v in method.state_dict().items()}]


@pytest.mark.parametrize("argument", [name for name in OTHERS if name != "guard"])  # its test is above
def test_every_argument_matters(argument: str) -> None:
    assert list(OTHERS) == [a.name for a in methods.describe("data2vec").arguments]
    assert fingerprint(**{argument: OTHERS[argument]}) != fingerprint()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"share": 1.0}, "share must be greater than 0 and less than 1, and span from 1 to"),
        ({"span": 0}, "span from 1 to 6, the positions of a sample along an axis, not 0.6 and 0"),
        ({"span": 7}, "not 0.6 and 7"),
        ({"layers": 3}, "layers from 1 to 2, the encoder's blocks"),
        ({"head": 0}, "head of at least 1"),
        ({"guard": -1}, "guard and beta of at least 0"),
        ({"beta": -0.1}, "guard and beta of at least 0"),
        ({"momentum": 0.95, "last": 0.9}, "momentum at most last, not 0.95, 0.9"),
        ({"rise": 1.1}, "rise of data2vec must be in"),
        ({"output": "attention"}, "output of data2vec must be block or mlp"),
        ({"normalise": "batch"}, "normalise instance or layer"),
    ],
)
def test_values_out_of_range_are_refused(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        made("signal", **arguments)


def test_other_encoders_are_refused(bench: Any) -> None:
    with pytest.raises(
        UserError, match=r"from which positions can be hidden \(vit, transformer, wave_transformer\), not conv"
    ):
        Data2Vec(bench.encoder())
    causal = encoders.build("causal_transformer", case("text").toys.seen(), **encoders.small("causal_transformer"))
    with pytest.raises(UserError, match="read by the encoder transformer, not by causal_transformer"):
        Data2Vec(causal, **SMALL)


def test_ranks_with_other_numbers_of_positions_average_to_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    """The loss of two ranks, each divided by the mean of their counts, averages to the mean over all positions."""
    method = made("signal", {"uneven": True})
    whole = seen(method, "signal", n=8, uneven=True)
    halves = [{k: v[some] for k, v in whole.items()} for some in (slice(0, 3), slice(3, 8))]
    counts = []
    for half in halves:
        _, there = method.encoder.masked(half["sample"], half["hide"], method.token, half["mask"])
        counts.append(int((half["hide"] & there).sum()))
    assert counts[0] != counts[1]
    expected = method(**whole)["loss"].item()

    def shared(x: Tensor) -> Tensor:
        return x.fill_(sum(counts) / 2) if x.ndim == 0 else average(x)

    monkeypatch.setattr("selftaught.methods.consistency.data2vec.average", shared)
    assert sum(method(**half)["loss"].item() for half in halves) / 2 == pytest.approx(expected, rel=1e-5)
