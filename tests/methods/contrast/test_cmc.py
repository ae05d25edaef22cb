from __future__ import annotations

import math
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F
from training import train

from selftaught import encoders, methods
from selftaught.contract.case import Case
from selftaught.encoders.multiview import Multiview
from selftaught.errors import UserError
from selftaught.method import Clock
from selftaught.methods.contrast.cmc import CMC, draws
from selftaught.views.image import Augment

TOY = {"channels": 3}
"""The toys of the contract must be in colour."""
VARIANTS = ({"keys": "bank", "negatives": 32}, {"keys": "bank", "loss": "nce", "negatives": 32})
"""More arguments with which its gradients are checked."""

OTHERS: dict[str, Any] = {
    "views": "Y,CbCr",
    "graph": "core",
    "dim": 5,
    "temperature": 0.3,
    "keys": "bank",
    "loss": "nce",
    "negatives": 7,
    "momentum": 0.1,
    "bank": "file",
    "crop": 0.9,
    "flip": 0.0,
}
STAGE: dict[str, dict[str, Any]] = {"graph": {"views": "R,G,B"}} | {
    name: {"keys": "bank"} for name in ("loss", "negatives", "momentum")
}
"""What must be on for an argument to matter."""


def make(bench: Any, **arguments: Any) -> CMC:
    torch.manual_seed(1)
    method = CMC(bench.encoder(), **({"dim": 8} | arguments))
    method.prepare(bench.Pictures())
    return method


def codes(method: CMC, image: Tensor) -> list[Tensor]:
    return [
        F.normalize(head(code), dim=1) for head, code in zip(method.heads, method.encoder.codes(image), strict=True)
    ]


def softmax(query: Tensor, positive: Tensor, keys: list[Tensor], temperature: float) -> float:
    own = math.exp(query @ positive / temperature)
    return -math.log(own / (own + sum(math.exp(query @ key / temperature) for key in keys)))


@pytest.mark.parametrize(
    ("views", "graph", "edges"),
    [
        ("L,ab", "full", [(0, 1)]),
        ("Y,Cb,Cr", "full", [(0, 1), (0, 2), (1, 2)]),
        ("Y,Cb,Cr", "core", [(0, 1), (0, 2)]),
    ],
)
@torch.no_grad()
def test_the_loss_is_the_papers(bench: Any, views: str, graph: Any, edges: list[tuple[int, int]]) -> None:
    method = make(bench, views=views, graph=graph, temperature=0.2).eval()
    batch = bench.batch(method)
    z, total = codes(method, batch["image"]), 0.0
    for i, j in edges:
        for one, other in ((i, j), (j, i)):
            for n in range(16):
                total += softmax(z[one][n], z[other][n], [z[other][m] for m in range(16) if m != n], 0.2) / 16
    outputs = method(clock=Clock(), **batch)
    assert outputs["loss"].item() == pytest.approx(total, rel=1e-4)
    assert outputs["negatives"] == 15 and outputs["chance"] == pytest.approx(1 / 16)


def test_exchanging_the_views_changes_nothing(bench: Any) -> None:
    one, two = make(bench, views="L,ab").eval(), make(bench, views="ab,L").eval()
    for i in (0, 1):
        two.encoder.networks[i].load_state_dict(one.encoder.networks[1 - i].state_dict())
        two.heads[i].load_state_dict(one.heads[1 - i].state_dict())
    batch = bench.batch(one)
    assert torch.allclose(one(clock=Clock(), **batch)["loss"], two(clock=Clock(), **batch)["loss"], rtol=1e-5)


