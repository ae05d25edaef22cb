from __future__ import annotations

import math
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.nn import functional as F
from toys import Blobs
from training import state, train

import selftaught
from selftaught.contract.case import Case
from selftaught.contract.ranks import Ranks
from selftaught.errors import UserError
from selftaught.evaluate.diagnostics import Diagnostics
from selftaught.method import Clock, Remembers
from selftaught.methods.contrast.instdisc import InstDisc, draws
from selftaught.parts.gather import barrier, rank
from selftaught.run import RunFolder
from selftaught.views.image import Augment

VARIANTS = ({"loss": "nce", "noise": 32, "proximal": 1.0},)
"""More arguments with which its gradients are checked."""

OTHERS: dict[str, Any] = {
    "dim": 5,
    "temperature": 0.3,
    "loss": "nce",
    "noise": 9,
    "momentum": 0.1,
    "proximal": 3.0,
    "start": "random",
    "bank": "file",
    "crop": 0.9,
    "jitter": 0.1,
    "flip": 0.0,
    "grey": 0.9,
}


# where rows are kept must change nothing
@pytest.mark.parametrize("argument", [a for a in OTHERS if a not in ("bank", "start")])
def test_every_argument_matters(argument: str, bench: Any) -> None:
    stage = {"loss": "nce"} if argument == "noise" else {}
    assert bench.fingerprint(made(bench, **stage, **{argument: OTHERS[argument]})) != bench.fingerprint(
        made(bench, **stage)
    )


def made(bench: Any, n: int = 24, **arguments: Any) -> InstDisc:
    method = InstDisc(bench.encoder(), **({"dim": 8} | arguments))
    torch.manual_seed(1)
    method.prepare(bench.Pictures(n))
    return method


@pytest.mark.parametrize("start", ["features", "random"])
def test_rows_start_as_untrained_features_or_at_random(start: str, bench: Any) -> None:
    method = made(bench, start=start)
    before, embed = method.bank.all().clone(), bench.Embedded(torch.randn(24, method.encoder.dim))
    method.before_epoch(Clock(), embed)
    if start == "random":
        assert embed.asked == []
        assert torch.equal(method.bank.all(), before)
    else:
        torch.testing.assert_close(method.bank.all(), F.normalize(method.head(embed.features), dim=1).detach())
        later, rows = Clock(), method.bank.all().clone()
        later.epoch = 1
        method.before_epoch(later, embed)
        assert embed.asked == [None]
        assert torch.equal(method.bank.all(), rows)


def test_the_full_softmax_is_the_papers(bench: Any) -> None:
    method, batch = made(bench, temperature=0.2), bench.batch(made(bench))
    v, rows = method.features(batch["image"]).detach(), method.bank.all()
    total, right = 0.0, 0
    for i, index in enumerate(batch["index"]):
        scores = [math.exp(v[i] @ row / 0.2) for row in rows]
        total -= math.log(scores[index] / sum(scores))
        right += scores[index] == max(scores)
    out = method(clock=Clock(), **batch)
    assert out["loss"].item() == pytest.approx(total / 16, rel=1e-4)
    assert out["accuracy"].item() == pytest.approx(right / 16)
    assert out["chance"] == 1 / 24


def test_nce_is_the_papers(bench: Any) -> None:
    method = made(bench, loss="nce", noise=10, temperature=0.3)
    batch, n, m = bench.batch(method), 24, 10
    v, rows = method.features(batch["image"]).detach(), method.bank.all()
    drawn = draws(n, m, 0, 0)
    z = n * sum(math.exp(v[i] @ rows[j] / 0.3) for i in range(16) for j in drawn) / (16 * m)

    def h(i: int, j: int) -> float:
        p = math.exp(v[i] @ rows[j] / 0.3) / z
        return p / (p + m / n)

    total = sum(-math.log(h(i, int(batch["index"][i]))) - sum(math.log(1 - h(i, j)) for j in drawn) for i in range(16))
    out = method(clock=Clock(), **batch)
    assert out["loss"].item() == pytest.approx(total / 16, rel=1e-4)
    assert out["z"].item() == pytest.approx(z, rel=1e-4)
    others = [m - int((drawn == int(i)).sum()) for i in batch["index"]]
    # its own row is noise to the loss, no rival to the accuracy
    assert out["negatives"].item() == pytest.approx(sum(others) / 16)


