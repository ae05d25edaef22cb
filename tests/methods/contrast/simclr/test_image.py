from __future__ import annotations

import math
from pathlib import Path
from typing import Any, get_args

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils._python_dispatch import TorchDispatchMode
from toys import Blobs
from training import train

from selftaught.contract.case import Case, batch
from selftaught.errors import UserError
from selftaught.methods.contrast.simclr.image import Loss, SimCLR
from selftaught.parts import streamed_info_nce
from selftaught.parts.norm import set_groups
from selftaught.parts.nt_xent import nt_xent
from selftaught.views.image import Augment

VARIANTS = ({"loss": "logistic"}, {"loss": "triplet"}, {"loss": "margin"}, {"loss": "n_pairs"}, {"depth": 0})
"""More arguments with which its gradients are checked."""

CASE = Case("simclr", "image")


def embeddings(pairs: int = 6, dim: int = 5, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return F.normalize(torch.randn(2 * pairs, dim, generator=generator, dtype=torch.float64), dim=1)


def loss(z: Tensor, temperature: float = 0.5) -> Tensor:
    return nt_xent(z, z, 0, temperature)["loss"]


@pytest.mark.parametrize("temperature", [0.1, 0.5, 1.0])
def test_equals_the_double_loop(temperature: float) -> None:
    z, total = embeddings(), 0.0
    for i in range(len(z)):
        j = i + 1 if i % 2 == 0 else i - 1
        others = sum(math.exp(z[i] @ z[k] / temperature) for k in range(len(z)) if k != i)
        total -= math.log(math.exp(z[i] @ z[j] / temperature) / others)
    assert loss(z, temperature).item() == pytest.approx(total / len(z), rel=1e-10)


def test_swapping_the_views_changes_nothing() -> None:
    z = embeddings()
    assert torch.allclose(loss(z), loss(z.view(-1, 2, 5).flip(1).reshape(-1, 5)), rtol=1e-12)


def test_permuting_the_images_changes_nothing() -> None:
    z = embeddings()
    assert torch.allclose(loss(z), loss(z.view(-1, 2, 5)[torch.randperm(6)].reshape(-1, 5)), rtol=1e-12)


def test_rotating_the_space_changes_nothing() -> None:
    z = embeddings()
    rotation, _ = torch.linalg.qr(torch.randn(5, 5, dtype=torch.float64))
    assert torch.allclose(loss(z), loss(z @ rotation), rtol=1e-9)


def test_collapse_costs_the_logarithm_of_all_others() -> None:
    z = F.normalize(torch.ones(12, 5, dtype=torch.float64), dim=1)
    assert loss(z).item() == pytest.approx(math.log(11), rel=1e-12)


def test_an_image_is_not_its_own_negative() -> None:
    outputs = nt_xent(embeddings(), embeddings(), 0, 0.5)
    assert outputs["negatives"] == 10
    assert outputs["chance"] == pytest.approx(1 / 11)
    apart = F.normalize(torch.eye(2, dtype=torch.float64).repeat_interleave(2, 0), dim=1)  # two pairs, orthogonal
    assert loss(apart, 0.1).item() == pytest.approx(math.log(1 + 2 * math.exp(-10)), rel=1e-9)
    assert nt_xent(apart, apart, 0, 0.1)["accuracy"] == 1


def test_gradients_agree_with_finite_differences() -> None:
    assert torch.autograd.gradcheck(loss, embeddings(3).requires_grad_())


def test_ranks_share_the_work() -> None:
    z = embeddings()
    parts = [nt_xent(z[first : first + 4], z, first, 0.3)["loss"] for first in (0, 4, 8)]
    assert torch.allclose(torch.stack(parts).mean(), loss(z, 0.3), rtol=1e-12)


def test_forward_is_the_loss_of_both_views_projected(bench: Any) -> None:
    method = SimCLR(bench.encoder(), temperature=0.2).eval()
    views = bench.batch(method)["views"]
    one, two = (F.normalize(method.head(method.encoder(v)), dim=1) for v in views)
    pairs = torch.stack([one, two], 1).flatten(0, 1)
    outputs = method(views=views, player="main", clock=None)
    assert torch.allclose(outputs["loss"], loss(pairs, 0.2), atol=1e-5)
    assert one.shape == (16, 128)


def test_both_views_of_a_sample_share_a_batch_norm_group(bench: Any) -> None:
    method = SimCLR(bench.encoder())
    seen: list[Tensor] = []
    method.head.register_forward_hook(lambda _, __, out: seen.append(out.detach()))
    views = bench.batch(method)["views"]
    set_groups(method, 2)
    method(views=views)
    set_groups(method, 1)
    for half in (slice(0, 8), slice(8, 16)):
        method(views=[v[half] for v in views])
    assert torch.allclose(seen[0], torch.cat(seen[1:]), atol=1e-4)


def test_augmentations_are_the_papers(bench: Any) -> None:
    one, two = SimCLR(bench.encoder(), strength=1.0, blur=0.5).views.augments
    assert (
        one
        == two
        == Augment(
            crop=(0.08, 1.0),
            flip=0.5,
            jitter=(0.8, 0.8, 0.8, 0.2),
            jitter_p=0.8,
            grey=0.2,
            blur=0.5,
            blur_sigma=(0.1, 2.0),
        )
    )
    other = SimCLR(bench.encoder(), crop=0.3, strength=0.25, flip=0.1, grey=0.4).views.augments[0]
    assert other == Augment(
        crop=(0.3, 1.0), flip=0.1, jitter=(0.2, 0.2, 0.2, 0.05), jitter_p=0.8, grey=0.4, blur=0.0, blur_sigma=(0.1, 2.0)
    )


def test_two_views_of_an_image_differ(bench: Any) -> None:
    one, two = bench.batch(SimCLR(bench.encoder()))["views"]
    assert (one - two).flatten(1).abs().amax(1).min() > 0.1


def test_features_are_taken_before_the_head(bench: Any) -> None:
    method = SimCLR(bench.encoder())
    assert not {id(p) for p in method.encoder.parameters()} & {id(p) for p in method.head.parameters()}
    assert method.encoder(torch.randn(2, 3, 12, 12)).shape == (2, method.encoder.dim)


@pytest.mark.parametrize("depth", [0, 1, 2, 3])
def test_the_head_is_as_deep_and_wide_as_asked(bench: Any, depth: int) -> None:
    method = SimCLR(bench.encoder(), dim=12, hidden=20, depth=depth)
    linear = [(m.in_features, m.out_features) for m in method.head if isinstance(m, nn.Linear)]
    assert linear == {0: [], 1: [(72, 12)], 2: [(72, 20), (20, 12)], 3: [(72, 20), (20, 20), (20, 12)]}[depth]
    kinds = [type(m).__name__ for m in method.head]
    assert kinds == ["Linear", "BatchNorm1d", "ReLU"] * max(depth - 1, 0) + ["Linear", "BatchNorm1d"] * min(depth, 1)
    x = bench.batch(method)["views"]
    method(views=x)["loss"].backward()
    assert all(p.grad is not None for p in method.parameters())
    if depth == 0:  # features themselves are compared
        method.eval()
        z = F.normalize(method.encoder(torch.stack(x, 1).flatten(0, 1)), dim=1)
        assert torch.allclose(method(views=x)["loss"], loss(z), atol=1e-6)


def by_hand(kind: str, z: Tensor, temperature: float, margin: float) -> float:
    """The loss of every view, pair by pair."""
    total = 0.0
    for i in range(len(z)):
        j, others = i ^ 1, [k for k in range(len(z)) if k // 2 != i // 2]
        p, n = float(z[i] @ z[j]), [float(z[i] @ z[k]) for k in others]
        if kind == "nt_xent":
            total += math.log(1 + sum(math.exp((x - p) / temperature) for x in n))
        elif kind == "logistic":
            yes = [math.exp(x / temperature) / (math.exp(x / temperature) + len(n)) for x in (p, *n)]
            total -= math.log(yes[0]) + sum(math.log(1 - y) for y in yes[1:])
        elif kind == "triplet":
            total += sum(max(0.0, x - p + margin) for x in n) / len(n)
        elif kind == "semi_hard":
            total += max(0.0, max((x for x in n if x < p), default=min(n)) - p + margin)
        elif kind == "margin":
            far = [max(0.0, margin - float((z[i] - z[k]).norm())) ** 2 for k in others]
            total += float((z[i] - z[j]).square().sum()) + sum(far) / len(far)
        else:
            total += math.log(1 + sum(math.exp(x - p) for x in n)) + 0.002 * float(z[i] @ z[i])
    return total / len(z)


every_loss = pytest.mark.parametrize("kind", get_args(Loss))


@every_loss
@pytest.mark.parametrize(("temperature", "margin"), [(0.5, 0.5), (0.2, 1.2)])
def test_every_loss_equals_its_double_loop(bench: Any, kind: Loss, temperature: float, margin: float) -> None:
    method, z = SimCLR(bench.encoder(), loss=kind, temperature=temperature, margin=margin), embeddings()
    outputs = method.contrast(z, z, 0)
    assert outputs["loss"].item() == pytest.approx(by_hand(kind, z, temperature, margin), rel=1e-6)
    assert outputs["negatives"] == 10
    parts = [method.contrast(z[first : first + 4], z, first)["loss"] for first in (0, 4, 8)]  # as three ranks would
    assert torch.allclose(torch.stack(parts).mean(), outputs["loss"], rtol=1e-9)


@every_loss
def test_every_loss_trains_encoder_and_head(bench: Any, kind: Loss) -> None:
    method = SimCLR(bench.encoder(), loss=kind)
    outputs = method(views=bench.batch(method)["views"])
    outputs["loss"].backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in method.parameters())
    assert set(outputs) == {"loss", "accuracy", "chance", "negatives"}


def test_only_n_pairs_compares_rows_of_any_length(bench: Any) -> None:
    for kind in get_args(Loss):
        method = SimCLR(bench.encoder(), depth=1, loss=kind).eval()
        views = bench.batch(method)["views"]
        before = method(views=views)["loss"].item()
        method.head[1].weight.data *= 3  # what the head ends in
        assert (method(views=views)["loss"].item() == pytest.approx(before, rel=1e-4)) == (kind != "n_pairs")


class Shapes(TorchDispatchMode):
    """Remembers the shape of every tensor that is made."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: set[tuple[int, ...]] = set()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
        out = func(*args, **(kwargs or {}))
        self.seen |= {
            tuple(x.shape) for x in (out if isinstance(out, (tuple, list)) else (out,)) if isinstance(x, Tensor)
        }
        return out


@pytest.mark.parametrize("kind", ["nt_xent", "logistic"])
def test_the_matrix_of_scores_is_never_held(bench: Any, kind: Loss, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(streamed_info_nce.TILES, "cpu", (8, 10))
    method = SimCLR(bench.encoder(), loss=kind)
    x = bench.batch(method)["views"]
    with Shapes() as shapes:
        method(views=x)["loss"].backward()
    assert ((32, 32) in shapes.seen) == (kind != "nt_xent")
    assert ((8, 10) in shapes.seen) == (kind == "nt_xent")


def test_lars_learns(tmp_path: Path) -> None:
    recipe = {"optimizer": "lars", "lr": 2.0, "weight_decay": 1e-6, "warmup": 0.1, "steps": 60, "batch_size": 64}
    trained, _ = train(CASE.build, tmp_path / "run", Blobs(256), **recipe)
    views = batch(trained, Blobs(64, seed=1), range(64))["views"]
    with torch.no_grad():
        after, before = (float(m.eval()(views=views)["loss"]) for m in (trained, CASE.build()))
    assert before == pytest.approx(math.log(127), abs=0.05)
    assert after < before - 0.1


@pytest.mark.parametrize(
    ("hyper", "message"),
    [
        ({"temperature": 0.0}, "temperature of simclr must be greater than 0, not 0"),
        ({"margin": 0.0}, r"margin of simclr must be in \(0, 2\], not 0"),
        ({"margin": 2.5}, r"margin of simclr must be in \(0, 2\], not 2.5"),
        ({"loss": "l2"}, "loss of simclr must be one of nt_xent, .*, not 'l2'"),
        ({"depth": -1}, "depth of a head must be at least 0"),
    ],
)
def test_values_out_of_range_are_refused(bench: Any, hyper: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        SimCLR(bench.encoder(), **hyper)


def blanks_matched(bench: Any, groups: int) -> float:
    """After training, how often a picture without content finds its other view among those of the other ranks.

    Eight ranks of eight pictures; the first of each is one and the same blank, so only the statistics of its company
    tell it from the other blanks: chance is 1/8.
    """
    torch.manual_seed(0)
    method = SimCLR(bench.encoder(), dim=32, hidden=64, temperature=0.2)
    set_groups(method, groups)
    optimizer = torch.optim.AdamW(method.parameters(), lr=5e-3)
    found = []
    for step in range(50):
        generator = torch.Generator().manual_seed(step)
        pictures = torch.randn(8, 8, 3, 12, 12, generator=generator)
        views = [pictures + 0.1 * torch.randn(pictures.shape, generator=generator) for _ in range(2)]
        for view in views:
            view[:, 0] = 0.5
        views = [view.flatten(0, 1) for view in views]
        with torch.no_grad():
            z = method.head(method.encoder(torch.stack(views, 1).flatten(0, 1)))
            one, other = F.normalize(z, dim=1).unflatten(0, (64, 2))[::8].unbind(1)  # [8, dim]
            rival = (one @ other.T).fill_diagonal_(-1).amax(1)
            found.append(((one * other).sum(1) > rival + 1e-6).float().mean().item())
        optimizer.zero_grad()
        method(views=views)["loss"].backward()
        optimizer.step()
    return sum(found[-10:]) / 10


def test_a_group_of_statistics_a_rank_leaks_and_one_over_all_does_not(bench: Any) -> None:
    assert blanks_matched(bench, groups=8) > 0.95
    assert blanks_matched(bench, groups=1) == 0  # they are all alike: ties


def test_the_default_is_one_group_over_all_ranks() -> None:
    assert SimCLR.recipe["batch_norm_groups"] == 1
