from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from selftaught import encoders
from selftaught.encoders.multiview import Multiview
from selftaught.errors import UserError
from selftaught.methods.reconstruct.colorization import Colorization
from selftaught.parts.colour import hci, lab, rgb_of_hci, rgb_of_lab
from selftaught.parts.colour_bins import soft_cross_entropy
from selftaught.parts.colour_histograms import divergence, histograms

TOY = {"channels": 3}
"""The toys of the contract must be in colour."""
SMALL = {"step": 25}

TARGETS = ("quantised", "regression", "histogram")
OTHERS: dict[str, Any] = {
    "target": "regression", "stride": 2, "step": 20, "sigma": 9.0, "neighbours": 2, "mix": 0.9, "temperature": 1.0,
    "bins": 7, "window": 5, "locations": 3, "width": 9, "crop": 0.95, "flip": 0.0,
}  # fmt: skip
HISTOGRAM = ("bins", "window", "locations", "width")
SHOWN = ("temperature",)


def make(bench: Any, target: str = "quantised", **arguments: Any) -> Colorization:
    torch.manual_seed(1)
    method = Colorization(bench.encoder(), target=target, **({"step": 25} if target == "quantised" else {}) | arguments)
    method.prepare(bench.Pictures())
    return method


@pytest.mark.parametrize("name", OTHERS)
def test_every_argument_matters(bench: Any, name: str) -> None:
    target = "histogram" if name in HISTOGRAM else "quantised"
    given = {"target": target, name: OTHERS[name]}
    if name in SHOWN:
        error = [make(bench, **case)(**bench.batch(make(bench, **case)))["error"].item() for case in (given, {})]
        assert error[0] != error[1]
    else:
        assert bench.fingerprint(make(bench, **given)) != bench.fingerprint(make(bench, target))


def test_every_argument_is_varied_here() -> None:
    from selftaught import methods

    assert [a.name for a in methods.describe("colorization").arguments] == list(OTHERS)


@pytest.mark.parametrize("target", TARGETS)
def test_the_network_never_sees_colours(bench: Any, target: str) -> None:
    method = make(bench, target).eval()
    pixels = torch.rand(4, 3, 12, 12)
    mean, std = (torch.tensor(bench.input[k]).view(-1, 1, 1) for k in ("mean", "std"))
    if target == "histogram":
        other = hci(pixels)
        other[:, 0] = torch.remainder(other[:, 0] + 0.3, 1)
        other[:, 1] *= 0.2
        other = rgb_of_hci(other)
    else:
        other = lab(pixels)
        other[:, 1:] *= 0.8
        other = rgb_of_lab(other)
    assert (other - pixels).abs().max() > 0.05
    first, second = (method.encoder((x - mean) / std) for x in (pixels, other))
    assert torch.allclose(first, second, atol=1e-3)  # the encoder that is kept, given colour pictures
    channels = (hci if target == "histogram" else lab)(pixels)
    changed = channels.clone()
    changed[:, [0, 1] if target == "histogram" else [1, 2]] += 0.5
    assert torch.equal(method.lightness(channels), method.lightness(changed))
    assert method.kept is method.encoder and method.encoder.spec["views"] == ("I" if target == "histogram" else "L")


def test_regression_is_the_sum_over_positions(bench: Any) -> None:
    method = make(bench, "regression").eval()
    batch = bench.batch(method)
    batch["channels"][3, 1:] = 1.0  # an image without colours counts for nothing
    found = method.head(method.trunk.local(method.lightness(batch["channels"])))
    assert found.shape == (16, 2, 3, 3)
    total = 0.0
    for i in range(16):
        for y in range(3):
            for x in range(3):
                ab = batch["channels"][i, 1:, 4 * y : 4 * y + 4, 4 * x : 4 * x + 4].mean((1, 2)) / 110
                total += 0.5 * ((found[i, :, y, x] - ab) ** 2).sum().item() * (i != 3)
    assert method(**batch)["loss"].item() == pytest.approx(total / 16, rel=1e-4)


def test_the_best_guess_of_a_coin_flip_is_the_mean() -> None:
    guess = torch.zeros(2, requires_grad=True)
    colours = torch.tensor([[60.0, -20.0], [-40.0, 80.0]]) / 110
    for _ in range(200):
        loss = (0.5 * ((colours - guess) ** 2).sum(1)).mean()
        (gradient,) = torch.autograd.grad(loss, guess)
        guess = (guess - 0.1 * gradient).detach().requires_grad_()
    assert (guess * 110).tolist() == pytest.approx([10, 30], abs=0.1)


