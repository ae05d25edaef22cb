"""The triplet loss of exemplars, held to a loop over triplets."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from selftaught.contract.ranks import Ranks
from selftaught.parts.exemplar import exemplar


def embedded(n: int, copies: int, seed: int = 0) -> torch.Tensor:
    return F.normalize(torch.randn(n * copies, 5, generator=torch.Generator().manual_seed(seed)), dim=1)


def by_loop(z: torch.Tensor, copies: int) -> tuple[float, float]:
    """Batch-hard soft-margin triplets as defined, and the part of them that are in order."""
    rows, loss, good = z.double().numpy(), 0.0, 0
    for a in range(len(rows)):
        far = max(np.linalg.norm(rows[a] - rows[p]) for p in range(len(rows)) if p != a and p // copies == a // copies)
        near = min(np.linalg.norm(rows[a] - rows[n]) for n in range(len(rows)) if n // copies != a // copies)
        loss += math.log1p(math.exp(far - near)) / len(rows)
        good += bool(far < near)
    return loss, good / len(rows)


@pytest.mark.parametrize(("n", "copies"), [(2, 2), (5, 2), (4, 4), (3, 8)])
def test_the_hardest_positive_and_negative_are_a_loops(n: int, copies: int) -> None:
    z = embedded(n, copies)
    loss, good = by_loop(z, copies)
    found = exemplar(z, copies)
    assert found["loss"].item() == pytest.approx(loss, rel=1e-5)
    assert found["accuracy"].item() == pytest.approx(good)


def test_one_copy_has_no_positive_and_one_image_no_negative() -> None:
    assert exemplar(embedded(5, 1), 1)["loss"] == 0
    assert exemplar(embedded(1, 4), 4)["loss"] == 0


def test_equal_embeddings_have_finite_gradients() -> None:
    z = torch.ones(6, 5).div(math.sqrt(5)).requires_grad_()
    loss = exemplar(z, 2)["loss"]
    assert loss.item() == pytest.approx(math.log(2))
    loss.backward()
    assert torch.isfinite(z.grad).all()


def on_rank() -> tuple[float, torch.Tensor]:
    from selftaught.parts.gather import rank

    z = embedded(4, 3).view(2, 6, 5)[rank()].clone().requires_grad_()
    loss = exemplar(z, 3)["loss"]
    loss.backward()
    return float(loss.detach()), z.grad


def test_negatives_come_from_all_ranks(ranks: Ranks) -> None:
    z = embedded(4, 3).requires_grad_()
    loss = exemplar(z, 3)["loss"]
    loss.backward()
    parts = ranks.call("parts.test_exemplar", "on_rank")
    assert sum(part[0] for part in parts) / 2 == pytest.approx(float(loss.detach()), rel=1e-5)
    torch.testing.assert_close(torch.cat([part[1] for part in parts]) / 2, z.grad)
