from __future__ import annotations

import math

import pytest
import torch

from selftaught.errors import UserError
from selftaught.parts.positions import sincos


def test_equals_the_formula_cell_by_cell() -> None:
    width, rows, columns = 16, 3, 5
    found = sincos(width, rows, columns).view(rows, columns, width)
    for y in range(rows):
        for x in range(columns):
            waves = [
                f(place / 10000 ** (4 * i / width)) for place in (x, y) for f in (math.sin, math.cos) for i in range(4)
            ]
            assert torch.allclose(found[y, x], torch.tensor(waves), atol=1e-6)


def test_neighbours_are_closest() -> None:
    places = sincos(32, 6, 6)
    near = (places @ places.T).view(6, 6, 36)
    assert (near[2, 2].topk(5).indices.sort().values == torch.tensor([8, 13, 14, 15, 20])).all()


def test_a_width_that_cannot_be_split_is_refused() -> None:
    with pytest.raises(UserError, match="multiple of 4, not 6"):
        sincos(6, 2, 2)
