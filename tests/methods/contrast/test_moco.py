from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from safetensors.torch import load
from torch import Tensor, nn
from torch.nn import functional as F

from selftaught import encoders
from selftaught.errors import UserError
from selftaught.method import Clock
from selftaught.methods.contrast.moco import MoCo
from selftaught.parts.norm import set_groups
from selftaught.views.image import Augment

SMALL = {"queue": 64}
"""Arguments that fit the method to the toys of the contract."""
VARIANTS = ({"symmetric": True, "mlp": True},)
"""More arguments with which its gradients are checked."""


def naive(q: Tensor, k: Tensor, queue: Tensor, temperature: float) -> float:
    total = 0.0
    for i in range(len(q)):
        positive = math.exp(q[i] @ k[i] / temperature)
        total -= math.log(positive / (positive + sum(math.exp(q[i] @ row / temperature) for row in queue)))
    return total / len(q)


@pytest.mark.parametrize("hyper", [{"temperature": 0.07}, {"temperature": 0.2, "mlp": True}], ids=["v1", "v2"])
def test_the_loss_is_the_papers(bench: Any, hyper: dict[str, Any]) -> None:
    method = MoCo(bench.encoder(), queue=40, dim=8, **hyper).eval()
    batch = bench.batch(method)
    with torch.no_grad():
        features = method.encoder(batch["query"])
        layers = [m for m in method.head if isinstance(m, nn.Linear)]
        q = layers[0](features)
        if hyper.get("mlp"):
            q = layers[1](q.clamp(min=0))
        q = F.normalize(q, dim=1)
        k = F.normalize(method.slow(batch["key"]), dim=1)
        outputs = method(clock=Clock(), **batch)
    assert len(layers) == (2 if hyper.get("mlp") else 1)
    assert outputs["loss"].item() == pytest.approx(naive(q, k, method.queue.keys, hyper["temperature"]), rel=1e-4)
    assert outputs["negatives"] == 40


def test_symmetric_is_both_directions_summed(bench: Any) -> None:
    method = MoCo(bench.encoder(), queue=40, symmetric=True).eval()
    batch = bench.batch(method)
    both = method(clock=Clock(), **batch)
    method.symmetric = False
    one = method(clock=Clock(), **batch)
    two = method(clock=Clock(), query=batch["key"], key=batch["query"])
    assert torch.allclose(both["loss"], one["loss"] + two["loss"], rtol=1e-5)
    assert torch.equal(both["keys"], torch.cat([one["keys"], two["keys"]], 1))
    assert both["accuracy"] == (one["accuracy"] + two["accuracy"]) / 2


@pytest.mark.parametrize(("symmetric", "rows"), [(False, 16), (True, 32)])
def test_a_batchs_own_keys_are_pushed_after_it_was_scored(bench: Any, symmetric: bool, rows: int) -> None:
    method = MoCo(bench.encoder(), queue=40, dim=8, symmetric=symmetric)
    before = method.queue.keys.clone()
    outputs = bench.step(method)
    keys = outputs["keys"].flatten(0, 1)
    similar = F.normalize(keys, dim=1) @ before.T
    assert similar.max() < 0.999  # none of them was among the negatives
    assert torch.equal(method.queue.keys[:rows], keys)
    assert torch.equal(method.queue.keys[rows:], before[rows:])
    assert method.queue.pointer == rows
    outputs = bench.step(method)
    assert torch.equal(method.queue.keys[rows : 2 * rows][:8], outputs["keys"].flatten(0, 1)[:8])
    assert method.queue.pointer == 2 * rows % 40


def test_keys_have_length_one_and_no_gradient(bench: Any) -> None:
    outputs = MoCo(bench.encoder())(clock=Clock(), **bench.batch(MoCo(bench.encoder())))
    assert torch.allclose(outputs["keys"].norm(dim=2), torch.ones(16, 1), atol=1e-5)
    assert not outputs["keys"].requires_grad


