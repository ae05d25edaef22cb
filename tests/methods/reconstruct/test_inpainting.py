from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from selftaught.errors import UserError
from selftaught.methods.reconstruct.inpainting import ChannelWise, Inpainting, discriminator, weighted
from selftaught.optimizer import build
from selftaught.recipe import Recipe
from selftaught.views.image import denormalise

SMALL = {"width": 4, "crop": 0.8}
"""Arguments that fit the method to the toys of the contract."""
OTHERS: dict[str, Any] = {
    "region": "random", "side": 0.25, "share": (0.1, 0.2), "overlap": 0.1, "weight": 2.0, "adversarial": 0.0,
    "width": 8, "crop": 0.9, "flip": 0.0,
}  # fmt: skip


def make(bench: Any, encoder: Any = None, **arguments: Any) -> Inpainting:
    return Inpainting(encoder or bench.encoder(), **({"width": 4, "overlap": 0.08} | arguments))


def example(requires_grad: bool = False) -> tuple[Any, Any, Any, Any]:
    torch.manual_seed(1)
    x, y = torch.randn(2, 2, 3, 5, 5, dtype=torch.float64)
    hole = torch.rand(2, 1, 5, 5) < 0.3
    border = (torch.rand(2, 1, 5, 5) < 0.3) & ~hole
    return x, y.requires_grad_(requires_grad), hole, border


def test_the_squared_error_equals_the_loop_over_pixels() -> None:
    x, y, hole, border = example()
    total, count = 0.0, 0
    for b in range(2):
        for c in range(3):
            for i in range(5):
                for j in range(5):
                    w = 1.0 if hole[b, 0, i, j] else 10.0 if border[b, 0, i, j] else 0.0
                    total += w * float((x[b, c, i, j] - y[b, c, i, j]) ** 2)
                    count += w > 0
    assert weighted(x, y, hole, border, 10.0).item() == pytest.approx(total / count, rel=1e-10)


def test_outside_the_hole_there_is_no_gradient() -> None:
    x, y, hole, border = example(requires_grad=True)
    weighted(x, y, hole, torch.zeros_like(border), 10.0).backward()
    everywhere = hole.expand_as(y)
    assert (y.grad[~everywhere] == 0).all() and (y.grad[everywhere] != 0).all()


def test_a_hole_everywhere_is_the_plain_squared_error() -> None:
    x, y, hole, border = example()
    everywhere, nowhere = torch.ones_like(hole), torch.zeros_like(border)
    assert torch.allclose(weighted(x, y, everywhere, nowhere, 10.0), nn.functional.mse_loss(x, y))


def test_the_encoder_sees_the_mean_colour_in_the_hole(bench: Any) -> None:
    method, seen = make(bench), []
    method.encoder.blocks[0].register_forward_pre_hook(lambda m, args: seen.append(args[0]))
    batch = bench.batch(method)
    method(**batch)
    outside = ~batch["hole"].expand_as(batch["image"])
    assert (seen[0][~outside] == 0).all()  # 0 is the mean colour of normalised images
    assert torch.equal(seen[0][outside], batch["image"][outside])


@pytest.mark.parametrize("region", ["centre", "random"])
def test_border_and_window_lie_around_the_hole(bench: Any, region: Any) -> None:
    method = make(bench, region=region)
    batch = bench.batch(method)
    assert method.border == 1
    assert method.window == (slice(2, 10) if region == "centre" else slice(0, 12))
    inside = batch["hole"][:, :, method.window, method.window]
    around = method.around(inside)
    for b in range(len(inside)):
        hole, padded = inside[b, 0].numpy(), np.pad(inside[b, 0].numpy(), 1)
        r = len(hole)
        near = np.any([padded[i : i + r, j : j + r] for i in range(3) for j in range(3)], axis=0)
        assert np.array_equal(around[b, 0].numpy(), near & ~hole)
    assert method.fill(batch["image"], batch["hole"]).shape[2:] == inside.shape[2:]