def test_with_the_true_normaliser_and_many_draws_nce_has_the_gradient_of_the_softmax(bench: Any) -> None:
    method = made(bench, loss="nce", noise=400_000, temperature=1.0)
    v = F.normalize(torch.randn(1, 8), dim=1).requires_grad_()
    index, rows = torch.tensor([5]), method.bank.all()
    method.z.copy_((v.detach() @ rows.T).exp().sum())
    (found,) = torch.autograd.grad(method.nce(v, rows[5:6], index, Clock())["loss"], v)
    (wanted,) = torch.autograd.grad(method.bank.identify(v, index, method.temperature)["loss"], v)
    assert torch.allclose(found, wanted, atol=0.01 * wanted.norm().item() + 0.005)


def test_z_is_set_by_the_first_step_and_stays(bench: Any) -> None:
    method = made(bench, loss="nce", noise=10)
    assert method.z == 0
    first = bench.step(method)["z"].item()
    assert method.z.item() == first > 0
    later = Clock()
    later.step = 1
    bench.step(method, bench.batch(method, epoch=1), later)
    assert method.z.item() == first
    other = made(bench, loss="nce", noise=10)
    other.load_state_dict(method.state_dict())
    assert other.z.item() == first


def test_the_draws_change_with_step_and_seed_and_are_uniform() -> None:
    assert list(draws(50, 8, 0, 3)) == list(draws(50, 8, 0, 3))
    assert list(draws(50, 8, 0, 3)) != list(draws(50, 8, 0, 4))
    assert list(draws(50, 8, 0, 3)) != list(draws(50, 8, 1, 3))
    count = torch.bincount(torch.from_numpy(draws(10, 100_000, 0, 0)))
    assert (count - 10_000).abs().max() < 500


@pytest.mark.parametrize("loss", ["softmax", "nce"])
def test_the_bank_is_written_after_it_was_scored_and_only_where_it_was_seen(loss: str, bench: Any) -> None:
    method = made(bench, loss=loss, noise=10, momentum=0.25)
    before = method.bank.all()
    out = bench.step(method)
    expected = F.normalize(0.25 * before[:16] + 0.75 * out["rows"].detach(), dim=1)
    assert torch.allclose(method.bank.all()[:16], expected, atol=1e-6)
    assert torch.equal(method.bank.all()[16:], before[16:])
    assert not any(key.startswith("bank") for key, _ in method.named_parameters())


def test_the_proximal_term_holds_features_near_their_rows(bench: Any) -> None:
    plain, held = made(bench), made(bench, proximal=30.0)
    batch = bench.batch(plain)
    a, b = plain(clock=Clock(), **batch), held(clock=Clock(), **batch)
    near = (plain.features(batch["image"]) - plain.bank.rows(batch["index"])).square().sum(1).mean()
    assert b["loss"].item() == pytest.approx((a["loss"] + 30 * near).item(), rel=1e-5)
    assert a["moved"].item() == pytest.approx(near.item(), rel=1e-5)


def test_held_out_images_are_found_by_their_mirror_images(bench: Any) -> None:
    method = made(bench).eval()
    batch = bench.batch(method)
    x = batch["image"]
    v, w = method.features(x).detach(), method.features(x.flip(-1)).detach()
    total = 0.0
    for i in range(16):
        positive = math.exp(v[i] @ w[i] / 0.1)
        total -= math.log(positive / (positive + sum(math.exp(v[i] @ row / 0.1) for row in method.bank.all())))
    out = method(clock=Clock(), **batch)
    assert out["loss"].item() == pytest.approx(total / 16, rel=1e-4)
    assert out["negatives"] == 24 and out["chance"] == 1 / 25
    far = {"image": x, "index": torch.arange(10**6, 10**6 + 16)}  # of another data set
    assert torch.equal(method(clock=Clock(), **far)["loss"], out["loss"])


def test_rows_serve_as_the_memory_of_nearest_neighbours(bench: Any) -> None:
    source = Blobs(96)
    torch.manual_seed(0)
    method = InstDisc(
        selftaught.encoders.build("conv", {"kind": "image", "size": 16, "channels": 1, "mean": [0.4], "std": [0.25]}),
        dim=8,
    )
    method.prepare(source)
    assert isinstance(method, Remembers)
    look = Diagnostics(source)
    with torch.no_grad():  # a bank that knows the classes, as far as the encoder can tell them
        batch = {"image": torch.from_numpy(source.images).permute(0, 3, 1, 2).float() / 255}
        x = (batch["image"] - 0.4) / 0.25
        method.bank.momentum = 0.0
        method.bank.write(torch.arange(96), method.eval().features(x))
    good = look.look(method)["memory_knn"]
    method.bank.write(torch.arange(96), torch.randn(96, 8))
    bad = look.look(method)["memory_knn"]
    assert good > bad + 20


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"temperature": 0.0}, "temperature of instdisc"),
        ({"loss": "hinge"}, "must be softmax or nce"),
        ({"noise": 0}, "at least 1 draw"),
        ({"proximal": -1.0}, "proximal of instdisc"),
        ({"momentum": 1.0}, "momentum of a bank"),
        ({"bank": "disk"}, "store of a bank must be memory, file"),
    ],
)
def test_bad_values_are_one_sentence(arguments: dict[str, Any], words: str, bench: Any) -> None:
    with pytest.raises(UserError, match=words):
        made(bench, **arguments)