def test_quantised_is_the_soft_cross_entropy_weighted_by_the_rarity_of_colours(bench: Any) -> None:
    method = make(bench).eval()
    batch = bench.batch(method)
    batch["channels"][5, 1:] = 4.9
    assert method.bins is not None and method.bins.weight.max() > 2 * method.bins.weight.min()
    logits = method.head(method.trunk.local(method.lightness(batch["channels"]))).detach().requires_grad_()
    coloured = torch.ones(16)
    coloured[5] = 0
    each = soft_cross_entropy(logits, batch["near"], batch["share"])
    weight = method.bins.weight[batch["near"][:, 0]]
    loss = ((weight * each).sum((1, 2)) * coloured).mean()
    assert method(**batch)["loss"].item() == pytest.approx(loss.item(), rel=1e-5)
    (expected,) = torch.autograd.grad(loss, logits)
    method.head.forward = lambda _: logits  # type: ignore[method-assign]
    (gradient,) = torch.autograd.grad(method(**batch)["loss"], logits)
    assert torch.allclose(gradient, expected, rtol=1e-4, atol=1e-8)
    assert (gradient[5] == 0).all() and (gradient[4] != 0).any()


def test_alike_weights_are_the_plain_loss(bench: Any) -> None:
    method = make(bench, mix=1.0)
    assert method.bins is not None
    assert torch.allclose(method.bins.weight, torch.ones(len(method.bins)))


def test_rare_colours_of_the_data_get_larger_weights(bench: Any) -> None:
    source = bench.Pictures(64)
    source.images[:] = (90, 120, 200)  # blue everywhere, and one red image
    source.images[7] = (220, 40, 30)
    method = Colorization(bench.encoder(), step=25)
    method.prepare(source)
    assert method.bins is not None
    blue, red = (
        int(method.bins.encode(lab(torch.tensor([c]).float() / 255)[:, 1:, None])[0][0, 0, 0])
        for c in ((90, 120, 200), (220, 40, 30))
    )
    assert method.bins.weight[red] > 10 * method.bins.weight[blue]
    expected = (
        lab(torch.tensor([[90, 120, 200]]) / 255)[0, 1:] * 63 / 64
        + lab(torch.tensor([[220, 40, 30]]) / 255)[0, 1:] / 64
    )
    assert torch.allclose(method.mean_ab, expected, atol=0.01)


def test_histograms_are_weighted_by_chroma_and_light(bench: Any) -> None:
    method = make(bench, "histogram", window=3, locations=5).eval()
    batch = bench.batch(method)
    channels, place = batch["channels"], batch["location"]
    assert place.shape == (16, 5, 2) and place.min() >= 0 and place.max() <= 11
    hue, chroma = method.head(method.columns(method.lightness(channels), place)).chunk(2, 2)
    total = 0.0
    for i in range(16):
        for n in range(5):
            y, x = place[i, n].tolist()
            light = channels[i, 2, y, x].item()
            targets = [histograms(channels[i : i + 1, c], place[i : i + 1, n : n + 1], 32, 3)[0, 0] for c in (0, 1)]
            total += 5 * channels[i, 1, y, x].item() * divergence(targets[0], hue[i, n]).item()
            total += 3 * min(light, 1 / 3, 1 - light) * divergence(targets[1], chroma[i, n]).item()
    assert method(**batch)["loss"].item() == pytest.approx(total / 80, rel=1e-4)


def test_grey_pixels_teach_no_hue(bench: Any) -> None:
    method = make(bench, "histogram").eval()
    batch = bench.batch(method)
    batch["channels"][:, 1] = 0
    outputs = method(**batch)
    assert outputs["hue"] == 0 and outputs["chroma"] > 0


@pytest.mark.parametrize("target", TARGETS)
def test_errors_stand_beside_no_colour_and_the_mean_colour(bench: Any, target: str) -> None:
    method = make(bench, target).eval()
    batch = bench.batch(method)
    outputs = method(**batch)
    ab = lab(rgb_of_hci(batch["channels"])) if target == "histogram" else batch["channels"]
    if target == "histogram":
        i, place = torch.arange(16)[:, None], batch["location"]
        ab = ab[i, 1:, place[:, :, 0], place[:, :, 1]].flatten(0, 1)
    else:
        ab = F.avg_pool2d(ab[:, 1:], 4).movedim(1, 3).reshape(-1, 2)
    assert outputs["error_grey"].item() == pytest.approx(ab.square().sum(1).mean().sqrt().item(), rel=1e-3)
    assert outputs["error_mean"].item() == pytest.approx(
        (ab - method.mean_ab).square().sum(1).mean().sqrt().item(), rel=1e-3
    )
    assert outputs["error"] > 0
    if method.bins is not None:
        weight = method.bins.weight[batch["near"][:, 0]].flatten()
        rare = (weight * ab.square().sum(1)).sum() / weight.sum()
        assert outputs["rare_grey"].item() == pytest.approx(rare.sqrt().item(), rel=1e-3)


