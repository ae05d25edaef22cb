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
from toys import Blobs
from training import state, train

from selftaught import encoders
from selftaught.contract.ranks import Ranks
from selftaught.errors import UserError
from selftaught.method import Clock
from selftaught.methods.contrast.dictionary import Dictionary
from selftaught.parts.gather import barrier, rank
from selftaught.parts.info_nce import info_nce
from selftaught.parts.keys import draw
from selftaught.parts.norm import set_groups
from selftaught.run import RunFolder
from selftaught.views.image import Augment

SMALL = {"k": 64}
"""Arguments that fit the method to the toys of the contract."""
VARIANTS = ({"keys": "batch", "k": 0}, {"keys": "bank", "k": 32}, {"negatives": "hard", "k": 8, "pool": 64})
"""More arguments with which its gradients are checked."""

KEYS = ("batch", "bank", "queue")
N = 32
OTHERS: dict[str, Any] = {
    "keys": "batch",
    "k": 7,
    "negatives": "hard",
    "pool": 20,
    "duplicates": 0.3,
    "dim": 5,
    "temperature": 0.3,
    "momentum": 0.5,
    "bank_momentum": 0.1,
    "start": "random",
    "bank": "file",
    "crop": 0.9,
    "jitter": 0.1,
    "hue": 0.4,
    "flip": 0.0,
    "grey": 0.9,
}
STAGE: dict[str, dict[str, Any]] = {"pool": {"negatives": "hard"}, "bank_momentum": {"keys": "bank"}}
"""What must be on for an argument to matter."""


def made(bench: Any, keys: str, **arguments: Any) -> Dictionary:
    method = Dictionary(bench.encoder(), keys=keys, **({"dim": 8, "k": 12} | arguments))  # type: ignore[arg-type]
    torch.manual_seed(1)
    method.prepare(bench.Pictures(N))
    return method


@pytest.mark.parametrize("start", ["features", "random"])
@pytest.mark.parametrize("keys", KEYS)
def test_only_a_bank_starts_as_untrained_features_unless_at_random(keys: str, start: str, bench: Any) -> None:
    method = made(bench, keys, start=start)
    embed = bench.Embedded(torch.randn(N, method.encoder.dim))
    before = {name: value.clone() for name, value in method.state_dict().items()}
    method.before_epoch(Clock(), embed)
    if (keys, start) == ("bank", "features"):
        torch.testing.assert_close(method.keys.bank.all(), F.normalize(method.head(embed.features), dim=1).detach())
        before, later = {name: value.clone() for name, value in method.state_dict().items()}, Clock()
        later.epoch = 1
        method.before_epoch(later, embed)
        assert embed.asked == [None]
    else:
        assert embed.asked == []
    assert all(torch.equal(before[name], value) for name, value in method.state_dict().items())


def at(step: int, seed: int = 0) -> Clock:
    clock = Clock(seed)
    clock.step = step
    return clock


def softmax(q: Tensor, positive: Tensor, negatives: list[list[Tensor]], temperature: float) -> float:
    total = 0.0
    for i in range(len(q)):
        own = math.exp(q[i] @ positive[i] / temperature)
        total -= math.log(own / (own + sum(math.exp(q[i] @ n / temperature) for n in negatives[i])))
    return total / len(q)


# --- one loss, three dictionaries
# -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("k", [0, 5, 12, 15])
def test_in_a_batch_the_negatives_are_the_next_k_samples(k: int, bench: Any) -> None:
    method = made(bench, "batch", k=k).eval()
    batch = bench.batch(method)
    q, keys = (F.normalize(method.tower()(batch[name]), dim=1).detach() for name in ("query", "key"))
    others = [[keys[(i + d) % 16] for d in range(1, (k or 15) + 1)] for i in range(16)]
    out = method(clock=Clock(), **batch)
    assert out["loss"].item() == pytest.approx(softmax(q, keys, others, 0.1), rel=1e-4)
    assert out["negatives"] == (k or 15)
    seen = method.train()(clock=Clock(), **batch)
    assert seen["negatives"] == (k or 15) and seen["collisions"] == 0 and seen["age"] == 0


