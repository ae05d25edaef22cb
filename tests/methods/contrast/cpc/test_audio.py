from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from selftaught import encoders, methods
from selftaught.contract.case import Case, batch
from selftaught.data.audio import toy
from selftaught.data.audio.source import Recordings
from selftaught.errors import UserError
from selftaught.method import Clock, Planned
from selftaught.methods.contrast.cpc.audio import CPC
from selftaught.parts.foretold import shuffled
from selftaught.views.speakers import Speakers

SMALL = {"context": 12, "steps": 2, "negatives": 48}
"""Arguments that fit the method to the toys of the contract."""
VARIANTS = ({"among": "same"}, {"among": "recording"})
"""More arguments with which its gradients are checked."""

OTHERS: dict[str, Any] = {
    "steps": 1,
    "negatives": 9,
    "among": "same",
    "context": 5,
    "crop": 0.1,
    "gain": 1.0,
}


def at(step: int, seed: int = 0) -> Clock:
    clock = Clock(seed)
    clock.step = step
    return clock


def made(encoder: dict[str, Any] | None = None, uneven: bool = False, **arguments: Any) -> CPC:
    torch.manual_seed(0)
    network = encoders.build("wave", toy.seen(uneven=uneven), **({"width": 6} | (encoder or {})))
    return CPC(network, **({"context": 7, "gain": 0.0} | arguments)).eval()


def seen(method: CPC, n: int = 7, uneven: bool = False) -> Any:
    return batch(method, toy.source(n, uneven=uneven), range(n))


def naive(method: CPC, z: Tensor, c: Tensor, there: list[int], who: list[int], clock: Clock) -> tuple[float, float]:
    """Equation by equation, one prediction at a time: the loss, and the mean number of negatives."""
    length = z.shape[2]
    valid = torch.tensor([t < there[b] for b in range(len(z)) for t in range(length)])
    order = [divmod(i, length) for i in shuffled(valid, clock.seed, clock.step).tolist()]
    fits = {
        "mixed": lambda a, b: True,
        "other": lambda a, b: who[a] != who[b],
        "same": lambda a, b: who[a] == who[b],
        "recording": lambda a, b: a == b,
    }[method.among]
    losses, counts = [], []
    for k, w in zip(method.steps, method.maps, strict=True):
        own: list[float] = []
        for b in range(len(z)):
            candidates = [p for p in order if fits(b, p[0])][: method.negatives]
            for t in range(there[b] - k):
                query, target = w.weight @ c[b, :, t], (b, t + k)
                among = [p for p in candidates if p != target]
                scores = [math.exp(z[i, :, s] @ query) for i, s in (target, *among)]
                own.append(-math.log(scores[0] / sum(scores)))
                counts.append(len(among))
        losses.append(sum(own) / len(own))
    return sum(losses) / len(losses), sum(counts) / len(counts)


