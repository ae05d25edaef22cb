from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from redis_server import Server
from torch import Tensor, nn
from torch.nn import functional as F

from selftaught.errors import UserError
from selftaught.parts import bank as module
from selftaught.parts.bank import Bank
from selftaught.parts.rows import FileRows

STORES = ("memory", "file", "redis")


def made(
    store: str, folder: Path, request: Any = None, n: int = 40, dim: int = 8, seed: int = 0, momentum: float = 0.5
) -> Bank:
    if store == "redis":
        store = request.getfixturevalue("redis_server").url
    torch.manual_seed(seed)
    bank = Bank(n, dim, momentum, store)
    bank.attach(folder)
    return bank


def write(bank: Bank, number: int, size: int = 6) -> None:
    """The write of this number: always the same samples and rows."""
    rng = torch.Generator().manual_seed(number)
    bank.write(torch.randint(bank.n, (size,), generator=rng), torch.randn(size, bank.dim, generator=rng))


# --- what a bank is
# -------------------------------------------------------------------------------------------------------


def test_rows_start_as_random_directions_that_depend_on_torchs_seed_alone() -> None:
    torch.manual_seed(3)
    bank = Bank(20000, 12)
    rows = bank.all()
    assert rows.shape == (20000, 12) and rows.dtype == torch.float32
    assert torch.allclose(rows.norm(dim=1), torch.ones(20000), atol=1e-6)
    assert rows.mean(0).abs().max() < 0.01 and len(rows.unique(dim=0)) == 20000
    # Uniform in a cube: before scaling to length 1 no coordinate is above the half side, the fourth moment is that of a
    # uniform.
    side = (12 / 3) ** -0.5
    draw = (np.random.default_rng(0).uniform(-side, side, (20000, 12))).astype(np.float32)
    draw /= np.linalg.norm(draw, axis=1, keepdims=True)
    assert (rows**4).mean().item() == pytest.approx(float((draw**4).mean()), rel=0.03)
    torch.manual_seed(3)
    assert torch.equal(Bank(20000, 12).all(), rows)
    torch.manual_seed(4)
    assert not torch.equal(Bank(20000, 12).all()[:5], rows[:5])


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(0, 9), min_size=1, max_size=12), st.sampled_from([0.0, 0.5, 0.9]), st.integers(0, 99))
def test_used_rows_follow_by_the_formula_and_the_others_stay(index: list[int], momentum: float, seed: int) -> None:
    torch.manual_seed(seed)
    bank = Bank(10, 4, momentum)
    rows = torch.randn(len(index), 4)
    before = bank.all()
    bank.write(torch.tensor(index), rows)
    for i in range(10):
        mine = [row for place, row in zip(index, rows, strict=True) if place == i]
        if not mine:
            assert torch.equal(bank.all()[i], before[i])
            continue
        expected = F.normalize(momentum * before[i] + (1 - momentum) * torch.stack(mine).mean(0), dim=0)
        assert torch.allclose(bank.all()[i], expected, atol=1e-6)
        assert bank.all()[i].norm().item() == pytest.approx(1, abs=1e-6)


def test_the_order_of_a_batch_does_not_matter_to_samples_that_occur_once() -> None:
    torch.manual_seed(0)
    one, two = Bank(10, 4), Bank(10, 4)
    two.load_state_dict(one.state_dict())
    rows = torch.randn(3, 4)
    one.write(torch.tensor([7, 1, 4]), rows)
    two.write(torch.tensor([4, 7, 1]), rows[[2, 0, 1]])
    assert torch.equal(one.all(), two.all())


def test_no_gradient_reaches_the_bank_and_what_it_gives_is_a_copy() -> None:
    bank = Bank(10, 4)
    rows = bank.rows(torch.tensor([[1, 2], [3, 1]]))
    assert rows.shape == (2, 2, 4) and not rows.requires_grad
    before = bank.all()
    rows.zero_()
    bank.all().zero_()
    assert torch.equal(bank.all(), before)
    assert list(bank.parameters()) == []


