from __future__ import annotations

import pytest
import torch
from torch import nn

from selftaught.parts.dense_predictor import DensePredictor


@pytest.mark.parametrize(
    ("channels", "before", "side", "ups"), [(64, 4, 8, 1), (64, 4, 7, 1), (128, 2, 16, 3), (8, 4, 4, 0), (8, 6, 3, 0)]
)
def test_it_doubles_until_there_are_enough_positions(channels: int, before: int, side: int, ups: int) -> None:
    head = DensePredictor(channels, before, 5, side)
    assert head(torch.randn(2, channels, before, before)).shape == (2, 5, side, side)
    assert sum(isinstance(m, nn.ConvTranspose2d) for m in head.modules()) == ups


def test_channels_are_halved_to_32() -> None:
    head = DensePredictor(128, 2, 5, 16)
    assert [m.out_channels for m in head.modules() if isinstance(m, nn.ConvTranspose2d)] == [64, 32, 32]