@pytest.mark.parametrize("loss", ["softmax", "nce"])
@torch.no_grad()
def test_the_loss_with_a_bank_is_the_papers(bench: Any, loss: Any) -> None:
    method = make(bench, keys="bank", loss=loss, negatives=20, temperature=0.3)
    batch = bench.batch(method)
    z = codes(method, batch["image"])
    clock = Clock(seed=3)
    outputs = method(clock=clock, **batch)
    total = 0.0
    for i, j in ((0, 1), (1, 0)):
        rows, drawn = method.banks[j].all(), draws(16, 20, 3, 0, j)
        if loss == "nce":
            normaliser = 16 * float(torch.exp(z[i] @ rows[torch.from_numpy(drawn)].T / 0.3).mean())
            assert outputs["z"][0, i, j].item() == pytest.approx(normaliser, rel=1e-4)
        for n in range(16):
            if loss == "softmax":
                total += softmax(z[i][n], rows[n], [rows[k] for k in drawn if k != n], 0.3) / 16
            else:
                own = math.exp(z[i][n] @ rows[n] / 0.3) / normaliser
                total -= math.log(own / (own + 20 / 16)) / 16
                for k in drawn:
                    noise = math.exp(z[i][n] @ rows[k] / 0.3) / normaliser
                    total -= math.log(1 - noise / (noise + 20 / 16)) / 16
    assert outputs["loss"].item() == pytest.approx(total, rel=1e-4)


def test_no_query_meets_the_bank_of_its_own_view(bench: Any) -> None:
    method = make(bench, views="R,G,B", keys="bank", negatives=20)
    batch = bench.batch(method)
    z = codes(method, batch["image"])
    for i, j in ((0, 1), (1, 0), (0, 2), (2, 1)):
        method.prepare(bench.Pictures())
        for other in set(range(3)) - {j}:
            method.banks[other].memory.fill_(torch.nan)
        assert torch.isfinite(method.in_bank(i, j, z[i], z[j], batch["index"], Clock())["loss"])


def test_each_direction_keeps_the_z_of_the_first_batch(bench: Any) -> None:
    method = make(bench, keys="bank", loss="nce", negatives=20)
    first = bench.step(method)["z"][0]
    assert torch.equal(method.z, first) and (first > 0).tolist() == [[False, True], [True, False]]
    assert first[0, 1] != first[1, 0]
    bench.step(method)
    assert torch.equal(method.z, first)


def test_banks_follow_the_codes_of_their_own_view(bench: Any) -> None:
    method = make(bench, keys="bank", momentum=0.75)
    before = [bank.all() for bank in method.banks]
    outputs = bench.step(method, batch=bench.batch(method, n=10))
    assert not outputs["codes"].requires_grad
    for view, bank in enumerate(method.banks):
        expected = F.normalize(0.75 * before[view][:10] + 0.25 * outputs["codes"][:, view], dim=1)
        assert torch.allclose(bank.all()[:10], expected, atol=1e-6)
        assert torch.equal(bank.all()[10:], before[view][10:])


def test_held_out_images_have_no_row_so_their_other_view_is_the_positive(bench: Any) -> None:
    method = make(bench, keys="bank", negatives=20).eval()
    batch = bench.batch(method)
    a = method(clock=Clock(), **batch)["loss"]
    b = method(clock=Clock(), **(batch | {"index": batch["index"].flip(0)}))["loss"]
    assert torch.equal(a, b)


def test_gradients_reach_both_sides_of_a_batch_and_only_queries_of_a_bank(bench: Any) -> None:
    method = make(bench)
    query, key = (F.normalize(torch.randn(16, 8), dim=1).requires_grad_() for _ in range(2))
    method.in_batch(query, key)["loss"].backward()
    assert query.grad is not None and key.grad is not None and key.grad.abs().sum() > 0
    method, key.grad = make(bench, keys="bank"), None
    method.in_bank(0, 1, query, key, torch.arange(16), Clock())["loss"].backward()
    assert key.grad is None


def test_draws_depend_on_seed_step_and_view() -> None:
    base = draws(50, 200, 0, 0, 0)
    assert np.array_equal(base, draws(50, 200, 0, 0, 0))
    assert base.min() == 0 and base.max() == 49 and len(base) == 200
    assert all(not np.array_equal(base, draws(50, 200, *other)) for other in ((1, 0, 0), (0, 1, 0), (0, 0, 1)))