@pytest.mark.parametrize("among", ["mixed", "other", "same", "recording"])
@pytest.mark.parametrize("uneven", [False, True])
def test_the_loss_is_the_papers(among: Any, uneven: bool) -> None:
    method = made(among=among, steps=2, negatives=13, uneven=uneven)
    views = seen(method, uneven=uneven)
    who = toy.source(7, uneven=uneven).groups
    assert who is not None and len(set(who.tolist())) == 3
    there = [-(-int(n) // 160) for n in views["sound_mask"].sum(1)]
    assert (min(there) < 8) is uneven
    with torch.no_grad():
        z = method.encoder.encode(views["sound"], views["sound_mask"])[-1]
        assert method.reader is not None
        c = method.reader(z)
        for clock in (at(0), at(3, seed=1)):
            loss, count = naive(method, z, c, there, who.tolist(), clock)
            found = method(clock=clock, **views)
            assert found["loss"].item() == pytest.approx(loss, rel=1e-4)
            assert found["negatives"].item() == pytest.approx(count, rel=0.05)  # a mean of the steps' means


def test_at_the_start_it_costs_the_logarithm_of_the_candidates() -> None:
    method = made(negatives=20, steps=1)
    for weight in method.maps.parameters():
        torch.nn.init.zeros_(weight)
    found = method(clock=at(0), **seen(method))
    assert found["loss"].item() == pytest.approx(math.log(1 + float(found["negatives"])), abs=0.02)


def test_the_context_is_causal_and_no_prediction_sees_a_sample_of_its_target() -> None:
    method = made()
    assert (method.encoder.receptive_field, method.encoder.stride, method.steps) == (465, 160, range(3, 8))
    x = torch.randn(1, 1, 1200, requires_grad=True)
    z = method.encoder.encode(x)[-1]
    assert method.reader is not None
    c = method.reader(z)
    for k in (3, 5):
        for t in (0, 2):
            heard = torch.autograd.grad(c[0, :, t].pow(2).sum(), x, retain_graph=True)[0][0, 0].nonzero()
            target = torch.autograd.grad(z[0, :, t + k].pow(2).sum(), x, retain_graph=True)[0][0, 0].nonzero()
            assert len(heard) and len(target) and heard.max() < target.min()


def test_who_speaks_is_the_group_then_the_class_and_must_be_known() -> None:
    whole = toy.source(6)
    assert Speakers(whole).speakers.tolist() == whole.labels.tolist()
    waves, ends = np.full(6000, 900, np.int16), np.full(6, 1000, np.int64)
    classes = Recordings(waves, 1000 * np.arange(6), ends, 8000, np.array([0, -1, 1, -1, 0, 1]), ("a", "b"))
    speakers = Speakers(classes).speakers
    assert speakers[[0, 2]].tolist() == speakers[[4, 5]].tolist() == [0, 1] and len(set(speakers.tolist())) == 4
    unknown = Recordings(waves, 1000 * np.arange(6), ends, 8000)
    with pytest.raises(UserError, match="it is not known who speaks in these recordings: say so with --groups"):
        made(among="same").views.bind(unknown)
    assert made().views.bind(unknown) is unknown


def test_other_speakers_are_told_by_their_voice_and_the_same_one_is_not() -> None:
    """Recordings that are constant differ in nothing but their speaker."""
    levels = torch.linspace(-2, 2, 4)[[0, 0, 1, 1, 2, 2, 3, 3], None, None].expand(8, 1, 48)
    mask, who = torch.ones(8, 48, dtype=torch.bool), torch.arange(8) // 2
    cost = {}
    for among in ("other", "same"):
        small = {"norm": "none", "kernels": (5, 3, 3), "strides": (2, 2, 2)}
        method = made(small, among=among, steps=1, negatives=32).train()
        optimizer = torch.optim.Adam(method.parameters(), 2e-2)
        losses = []
        for step in range(60):
            losses.append(method(sound=levels, sound_mask=mask, speaker=who, clock=at(step))["loss"])
            optimizer.zero_grad()
            losses[-1].backward()
            optimizer.step()
        cost[among] = losses[-1].item() / losses[0].item()
    assert cost["other"] < 0.2 and cost["same"] > 0.4, cost  # there the rims alone differ


def test_the_context_of_the_encoder_is_used_if_it_has_one() -> None:
    method = made({"context": 9})
    assert method.reader is None and method.maps[0].in_features == 9 and method.encoder.dim == 9
    said = "context has no effect, because the encoder has a context of its own: remove it"
    assert method.unused(Planned(10, 1.0, 100))["context"] == said and "context" not in made().unused(
        Planned(10, 1.0, 100)
    )
    method.train()(clock=at(0), **seen(method))["loss"].backward()
    assert all(p.grad is not None for p in method.encoder.parameters())


def test_batch_norm_gives_way_to_channel_norm() -> None:
    assert made().encoder.spec["norm"] == "channel" and made({"norm": "none"}).encoder.spec["norm"] == "none"


@pytest.mark.parametrize("argument", OTHERS)
def test_every_argument_matters(argument: str) -> None:
    assert list(OTHERS) == [one.name for one in methods.describe("cpc", "audio").arguments]

    def fingerprint(**arguments: Any) -> list[Any]:
        method = made(**{"negatives": 20, **arguments}).train()
        return [
            float(method(clock=at(1), **seen(method))["loss"].detach()),
            sum(p.numel() for p in method.parameters()),
        ]

    assert fingerprint(**{argument: OTHERS[argument]}) != fingerprint()


@pytest.mark.parametrize(
    ("encoder", "arguments", "sentence"),
    [
        ({}, {"steps": 0}, "steps, negatives and context of cpc must be at least 1, not 0, 128 and 7"),
        ({}, {"among": "all"}, "among of cpc must be one of mixed, other, same, recording, not 'all'"),
        ({}, {"crop": 0.06}, r"codes 3 positions apart .* but windows of 480 samples have 3: use a longer crop"),
        ({}, {"gain": -2.0}, "gain of recordings must be at least 0"),
    ],
)
def test_values_out_of_range_are_refused(encoder: Any, arguments: dict[str, Any], sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        made(encoder, **arguments)


def test_the_contract_finds_it() -> None:
    assert Case("cpc", "audio").type is CPC and "audio" in methods.sees("cpc")
