from __future__ import annotations

import math

import pytest
import torch

from selftaught.errors import UserError
from selftaught.parts.n_pairs import n_pairs
from selftaught.parts.scores import Dot


@pytest.mark.parametrize("l2", [0.0, 0.002, 0.1])
def test_equals_the_papers_double_loop(l2: float) -> None:
    generator = torch.Generator().manual_seed(0)
    anchor, partner = (torch.randn(5, 3, generator=generator, dtype=torch.float64) for _ in range(2))
    total = 0.0
    for i in range(5):
        total += math.log(1 + sum(math.exp(anchor[i] @ (partner[j] - partner[i])) for j in range(5) if j != i))
        total += l2 * float(anchor[i] @ anchor[i])
    table = Dot().table(anchor, partner)
    negative = table.masked_fill(torch.eye(5, dtype=torch.bool), -torch.inf)
    outputs = n_pairs(table.diagonal(), negative, anchor, l2)
    assert outputs["loss"].item() == pytest.approx(total / 5, rel=1e-10)
    assert outputs["negatives"] == 4


def test_a_negative_penalty_is_refused() -> None:
    with pytest.raises(UserError, match="l2 must be at least 0, not -1"):
        n_pairs(torch.zeros(2), torch.zeros(2, 3), torch.zeros(2, 3), -1)