def test_the_slow_copy_takes_no_gradient_and_follows_by_the_formula(bench: Any) -> None:
    method = MoCo(bench.encoder(), momentum=0.9)
    slow = [p.clone() for p in method.slow.parameters()]
    method(clock=Clock(), **bench.batch(method))["loss"].backward()
    assert all(p.grad is None for p in method.slow.parameters())
    fast = [*method.encoder.parameters(), *method.head.parameters()]
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in fast)
    assert {id(p) for p in method.players()[0].groups[0]["params"]} == {id(p) for p in fast}
    bench.step(method)
    for now, old, new in zip(method.slow.parameters(), slow, fast, strict=True):
        assert torch.allclose(now, 0.9 * old + 0.1 * new, atol=1e-6, rtol=0)


def test_with_momentum_one_the_slow_copy_never_changes(bench: Any) -> None:
    method = MoCo(bench.encoder(), momentum=1.0)
    before = [p.clone() for p in method.slow.parameters()]
    for _ in range(3):
        bench.step(method)
    assert all(torch.equal(a, b) for a, b in zip(before, method.slow.parameters(), strict=True))
    assert not torch.equal(method.encoder.blocks[0][0].weight, before[0])


def test_the_slow_copy_starts_equal(bench: Any) -> None:
    method = MoCo(bench.encoder())
    fast = [*method.encoder.parameters(), *method.head.parameters()]
    assert all(torch.equal(a, b) for a, b in zip(method.slow.parameters(), fast, strict=True))


def test_shuffling_crosses_batch_norm_groups_and_is_undone(bench: Any) -> None:
    method = MoCo(bench.encoder(), shuffle=True)
    x = bench.batch(method)["key"]
    whole = method.keys(x, Clock())
    method.shuffle = False
    assert torch.allclose(method.keys(x, Clock()), whole, atol=1e-5)  # one group: the order does not matter
    set_groups(method, 4)
    straight = method.keys(x, Clock())
    method.shuffle = True
    crossed = method.keys(x, Clock())
    assert not torch.allclose(straight, crossed, atol=1e-3)
    assert torch.equal(method.keys(x, Clock()), crossed)
    later = Clock()
    later.step = 1
    assert not torch.allclose(method.keys(x, later), crossed, atol=1e-3)
    assert not torch.allclose(method.keys(x, Clock(seed=1)), crossed, atol=1e-3)


def test_queue_and_slow_copy_are_in_checkpoints(bench: Any) -> None:
    method, other = MoCo(bench.encoder(), queue=40), MoCo(bench.encoder(), queue=40)
    bench.step(method)
    other.load_state_dict(method.state_dict())
    batch = bench.batch(method, epoch=1)
    assert torch.equal(method(clock=Clock(), **batch)["loss"], other(clock=Clock(), **batch)["loss"])


def test_the_exported_encoder_has_no_head(bench: Any) -> None:
    method = MoCo(bench.encoder(), mlp=True)
    names = load(encoders.save(method.encoder)).keys()
    assert names == bench.encoder().state_dict().keys()


def test_augmentations_are_the_papers(bench: Any) -> None:
    views = MoCo(bench.encoder(), crop=0.2, blur=0.5).views
    assert views.outputs == ["query", "key"]
    assert (
        views.augments[0]
        == views.augments[1]
        == Augment(
            crop=(0.2, 1.0),
            flip=0.5,
            jitter=(0.4, 0.4, 0.4, 0.1),
            jitter_p=0.8,
            grey=0.2,
            blur=0.5,
            blur_sigma=(0.1, 2.0),
        )
    )
    other = MoCo(bench.encoder(), crop=0.3, jitter=0.6, hue=0.4, flip=0.1, grey=0.3).views.augments[0]
    assert other == Augment(
        crop=(0.3, 1.0), flip=0.1, jitter=(0.6, 0.6, 0.6, 0.4), jitter_p=0.8, grey=0.3, blur=0.0, blur_sigma=(0.1, 2.0)
    )
    batch = bench.batch(MoCo(bench.encoder()))
    assert (batch["query"] - batch["key"]).flatten(1).abs().amax(1).min() > 0.1


