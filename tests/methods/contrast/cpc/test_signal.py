from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from selftaught import encoders, methods
from selftaught.contract.case import Case, batch
from selftaught.data.signal import toy
from selftaught.errors import UserError
from selftaught.method import Clock, Planned
from selftaught.methods.contrast.cpc.signal import CPC
from selftaught.parts.foretold import TAG

SMALL = {"context": 12, "steps": 2, "negatives": 48}
"""Arguments that fit the method to the toys of the contract."""
VARIANTS = ({"among": "same"}, {"among": "other"})
"""More arguments with which its gradients are checked."""

OTHERS: dict[str, Any] = {
    "steps": 1,
    "negatives": 9,
    "among": "same",
    "context": 5,
    "crop": 0.8,
    "scale": 0.9,
    "noise": 1.0,
}


def at(step: int, seed: int = 0) -> Clock:
    clock = Clock(seed)
    clock.step = step
    return clock


def made(encoder: dict[str, Any] | None = None, uneven: bool = False, **arguments: Any) -> CPC:
    torch.manual_seed(0)
    network = encoders.build("wave", toy.seen(uneven=uneven), **({"width": 6} | (encoder or {})))
    return CPC(network, **({"context": 7, "crop": 1.0, "scale": 0.0, "noise": 0.0} | arguments)).eval()


def seen(method: CPC, n: int = 5, uneven: bool = False, epoch: int = 0) -> Any:
    return batch(method, toy.source(n, uneven=uneven), range(n), epoch)


def naive(method: CPC, z: Tensor, c: Tensor, there: list[int], clock: Clock) -> tuple[float, float]:
    """Equation by equation, one prediction at a time: the loss, and the mean number of negatives."""
    places = [(b, t) for b in range(len(z)) for t in range(z.shape[2])]
    generator = np.random.Generator(np.random.Philox(key=[clock.seed, clock.step], counter=[0, 0, 0, TAG]))
    order = [places[i] for i in generator.permutation(len(places))]
    drawn = [(b, t) for b, t in order if t < there[b]][: method.negatives]
    losses, counts = [], []
    for k, w in zip(method.steps, method.maps, strict=True):
        own: list[float] = []
        for b in range(len(z)):
            candidates = [(b, t) for t in range(there[b])] if method.among == "same" else drawn
            for t in range(there[b] - k):
                query, target = w.weight @ c[b, :, t], (b, t + k)
                among = [p for p in candidates if p != target and (method.among != "other" or p[0] != b)]
                scores = [math.exp(z[i, :, s] @ query / math.sqrt(z.shape[1])) for i, s in (target, *among)]
                own.append(-math.log(scores[0] / sum(scores)))
                counts.append(len(among))
        losses.append(sum(own) / len(own))
    return sum(losses) / len(losses), sum(counts) / len(counts)