@pytest.mark.parametrize("region", ["centre", "random"])
def test_the_discriminator_sees_real_and_filled_windows(bench: Any, region: Any) -> None:
    method = make(bench, region=region)
    batch = bench.batch(method)
    image, hole = batch["image"], batch["hole"]
    window = image[:, :, method.window, method.window]
    assert torch.equal(method.judged(image, hole, None), window)
    y = torch.full_like(window, 9.0)
    filled = method.judged(image, hole, y)
    inside = hole[:, :, method.window, method.window]
    replaced = (inside | method.around(inside)).expand_as(window)
    assert (filled[replaced] == 9).all() and torch.equal(filled[~replaced], window[~replaced])
    assert replaced.all() == (region == "centre")


def test_each_player_has_its_loss(bench: Any) -> None:
    method = make(bench, adversarial=0.3).eval()
    batch = bench.batch(method)
    image, hole = batch["image"], batch["hole"]
    y = method.fill(image, hole)
    real, fake = (torch.sigmoid(method.discriminator(method.judged(image, hole, v))) for v in (None, y))
    inside = hole[:, :, method.window, method.window]
    squared = weighted(image[:, :, method.window, method.window], y, inside, method.around(inside), 10.0)
    generator, judge = method(player="generator", **batch), method(player="discriminator", **batch)
    assert torch.allclose(generator["loss"], 0.7 * squared - 0.3 * fake.log().mean(), rtol=1e-4)
    assert torch.allclose(judge["loss"], -real.log().mean() - (1 - fake).log().mean(), rtol=1e-4)
    assert judge["told"] == ((real > 0.5).float().mean() + (fake <= 0.5).float().mean()) / 2
    assert generator["fooled"] == (fake > 0.5).float().mean()
    error = (image[:, :, 3:9, 3:9] - y[:, :, 1:7, 1:7]).square().mean()
    assert torch.allclose(generator["error"], error, rtol=1e-4)
    assert torch.allclose(generator["guess"], image[:, :, 3:9, 3:9].square().mean(), rtol=1e-4)


def test_gradients_go_where_they_belong(bench: Any) -> None:
    method = make(bench)
    own = {name: set(method.players()[i].groups[0]["params"]) for i, name in enumerate(("generator", "discriminator"))}
    assert own["generator"] | own["discriminator"] == set(method.parameters())
    assert not own["generator"] & own["discriminator"]
    method(player="discriminator", **bench.batch(method))["loss"].backward()
    assert all(p.grad is None for p in own["generator"])  # what it judges is detached
    assert all(p.grad.abs().sum() > 0 for p in own["discriminator"])
    method.zero_grad()
    method(player="generator", **bench.batch(method))["loss"].backward()
    assert all(p.grad.abs().sum() > 0 for p in own["generator"])


def test_the_adversarial_term_moves_the_generator_alone_of_the_two_sides(bench: Any) -> None:
    """Two runs of the generator's turn, with and without a discriminator that says no: only the filling changes."""
    method = make(bench, adversarial=0.9, weight=0.0).eval()
    batch = bench.batch(method)
    kept: list[Any] = []
    method.decoder.register_forward_hook(lambda m, args, y: (y.retain_grad(), kept.append(y))[0])
    method(**batch)["loss"].backward()
    inside = batch["hole"][:, :, method.window, method.window]
    border = method.around(inside).expand_as(kept[0])
    assert (kept[0].grad[border] != 0).any()  # with weight 0 nothing but the discriminator moves the border


def test_without_an_adversarial_loss_there_is_no_second_player(bench: Any) -> None:
    method = make(bench, adversarial=0.0)
    assert method.discriminator is None
    assert [p.name for p in method.players()] == ["generator"]
    outputs = method(**bench.batch(method))
    assert torch.equal(outputs["loss"], outputs["squared"]) and "fooled" not in outputs


def test_the_discriminator_learns_ten_times_slower(bench: Any) -> None:
    recipe = Recipe(lr=2e-3, betas=(0.5, 0.999))
    generator, judge = (build(p, recipe) for p in make(bench).players())
    assert {g["lr_scale"] for g in generator.param_groups} == {1.0}
    assert {g["lr_scale"] for g in judge.param_groups} == {0.1}
    assert Inpainting.recipe["betas"] == (0.5, 0.999) and Inpainting.recipe["lr"] * 0.1 == 2e-4