@pytest.mark.parametrize("name", ["conv", "resnet18", "mlp"])
def test_every_view_has_a_network_like_the_given_one_and_starts_from_it(bench: Any, name: str) -> None:
    width = {"conv": 4, "resnet18": 0.125, "mlp": 8}[name]
    given = encoders.build(name, bench.input, width=width)
    method = CMC(given, views="Y,CbCr")
    kept = method.encoder
    assert isinstance(kept, Multiview) and kept.dim == 2 * given.dim
    first = next(iter(given.state_dict()))
    for network, channels in zip(kept.encoders(), (1, 2), strict=True):
        assert (
            network.spec == given.spec | {"input": network.spec["input"]}
            and network.spec["input"]["channels"] == channels
        )
        own = network.state_dict()
        assert all(torch.equal(own[k], v) for k, v in given.state_dict().items() if k != first)
        assert own[first].shape != given.state_dict()[first].shape


def test_what_is_kept_takes_colour_pictures_and_joins_all_views(bench: Any, tmp_path: Path) -> None:
    method = make(bench).eval()
    image = bench.batch(method)["image"]
    (tmp_path / "encoder.safetensors").write_bytes(encoders.save(method.encoder))
    kept = encoders.load(tmp_path / "encoder.safetensors")
    assert torch.equal(kept(image), torch.cat(method.encoder.codes(image), 1))
    again = CMC(kept, dim=8)  # a run goes on from what another kept
    assert again.encoder is kept
    with pytest.raises(UserError, match="built for views 'L,ab', not 'R,G,B'"):
        CMC(kept, views="R,G,B")


def test_crops_are_the_papers_and_no_colour_is_jittered(bench: Any) -> None:
    views = make(bench, crop=0.3, flip=0.25).views
    assert views.outputs == ["image"] and views.augments == [Augment(crop=(0.3, 1.0), flip=0.25)]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"views": "L"}, "at least two groups, each channel once, not 'L'"),
        ({"graph": "ring"}, "graph of cmc must be full or core, not 'ring'"),
        ({"keys": "queue"}, "keys of cmc must be batch or bank, not 'queue'"),
        ({"keys": "bank", "loss": "l2"}, "loss of cmc must be softmax or nce, not 'l2'"),
        ({"loss": "nce"}, "needs a bank to draw noise from"),
        ({"temperature": 0.0}, "temperature greater than 0, and dim and negatives of at least 1, not 0.0, 8 and 4096"),
        ({"negatives": 0}, "not 0.1, 8 and 0"),
    ],
)
def test_values_out_of_range_are_refused(bench: Any, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        make(bench, **arguments)


def test_grey_images_are_refused(bench: Any) -> None:
    grey = encoders.build("conv", bench.input | {"channels": 1, "mean": [0.5], "std": [0.2]}, width=4)
    with pytest.raises(UserError, match="these are grey: they have 1 channel, not 3: give it colour images"):
        CMC(grey)


@pytest.mark.parametrize("argument", [a for a in OTHERS if a != "bank"])  # where rows are kept must change nothing
def test_every_argument_matters(bench: Any, argument: str) -> None:
    assert list(OTHERS) == [a.name for a in methods.describe("cmc").arguments]
    stage = STAGE.get(argument, {})
    assert bench.fingerprint(make(bench, **stage, **{argument: OTHERS[argument]})) != bench.fingerprint(
        make(bench, **stage)
    )


def test_grey_images_of_three_channels_are_refused_before_any_work(bench: Any) -> None:
    grey = bench.Pictures()
    grey.images[..., 1:] = grey.images[..., :1]
    with pytest.raises(UserError, match=r"cmc learns from the colours .* these are grey, although they have 3"):
        CMC(bench.encoder()).prepare(grey)


def test_the_store_changes_nothing(tmp_path: Path) -> None:
    case = Case("cmc", "image", {"keys": "bank", "negatives": 32}, toy=TOY)
    memory, file = (
        train(partial(case.build, bank=store), tmp_path / store, case.source(), steps=4)[0]
        for store in ("memory", "file")
    )
    for one, other in zip(memory.banks, file.banks, strict=True):
        assert torch.equal(one.all(), other.all())
