from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from selftaught.parts.ahead import ahead, drawn


def naive(z: Tensor, c: Tensor, start: Tensor, maps: nn.ModuleList, negatives: int) -> tuple[float, int]:
    """One prediction at a time: the loss, and the number of predictions."""
    batch, length, width = z.shape
    among = drawn(batch * length, negatives, 1, 2).tolist()
    losses = []
    for k, w in enumerate(maps, 1):
        for b in range(batch):
            for t in range(length - k):
                if start[b, t + 1 : t + k + 1].any():
                    continue
                query, own = w.weight @ c[b, t], b * length + t + k
                wrong = [z[p // length, p % length] for p in among if p != own]
                scores = [math.exp(one @ query / math.sqrt(width)) for one in (z[b, t + k], *wrong)]
                losses.append(-math.log(scores[0] / sum(scores)))
    return sum(losses) / len(losses), len(losses)


@pytest.fixture
def given() -> tuple[Tensor, Tensor, Tensor, nn.ModuleList]:
    torch.manual_seed(0)
    start = torch.zeros(3, 6, dtype=torch.bool)
    start[0, 2] = start[2, 0] = start[2, 5] = True
    return (
        torch.randn(3, 6, 4),
        torch.randn(3, 6, 5),
        start,
        nn.ModuleList(nn.Linear(5, 4, bias=False) for _ in range(3)),
    )


def test_all_predictions_at_once_are_those_one_by_one(given: tuple[Tensor, Tensor, Tensor, nn.ModuleList]) -> None:
    with torch.no_grad():
        loss, count = naive(*given, negatives=7)
    found = ahead(*given, negatives=7, seed=1, step=2)
    assert found["loss"].item() == pytest.approx(loss, rel=1e-5)
    assert count == (1 + 3) + (0 + 2) + (0 + 1) + (5 + 4 + 3) + (4 + 3 + 2)
    assert 6 < found["negatives"] <= 7


def test_no_gradient_crosses_the_start_of_an_episode(given: tuple[Tensor, Tensor, Tensor, nn.ModuleList]) -> None:
    """The first moments of row 0 are contexts for each other alone, and targets of each other alone."""
    codes, contexts, start, maps = given
    start[:] = True
    start[0, 1] = False  # the only prediction: moment 1 from moment 0
    contexts.requires_grad_()
    found = ahead(codes, contexts, start, maps, 7, 1, 2)
    (slope,) = torch.autograd.grad(found["loss"], contexts)
    assert slope.flatten(0, 1).any(1).nonzero().flatten().tolist() == [0]


def test_without_a_prediction_the_loss_is_nothing(given: tuple[Tensor, Tensor, Tensor, nn.ModuleList]) -> None:
    codes, contexts, start, maps = given
    found = ahead(codes.requires_grad_(), contexts, torch.ones_like(start), maps, 7, 1, 2)
    assert found["loss"] == 0 and not torch.autograd.grad(found["loss"], codes)[0].any()
    assert ahead(codes[:, :1], contexts[:, :1], start[:, :1], maps, 7, 1, 2)["loss"] == 0


def test_the_step_draws_the_negatives() -> None:
    assert drawn(50, 9, 0, 1).tolist() != drawn(50, 9, 0, 2).tolist() and len(set(drawn(50, 9, 3, 1).tolist())) == 9
    assert sorted(drawn(4, 9, 0, 1).tolist()) == [0, 1, 2, 3]
