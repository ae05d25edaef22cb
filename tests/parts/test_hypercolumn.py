from __future__ import annotations

import torch
from torch.nn import functional as F

from selftaught.parts.hypercolumn import hypercolumn


def test_all_pixels_are_the_layers_upsampled() -> None:
    layers = [torch.randn(2, 1, 12, 12), torch.randn(2, 4, 6, 6), torch.randn(2, 8, 3, 3), torch.randn(2, 5, 1, 1)]
    place = torch.cartesian_prod(torch.arange(12), torch.arange(12)).expand(2, 144, 2)
    dense = torch.cat([F.interpolate(layer, size=(12, 12), mode="bilinear") for layer in layers], 1)  # [2, 18, 12, 12]
    sparse = hypercolumn(layers, place, 12)
    assert sparse.shape == (2, 144, 18)
    assert torch.allclose(sparse, dense.flatten(2).mT, atol=1e-5)
    few = torch.tensor([[[3, 7], [0, 11]], [[5, 5], [11, 0]]])
    found = hypercolumn(layers, few, 12)
    assert torch.allclose(found[0, 0], dense[0, :, 3, 7], atol=1e-5)  # row, then column
    assert torch.allclose(found[1, 1], dense[1, :, 11, 0], atol=1e-5)


def test_gradients_reach_every_layer() -> None:
    layers = [torch.randn(1, 2, s, s, requires_grad=True) for s in (8, 4, 2)]
    hypercolumn(layers, torch.tensor([[[3, 4]]]), 8).sum().backward()
    assert all(layer.grad is not None and layer.grad.sum().item() > 1.99 for layer in layers)