@pytest.mark.parametrize("k", [0, 12])
def test_a_bank_gives_the_samples_own_rows_and_rows_that_were_drawn(k: int, bench: Any) -> None:
    method = made(bench, "bank", k=k, temperature=0.2)
    batch, rows = bench.batch(method), method.keys.bank.all()
    q = F.normalize(method.tower()(batch["query"]), dim=1).detach()
    drawn = draw(N, k or N, 0, 3)
    others = [[rows[j] for j in drawn if j != batch["index"][i]] for i in range(16)]
    out = method(clock=at(3), **batch)
    assert out["loss"].item() == pytest.approx(softmax(q, rows[batch["index"]], others, 0.2), rel=1e-4)
    own = sum(int(i) in drawn for i in batch["index"])
    assert out["collisions"].item() == pytest.approx(own / (16 * (k or N)))
    assert out["negatives"].item() == pytest.approx((k or N) - own / 16)


def test_a_queue_gives_keys_of_the_slow_copy_and_is_mocos(bench: Any) -> None:
    from selftaught.methods.contrast.moco import MoCo

    method, moco = made(bench, "queue", k=40), MoCo(bench.encoder(), dim=8, queue=40)
    moco.head.load_state_dict(method.head.state_dict())
    moco.slow.load_state_dict(method.keys.slow.state_dict())
    moco.queue.load_state_dict(method.keys.queue.state_dict())
    for step in range(2):
        batch = bench.batch(method, epoch=step, first=16 * step)
        a, b = bench.step(method, batch, at(step), groups=4), bench.step(moco, batch, at(step), groups=4)
        assert a["loss"].item() == pytest.approx(b["loss"].item(), rel=1e-6)
    assert torch.allclose(method.keys.queue.keys, moco.queue.keys, atol=1e-5)
    for x, y in zip(method.keys.slow.parameters(), moco.slow.parameters(), strict=True):
        assert torch.allclose(x, y, atol=1e-6)


def test_bank_and_queue_with_the_same_rows_give_the_same_loss(bench: Any) -> None:
    """Momentum 0 and no learning.

    The slow copy is the encoder, the rows are its keys, and only the bookkeeping differs.
    """
    bank, queue = made(bench, "bank", k=0, bank_momentum=0.0), made(bench, "queue", k=N, momentum=0.0)
    queue.head.load_state_dict(bank.head.state_dict())
    queue.keys.slow.load_state_dict(queue.tower().state_dict())
    for m in (bank, queue):
        m.train()
        # features of a sample alone
        [x.eval() for x in m.modules() if isinstance(x, torch.nn.modules.batchnorm._BatchNorm)]
    whole = bench.batch(queue, n=N)
    keys = F.normalize(queue.tower()(whole["key"]), dim=1).detach()
    bank.keys.update(bank.tower(), whole["index"], keys, keys, 0)
    order = torch.randperm(N)
    queue.keys.update(queue.tower(), whole["index"][order], keys[order], keys[order], 0)
    batch = {name: x[:16] for name, x in whole.items()}
    a = bank(clock=at(1), query=batch["query"], index=batch["index"])
    b = queue(clock=at(1), **batch)
    assert a["loss"].item() == pytest.approx(b["loss"].item(), rel=1e-5)
    assert a["negatives"] == b["negatives"] == N - 1
    assert a["collisions"] == b["collisions"]


@pytest.mark.parametrize("keys", KEYS)
def test_gradients_reach_the_keys_of_a_batch_and_of_nothing_else(keys: str, bench: Any) -> None:
    method = made(bench, keys)
    batch = bench.batch(method)
    found = method.keys.find(method.tower(), batch.get("key", batch["query"]), batch["index"], 0, 0)
    assert found.positive.requires_grad == found.others.requires_grad == (keys == "batch")
    loss = method(clock=Clock(), **batch)["loss"]
    q = F.normalize(method.tower()(batch["query"]), dim=1)
    fixed = info_nce((q * found.positive.detach()).sum(1), method.chosen(q @ found.others.detach().T, *found[:3]), 0.1)[
        "loss"
    ]
    assert loss.item() == pytest.approx(fixed.item(), rel=1e-5)
    weight = method.head[0].weight
    whole, queries_only = (torch.autograd.grad(x, weight)[0] for x in (loss, fixed))
    assert torch.allclose(whole, queries_only, rtol=1e-4, atol=1e-6) == (keys != "batch")
    assert all(p.grad is None for p in method.keys.parameters())


