from __future__ import annotations

import torch

from selftaught.contract.ranks import Ranks
from selftaught.parts.directions import directions

LIKE = torch.zeros(1)


def test_they_have_length_one_and_lie_all_around() -> None:
    along = directions(3, 4000, 0, 0, LIKE.double())
    assert along.shape == (3, 4000) and along.dtype == torch.float64 and not along.requires_grad
    assert torch.allclose(along.norm(dim=0), torch.ones(4000, dtype=torch.float64), atol=1e-6)
    assert torch.allclose(along @ along.T / 4000, torch.eye(3, dtype=torch.float64) / 3, atol=0.03)
    assert along.mean(1).abs().max() < 0.04


def test_they_depend_on_the_seed_and_the_step_alone() -> None:
    state = torch.get_rng_state()
    first = directions(4, 5, 1, 2, LIKE)
    torch.manual_seed(9)
    assert torch.equal(first, directions(4, 5, 1, 2, LIKE))
    assert not torch.equal(first, directions(4, 5, 1, 3, LIKE))
    assert not torch.equal(first, directions(4, 5, 2, 2, LIKE))
    torch.set_rng_state(state)
    directions(4, 5, 0, 0, LIKE)
    assert torch.equal(torch.get_rng_state(), state)  # torch's own stream does not notice


def test_every_rank_draws_the_same(ranks: Ranks) -> None:
    one, two = ranks.call("parts.test_directions", "drawn")
    assert torch.equal(one, two) and torch.equal(one, drawn())


def drawn() -> torch.Tensor:
    return directions(4, 5, 3, 7, LIKE)
