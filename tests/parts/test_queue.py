from __future__ import annotations

import pytest
import torch

from selftaught.errors import UserError
from selftaught.parts.queue import Queue


@pytest.mark.parametrize(("size", "batch"), [(12, 4), (10, 4), (7, 7), (5, 8)])
def test_holds_the_last_rows_in_order(size: int, batch: int) -> None:
    queue, pushed = Queue(size, 2), []
    for t in range(9):
        rows = torch.arange(batch * 2, dtype=torch.float32).view(batch, 2) + 1000 * (t + 1)
        queue.push(rows)
        pushed += list(rows)
        assert queue.pointer == (t + 1) * batch % size
        if len(pushed) >= size:  # read from the pointer on, the ring is oldest first
            ring = torch.cat([queue.keys[queue.pointer :], queue.keys[: queue.pointer]])
            assert torch.equal(ring, torch.stack(pushed[-size:]))


def test_only_the_oldest_rows_change() -> None:
    queue = Queue(10, 3)
    before = queue.keys.clone()
    queue.push(torch.zeros(4, 3))
    assert torch.equal(queue.keys[:4], torch.zeros(4, 3))
    assert torch.equal(queue.keys[4:], before[4:])


def test_starts_with_random_directions_of_length_one() -> None:
    keys = Queue(256, 64).keys
    assert torch.allclose(keys.norm(dim=1), torch.ones(256), atol=1e-6)
    assert (keys @ keys.T - torch.eye(256)).abs().mean() < 0.2
    assert not torch.equal(keys, Queue(256, 64).keys)


def test_is_in_checkpoints_and_takes_no_gradient() -> None:
    queue = Queue(4, 2)
    queue.push(torch.ones(3, 2, requires_grad=True))
    assert not queue.keys.requires_grad
    other = Queue(4, 2)
    other.load_state_dict(queue.state_dict())
    assert torch.equal(other.keys, queue.keys) and other.pointer == 3


def test_an_empty_queue_is_refused() -> None:
    with pytest.raises(UserError, match="at least 1 key, not 0"):
        Queue(0, 2)
