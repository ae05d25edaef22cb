"""Draw the next symbol from a model's scores."""

from __future__ import annotations

import torch
from torch import Tensor

from selftaught.errors import UserError


def draw(
    scores: Tensor, generator: torch.Generator, temperature: float = 1.0, top_k: int = 0, top_p: float = 1.0
) -> int:
    """Return the number of a symbol, drawn with the probabilities softmax(scores / temperature).

    >>> scores = torch.tensor([0.0, 2.0, 1.0])
    >>> draw(scores, torch.Generator(), temperature=0.0), draw(scores, torch.Generator(), top_k=1)
    (1, 1)

    Args:
        scores: Log-probabilities up to a constant, [V]; -inf is never drawn.
        generator: Of the random numbers.
        temperature: Below 1 prefers probable symbols; 0 takes the most probable one.
        top_k: Draw from this number of most probable symbols; 0 = from all.
        top_p: Draw from the fewest most probable symbols that have this probability together (nucleus sampling,
            Holtzman et al. 2020, arXiv 1904.09751).

    Raises UserError for a temperature below 0, a top_k below 0 or a top_p outside (0, 1].
    """
    check(temperature, top_k, top_p)
    if temperature == 0:
        return int(scores.argmax())
    p, order = (scores.double() / temperature).softmax(0), None
    if top_k or top_p < 1:
        p, order = p.sort(descending=True, stable=True)
        p = p[: top_k or None]
        p = p / p.sum()
        p = p[p.cumsum(0) - p < top_p]
    drawn = int(torch.multinomial(p, 1, generator=generator))
    return drawn if order is None else int(order[drawn])


def check(temperature: float, top_k: int, top_p: float) -> None:
    """Raise UserError for what `draw` refuses."""
    if temperature < 0 or top_k < 0 or not 0 < top_p <= 1:
        raise UserError(
            f"temperature and top_k must be at least 0 and top_p in (0, 1], not {temperature}, {top_k} and {top_p}"
        )