@pytest.mark.parametrize("store", STORES)
def test_chunks_and_scores_are_all_rows_in_order(
    store: str, tmp_path: Path, request: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "CHUNK", 16)
    bank = made(store, tmp_path, request)
    firsts, parts = zip(*bank.chunks(7), strict=True)
    assert firsts == tuple(range(0, 40, 7)) and [len(p) for p in parts] == [7] * 5 + [5]
    assert torch.equal(torch.cat(parts), bank.all())
    assert torch.equal(bank.rows(torch.arange(40).view(8, 5)).view(40, 8), bank.all())


@pytest.mark.parametrize("store", STORES)
def test_identifying_a_sample_is_a_cross_entropy_over_all_rows(
    store: str, tmp_path: Path, request: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "CHUNK", 16)
    bank = made(store, tmp_path, request)
    v, index = torch.randn(5, 8, requires_grad=True), torch.tensor([0, 17, 39, 17, 3])
    scores = v @ bank.all().T
    found = bank.identify(v, index, 0.3)
    torch.testing.assert_close(found["loss"], F.cross_entropy(scores / 0.3, index))
    assert found["accuracy"] == (scores.argmax(1) == index).float().mean() and found["chance"] == torch.tensor(1 / 40)
    torch.testing.assert_close(
        *(torch.autograd.grad(x, v)[0] for x in (found["loss"], F.cross_entropy(scores / 0.3, index)))
    )
    total, largest, place = bank.logsumexp(v, 0.3)
    torch.testing.assert_close(total, (scores / 0.3).logsumexp(1))
    torch.testing.assert_close(largest, scores.amax(1))
    assert torch.equal(place, scores.argmax(1)) and not largest.requires_grad
    assert torch.equal(bank.nearest(v, 6), scores.topk(6, dim=1).indices) and bank.nearest(v, 99).shape == (5, 40)


def test_own_rows_are_identified() -> None:
    bank = Bank(40, 8)
    found = bank.identify(bank.rows(torch.arange(10)), torch.arange(10), 0.01)
    assert found["accuracy"] == 1 and found["loss"] < 0.1


@pytest.mark.parametrize("store", ["memory", "file"])
def test_nothing_but_the_queries_is_kept_for_the_backward_pass(store: str, tmp_path: Path) -> None:
    bank = made(store, tmp_path, n=30000)
    v, kept = torch.randn(4, 8, requires_grad=True), []
    with torch.autograd.graph.saved_tensors_hooks(lambda x: kept.append(x.numel()) or x, lambda x: x):
        bank.identify(v, torch.arange(4), 0.1)["loss"].backward()
    assert sum(kept) < 1000


def test_a_bank_is_filled_from_parts_in_any_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CHUNK", 16)
    bank, features, sizes = Bank(40, 8), torch.randn(40, 3), []
    head = nn.Linear(3, 8)

    def network(x: Tensor) -> Tensor:
        sizes.append(len(x))
        return head(x)

    bank.fill(network, ((index, features[index]) for index in torch.randperm(40).split(7)))
    torch.testing.assert_close(bank.all(), F.normalize(head(features), dim=1).detach())
    assert sizes == [21, 19]


def test_a_file_gives_back_what_it_touched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("selftaught.parts.rows.TOUCHED", 1 << 20)
    bank = made("file", tmp_path, n=1 << 17, dim=128)  # 64 MiB
    resident = [resident_bytes(tmp_path / "rows.f32")]
    for _, rows in bank.chunks():
        resident.append(resident_bytes(tmp_path / "rows.f32"))
        assert rows.norm(dim=1).sub(1).abs().max() < 1e-5
    bank.write(torch.arange(0, 1 << 17, 64), torch.randn(1 << 11, 128))
    resident.append(resident_bytes(tmp_path / "rows.f32"))
    assert max(resident) < 16 << 20


def resident_bytes(path: Path) -> int:
    """How much of a mapped file counts as memory of this process."""
    total, mine = 0, False
    for line in Path("/proc/self/smaps").read_text().splitlines():
        if "-" in line.split()[0]:
            mine = line.endswith(str(path))
        elif mine and line.startswith("Rss:"):
            total += int(line.split()[1]) << 10
    return total


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"n": 0}, "n and dim of a bank must be at least 1"),
        ({"dim": 0}, "n and dim of a bank must be at least 1"),
        ({"momentum": 1.0}, r"must be in \[0, 1\)"),
        ({"store": "disk"}, "must be memory, file, or redis://"),
    ],
)
def test_bad_values_are_one_sentence(arguments: dict[str, Any], words: str) -> None:
    with pytest.raises(UserError, match=words):
        Bank(**({"n": 4, "dim": 2} | arguments))