@pytest.mark.parametrize("among", ["mixed", "other", "same"])
@pytest.mark.parametrize("uneven", [False, True])
def test_the_loss_is_the_papers(among: Any, uneven: bool) -> None:
    method = made(among=among, steps=2, negatives=13, uneven=uneven)
    views = seen(method, uneven=uneven)
    there = [-(-int(n) // 8) for n in views["series_mask"].sum(1)]
    assert (min(there) < 6) is uneven
    with torch.no_grad():
        z = method.encoder.encode(views["series"], views["series_mask"])[-1]
        assert method.reader is not None
        c = method.reader(z)
        for clock in (at(0), at(3, seed=1)):
            loss, _ = naive(method, z, c, there, clock)
            assert method(clock=clock, **views)["loss"].item() == pytest.approx(loss, rel=1e-4)


def test_at_the_start_it_costs_the_logarithm_of_the_candidates() -> None:
    """With one score for all, whatever the answer is."""
    for among, candidates in (("mixed", None), ("same", 6)):
        method = made(among=among, negatives=20, steps=1)
        for weight in method.maps.parameters():
            torch.nn.init.zeros_(weight)
        found = method(clock=at(0), **seen(method, 8))
        count = candidates or 1 + float(found["negatives"])
        assert found["loss"].item() == pytest.approx(math.log(count), abs=0.02)
        assert found["chance"] == pytest.approx(1 / count, rel=1e-4)


def test_no_prediction_sees_a_sample_of_its_target() -> None:
    method = made(steps=4)
    assert (method.encoder.receptive_field, method.encoder.stride, method.steps) == (17, 8, range(3, 6))
    x = torch.randn(1, 1, 48, requires_grad=True)
    z = method.encoder.encode(x)[-1]
    assert method.reader is not None
    c = method.reader(z)
    for k in method.steps:
        for t in range(6 - k):
            seen_ = torch.autograd.grad(c[0, :, t].pow(2).sum(), x, retain_graph=True)[0][0, 0].nonzero()
            read = torch.autograd.grad(z[0, :, t + k].pow(2).sum(), x, retain_graph=True)[0][0, 0].nonzero()
            assert len(seen_) == 0 or len(read) == 0 or seen_.max() < read.min()


def test_padding_is_no_candidate_and_no_target() -> None:
    method = made(negatives=1000, uneven=True, steps=3)
    views = seen(method, 6, uneven=True)
    before = method(clock=at(0), **views)["loss"]
    noisy = views["series"] + 5 * ~views["series_mask"][:, None]
    with torch.no_grad():
        z = method.encoder.encode(noisy * views["series_mask"][:, None], views["series_mask"])[-1]
    there = method.encoder.there(views["series_mask"])
    assert all((z[b, :, n:] == 0).all() for b, n in enumerate(there.tolist()))
    longer = {k: torch.nn.functional.pad(v, (0, 16)) if k.startswith("series") else v for k, v in views.items()}
    assert torch.allclose(method(clock=at(0), **longer)["loss"], before, atol=1e-6)  # more padding, the same codes


def test_series_too_short_for_a_distance_leave_it_out() -> None:
    method = made(steps=3, uneven=True)
    series = [np.ones((1, 24), np.float32) * i for i in range(4)]  # 3 positions each: no two are 3 apart
    raw = {"signal": series, "index": np.arange(4)}
    views = method.views.apply(raw, method.views.sample(np.arange(4), 0, 0), torch.device("cpu"))
    found = method(clock=at(0), **views)
    assert found["loss"].item() == 0 and torch.isfinite(found["accuracy"])


def test_the_context_of_the_encoder_is_used_if_it_has_one() -> None:
    method = made({"context": 9}, context=7)
    assert method.reader is None and method.maps[0].in_features == 9 and method.encoder.dim == 9
    length = Planned(10, 1.0, 100)
    assert (
        method.unused(length)["context"]
        == "context has no effect, because the encoder has a context of its own: remove it"
    )
    assert "context" not in made().unused(length)
    method.train()(clock=at(0), **seen(method))["loss"].backward()
    assert all(p.grad is not None for p in method.encoder.parameters())


def test_negatives_of_other_series_are_told_by_character_and_those_of_the_same_are_not() -> None:
    """Series that are constant differ in nothing but their character."""
    levels = torch.linspace(-2, 2, 4)[:, None, None].expand(4, 1, 48)
    mask = torch.ones(4, 48, dtype=torch.bool)
    cost = {}
    for among in ("other", "same"):
        method = made({"norm": "none"}, among=among, steps=1).train()
        optimizer = torch.optim.Adam(method.parameters(), 2e-2)
        losses = []
        for step in range(60):
            losses.append(method(series=levels, series_mask=mask, clock=at(step))["loss"])
            optimizer.zero_grad()
            losses[-1].backward()
            optimizer.step()
        cost[among] = losses[-1].item() / losses[0].item()
    assert cost["other"] < 0.1 and cost["same"] > 0.4, cost  # there the rims alone differ


def test_batch_norm_gives_way_to_channel_norm() -> None:
    assert made().encoder.spec["norm"] == "channel" and made({"norm": "none"}).encoder.spec["norm"] == "none"


@pytest.mark.parametrize("argument", OTHERS)
def test_every_argument_matters(argument: str) -> None:
    assert list(OTHERS) == [one.name for one in methods.describe("cpc", "signal").arguments]

    def fingerprint(**arguments: Any) -> list[Any]:
        method = made(negatives=arguments.pop("negatives", 20), **arguments).train()
        views = seen(method, 6)
        return [float(method(clock=at(1), **views)["loss"].detach()), sum(p.numel() for p in method.parameters())]

    assert fingerprint(**{argument: OTHERS[argument]}) != fingerprint()


@pytest.mark.parametrize(
    ("encoder", "arguments", "sentence"),
    [
        ({}, {"steps": 0}, "steps, negatives and context of cpc must be at least 1, not 0, 64 and 7"),
        ({}, {"among": "all"}, "among of cpc must be one of mixed, other, same, not 'all'"),
        ({}, {"crop": 0.4}, r"codes 3 positions apart .* but windows of 19 samples have 3: use longer series"),
        ({}, {"crop": 2.0}, "crop of series must be above 0"),
    ],
)
def test_values_out_of_range_are_refused(encoder: Any, arguments: dict[str, Any], sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        made(encoder, **arguments)


def test_the_contract_finds_it() -> None:
    assert Case("cpc", "signal").type is CPC and methods.sees("cpc")[0] == "image"