@pytest.mark.parametrize("keys", KEYS)
@pytest.mark.parametrize("k", [3, 15, 31])
def test_at_the_start_the_loss_is_log_1_plus_k(keys: str, k: int, bench: Any) -> None:
    method = made(bench, keys, k=k, temperature=1.0, dim=128)
    out = method(clock=Clock(), **bench.batch(method, n=32))
    assert out["loss"].item() == pytest.approx(
        math.log(1 + float(out["negatives"])), abs=0.08 if keys == "bank" else 0.7
    )
    assert out["loss"].item() <= math.log(1 + k) + 0.1
    assert out["chance"].item() == pytest.approx(1 / (1 + float(out["negatives"])))


def test_with_more_negatives_the_choice_gets_harder(bench: Any) -> None:
    found = []
    for k in (1, 7, 31, 63):
        method = made(bench, "batch", k=k).eval()
        found.append(method(clock=Clock(), **bench.batch(method, n=64))["accuracy"].item())
    assert found == sorted(found, reverse=True) and found[0] > found[-1]


# --- which negatives
# ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("keys", KEYS)
def test_hard_negatives_are_the_nearest(keys: str, bench: Any) -> None:
    method = made(bench, keys, negatives="hard", k=4, pool=20).eval()
    batch = bench.batch(method)
    q = F.normalize(method.tower()(batch["query"]), dim=1).detach()
    view = batch.get("key", batch["query"].flip(-1))
    found = method.keys.find(method.tower(), view, batch["index"], 0, 0)
    assert len(found.others) == {"batch": 16, "bank": 20, "queue": 20}[keys]
    others = []
    for i in range(16):
        rows = [row for j, row in enumerate(found.others.detach()) if not found.own[i, j]]
        others.append(sorted(rows, key=lambda row: -float(q[i] @ row))[:4])
    out = method(clock=Clock(), **batch)
    assert out["loss"].item() == pytest.approx(softmax(q, found.positive.detach(), others, 0.1), rel=1e-4)
    assert out["negatives"] == 4
    easy = made(bench, keys, k=4).eval()
    assert easy(clock=Clock(), **batch)["loss"].item() < out["loss"].item()


def test_near_duplicates_are_no_negatives(bench: Any) -> None:
    method = made(bench, "queue", k=12, duplicates=0.9).eval()
    batch = bench.batch(method)
    keys = F.normalize(method.keys.slow(batch["key"]), dim=1)
    method.keys.queue.keys[:3] = F.normalize(keys[:3] + 0.02 * torch.randn(3, 8), dim=1)
    near = keys @ method.keys.queue.keys.T > 0.9
    assert near[:3, :3].diagonal().all()
    q = F.normalize(method.tower()(batch["query"]), dim=1).detach()
    others = [[row for j, row in enumerate(method.keys.queue.keys) if not near[i, j]] for i in range(16)]
    out = method(clock=Clock(), **batch)
    assert out["loss"].item() == pytest.approx(softmax(q, keys, others, 0.1), rel=1e-4)
    assert out["negatives"].item() == pytest.approx(12 - near.float().sum(1).mean().item())
    method.duplicates = -0.999  # everything is a copy of everything: nothing is left, and nothing breaks
    assert method(clock=Clock(), **batch)["loss"].item() == 0


def test_draws_are_different_rows_and_change_with_step_and_seed() -> None:
    assert len(set(draw(100, 60, 0, 1))) == 60
    assert list(draw(100, 60, 0, 1)) == list(draw(100, 60, 0, 1))
    assert list(draw(100, 60, 0, 1)) != list(draw(100, 60, 0, 2))
    assert list(draw(100, 60, 0, 1)) != list(draw(100, 60, 1, 1))


