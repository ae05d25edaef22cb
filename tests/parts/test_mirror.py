from __future__ import annotations

import pytest
import torch
from torch import nn

from selftaught.parts.mirror import Mirror

LINEARS = [nn.Linear(7, 5), nn.Linear(5, 3)]


@pytest.mark.parametrize("tied", [True, False])
def test_layers_are_applied_in_reverse(tied: bool) -> None:
    decoder, code = Mirror(LINEARS, tied), torch.randn(4, 3)
    first, second = (m.weight.T for m in reversed(LINEARS)) if tied else decoder.weights
    b1, b2 = decoder.biases
    expected = torch.sigmoid(code @ first.T + b1) @ second.T + b2
    assert torch.allclose(decoder(code, LINEARS, torch.sigmoid), expected, atol=1e-6)
    assert [tuple(b.shape) for b in decoder.biases] == [(5,), (7,)]


def test_tied_weights_are_not_its_own() -> None:
    assert len(list(Mirror(LINEARS, True).parameters())) == 2
    decoder = Mirror(LINEARS, True)
    decoder(torch.randn(4, 3), LINEARS, torch.relu).sum().backward()
    assert all(m.weight.grad is not None for m in LINEARS)
    assert len(list(Mirror(LINEARS, False).parameters())) == 4
