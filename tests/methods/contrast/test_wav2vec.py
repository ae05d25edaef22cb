from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch

import selftaught
from selftaught import encoders, methods
from selftaught.contract.case import Case, batch
from selftaught.data.audio import toy
from selftaught.data.audio.kind import Audio
from selftaught.errors import UserError
from selftaught.evaluate.pretext import pretext
from selftaught.method import Clock, Shows
from selftaught.methods.contrast.wav2vec import Wav2Vec, distractors, units
from selftaught.parts.shown import Sounds, Table
from selftaught.run import RunFolder

SMALL = {"span": 2, "entries": 6, "width": 8, "negatives": 5}
"""Arguments that fit the method to the toys of the contract."""
VARIANTS = ({"groups": 1, "negatives": 2},)
"""More arguments with which its gradients are checked."""

OTHERS: dict[str, Any] = {
    "share": 0.7,
    "span": 1,
    "negatives": 1,
    "temperature": 0.5,
    "groups": 1,
    "entries": 4,
    "width": 4,
    "gumbel": 5.0,
    "last": 0.1,
    "sharpness": 1.0,
    "centring": 0.5,
    "diversity": 0.7,
    "penalty": 3.0,
    "crop": 0.1,
    "gain": 1.0,
    "guard": 0,
}


def at(step: int, steps: int = 10) -> Clock:
    clock = Clock(0, steps)
    clock.step = step
    return clock


def made(uneven: bool = False, **arguments: Any) -> Wav2Vec:
    method = Case("wav2vec", "audio", SMALL, toy={"uneven": uneven}).build(**arguments).train()
    assert isinstance(method, Wav2Vec)
    return method


def seen(method: Wav2Vec, n: int = 7, uneven: bool = False) -> dict[str, Any]:
    return batch(method, toy.source(n, uneven=uneven), range(n))


