"""Rows of each sample, against a loop."""

from __future__ import annotations

import torch

from selftaught.parts.chosen import chosen


def test_each_sample_has_rows_of_its_own() -> None:
    x = torch.randn(3, 5, 2, generator=torch.Generator().manual_seed(0))
    index = torch.tensor([[4, 0], [1, 1], [2, 3]])
    found = chosen(x, index)
    for sample, rows in enumerate(index.tolist()):
        for place, row in enumerate(rows):
            assert torch.equal(found[sample, place], x[sample, row])