def shaded(n: int, seed: int) -> np.ndarray[Any, Any]:
    """Dark blue below, bright yellow above: the colour follows from the lightness."""
    rng = np.random.default_rng(seed)
    share = rng.uniform(0, 1, (n, 12, 12, 1)).round()
    noise = rng.uniform(-20, 20, (n, 12, 12, 3))
    return (share * (220, 200, 60) + (1 - share) * (30, 40, 120) + noise).clip(0, 255).astype(np.uint8)


@pytest.mark.parametrize("target", TARGETS)
def test_it_learns_which_colour_belongs_to_which_shade(bench: Any, target: str) -> None:
    torch.manual_seed(0)
    encoder = encoders.build("conv", bench.input, width=8, depth=1)
    method = Colorization(encoder, target=target, **({"stride": 2} if target != "histogram" else {"window": 1}))
    training, held_out = bench.Pictures(64), bench.Pictures(64)
    training.images, held_out.images = shaded(64, 0), shaded(64, 1)
    method.prepare(training)

    def batch(source: Any, epoch: int) -> dict[str, Any]:
        index = np.arange(64)
        return method.views.apply(source.fetch(index), method.views.sample(index, epoch, 0), torch.device("cpu"))

    def error() -> tuple[float, float]:
        outputs = method.eval()(**batch(held_out, 0))
        method.train()
        return outputs["error"].item(), outputs["error_mean"].item()

    untrained, _ = error()
    optimizer = torch.optim.AdamW(method.parameters(), 1e-2)
    for epoch in range(40):
        optimizer.zero_grad()
        method(**batch(training, epoch))["loss"].backward()
        optimizer.step()
    trained, mean = error()
    assert trained < 0.7 * mean and trained < 0.7 * untrained


@pytest.mark.parametrize("target", TARGETS)
def test_shows_photographs_grey_coloured_and_true(bench: Any, target: str) -> None:
    method = make(bench, target).eval()
    batch = bench.batch(method)
    grey, coloured, truth, *rest = method.show(**batch)
    assert [row.name for row in (grey, coloured, truth)] == ["without colours", "coloured", "truth"]
    pixels = (rgb_of_hci if target == "histogram" else rgb_of_lab)(batch["channels"]).clamp(0, 1)
    expected = (pixels * 255).round().permute(0, 2, 3, 1).numpy()
    assert np.abs(np.stack(truth.images).astype(int) - expected).max() <= 1
    assert np.ptp(np.stack(grey.images).astype(int), axis=3).max() <= 1
    assert np.ptp(np.stack(coloured.images).astype(int), axis=3).max() > 1
    assert len(rest) == (target == "histogram")
    if rest:
        assert np.stack(rest[0].curves).shape == (16, 2, 32)
        assert np.allclose(np.stack(rest[0].curves).sum(2), 1, atol=1e-4)


def test_an_encoder_of_lightness_is_taken_as_it_is(bench: Any) -> None:
    given = encoders.build("multiview", bench.input, views="L", arguments='{"width": 4, "depth": 2}')
    assert Colorization(given).encoder is given
    other = encoders.build("multiview", bench.input, views="L,ab", arguments='{"width": 4, "depth": 2}')
    with pytest.raises(UserError, match="built for views 'L,ab', not 'L': use the same views for colorization"):
        Colorization(other)
    begun = bench.encoder()
    made = Colorization(begun).encoder
    assert isinstance(made, Multiview)
    assert torch.equal(made.networks[0].blocks[1][0].weight, begun.blocks[1][0].weight)  # all but the first layer


def test_grey_images_are_refused(bench: Any) -> None:
    grey = encoders.build("conv", bench.input | {"channels": 1, "mean": [0.5], "std": [0.2]}, width=4)
    with pytest.raises(
        UserError, match="colorization learns from the colours of images, but these are grey: they have 1"
    ):
        Colorization(grey)
    source = bench.Pictures()
    source.images[..., 1:] = source.images[..., :1]
    with pytest.raises(UserError, match="but these are grey, although they have 3 channels"):
        Colorization(bench.encoder()).prepare(source)


def test_what_is_out_of_range_is_named(bench: Any) -> None:
    with pytest.raises(UserError, match="target of colorization must be one of quantised, regression, histogram"):
        Colorization(bench.encoder(), target="rgb")  # type: ignore[arg-type]
    for wrong in ({"stride": 0}, {"window": 4}, {"temperature": 0.0}, {"mix": 1.5}, {"locations": 0}):
        with pytest.raises(UserError, match="colorization needs a stride"):
            Colorization(bench.encoder(), **wrong)
    with pytest.raises(UserError, match="colorization needs an encoder with positions, such as conv, not mlp"):
        Colorization(encoders.build("mlp", bench.input, width=4))
