"""Fixed positions of a grid, as sines and cosines."""

from __future__ import annotations

import torch
from torch import Tensor

from selftaught.errors import UserError


def sincos(width: int, rows: int, columns: int) -> Tensor:
    """Return one vector for each cell of a grid, row by row: [rows * columns, width].

    Vaswani et al. 2017 (arXiv 1706.03762), in two dimensions. The first half is the column x and the second half the
    row y, each as sin(x w_i) for all frequencies w_i, then cos(x w_i), with w_i = 10000^(-4 i / width), i = 0, 1, ...

    Raises UserError if width is not a multiple of 4.

    >>> sincos(4, 1, 2)  # sin x, cos x, sin y, cos y
    tensor([[0.0000, 1.0000, 0.0000, 1.0000],
            [0.8415, 0.5403, 0.0000, 1.0000]])
    """
    if width % 4:
        raise UserError(f"positions as sines and cosines need a width that is a multiple of 4, not {width}")
    frequency = 10000.0 ** (-4 / width * torch.arange(width // 4, dtype=torch.float64))
    y, x = torch.meshgrid(torch.arange(rows), torch.arange(columns), indexing="ij")
    angles = [place.flatten()[:, None] * frequency for place in (x, y)]  # [cells, width / 4] each
    return torch.cat([f(a) for a in angles for f in (torch.sin, torch.cos)], 1).float()
