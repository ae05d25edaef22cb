"""The mix of layers: its formula, its start, its options, and that a task learns it."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from selftaught.parts.scalar_mix import ScalarMix

LAYERS = [torch.randn(2, 5, 4, generator=torch.Generator().manual_seed(seed)) for seed in range(3)]


def test_at_first_it_is_the_mean() -> None:
    torch.testing.assert_close(ScalarMix(3)(LAYERS), torch.stack(LAYERS).mean(0))
    assert float(ScalarMix(3).penalty().detach()) == 0


def test_it_is_the_papers_formula() -> None:
    mix = ScalarMix(3)
    with torch.no_grad():
        mix.s.copy_(torch.tensor([0.5, -1.0, 2.0]))
        mix.gamma.fill_(1.7)
    e = torch.tensor([0.5, -1.0, 2.0]).exp()
    wanted = 1.7 * sum(share * h for share, h in zip(e / e.sum(), LAYERS, strict=True))
    torch.testing.assert_close(mix(LAYERS), wanted)
    assert float(mix.penalty().detach()) == pytest.approx(5.25)


def test_top_only_returns_the_last() -> None:
    mix = ScalarMix(3, top_only=True)
    torch.testing.assert_close(mix(LAYERS), LAYERS[2])
    assert [name for name, _ in mix.named_parameters()] == ["gamma"] and float(mix.penalty()) == 0


def test_norm_makes_the_sizes_of_layers_equal() -> None:
    found = ScalarMix(3, norm=True)([LAYERS[0], 100 * LAYERS[1] + 7, LAYERS[2]])
    torch.testing.assert_close(found, sum(F.layer_norm(h, (4,)) for h in LAYERS) / 3, atol=1e-3, rtol=1e-3)


def test_a_task_learns_which_layer_it_needs() -> None:
    mix = ScalarMix(3)
    optimiser = torch.optim.Adam(mix.parameters(), lr=0.1)
    for _ in range(150):
        optimiser.zero_grad()
        (mix(LAYERS) - 2 * LAYERS[1]).square().mean().backward()
        optimiser.step()
    assert float(mix.s.detach().softmax(0)[1]) > 0.9 and float(mix.gamma.detach()) == pytest.approx(2, abs=0.2)


def test_another_number_of_layers_is_refused() -> None:
    with pytest.raises(ValueError, match="this mix is of 3 layers, not 2"):
        ScalarMix(3)(LAYERS[:2])
