from __future__ import annotations

import pytest
import torch

from selftaught.contract.ranks import Ranks
from selftaught.parts.noise import Noise


def draws(x: torch.Tensor, *key: int) -> tuple[torch.Tensor, torch.Tensor]:
    noise = Noise(*key)
    return noise.gaussian(x, 0.5), noise.dropout(x + 1, 0.25)


def on_rank(rows: int) -> tuple[torch.Tensor, torch.Tensor]:
    """What a rank draws for its share of a batch of zeros."""
    return draws(torch.zeros(rows, 5), 3, 7, 0)


def test_noise_is_what_it_says() -> None:
    x, dropped = draws(torch.zeros(400, 50), 0, 0, 0)
    assert x.mean().abs() < 0.01 and abs(x.std() - 0.5) < 0.01
    assert dropped.unique().tolist() == pytest.approx([0, 4 / 3])
    assert abs((dropped == 0).float().mean() - 0.25) < 0.01


def test_noise_is_a_function_of_seed_step_and_stream() -> None:
    x = torch.zeros(4, 5)
    torch.manual_seed(1)
    first = draws(x, 3, 7, 0)
    torch.manual_seed(2)
    assert all(map(torch.equal, first, draws(x, 3, 7, 0)))
    for key in ((4, 7, 0), (3, 8, 0), (3, 7, 1)):
        assert not torch.equal(first[0], draws(x, *key)[0])
    noise = Noise(0, 0, 0)
    assert not torch.equal(noise.gaussian(x, 1.0), noise.gaussian(x, 1.0))


def test_nothing_is_added_or_dropped_at_zero() -> None:
    x = torch.ones(4, 5)
    assert Noise(0, 0, 0).gaussian(x, 0) is x and Noise(0, 0, 0).dropout(x, 0) is x


def test_ranks_draw_the_rows_of_one(ranks: Ranks) -> None:
    whole = draws(torch.zeros(8, 5), 3, 7, 0)
    parts = ranks.call("parts.test_noise", "on_rank", rows=4)
    for i, everyone in enumerate(whole):
        assert torch.equal(torch.cat([part[i] for part in parts]), everyone)
