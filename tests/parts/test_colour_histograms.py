from __future__ import annotations

import numpy as np
import pytest
import torch

from selftaught.parts.colour_histograms import FADING, divergence, histograms, hue_of, median_of

VALUES = torch.rand(2, 6, 6, generator=torch.Generator().manual_seed(0))
EVERYWHERE = torch.cartesian_prod(torch.arange(6), torch.arange(6)).expand(2, 36, 2)


@pytest.mark.parametrize("window", [1, 3, 7])
def test_a_histogram_counts_the_pixels_of_its_window(window: int) -> None:
    found = histograms(VALUES, EVERYWHERE, 5, window)
    assert torch.allclose(found.sum(2), torch.ones(2, 36))
    for b in range(2):
        for n, (y, x) in enumerate(EVERYWHERE[b].tolist()):
            reach = window // 2
            inside = VALUES[b, max(y - reach, 0) : y + reach + 1, max(x - reach, 0) : x + reach + 1].flatten()
            expected = np.bincount((inside * 5).long(), minlength=5) / len(inside)
            assert found[b, n].tolist() == pytest.approx(expected.tolist(), abs=1e-6)


def test_the_end_of_the_range_is_in_the_last_bin() -> None:
    assert histograms(torch.ones(1, 2, 2), torch.zeros(1, 1, 2).long(), 4, 1)[0, 0].tolist() == [0, 0, 0, 1]


def test_bins_of_the_hue_are_a_circle() -> None:
    turned = histograms(torch.remainder(VALUES + 1 / 8, 1), EVERYWHERE, 8, 3)
    assert torch.allclose(turned, histograms(VALUES, EVERYWHERE, 8, 3).roll(1, 2), atol=1e-5)
    both = torch.full((1, 8), -99.0)
    both[0, [0, 7]] = 0.0  # half just above 0, half just below 1: red, not cyan
    hue, kept = hue_of(both)
    assert min(hue.item(), 1 - hue.item()) < 1e-5
    assert kept == pytest.approx(min(np.cos(np.pi / 8) / FADING, 1), abs=1e-5)


def test_divergence_is_zero_for_the_target_and_positive_otherwise() -> None:
    target = histograms(VALUES, EVERYWHERE, 5, 3)
    assert torch.allclose(divergence(target, target.clamp(min=1e-30).log()), torch.zeros(2, 36), atol=1e-5)
    logits = torch.randn(2, 36, 5)
    p, q = target.double().numpy(), logits.double().softmax(2).numpy()
    expected = np.where(p > 0, p * (np.log(np.where(p > 0, p, 1)) - np.log(q)), 0).sum(2)
    assert np.allclose(divergence(target, logits).numpy(), expected, atol=1e-5)
    assert (expected > 0).all()


def test_a_sure_histogram_gives_back_its_colour_and_an_unsure_one_fades() -> None:
    sure = torch.full((8, 8), -99.0).fill_diagonal_(0)
    hue, kept = hue_of(sure)
    assert torch.allclose(hue, (torch.arange(8) + 0.5) / 8, atol=1e-5)
    assert torch.allclose(kept, torch.ones(8))
    assert torch.allclose(median_of(sure), (torch.arange(8) + 0.5) / 8)
    _, kept = hue_of(torch.zeros(1, 8))
    assert kept < 1e-5


def test_the_median_is_where_half_is_reached() -> None:
    shares = torch.tensor([[0.3, 0.15, 0.2, 0.35], [0.6, 0.2, 0.1, 0.1], [0.1, 0.1, 0.1, 0.7]])
    assert median_of(shares.log()).tolist() == pytest.approx([2.5 / 4, 0.5 / 4, 3.5 / 4])