@pytest.mark.parametrize(("uneven", "training"), [(False, True), (True, True), (True, False)])
@torch.no_grad()
def test_the_loss_is_the_papers(uneven: bool, training: bool) -> None:
    method = made(uneven, diversity=0.3, penalty=0.2, gumbel=3.0, last=1.0).train(training)
    method.quantiser.centre.copy_(torch.randn(2, 6))
    method.quantiser.deviation.copy_(torch.tensor([0.5, 4.0]))
    views, clock = seen(method, uneven=uneven), at(5)
    tau = 3.0 * (1 / 3) ** 0.5
    z = method.encoder.codes.encode(views["sample"], views["mask"])[-1].transpose(1, 2)  # [B, P, D]
    there = [-(-int(n) // 160) for n in views["mask"].sum(1)]
    assert (min(there) < 8) is uneven
    token = torch.where(views["hide"][..., None], method.token, z).mT
    c = method.encoder.read(token, torch.arange(8) < torch.tensor(there)[:, None])[-1].mT
    layer, odds, used, losses, right, energy = method.quantiser, [], [], [], [], []
    for n, length in enumerate(there):
        energy += z[n, :length].square().mean(1).tolist()
        hidden = [t for t in range(length) if views["hide"][n, t]]
        circle = sorted(hidden, key=lambda t: float(views["order"][n, t]))
        chosen, q = {}, {}
        for t in hidden:
            logits = 3 * (layer.choose(layer.norm(z[n, t])).view(2, 6) - layer.centre) / layer.deviation[:, None]
            noise = -torch.log(-torch.log(views["noise"][n, t])) if training else torch.zeros(2, 6)
            chosen[t] = ((logits + noise) / tau).argmax(1).tolist()
            q[t] = method.meant(torch.cat([layer.entries[g, v] for g, v in enumerate(chosen[t])]))
            odds.append(logits.softmax(1))
            used.append(chosen[t])
        for t in hidden:
            place = circle.index(t)
            others = [circle[(place + k) % len(circle)] for k in range(1, min(5, len(circle) - 1) + 1)]
            among = [t, *(s for s in others if chosen[s] != chosen[t])]
            said = method.said(c[n, t])
            scores = [float(torch.cosine_similarity(said, q[s], 0)) / 0.1 for s in among]
            losses.append(math.log(sum(math.exp(s - scores[0]) for s in scores)))
            right.append(scores[0] > max(scores[1:], default=-math.inf))
    mean = torch.stack(odds).mean(0)
    spread = 1 - float((-(mean * mean.log()).sum(1)).exp().sum()) / 12
    shares = [np.bincount([one[g] for one in used], minlength=6) / len(used) for g in range(2)]
    alive = [math.exp(-sum(p * math.log(p) for p in share if p)) for share in shares]
    found = method(clock=clock, **views)
    expected = {
        "contrast": np.mean(losses), "spread": spread, "energy": np.mean(energy), "accuracy": np.mean(right),
        "perplexity": np.mean(alive), "codes": np.mean([(share > 0).mean() for share in shares]),
        "loss": np.mean(losses) + 0.3 * spread + 0.2 * np.mean(energy),
    }  # fmt: skip
    assert {name: float(found[name]) for name in expected} == pytest.approx(expected, rel=1e-4)


def test_distractors_are_others_that_are_hidden_in_the_same_recording_and_all_come_up() -> None:
    where = torch.rand(50, 12, generator=torch.Generator().manual_seed(0)) < 0.5
    counts = torch.zeros(12, 12)
    for seed in range(20):
        found = distractors(where, torch.rand(50, 12, generator=torch.Generator().manual_seed(seed)), 3)
        assert not found.diagonal(dim1=1, dim2=2).any() and not (found & ~where[:, None]).any()
        expected = (where.sum(1) - 1).clamp(0, 3)[:, None].expand_as(where)
        assert (found.sum(2)[where] == expected[where]).all()
        counts += (found & where[:, :, None]).sum(0)
    both = (where[:, :, None] & where[:, None]).sum(0) * (1 - torch.eye(12))
    assert (counts[both > 0] > 0).all()  # nobody is left out
    everyone = distractors(where, torch.rand(50, 12), 100)
    assert torch.equal(everyone & where[:, :, None], where[:, :, None] & where[:, None] & ~torch.eye(12).bool())


def test_what_is_hidden_is_not_heard_and_reads_the_token() -> None:
    method = made()
    views = seen(method)
    views["hide"] = torch.zeros_like(views["hide"]).index_fill_(1, torch.tensor([3, 4]), True)
    z, there = method.encoder.encode(views["sample"])
    other = z + 5 * views["hide"][:, None]
    read = []
    for token in (method.token, method.token + 1):
        one, two = (method.encoder.read(x, there, (views["hide"], token))[-1] for x in (z, other))
        assert torch.equal(one, two)
        read.append(one)
    assert not torch.allclose(*read, atol=1e-3)


def test_a_collapsed_quantiser_costs_nothing_and_ends_the_run() -> None:
    method = made(guard=3)
    with torch.no_grad():
        method.quantiser.choose.weight.zero_()
        method.quantiser.choose.bias.view(2, 6)[:, 0] = 100
    found = method(clock=at(0), **seen(method))
    assert found["contrast"] == 0 and found["accuracy"] == found["chance"] == 1
    assert found["spread"].item() == pytest.approx(1 - 1 / 6) and found["perplexity"] == pytest.approx(1)
    method.after_step(at(2), found)
    with pytest.raises(UserError, match=r"codes of wav2vec have collapsed at step 3: 1\.00 entries .* --diversity"):
        method.after_step(at(3), found)
    method.after_step(at(3), found | {"perplexity": torch.tensor(2.0)})


@torch.no_grad()
def test_the_quantiser_follows_the_logits_of_what_was_hidden() -> None:
    method = made(True, centring=0.75)
    views = seen(method, uneven=True)
    method.quantiser.centre.fill_(3.0)
    z, there = method.encoder.encode(views["sample"], views["mask"])
    where, layer = views["hide"] & there, method.quantiser
    logits = layer.choose(layer.norm(z.transpose(1, 2)[where])).view(-1, 2, 6)
    square = (logits - 3).square().mean((0, 2))
    method.after_step(at(1), method(clock=at(0), **views))
    assert torch.allclose(layer.centre, 0.75 * 3 + 0.25 * logits.mean(0), atol=1e-5)
    assert torch.allclose(layer.deviation, (0.75 * 9 + 0.25 * square).sqrt(), atol=1e-5)


def test_the_temperature_falls_to_its_last_value() -> None:
    method = made()
    assert [method.softness(at(step)) for step in (0, 5, 10)] == pytest.approx([2.0, 1.0, 0.5])


def test_it_shows_what_it_hears_and_the_units() -> None:
    method = made(uneven=True).eval()
    assert isinstance(method, Shows)
    views = seen(method, 3, uneven=True)
    with torch.no_grad():
        whole, heard, told = method.show(**views)
    assert isinstance(whole, Sounds) and isinstance(heard, Sounds) and isinstance(told, Table)
    hidden = views["hide"][0].repeat_interleave(160)[:1200].numpy()
    assert hidden.any() and (heard.waves[0][hidden] == 0).all()
    assert np.array_equal(heard.waves[0][~hidden], whole.waves[0][~hidden])
    there = (views["mask"].sum(1) + 159) // 160
    counts = [int(hide[:n].sum()) for hide, n in zip(views["hide"], there.tolist(), strict=True)]
    assert [row[:2] for row in told.rows] == [[n, count] for n, count in enumerate(counts, 1)]
    chosen = torch.tensor([[1, 2], [1, 2], [3, 0], [1, 2]])
    assert units(chosen) == "1-2 3-0 1-2" and units(torch.arange(40).view(20, 2)).endswith("22-23 ...")


@pytest.mark.parametrize("argument", OTHERS)
def test_every_argument_matters(argument: str) -> None:
    assert list(OTHERS) == [one.name for one in methods.describe("wav2vec", "audio").arguments]

    def fingerprint(**arguments: Any) -> list[Any]:
        method = made(**arguments)
        found = []
        for step in (0, 10):
            loss = method(clock=at(step), **seen(method))["loss"]
            (slope,) = torch.autograd.grad(loss, [method.quantiser.choose.weight])  # the temperature changes it alone
            found += [float(loss.detach()), float(slope.square().sum())]
        groups, entries = method.quantiser.shape
        kept = {"logits": torch.ones(3, groups, entries), "squares": torch.ones(3, groups), "hidden": torch.ones(3)}
        try:
            method.after_step(at(1), kept | {"perplexity": torch.tensor(1.0)})
        except UserError:
            found.append(math.inf)
        return [*found, method.quantiser.centre.tolist(), method.quantiser.deviation.tolist()]

    assert fingerprint(**{argument: OTHERS[argument]}) != fingerprint()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"negatives": 0}, "negatives of wav2vec must be at least 1, .* not 0, 500, 0.1 and 0.1"),
        ({"penalty": -1.0}, "guard, diversity and penalty at least 0, not 5, 500, 0.1 and -1.0"),
        ({"centring": 1.5}, "centring of wav2vec must be in .0, 1., not 1.5"),
        ({"last": 3.0}, "last at most gumbel, not 0.1, 2.0 and 3.0"),
        ({"width": 5}, "a width that its groups divide, not 2, 6 and 5"),
        ({"span": 9}, "span from 1 to 8"),
        ({"gain": -2.0}, "gain of recordings must be at least 0"),
    ],
)
def test_what_is_wrong_is_said(arguments: dict[str, Any], sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        made(**arguments)


def test_another_encoder_is_refused() -> None:
    with pytest.raises(UserError, match="wav2vec needs encoder wave_transformer, not wave"):
        Wav2Vec(encoders.build("wave", toy.seen()))


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(10))
def test_at_least_half_of_the_codes_are_in_use_on_speech(seed: int, tmp_path: Any) -> None:
    """On prompts that were never heard, and in training; what is hidden is told there more often than by guessing."""
    run = selftaught.pretrain(
        "wav2vec", "speech", out=tmp_path / "run", seed=seed, steps=60, limit=1000, progress=False
    )
    found = pretext(run.method(), Audio().open("speech", "test"), 64, 256)
    assert found["codes"] >= 0.5 and found["perplexity"] >= 8 and found["accuracy"] > found["chance"], found
    assert all(line["codes"] >= 0.5 for line in RunFolder.open(run.path).metrics() if line.get("step", 0) >= 40)
