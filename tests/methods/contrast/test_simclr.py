from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from selftaught.methods.contrast.simclr import SimCLR, nt_xent
from selftaught.parts.norm import set_groups
from selftaught.views.image import Augment


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
    assert one == two == Augment(
        crop=(0.08, 1.0), flip=0.5, jitter=(0.8, 0.8, 0.8, 0.2), jitter_p=0.8, grey=0.2, blur=0.5, blur_sigma=(0.1, 2.0)
    )


def test_two_views_of_an_image_differ(bench: Any) -> None:
    one, two = bench.batch(SimCLR(bench.encoder()))["views"]
    assert (one - two).flatten(1).abs().amax(1).min() > 0.1


def test_features_are_taken_before_the_head(bench: Any) -> None:
    method = SimCLR(bench.encoder())
    assert not {id(p) for p in method.encoder.parameters()} & {id(p) for p in method.head.parameters()}
    assert method.encoder(torch.randn(2, 3, 12, 12)).shape == (2, method.encoder.dim)