# --- how old keys are
# -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("keys", "k"), [("bank", 0), ("queue", 64)])
def test_keys_are_no_older_than_their_mechanism_allows(keys: str, k: int, bench: Any) -> None:
    """Reshuffled epochs, every sample once an epoch: below 2n/B steps in a bank, at most K/B in a queue."""
    n, size = 96, 16
    method = Dictionary(bench.encoder(), keys=keys, k=k, dim=8)  # type: ignore[arg-type]
    method.prepare(bench.Pictures(n))
    oldest = []
    for step in range(30):
        order = method.order(step // (n // size), 0, n)
        index = torch.from_numpy(order[step % (n // size) * size :][:size].copy())
        rows = F.normalize(torch.randn(size, 8), dim=1)
        found = method.keys.find(method.tower(), torch.zeros(size, 3, 12, 12), index, 0, step)
        if step >= 2 * n // size:
            oldest.append(int(found.age.max()))
            assert found.age.min() >= 1
        method.keys.update(method.tower(), index, rows, rows, step)
    assert max(oldest) < 2 * n // size if keys == "bank" else max(oldest) == k // size
    assert keys == "queue" or max(oldest) > n // size


def test_ages_are_logged(bench: Any) -> None:
    method = made(bench, "queue", k=32)
    for step in range(3):
        out = bench.step(method, bench.batch(method, epoch=step, first=16 * (step % 2)), at(step))
    assert out["age"] == 1.5  # two batches, pushed 1 and 2 steps ago


# --- state
# ----------------------------------------------------------------------------------------------------------------


def test_own_keys_in_a_long_queue_are_no_negatives(bench: Any) -> None:
    method = made(bench, "queue", k=32)
    batch = bench.batch(method)
    bench.step(method, batch)
    assert torch.equal(method.keys.samples[:16], batch["index"])
    out = method(clock=at(1), **batch)
    assert out["negatives"] == 31 and out["collisions"].item() == pytest.approx(1 / 32)
    assert method.eval()(clock=at(1), **batch)["negatives"] == 32  # of held-out samples the index means nothing


def test_more_keys_than_a_queue_holds_leave_the_last(bench: Any) -> None:
    method = made(bench, "queue", k=10)
    batch = bench.batch(method)
    out = bench.step(method, batch)
    kept = {int(s): row for s, row in zip(method.keys.samples, method.keys.queue.keys, strict=True)}
    assert sorted(kept) == list(range(6, 16))
    assert all(torch.equal(kept[i], out["own_keys"][i]) for i in kept)


def test_a_bank_follows_its_queries(bench: Any) -> None:
    method = made(bench, "bank", bank_momentum=0.25)
    before = method.keys.bank.all()
    out = bench.step(method, clock=at(4))
    assert torch.allclose(
        method.keys.bank.all()[:16], F.normalize(0.25 * before[:16] + 0.75 * out["queries"].detach(), dim=1), atol=1e-6
    )
    assert torch.equal(method.keys.bank.all()[16:], before[16:])
    assert method.keys.born[:16].eq(4).all() and method.keys.born[16:].eq(0).all()


def test_batch_keys_are_normalised_in_other_company_than_their_queries(bench: Any) -> None:
    method = made(bench, "batch")
    x = bench.batch(method)["key"]
    set_groups(method, 4)
    straight = F.normalize(method.tower()(x), dim=1)
    crossed = method.keys.find(method.tower(), x, torch.arange(16), 0, 0).positive
    assert not torch.allclose(straight, crossed, atol=1e-3)
    set_groups(method, 1)
    whole = method.keys.find(method.tower(), x, torch.arange(16), 0, 0).positive
    assert torch.allclose(F.normalize(method.tower()(x), dim=1), whole, atol=1e-5)


def test_only_a_queue_has_a_slow_copy_and_only_a_bank_needs_no_key(bench: Any) -> None:
    for keys in KEYS:
        method = made(bench, keys, momentum=0.9)
        assert any("slow" in name for name, _ in method.named_parameters()) == (keys == "queue")
        assert method.views.outputs == (["query"] if keys == "bank" else ["query", "key"])
    slow = [p.clone() for p in method.keys.slow.parameters()]
    bench.step(method)
    for now, old, new in zip(method.keys.slow.parameters(), slow, method.tower().parameters(), strict=True):
        assert torch.allclose(now, 0.9 * old + 0.1 * new, atol=1e-6)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"keys": "disk"}, "must be batch, bank or queue"),
        ({"negatives": "soft"}, "must be random or hard"),
        ({"k": -1}, "k of dictionary"),
        ({"k": 0}, "k of dictionary"),
        ({"negatives": "hard", "k": 9, "pool": 8}, "pool of dictionary must be at least k .9."),
        ({"duplicates": 1.5}, "must be a cosine"),
        ({"temperature": 0.0}, "temperature of dictionary"),
        ({"momentum": 1.1}, "momentum of dictionary"),
        ({"keys": "bank", "k": N + 1}, "a bank of 32 samples has fewer than 33 keys"),
        ({"keys": "bank", "bank": "disk"}, "store of a bank must be memory, file"),
        ({"keys": "bank", "start": "zero"}, "must be features or random"),
    ],
)
def test_bad_values_are_one_sentence(arguments: dict[str, Any], words: str, bench: Any) -> None:
    with pytest.raises(UserError, match=words):
        made(bench, **({"keys": "queue"} | arguments))


