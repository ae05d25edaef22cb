from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from selftaught.parts.local_info_nce import local_info_nce


def naive(scores: Tensor, own: list[int]) -> tuple[float, float]:
    losses, hits = [], []
    for q, i in enumerate(own):
        negatives = [float(scores[q, j, m]) for j in range(scores.shape[1]) if j != i for m in range(scores.shape[2])]
        for place in range(scores.shape[2]):
            positive = float(scores[q, i, place])
            losses.append(-math.log(math.exp(positive) / (math.exp(positive) + sum(math.exp(n) for n in negatives))))
            hits.append(positive > max(negatives))
    return sum(losses) / len(losses), sum(hits) / len(hits)


@settings(max_examples=30, deadline=None)
@given(pictures=st.integers(2, 5), places=st.integers(1, 4), seed=st.integers(0, 99), first=st.integers(0, 1))
def test_it_is_the_naive_loop(pictures: int, places: int, seed: int, first: int) -> None:
    scores = torch.randn(pictures - first, pictures, places, generator=torch.Generator().manual_seed(seed))
    own = list(range(first, pictures))
    found = local_info_nce(scores, torch.tensor(own))
    loss, accuracy = naive(scores, own)
    assert found["loss"].item() == pytest.approx(loss, rel=1e-5)
    assert found["accuracy"].item() == pytest.approx(accuracy)
    assert found["negatives"] == (pictures - 1) * places


def test_without_information_it_is_the_logarithm_of_the_choices() -> None:
    found = local_info_nce(torch.zeros(5, 5, 7), torch.arange(5))
    assert found["loss"].item() == pytest.approx(math.log(1 + 4 * 7), rel=1e-6)
    assert found["chance"].item() == pytest.approx(1 / 29)
    assert found["accuracy"] == 0  # a tie is a miss


def test_the_own_pictures_other_places_count_neither_way() -> None:
    scores = torch.randn(4, 4, 3)
    changed = scores.clone()
    changed[torch.arange(4), torch.arange(4), 2] += 5
    each = [local_info_nce(s[:, :, :], torch.arange(4)) for s in (scores, changed)]
    assert each[1]["loss"] < each[0]["loss"]
    scores.requires_grad_()
    local_info_nce(scores, torch.arange(4))["loss"].backward()
    grad = scores.grad
    assert grad is not None
    own = grad[torch.arange(4), torch.arange(4)]
    assert (own < 0).all()  # a positive is only ever pulled
    assert (grad.sum((1, 2)).abs() < 1e-6).all()  # adding a constant to all scores of a summary changes nothing