# --- three stores
# ---------------------------------------------------------------------------------------------------------


@settings(max_examples=15, deadline=None)
@given(
    st.lists(st.tuples(st.lists(st.integers(0, 39), min_size=1, max_size=9), st.integers(0, 99)), max_size=6),
    st.integers(0, 9),
)
def test_every_store_gives_the_same_bytes(
    redis_server: Server, tmp_path_factory: pytest.TempPathFactory, batches: list[tuple[list[int], int]], seed: int
) -> None:
    found = []
    for store in ("memory", "file", redis_server.url):
        torch.manual_seed(seed)
        bank = Bank(40, 8, store=store)
        bank.attach(tmp_path_factory.mktemp("bank"))
        for index, number in batches:
            rows = torch.randn(len(index), 8, generator=torch.Generator().manual_seed(number))
            bank.write(torch.tensor(index), rows)
        found.append(bank.all())
    assert found[0].numpy().tobytes() == found[1].numpy().tobytes() == found[2].numpy().tobytes()


@pytest.mark.parametrize("store", STORES)
@pytest.mark.parametrize("lost", [0, 1, 5])
def test_loading_a_state_brings_back_what_the_rows_were(store: str, lost: int, tmp_path: Path, request: Any) -> None:
    bank = made(store, tmp_path, request)
    for number in range(4):
        write(bank, number)
    bank.saving(4, [])
    state, then = {k: v.clone() for k, v in bank.state_dict().items()}, bank.all()
    for number in range(4, 4 + lost):
        write(bank, number)
    assert torch.equal(bank.all(), then) == (lost == 0)
    other = made(store, tmp_path, request, seed=9)  # as after a kill: another process, other random numbers
    other.load_state_dict(state)
    assert torch.equal(other.all(), then)
    for number in range(4, 9):
        write(other, number)
    whole = made("memory", tmp_path / "whole")
    for number in range(9):
        write(whole, number)
    assert torch.equal(other.all(), whole.all())


@pytest.mark.parametrize("store", ["file", "redis"])
def test_every_checkpoint_that_is_kept_can_be_gone_back_to(store: str, tmp_path: Path, request: Any) -> None:
    """The newest few and an old one: the best. What is no longer kept gives its notes to the one before it."""
    rng = np.random.default_rng(0)
    bank = made(store, tmp_path, request)
    states: dict[int, tuple[dict[str, Tensor], Tensor]] = {}
    for step in range(1, 13):
        write(bank, step)
        if step % 2 == 0:
            bank.saving(step, list(states))
            states[step] = ({k: v.clone() for k, v in bank.state_dict().items()}, bank.all())
            states = {s: kept for s, kept in states.items() if s == 4 or s >= step - 2}
    assert sorted(states) == [4, 10, 12]
    assert len(list(tmp_path.glob("undo-*"))) == 4  # these three, and the one that was dropped after the last mark
    write(bank, 13)
    for step in (12, 10, 4):  # ever further back, as when the newest are damaged
        state, then = states[step]
        other = made(store, tmp_path, request, seed=int(rng.integers(99)))
        other.load_state_dict(state)
        assert torch.equal(other.all(), then), step
        write(other, 77)
    with pytest.raises(UserError, match="does not reach back" if store == "file" else "older than the checkpoint"):
        made(store, tmp_path, request).load_state_dict(states[10][0])  # overwritten, and nobody kept what it needs


class Death(BaseException):
    """Stands for SIGKILL: nothing in between may catch it and tidy up."""


