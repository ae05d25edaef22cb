from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from selftaught.errors import UserError
from selftaught.parts.product_quantiser import ProductQuantiser, Quantised, perplexity, usage


def made(groups: int = 2, entries: int = 5, width: int = 6, sharpness: float = 3.0) -> ProductQuantiser:
    torch.manual_seed(0)
    return ProductQuantiser(4, groups, entries, width, sharpness)


def chosen(numbers: Tensor, entries: int, odds: Tensor | None = None) -> Quantised:
    sure = torch.nn.functional.one_hot(numbers, entries).float()
    return Quantised(torch.zeros(0), numbers, sure if odds is None else odds, sure)


def test_a_vector_becomes_one_entry_of_each_group_and_the_gradient_is_that_of_the_odds() -> None:
    layer, x, noise = made().train(), torch.randn(3, 7, 4, requires_grad=True), torch.rand(3, 7, 2, 5)
    found = layer(x, noise, 0.7)
    entries = torch.cat([layer.entries[g][found.chosen[:, :, g]] for g in range(2)], 2)
    assert found.vectors.shape == (3, 7, 6) and torch.allclose(found.vectors, entries, atol=1e-6)
    logits = layer.choose(layer.norm(x)).unflatten(2, (2, 5))
    soft = ((logits - torch.log(-torch.log(noise))) / 0.7).softmax(-1)
    assert torch.equal(found.chosen, soft.argmax(-1)) and torch.allclose(found.odds, logits.softmax(-1))
    weight = torch.randn(3, 7, 6)
    mixed = torch.cat([soft[:, :, g] @ layer.entries[g] for g in range(2)], 2)
    for got, want in zip(
        torch.autograd.grad((found.vectors * weight).sum(), [x, layer.choose.weight], retain_graph=True),
        torch.autograd.grad((mixed * weight).sum(), [x, layer.choose.weight]),
        strict=True,
    ):
        assert torch.allclose(got, want, atol=1e-5)


def test_logits_are_moved_and_scaled_by_what_they_were() -> None:
    layer, x, noise = made().eval(), torch.randn(3, 7, 4), torch.rand(3, 7, 2, 5)
    before, mean = layer(x, noise, 1.0), torch.randn(2, 5)
    assert torch.allclose(before.odds, before.logits.softmax(-1))  # nothing before the first batch
    with torch.no_grad():
        layer.follow(mean, torch.tensor([1.0, 4.0]), 0.9)
        layer.follow(mean, torch.tensor([1.0, 4.0]), 0.9)
    deviation = (0.81 * 9 + 0.19 * torch.tensor([1.0, 4.0])).sqrt()
    assert torch.allclose(layer.centre, 0.19 * mean, atol=1e-6) and torch.allclose(layer.deviation, deviation)
    assert {"centre", "deviation"} <= set(layer.state_dict())
    after = layer(x, noise, 1.0)
    assert torch.equal(after.logits, before.logits) and torch.equal(after.chosen, after.odds.argmax(-1))
    apart = 3 * (before.logits - 0.19 * mean) / deviation[:, None]
    assert torch.allclose(after.odds, apart.softmax(-1), atol=1e-6)


def test_moments_are_of_the_positions_that_are_asked_for_and_settle_the_scale() -> None:
    layer, x = made(sharpness=2.0), torch.randn(40, 9, 4)
    where = torch.rand(40, 9) < 0.6
    with torch.no_grad():
        for _ in range(200):
            found = layer(x, torch.rand(40, 9, 2, 5), 1.0)
            sums = {name: value.sum(0) for name, value in layer.moments(found, where).items()}
            assert sums["hidden"] == where.sum()
            layer.follow(sums["logits"] / sums["hidden"], sums["squares"] / sums["hidden"], 0.9)
        settled = (found.logits - layer.centre) / layer.deviation[:, None] * 2
    assert torch.allclose(settled[where].mean(0), torch.zeros(2, 5), atol=1e-4)
    assert torch.allclose(settled[where].square().mean((0, 2)).sqrt(), torch.full((2,), 2.0), atol=1e-4)


def test_without_training_there_is_no_noise_and_extreme_numbers_stay_finite() -> None:
    layer, x = made(), torch.randn(9, 4)
    one, two = (layer.eval()(x, torch.rand(9, 2, 5), 1.0).chosen for _ in range(2))
    assert torch.equal(one, two) and torch.equal(one, layer.choose(layer.norm(x)).view(9, 2, 5).argmax(2))
    for number in (0.0, 1 - 2**-24):
        assert layer.train()(x, torch.full((9, 2, 5), number), 0.1).vectors.isfinite().all()


def test_noise_chooses_by_the_odds() -> None:
    layer = made(1, 3, 1).train()
    with torch.no_grad():
        layer.choose.weight.zero_()
        layer.choose.bias.copy_(torch.tensor([0.6, 0.3, 0.1]).log())
    found = layer(torch.randn(20000, 4), torch.rand(20000, 1, 3), 0.3)
    share = found.chosen.flatten().bincount(minlength=3) / 20000
    assert share.tolist() == pytest.approx([0.6, 0.3, 0.1], abs=0.015)


def test_usage_of_codebooks_that_are_known() -> None:
    """With 2 groups of 320: the numbers of the released code's formula."""
    numbers, everywhere = torch.arange(640)[:, None].expand(640, 2), torch.ones(640, dtype=torch.bool)
    cases = {
        "all": (numbers % 320, 320.0, 0.0, 1.0),
        "one": (numbers * 0, 1.0, 0.996875, 1 / 320),
        "one group is dead": (numbers % 320 * torch.tensor([1, 0]), 160.5, 0.498438, 321 / 640),
        "a tenth": (numbers % 32, 32.0, 0.9, 0.1),
    }
    for found, alive, spread, codes in cases.values():
        used = usage(chosen(found, 320), everywhere)
        assert {name: float(value) for name, value in used.items()} == pytest.approx(
            {"diversity": spread, "perplexity": alive, "codes": codes}, rel=1e-5, abs=1e-4
        )


def test_usage_is_of_the_positions_that_are_asked_for() -> None:
    found = chosen(torch.tensor([[[0], [1], [2]], [[0], [0], [3]]]), 4)
    where = torch.tensor([[True, True, False], [False, True, False]])
    used = usage(found, where)
    assert used["codes"] == 0.5 and used["perplexity"].item() == pytest.approx(3 / 2 ** (2 / 3))
    assert usage(found, where & False)["codes"] == 0
    assert perplexity(torch.tensor([0.5, 0.5, 0.0])).item() == pytest.approx(2)
    assert math.isfinite(float(usage(found, where & False)["diversity"]))


@pytest.mark.parametrize(("groups", "entries", "width"), [(0, 5, 6), (2, 1, 6), (4, 5, 6), (4, 5, 2)])
def test_shapes_that_cannot_be_are_refused(groups: int, entries: int, width: int) -> None:
    with pytest.raises(UserError, match=f"not {groups}, {entries} and {width}"):
        made(groups, entries, width)


def test_a_sharpness_of_0_is_refused() -> None:
    with pytest.raises(UserError, match="sharpness of a quantiser must be greater than 0, not 0"):
        made(sharpness=0.0)
