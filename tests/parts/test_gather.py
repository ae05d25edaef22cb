"""Gathering over two ranks: rank order, and the gradient of the whole batch's loss."""

from __future__ import annotations

import torch
from torch import Tensor

from selftaught.contract.ranks import Ranks
from selftaught.parts import gather


def on_rank(x: Tensor, w: Tensor) -> tuple[Tensor, Tensor, Tensor, dict[str, int]]:
    """Rows of all ranks, the averaged gradient of a loss in which all rows meet, and the rest of the module's answers."""
    mine = x.chunk(gather.world())[gather.rank()]
    w = w.clone().requires_grad_()
    z = mine @ w
    everyone = gather.gather_with_gradient(z)
    loss = (z @ everyone.T).logsumexp(1).mean()
    loss.backward()
    gather.barrier()
    return (
        gather.gather(z),
        gather.average(w.grad.clone()),
        everyone.detach(),
        gather.from_first({"rank": gather.rank()}),
    )


def test_two_ranks_give_the_gradient_of_the_whole_batch(ranks: Ranks) -> None:
    torch.manual_seed(0)
    x, w = torch.randn(6, 4, dtype=torch.float64), torch.randn(4, 3, dtype=torch.float64)
    rows, gradient, everyone, first = on_rank(x, w)
    assert first == {"rank": 0} and torch.equal(rows, everyone)
    for their_rows, their_gradient, their_everyone, their_first in ranks.call("parts.test_gather", "on_rank", x=x, w=w):
        torch.testing.assert_close(their_rows, rows)
        torch.testing.assert_close(their_everyone, everyone)
        torch.testing.assert_close(their_gradient, gradient)
        assert their_first == {"rank": 0}


def test_one_rank_is_the_identity() -> None:
    x = torch.ones(2, requires_grad=True)
    assert gather.world() == 1 and gather.rank() == 0
    assert gather.gather_with_gradient(x) is x
    assert not gather.gather(x).requires_grad
