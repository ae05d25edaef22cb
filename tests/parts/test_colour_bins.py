from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from selftaught.errors import UserError
from selftaught.parts.colour import lab
from selftaught.parts.colour_bins import ColourBins, in_gamut, soft_cross_entropy


def colours(n: int = 200, seed: int = 0) -> Tensor:
    """ab of colours of sRGB, [n, 2]."""
    return lab(torch.rand(n, 3, generator=torch.Generator().manual_seed(seed)))[:, 1:]


def test_every_colour_has_its_nearest_bin_in_gamut() -> None:
    ab = colours(5000).double()
    for step, count in ((10, 261), (20, 77), (25, 50)):
        centres = torch.tensor(in_gamut(step))
        assert len(centres) == count == len({tuple(c) for c in centres.tolist()})
        assert set((centres / step).flatten().frac().tolist()) <= {0.0, -0.0}
        assert ((ab - centres[torch.cdist(ab, centres).argmin(1)]).abs() <= step / 2 + 1e-4).all()
    assert [110.0, 110.0] not in in_gamut(10).tolist()  # no such colour


@pytest.mark.parametrize(("step", "sigma", "neighbours"), [(10, 5.0, 5), (25, 3.0, 10), (20, 5.0, 1)])
def test_encoding_equals_the_loop_over_pixels(step: int, sigma: float, neighbours: int) -> None:
    bins, ab = ColourBins(step, sigma, neighbours), colours(24).view(2, 3, 4, 2).permute(0, 3, 1, 2)
    near, share = bins.encode(ab)
    assert near.shape == share.shape == (2, neighbours, 3, 4)
    whole = bins.dense(near, share)
    for i in range(2):
        for y in range(3):
            for x in range(4):
                a, b = ab[i, :, y, x].tolist()
                squared = [(a - p) ** 2 + (b - q) ** 2 for p, q in bins.centres.tolist()]
                chosen = sorted(range(len(bins)), key=squared.__getitem__)[:neighbours]
                weight = {q: math.exp(-squared[q] / (2 * sigma**2)) for q in chosen}
                expected = [weight.get(q, 0) / sum(weight.values()) for q in range(len(bins))]
                assert near[i, :, y, x].tolist() == chosen
                assert whole[i, :, y, x].tolist() == pytest.approx(expected, abs=1e-5)
    assert torch.allclose(whole.sum(1), torch.ones(2, 3, 4))


def test_decoding_goes_from_the_mean_to_the_mode() -> None:
    bins, ab = ColourBins(), colours(64).T[None]
    near, share = bins.encode(ab)
    logits = bins.dense(near, share).clamp(min=1e-30).log()
    nearest = bins.centres[torch.cdist(ab[0].T, bins.centres).argmin(1)].T
    assert torch.allclose(bins.decode(logits, 1e-3)[0], nearest, atol=1e-3)  # T to 0: the nearest bin
    mean = (bins.dense(near, share)[0].T @ bins.centres).T
    assert torch.allclose(bins.decode(logits, 1.0)[0], mean, atol=1e-3)
    annealed = bins.dense(near, share)[0] ** (1 / 0.38)
    annealed = ((annealed / annealed.sum(0)).T @ bins.centres).T
    assert torch.allclose(bins.decode(logits, 0.38)[0], annealed, atol=1e-3)


def test_weights_have_a_mean_of_one_and_rare_colours_the_most() -> None:
    bins = ColourBins(20)
    counts = torch.zeros(len(bins))
    counts[30], counts[31], counts[5] = 900, 90, 10
    p = bins.balance(counts, mix=0.5)
    assert p.sum().item() == pytest.approx(1)
    assert (p * bins.weight).sum().item() == pytest.approx(1, abs=1e-6)
    mixed = 1 / (0.5 * p.double() + 0.5 / len(bins))
    assert torch.allclose(bins.weight.double(), mixed / (p * mixed).sum(), rtol=1e-5)
    assert bins.weight[30] < bins.weight[31] < bins.weight[5]
    bins.balance(counts, mix=1.0)
    assert torch.allclose(bins.weight, torch.ones(len(bins)))


def test_the_distribution_of_the_data_is_smoothed() -> None:
    bins = ColourBins(10)
    here = int((bins.centres == torch.tensor([20.0, 20.0])).all(1).nonzero())
    beside = int((bins.centres == torch.tensor([30.0, 20.0])).all(1).nonzero())
    p = bins.balance(F.one_hot(torch.tensor(here), len(bins)).float(), mix=0.5)
    assert p[beside] / p[here] == pytest.approx(math.exp(-(10**2) / (2 * 5**2)), rel=1e-4)


def test_soft_cross_entropy_is_that_of_the_whole_distribution() -> None:
    bins = ColourBins(20)
    near, share = bins.encode(colours(12).view(3, 4, 2).permute(0, 2, 1))
    logits = torch.randn(3, len(bins), 4)
    expected = F.cross_entropy(logits, bins.dense(near, share), reduction="none")
    assert torch.allclose(soft_cross_entropy(logits, near, share), expected, rtol=1e-4)


def test_what_is_out_of_range_is_named() -> None:
    for wrong in ({"step": 0}, {"step": 200}, {"sigma": 0.0}, {"neighbours": 0}):
        with pytest.raises(UserError, match="colour bins need a step of 1 to 110"):
            ColourBins(**wrong)
    with pytest.raises(UserError, match="cannot have 60 nearest bins: with a step of 25 there are only 50"):
        ColourBins(25, neighbours=60)