@pytest.mark.parametrize("queue", [16, 256, 4096])
def test_at_the_start_the_loss_is_that_of_guessing(bench: Any, queue: int) -> None:
    # hot enough that an untrained encoder's scores do not matter
    method = MoCo(bench.encoder(), queue=queue, temperature=20.0).eval()
    outputs = method(clock=Clock(), **bench.batch(method))
    assert outputs["loss"].item() == pytest.approx(math.log(1 + queue), abs=0.1)
    assert outputs["chance"].item() == pytest.approx(1 / (1 + queue))


def test_more_negatives_are_harder_to_beat(bench: Any) -> None:
    method, accuracy = MoCo(bench.encoder(), queue=4096, dim=4).eval(), []
    batch, keys = bench.batch(method, 64), method.queue.keys
    for count in (1, 16, 256, 4096):
        method.queue.keys = keys[:count]
        outputs = method(clock=Clock(), **batch)
        accuracy.append(outputs["accuracy"].item())
        assert outputs["negatives"] == count
    assert accuracy == sorted(accuracy, reverse=True) and accuracy[0] > accuracy[-1]


def test_queries_alone_get_gradients_of_the_papers_loss(bench: Any) -> None:
    method = MoCo(bench.encoder(), queue=40, dim=8).double().eval()
    batch = {k: v.double() for k, v in bench.batch(method, 4).items() if k in ("query", "key")}
    weight = method.head[0].bias  # moves every query
    value = method(clock=Clock(), **batch)["loss"]
    (slope,) = torch.autograd.grad(value, weight)
    for i in range(8):
        sides = []
        for step in (1e-6, -1e-6):
            with torch.no_grad():
                weight[i] += step
                sides.append(method(clock=Clock(), **batch)["loss"].item())
                weight[i] -= step
        assert (sides[0] - sides[1]) / 2e-6 == pytest.approx(slope[i].item(), rel=1e-5, abs=1e-8)