def test_a_batch_that_is_too_small_is_one_sentence(bench: Any) -> None:
    method = made(bench, "batch", k=16)
    with pytest.raises(UserError, match="a batch of 16 has 15 negatives, not 16"):
        method(clock=Clock(), **bench.batch(method))


def test_augmentations_are_mocos(bench: Any) -> None:
    plain = Augment(crop=(0.2, 1.0), flip=0.5, jitter=(0.4, 0.4, 0.4, 0.1), jitter_p=0.8, grey=0.2)
    assert made(bench, "queue").views.augments == [plain, plain]
    changed = made(bench, "bank", crop=0.5, jitter=0.1, hue=0.2, flip=0.0, grey=0.0)
    assert changed.views.augments == [
        Augment(crop=(0.5, 1.0), flip=0.0, jitter=(0.1, 0.1, 0.1, 0.2), jitter_p=0.8, grey=0.0)
    ]


@pytest.mark.parametrize("argument", [a for a in OTHERS if a not in ("bank", "start")])  # a queue has no rows
def test_every_argument_matters(argument: str, bench: Any) -> None:
    stage = {"keys": "queue"} | STAGE.get(argument, {})
    assert bench.fingerprint(made(bench, **(stage | {argument: OTHERS[argument]}))) != bench.fingerprint(
        made(bench, **stage)
    )


# --- whole runs
# -----------------------------------------------------------------------------------------------------------


def build(keys: str, seed: int = 0, **arguments: Any) -> Dictionary:
    torch.manual_seed(seed)
    spec = {"kind": "image", "size": 16, "channels": 1, "mean": [0.4], "std": [0.25]}
    encoder = encoders.build("conv", spec, width=8, depth=2)
    return Dictionary(encoder, keys=keys, **({"k": 15 if keys == "batch" else 48, "dim": 16} | arguments))  # type: ignore[arg-type]


def on_a_rank(keys: str, path: str) -> dict[str, Tensor]:
    """What each rank of the pair runs."""
    if rank() == 0:
        RunFolder.create(path, {"method": {"name": "dictionary"}})
    barrier()
    method, _ = train(partial(build, keys), path, resume=True, steps=6, optimizer="sgd", lr=1e-3)
    return state(method)


@pytest.mark.parametrize("keys", ["batch", "bank"])  # test_contract.py does the queue
def test_one_rank_and_two_ranks_agree(keys: str, ranks: Ranks, tmp_path: Path) -> None:
    one, _ = train(partial(build, keys), tmp_path / "one", steps=6, optimizer="sgd", lr=1e-3)
    for got in ranks.call("methods.contrast.test_dictionary", "on_a_rank", keys=keys, path=str(tmp_path / "two")):
        for name, value in state(one).items():
            torch.testing.assert_close(got[name], value, rtol=1e-5, atol=1e-5, msg=lambda m, name=name: f"{name}: {m}")


@pytest.mark.parametrize("keys", ["batch", "bank"])
def test_each_learns_to_find_held_out_pictures(keys: str, tmp_path: Path) -> None:
    recipe: dict[str, Any] = {"steps": 160, "batch_size": 64, "lr": 5e-3, "log_every": 20}
    method, _ = train(partial(build, keys, k=63), tmp_path / "run", Blobs(256), **recipe)
    index, source = np.arange(64), Blobs(64, seed=1)
    batch = method.views.apply(source.fetch(index), method.views.sample(index, 0, 0), torch.device("cpu"))
    with torch.no_grad():
        out = method.eval()(clock=Clock(), **batch)
    assert float(out["accuracy"]) > 3 * float(out["chance"])
