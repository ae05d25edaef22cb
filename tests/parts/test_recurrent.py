from __future__ import annotations

from itertools import pairwise

import torch

from selftaught.parts.recurrent import EpisodeMemory


def test_it_is_an_lstm_that_starts_anew_with_every_episode() -> None:
    torch.manual_seed(0)
    memory, codes = EpisodeMemory(3, 4), torch.randn(2, 6, 3)
    start = torch.zeros(2, 6, dtype=torch.bool)
    start[:, 0] = start[0, 2] = start[1, 5] = True
    contexts, state = memory(codes, start, torch.randn(2, 8))
    lstm = torch.nn.LSTM(3, 4, batch_first=True)
    for name, weight in memory.cell.named_parameters():
        getattr(lstm, f"{name}_l0").data.copy_(weight)
    for row, parts in ((0, (0, 2, 6)), (1, (0, 5, 6))):
        for first, last in pairwise(parts):
            assert torch.allclose(contexts[row, first:last], lstm(codes[row, first:last])[0], atol=1e-6)
    assert torch.equal(state[:, :4], contexts[:, -1]) and not torch.equal(state[:, 4:], contexts[:, -1])


def test_a_state_goes_on_where_it_stopped() -> None:
    torch.manual_seed(0)
    memory, codes = EpisodeMemory(3, 4), torch.randn(2, 6, 3)
    start = torch.zeros(2, 6, dtype=torch.bool)
    whole, _ = memory(codes, start)
    first, state = memory(codes[:, :4], start[:, :4])
    rest, _ = memory(codes[:, 4:], start[:, 4:], state)
    assert torch.allclose(torch.cat([first, rest], 1), whole) and memory.empty(5).shape == (5, 8)