@pytest.mark.parametrize(
    ("hyper", "message"),
    [
        ({"temperature": 0.0}, "temperature of moco must be greater than 0, not 0"),
        ({"momentum": 1.1}, r"momentum of moco must be in \[0, 1\], not 1.1"),
        ({"queue": 0}, "queue must hold at least 1 key, not 0"),
        ({"dim": 0}, "of a head must be .* dim at least 1"),
    ],
)
def test_values_out_of_range_are_refused(bench: Any, hyper: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        MoCo(bench.encoder(), **hyper)


# --- what batch statistics give away ----------------------------------------------------------------------------------

GROUPS, SIZE = 8, 8


def in_company(step: int) -> tuple[Tensor, Tensor]:
    """Views of 8 groups of 8 pictures; the first of each group is one and the same blank, the rest is its company.

    Nothing but the company that it is normalised in tells a blank from the other blanks.
    """
    generator = torch.Generator().manual_seed(step)
    pictures = torch.randn(GROUPS, SIZE, 3, 12, 12, generator=generator)
    query, key = (pictures + 0.1 * torch.randn(pictures.shape, generator=generator) for _ in range(2))
    query[:, 0] = key[:, 0] = 0.5
    return query.flatten(0, 1), key.flatten(0, 1)


def blanks(
    bench: Any, shuffle: bool, groups: int = GROUPS, norm: str = "batch", steps: int = 12
) -> tuple[float, Tensor]:
    """How often a blank's query matches its own key among the blanks' keys of all other groups, and these queries."""
    torch.manual_seed(0)
    method = MoCo(bench.encoder(norm=norm), shuffle=shuffle)
    set_groups(method, groups)
    queries, keys = [], []
    with torch.no_grad():
        for step in range(steps):
            clock = Clock(0, steps)
            clock.step = step
            query, key = in_company(step)
            queries.append(F.normalize(method.head(method.encoder(query)), dim=1)[::SIZE])
            keys.append(method.keys(key, clock)[::SIZE])
    q, k = torch.cat(queries), torch.cat(keys)
    # Centred, as a head that was trained to look at what differs would see them.
    table = F.normalize(q - q.mean(0), dim=1) @ F.normalize(k - k.mean(0), dim=1).T
    own = table.diagonal()
    others = table.masked_fill(torch.eye(len(q), dtype=torch.bool), -torch.inf)
    return (own > others.amax(1)).float().mean().item(), q


def test_the_key_of_a_split_batch_leaks_its_groups_statistics_and_shuffling_stops_it(bench: Any) -> None:
    leaked, _ = blanks(bench, shuffle=False)
    stopped, _ = blanks(bench, shuffle=True)
    assert leaked > 0.9  # without any content: chance is 1/96
    assert stopped < 0.1


def test_one_group_signs_the_whole_batch_alike(bench: Any) -> None:
    _, q = blanks(bench, shuffle=False, groups=1, steps=2)
    assert torch.allclose(q[:GROUPS], q[:1].expand(GROUPS, -1), atol=1e-5)
    assert not torch.allclose(q[GROUPS:], q[:1].expand(GROUPS, -1), atol=1e-3)  # another batch signs otherwise


@pytest.mark.parametrize("norm", ["layer", "group", "none"])
def test_norms_of_one_sample_have_nothing_to_leak(bench: Any, norm: str) -> None:
    _, q = blanks(bench, shuffle=False, norm=norm, steps=3)
    assert torch.allclose(q, q[:1].expand_as(q), atol=1e-5)  # whatever the company, the same features
    method, (query, _) = MoCo(bench.encoder(norm=norm)), in_company(0)
    together, alone = method.encoder(query), torch.cat([method.encoder(x[None]) for x in query])
    assert torch.allclose(together, alone, atol=1e-4)


@pytest.mark.parametrize("groups", [1, 8])
def test_batch_norm_makes_features_depend_on_the_company(bench: Any, groups: int) -> None:
    method, (query, _) = MoCo(bench.encoder()), in_company(0)
    set_groups(method, groups)
    other = query.clone()
    other[1:SIZE] = 3 * other[1:SIZE]  # the first group's company changes
    change = (method.encoder(query) - method.encoder(other)).abs().amax(1)
    assert change[0] > 1e-2
    assert (change[SIZE:].max() > 1e-2) == (groups == 1)  # split: the other groups see nothing of it


@pytest.mark.parametrize(
    ("norm", "groups", "shuffle", "least", "most"),
    [
        ("batch", GROUPS, False, 0.95, 1.0),
        ("batch", GROUPS, True, 0.0, 0.25),  # chance is 1/8
        ("batch", 1, False, 0.0, 0.0),  # the rest are ties
        ("layer", GROUPS, False, 0.0, 0.0),
    ],
    ids=["split", "split and shuffled", "whole batch", "layer"],
)
def test_training_learns_to_read_the_leak(
    bench: Any, norm: str, groups: int, shuffle: bool, least: float, most: float
) -> None:
    """After training, how often a blank's key is told from the same step's other blanks.

    By its company, it has no content.
    """
    torch.manual_seed(0)
    method = MoCo(bench.encoder(norm=norm), dim=32, queue=512, momentum=0.9, temperature=0.2, shuffle=shuffle)
    set_groups(method, groups)
    optimizer = torch.optim.AdamW([p for p in method.parameters() if p.requires_grad], lr=5e-3)
    clock, found = Clock(0, 50), []
    for _ in range(50):
        query, key = in_company(clock.step)
        outputs = method(query=query, key=key, clock=clock)
        with torch.no_grad():
            q, k = F.normalize(method.head(method.encoder(query)), dim=1)[::SIZE], outputs["keys"][::SIZE, 0]
            others = (q @ k.T).fill_diagonal_(-1).amax(1)
            found.append(((q * k).sum(1) > others + 1e-6).float().mean().item())
        optimizer.zero_grad()
        outputs["loss"].backward()
        optimizer.step()
        with torch.no_grad():
            method.after_step(clock, {"keys": outputs["keys"]})
        clock.step += 1
    assert least <= sum(found[-20:]) / 20 <= most