def test_channels_are_connected_one_by_one_and_then_mixed() -> None:
    layer = ChannelWise((3, 2, 4))
    x = torch.randn(5, 3, 2, 4)
    with torch.no_grad():
        layer.bias.normal_()
    hidden = torch.stack([x[:, c].flatten(1) @ layer.weight[c] + layer.bias[c] for c in range(3)], 1).relu()
    mixed = torch.einsum("bcp,dc->bdp", hidden, layer.mix.weight[:, :, 0, 0]) + layer.mix.bias[:, None]
    assert torch.allclose(layer(x).flatten(2), mixed, atol=1e-5)


@pytest.mark.parametrize("side", [3, 4, 7, 16, 18, 33])
def test_the_discriminator_takes_windows_of_any_size(side: int) -> None:
    network = discriminator(3, side, 4).eval()
    assert network(torch.randn(2, 3, side, side)).shape == (2, 1)
    convolutions = [m for m in network if isinstance(m, nn.Conv2d)]
    norms = [m for m in network if isinstance(m, nn.BatchNorm2d)]
    assert len(norms) == max(len(convolutions) - 1, 0)


@pytest.mark.parametrize(
    ("argument", "value"),
    {
        "region": "random", "side": 0.3, "overlap": 0.2, "weight": 2.0, "adversarial": 0.5, "width": 6, "crop": 0.9,
        "flip": 0.0,
    }.items(),
)  # fmt: skip
def test_every_argument_has_an_effect(bench: Any, argument: str, value: Any) -> None:
    assert bench.fingerprint(make(bench)) == bench.fingerprint(make(bench))
    assert bench.fingerprint(make(bench, **{argument: value})) != bench.fingerprint(make(bench))


def test_the_share_of_random_holes_has_an_effect(bench: Any) -> None:
    both = [make(bench, region="random", share=share) for share in ((0.2, 0.3), (0.5, 0.6))]
    assert bench.fingerprint(both[0]) != bench.fingerprint(both[1])


@pytest.mark.parametrize("region", ["centre", "random"])
def test_shows_the_hole_and_what_fills_it(bench: Any, region: Any) -> None:
    method = make(bench, region=region).eval()
    batch = bench.batch(method, n=3)
    image, seen, filled = (np.stack(row.images) for row in method.show(**batch))
    assert [row.name for row in method.show(**batch)] == ["image", "seen", "filled"]
    np.testing.assert_array_equal(image, denormalise(batch["image"], bench.input))
    hole = batch["hole"][:, 0].numpy()
    assert (filled[~hole] == image[~hole]).all() and (seen[~hole] == image[~hole]).all()
    assert np.abs(seen[hole] - np.round(255 * np.array(bench.input["mean"]))).max() <= 1
    full = torch.zeros_like(batch["image"])
    full[:, :, method.window, method.window] = method.fill(batch["image"], batch["hole"]).detach()
    np.testing.assert_array_equal(filled[hole], denormalise(full, bench.input)[hole])


def test_it_learns_to_fill_with_the_colour_around(bench: Any) -> None:
    method = make(bench, crop=1.0, flip=0.0)
    optimizer = torch.optim.AdamW(method.players()[0].groups[0]["params"], 1e-2)
    batch = bench.batch(method)
    batch["image"] = torch.randn(16, 3, 1, 1).expand(-1, -1, 12, 12)
    for _ in range(60):
        outputs = method(**batch)
        optimizer.zero_grad()
        outputs["loss"].backward()
        optimizer.step()
    assert outputs["error"] < 0.25 * outputs["guess"]


def test_mistakes_are_named(bench: Any) -> None:
    with pytest.raises(UserError, match="inpainting needs an encoder with positions, such as conv"):
        make(bench, bench.encoder("mlp"))
    with pytest.raises(UserError, match="as large as the image of 12 x 12 pixels"):
        make(bench, side=1.0)
    with pytest.raises(UserError, match="a hole as large as the image leaves nothing to see"):
        make(bench, region="random", share=(0.5, 1.0))
    with pytest.raises(UserError, match="region of inpainting must be one of centre, random, not 'left'"):
        make(bench, region="left")
    with pytest.raises(UserError, match=r"adversarial in \[0, 1\)"):
        make(bench, adversarial=1.0)
