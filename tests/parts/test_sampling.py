"""Drawing from scores: temperature, top k, top p, and the seed."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
import torch

from selftaught.errors import UserError
from selftaught.parts.sampling import draw

P = torch.tensor([0.1, 0.4, 0.2, 0.3])


def drawn(n: int = 2000, **how: Any) -> dict[int, float]:
    generator = torch.Generator().manual_seed(0)
    counts = Counter(draw(P.log(), generator, **how) for _ in range(n))
    return {symbol: count / n for symbol, count in counts.items()}


def close(found: dict[int, float], wanted: list[float]) -> bool:
    return all(abs(found.get(i, 0.0) - p) < 0.04 for i, p in enumerate(wanted))


def test_plain_draws_have_the_models_probabilities() -> None:
    assert close(drawn(), P.tolist())
    assert close(drawn(top_p=1.0, top_k=4), P.tolist())


def test_temperature_is_a_power() -> None:
    assert close(drawn(temperature=0.5), (P**2 / (P**2).sum()).tolist())
    assert drawn(50, temperature=0.0) == {1: 1.0} == drawn(50, temperature=1e-3)


def test_top_k_and_top_p_leave_out_the_rest() -> None:
    assert close(drawn(top_k=2), [0, 4 / 7, 0, 3 / 7])
    assert drawn(50, top_k=1) == {1: 1.0} == drawn(50, top_p=0.4) == drawn(50, top_p=1e-6)
    assert close(drawn(top_p=0.41), [0, 4 / 7, 0, 3 / 7])  # the fewest that have the probability together
    assert close(drawn(top_k=3, top_p=0.7), [0, 4 / 7, 0, 3 / 7])  # of the three, 7/9


def test_what_is_impossible_is_never_drawn_and_the_seed_decides() -> None:
    scores = P.log().index_fill(0, torch.tensor([1]), -torch.inf)
    one, two = (
        [draw(scores, generator) for _ in range(50)]
        for generator in (torch.Generator().manual_seed(3), torch.Generator().manual_seed(3))
    )
    assert one == two and 1 not in one and len(set(one)) == 3


@pytest.mark.parametrize("how", [{"temperature": -1.0}, {"top_k": -1}, {"top_p": 0.0}, {"top_p": 1.1}])
def test_numbers_out_of_range_get_a_sentence(how: dict[str, Any]) -> None:
    with pytest.raises(UserError, match="temperature and top_k must be at least 0"):
        draw(P.log(), torch.Generator(), **how)