def test_a_bank_may_die_at_any_moment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """At every point where something is made durable, half way through a write, while saving, and while going back."""
    expected = [(bank := made("memory", tmp_path)).all()]
    for number in range(12):
        write(bank, number)
        expected.append(bank.all())
    real_sync, real_put = os.fsync, FileRows.put
    left = 0

    def moment() -> None:
        nonlocal left
        left -= 1
        if left < 0:
            raise Death

    def sync(descriptor: int) -> None:
        moment()
        real_sync(descriptor)

    def put(self: FileRows, index: Any, rows: Any, writes: int) -> None:
        try:
            moment()
        except Death:
            real_put(self, index[: len(index) // 2], rows[: len(index) // 2], writes)
            raise
        real_put(self, index, rows, writes)

    monkeypatch.setattr(os, "fsync", sync)
    monkeypatch.setattr(FileRows, "put", put)
    died = 0
    for lives in range(0, 60, 2):
        folder = tmp_path / str(lives)
        saved: dict[int, dict[str, Tensor]] = {}
        finished = False
        # the first life dies at every moment in turn, later ones sooner
        for patience in [lives, lives // 2, lives // 3, 10**9]:
            left = patience
            try:
                bank = made("file", folder)
                if saved:
                    bank.load_state_dict(saved[max(saved)])
                done = int(bank.writes)
                assert torch.equal(bank.all(), expected[done])
                for number in range(done, 12):
                    write(bank, number)
                    if number % 3 == 2:
                        bank.saving(number, list(saved))
                        saved[number] = {k: v.clone() for k, v in bank.state_dict().items()}
                        saved = {step: saved[step] for step in sorted(saved)[-2:]}
                finished = True
                break
            except Death:
                died += 1
        left = 10**9
        assert finished and torch.equal(bank.all(), expected[12])
        if len(saved) > 1:  # the newest checkpoint turns out to be damaged
            older = made("file", folder)
            older.load_state_dict(saved[min(saved)])
            assert torch.equal(older.all(), expected[int(older.writes)])
    assert died > 50


@pytest.mark.parametrize("store", ["file", "redis"])
def test_the_journal_never_outgrows_the_rows_of_each_kept_checkpoint(store: str, tmp_path: Path, request: Any) -> None:
    bank = made(store, tmp_path, request)
    kept: list[int] = []
    for step in range(1, 61):
        write(bank, step, size=40)
        if step % 5 == 0:
            bank.saving(step, kept)
            kept = [5, step]
    assert sum(p.stat().st_size for p in tmp_path.glob("undo-*")) <= 3 * 40 * (8 + 4 * 8 + 16)


@pytest.mark.parametrize("store", ["file", "redis"])
def test_a_run_that_died_before_its_first_checkpoint_starts_with_fresh_rows(
    store: str, tmp_path: Path, request: Any
) -> None:
    bank = made(store, tmp_path, request)
    start = bank.all()
    write(bank, 0)
    again = made(store, tmp_path, request)
    assert torch.equal(again.all(), start)
    write(again, 0)
    assert torch.equal(again.all(), bank.all())


@pytest.mark.parametrize("store", ["file", "redis"])
def test_borrowed_steps_leave_no_trace(store: str, tmp_path: Path, request: Any) -> None:
    """What `fit` does to learn how long a step takes: save the state, train, load it again."""
    for touched in (False, True):
        bank = made(store, tmp_path / str(touched), request)
        start = bank.all() if touched else made("memory", tmp_path).all()
        state = {k: v.clone() for k, v in bank.state_dict().items()}
        write(bank, 0)
        write(bank, 1)
        bank.load_state_dict(state)
        assert torch.equal(bank.all(), start)
        bank.load_state_dict(state)
        assert torch.equal(bank.all(), start)


@pytest.mark.parametrize("store", ["file", "redis"])
def test_a_reader_finds_the_rows_of_a_finished_run_and_changes_nothing(
    store: str, tmp_path: Path, request: Any
) -> None:
    bank = made(store, tmp_path, request)
    write(bank, 0)
    bank.saving(1, [])
    state = {k: v.clone() for k, v in bank.state_dict().items()}
    reader = Bank(40, 8, store=bank.store)
    reader.attach(tmp_path, train=False)
    with pytest.raises(UserError, match="needs a run folder"):
        reader.all()
    reader.load_state_dict(state)
    assert torch.equal(reader.all(), bank.all())
    write(bank, 1)
    bank.saving(2, [1])
    now = bank.all()
    late = Bank(40, 8, store=bank.store)
    late.attach(tmp_path, train=False)
    with pytest.raises(UserError, match="a later step of the run"):
        late.load_state_dict(state)
    assert torch.equal(bank.all(), now)


def test_a_bank_outside_memory_that_belongs_to_no_run_says_so(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="needs a run folder"):
        Bank(4, 2, store="file").rows(torch.tensor([0]))


@pytest.mark.parametrize(("harm", "words"), [("gone", "is gone"), ("short", "has 100 bytes instead of 1280")])
def test_a_file_that_is_not_what_it_was_is_one_sentence(harm: str, words: str, tmp_path: Path) -> None:
    bank = made("file", tmp_path)
    write(bank, 0)
    bank.saving(1, [])
    state = bank.state_dict()
    file = tmp_path / "rows.f32"
    file.unlink() if harm == "gone" else file.write_bytes(b"x" * 100)
    with pytest.raises(UserError, match=words):
        made("file", tmp_path).load_state_dict(state)


def test_a_server_that_forgot_is_found_out(redis_server: Server, tmp_path: Path) -> None:
    import redis

    bank = made("file", tmp_path / "other")
    bank = Bank(40, 8, store=redis_server.url)
    bank.attach(tmp_path)
    for number in range(3):
        write(bank, number)
    bank.saving(3, [])
    state, server = bank.state_dict(), redis.Redis.from_url(redis_server.url)
    prefix = f"selftaught:{(tmp_path / 'redis-id').read_text()}"

    def loaded() -> Bank:
        other = Bank(40, 8, store=redis_server.url)
        other.attach(tmp_path)
        other.load_state_dict(state)
        return other

    assert torch.equal(loaded().all(), bank.all())
    server.delete(f"{prefix}:7")
    with pytest.raises(UserError, match="lost rows of the bank"):
        loaded().all()
    server.set(f"{prefix}:writes", 2)
    with pytest.raises(UserError, match=r"older than the checkpoint \(write 2 of 3\)"):
        loaded()
    server.delete(f"{prefix}:writes")
    with pytest.raises(UserError, match="does not have the bank"):
        loaded()


def test_two_banks_on_one_server_keep_apart(redis_server: Server, tmp_path: Path) -> None:
    banks = []
    for name in ("a", "b"):
        banks.append(Bank(10, 4, store=redis_server.url))
        (tmp_path / name).mkdir()
        banks[-1].attach(tmp_path / name)
    before = banks[1].all()
    banks[0].all()
    write(banks[0], 0)
    assert torch.equal(banks[1].all(), before)


def test_without_a_server_or_the_package_the_mend_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("redis")
    bank = Bank(4, 2, store="redis://:secret@127.0.0.1:1/0")
    bank.attach(tmp_path)
    with pytest.raises(UserError, match=r"no Redis server answers at .*127.0.0.1:1/0") as caught:
        bank.all()
    assert "secret" not in str(caught.value)
    monkeypatch.setitem(sys.modules, "redis", None)
    with pytest.raises(UserError, match=r"pip install 'selftaught\[redis\]'"):
        bank.all()


def test_a_bank_inside_a_method_is_loaded_with_it(tmp_path: Path) -> None:
    class Holder(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.bank = made("file", tmp_path)

    holder = Holder()
    write(holder.bank, 0)
    holder.bank.saving(1, [])
    state, then = {k: v.clone() for k, v in holder.state_dict().items()}, holder.bank.all()
    write(holder.bank, 1)
    holder.load_state_dict(state)
    assert torch.equal(holder.bank.all(), then)


def test_a_momentum_of_its_own_holds_for_one_write() -> None:
    bank, rows = Bank(6, 4, 0.5), F.normalize(torch.randn(2, 4), dim=1)
    bank.write(torch.tensor([1, 4]), rows, momentum=0)
    torch.testing.assert_close(bank.rows(torch.tensor([1, 4])), rows)
    bank.write(torch.tensor([1, 4]), -rows.flip(0))
    torch.testing.assert_close(bank.rows(torch.tensor([1, 4])), F.normalize(0.5 * rows - 0.5 * rows.flip(0), dim=1))