def test_augmentations_are_those_of_the_release(bench: Any) -> None:
    assert made(bench).views.augments == [
        Augment(crop=(0.2, 1.0), flip=0.5, jitter=(0.4, 0.4, 0.4, 0.4), jitter_p=1.0, grey=0.2)
    ]
    changed = made(bench, crop=0.5, jitter=0.1, flip=0.0, grey=0.0)
    assert changed.views.augments == [
        Augment(crop=(0.5, 1.0), flip=0.0, jitter=(0.1, 0.1, 0.1, 0.1), jitter_p=1.0, grey=0.0)
    ]


@pytest.mark.parametrize("loss", ["softmax", "nce"])
def test_the_store_changes_nothing(loss: str, bench: Any, tmp_path: Path) -> None:
    memory, _ = train(partial(build, loss=loss), tmp_path / "memory", steps=6)
    file, _ = train(partial(build, loss=loss, bank="file"), tmp_path / "file", steps=6)
    assert torch.equal(memory.bank.all(), file.bank.all())
    assert torch.equal(memory.head[0].weight, file.head[0].weight)


def build(**arguments: Any) -> InstDisc:
    torch.manual_seed(0)
    spec = {"kind": "image", "size": 16, "channels": 1, "mean": [0.4], "std": [0.25]}
    return InstDisc(selftaught.encoders.build("conv", spec, width=8, depth=2), **({"dim": 8, "noise": 32} | arguments))


def on_a_rank(path: str) -> dict[str, torch.Tensor]:
    """What each rank of the pair runs."""
    if rank() == 0:
        RunFolder.create(path, {"method": {"name": "instdisc"}})
    barrier()
    method, _ = train(partial(build, loss="nce"), path, resume=True, steps=6, optimizer="sgd", lr=1e-3)
    return state(method)


def test_nce_on_one_rank_and_on_two_agree(ranks: Ranks, tmp_path: Path) -> None:
    one, _ = train(partial(build, loss="nce"), tmp_path / "one", steps=6, optimizer="sgd", lr=1e-3)
    for got in ranks.call("methods.contrast.test_instdisc", "on_a_rank", path=str(tmp_path / "two")):
        for key, value in state(one).items():
            torch.testing.assert_close(got[key], value, rtol=1e-5, atol=1e-5, msg=lambda m, key=key: f"{key}: {m}")


def test_a_finished_run_gives_its_method_back_with_a_bank_in_a_file(tmp_path: Path) -> None:
    images = Blobs(64).images
    run = selftaught.pretrain(
        "instdisc", images, out=tmp_path / "run", steps=3, batch_size=16, bank="file", dim=8, progress=False
    )
    method = run.method(selftaught.data.open_source(images, "all"))
    assert method.bank.all().shape == (64, 8)
    assert torch.allclose(method.bank.all().norm(dim=1), torch.ones(64), atol=1e-5)
    assert int(method.bank.writes) == 1 + 3  # the start, and every step


def test_the_papers_own_form_learns_at_a_low_rate(tmp_path: Path) -> None:
    """NCE with random rows: the loss rises while the bank fills with untrained features, and falls afterwards."""
    case = Case("instdisc", "image", {"loss": "nce", "start": "random", "noise": 64})
    train(case.build, tmp_path / "run", case.source(256), steps=160, batch_size=64, lr=3e-4)
    lines = RunFolder.open(tmp_path / "run").metrics()
    losses, right = ([line[key] for line in lines] for key in ("loss", "accuracy"))
    means = [sum(losses[i : i + 20]) / 20 for i in range(0, 160, 20)]
    assert max(means[:5]) > 2 * losses[0] and means[-1] < 0.6 * max(means)
    assert sum(right[-40:]) / 40 > 3 * lines[-1]["chance"] > 3 * lines[-1]["accuracy_untrained"]
