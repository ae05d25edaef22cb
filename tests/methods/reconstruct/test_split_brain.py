from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from selftaught import encoders
from selftaught.errors import UserError
from selftaught.method import Encoder
from selftaught.methods.reconstruct.split_brain import SplitBrain
from selftaught.parts.colour import lab, rgb_of_lab
from selftaught.parts.colour_bins import soft_cross_entropy

TOY = {"channels": 3}
"""The toys of the contract must be in colour."""
SMALL = {"step": 25, "levels": 8}

OTHERS: dict[str, Any] = {
    "halves": "Y,CbCr", "loss": "regression", "form": "shared", "stride": 2, "step": 25, "levels": 8, "crop": 0.95,
    "flip": 0.0,
}  # fmt: skip


def make(bench: Any, encoder: Encoder | None = None, **arguments: Any) -> SplitBrain:
    torch.manual_seed(1)
    method = SplitBrain(encoder or bench.encoder(), **({"step": 20} | arguments))
    method.prepare(bench.Pictures())
    return method


@pytest.mark.parametrize("name", OTHERS)
def test_every_argument_matters(bench: Any, name: str) -> None:
    assert bench.fingerprint(make(bench, **{name: OTHERS[name]})) != bench.fingerprint(make(bench))


def test_ensemble_is_a_form_of_its_own(bench: Any) -> None:
    found = [bench.fingerprint(make(bench, form=form)) for form in ("disjoint", "ensemble", "shared")]
    assert found[0] != found[1] != found[2]


def test_every_argument_is_varied_here() -> None:
    from selftaught import methods

    assert [a.name for a in methods.describe("split_brain").arguments] == list(OTHERS)


def test_a_half_never_sees_what_it_predicts(bench: Any) -> None:
    method = make(bench).eval()
    channels = bench.batch(method)["channels"]
    other_ab, other_l = channels.clone(), channels.clone()
    other_ab[:, 1:] = channels[:, 1:].flip(0)
    other_l[:, :1] = channels[:, :1].flip(0)
    whole, ab_changed, l_changed = (method.predicted(x) for x in (channels, other_ab, other_l))
    assert torch.equal(whole[0], ab_changed[0]) and not torch.equal(whole[1], ab_changed[1])
    assert torch.equal(whole[1], l_changed[1]) and not torch.equal(whole[0], l_changed[0])


def test_gradients_stay_in_their_half(bench: Any) -> None:
    method = make(bench)
    first, second = method.encoder.encoders()
    method.predicted(bench.batch(method)["channels"])[0].sum().backward()
    assert all(p.grad is not None for p in first.parameters()) and all(p.grad is None for p in second.parameters())
    assert all(p.grad is None for p in method.heads[1].parameters())


def test_the_joined_features_are_as_wide_as_the_encoder_and_see_the_whole_image(bench: Any) -> None:
    given = bench.encoder()
    method = make(bench, given).eval()
    pixels = torch.rand(3, 3, 12, 12)
    mean, std = (torch.tensor(bench.input[k]).view(-1, 1, 1) for k in ("mean", "std"))
    features = method.kept((pixels - mean) / std)
    assert features.shape == (3, given.dim)
    parts = [
        net(method.encoder.scaled(lab(pixels))[:, g])
        for net, g in zip(method.encoder.encoders(), ([0], [1, 2]), strict=True)
    ]
    assert torch.allclose(features, torch.cat(parts, 1), atol=1e-3)
    grey = lab(pixels)
    grey[:, 1:] = 0
    changed = method.kept((rgb_of_lab(grey) - mean) / std)
    half = given.dim // 2
    assert torch.allclose(features[:, :half], changed[:, :half], atol=1e-2)
    assert not torch.allclose(features[:, half:], changed[:, half:], atol=1e-2)


def test_classes_of_both_directions(bench: Any) -> None:
    method = make(bench, levels=10).eval()
    batch = bench.batch(method)
    ab, light = method.predicted(batch["channels"])
    assert method.bins is not None
    assert ab.shape == (16, len(method.bins), 3, 3) and light.shape == (16, 10, 3, 3)
    mean = F.avg_pool2d(batch["channels"][:, 0], 4)
    classes = (mean / 10).long().clamp(max=9)
    expected = soft_cross_entropy(ab, batch["near"], batch["share"]).sum() + F.cross_entropy(
        light, classes, reduction="sum"
    )
    assert method(**batch)["loss"].item() == pytest.approx(expected.item() / 16, rel=1e-5)


@pytest.mark.parametrize(("views", "first"), [("L,ab", 1), ("Y,CbCr", 1), ("R,GB", 1)])
def test_regression_of_any_two_groups(bench: Any, views: str, first: int) -> None:
    method = make(bench, halves=views, loss="regression").eval()
    batch = bench.batch(method)
    scaled = method.encoder.scaled(F.avg_pool2d(batch["channels"], 4))
    later, earlier = method.predicted(batch["channels"])
    expected = ((later - scaled[:, first:]) ** 2).sum() / 2 + ((earlier - scaled[:, :first]) ** 2).sum() / 2
    assert method(**batch)["loss"].item() == pytest.approx(expected.item() / 16, rel=1e-5)


def test_levels_of_several_channels_are_classes_of_each(bench: Any) -> None:
    method = make(bench, halves="R,GB", levels=4).eval()
    batch = bench.batch(method)
    found, _ = method.predicted(batch["channels"])
    assert found.shape == (16, 8, 3, 3)
    classes = (F.avg_pool2d(batch["channels"], 4) * 4).long().clamp(max=3)
    expected = F.cross_entropy(found[:, :4], classes[:, 1], reduction="none") + F.cross_entropy(
        found[:, 4:], classes[:, 2], reduction="none"
    )
    assert torch.allclose(method.losses(found, F.avg_pool2d(batch["channels"], 4), [1, 2], batch), expected, rtol=1e-4)


@pytest.mark.parametrize("loss", ["classification", "regression"])
def test_errors_are_in_units_of_the_space(bench: Any, loss: str) -> None:
    method = make(bench, loss=loss, levels=10).eval()
    batch = bench.batch(method)
    outputs, truth = method(**batch), F.avg_pool2d(batch["channels"], 4)
    wanted = (truth[:, 1:] - method.mean[1:].view(2, 1, 1)).square().sum(1).mean().sqrt()
    assert outputs["mean_ab"].item() == pytest.approx(wanted.item(), rel=1e-4)
    ab, light = method.predicted(batch["channels"])
    if loss == "regression":
        decoded = (light + 1) * 50
    else:
        decoded = (light.softmax(1) * torch.arange(5, 100, 10).view(1, -1, 1, 1)).sum(1, keepdim=True)
    assert outputs["error_L"].item() == pytest.approx((decoded - truth[:, :1]).square().mean().sqrt().item(), rel=1e-4)
    assert outputs["error_ab"] > 0 and ab.shape[0] == 16


def test_nothing_is_learned_of_channels_that_are_independent(bench: Any) -> None:
    rng = np.random.default_rng(0)
    channels = np.zeros((256, 3, 12, 12), np.float32)
    channels[:, 0] = 50 + rng.choice([-20, 20], (256, 1, 1))  # lightness and colours are drawn apart
    channels[:, 1] = rng.choice([-20, 20], (256, 1, 1))
    method = make(bench, loss="regression", halves="L,ab")
    method.mean.copy_(torch.tensor([50.0, 0, 0]))
    optimizer = torch.optim.AdamW(method.parameters(), 1e-2)
    for step in range(60):
        optimizer.zero_grad()
        method(torch.from_numpy(channels[64 * (step % 2) : 64 * (step % 2) + 64]))["loss"].backward()
        optimizer.step()
    outputs = method.eval()(torch.from_numpy(channels[128:]))
    assert outputs["error_ab"] > 0.95 * outputs["mean_ab"] and outputs["error_L"] > 0.95 * outputs["mean_L"]


def test_it_learns_which_colour_belongs_to_which_shade(bench: Any) -> None:
    rng = np.random.default_rng(0)
    dark = torch.from_numpy(rng.integers(0, 2, (128, 1, 3, 3))).float()
    dark = F.interpolate(dark, size=(12, 12))
    channels = torch.cat([80 - 50 * dark, 20 - 40 * dark, 60 - 100 * dark], 1) + torch.randn(128, 3, 12, 12)
    method = make(bench, loss="regression", encoder=bench.encoder(width=16))
    method.mean.copy_(channels[:64].mean((0, 2, 3)))
    optimizer = torch.optim.AdamW(method.parameters(), 1e-2)
    for _ in range(60):
        optimizer.zero_grad()
        method(channels[:64])["loss"].backward()
        optimizer.step()
    outputs = method.eval()(channels[64:])
    assert outputs["error_ab"] < 0.6 * outputs["mean_ab"] and outputs["error_L"] < 0.6 * outputs["mean_L"]


def test_shared_hides_the_other_group_from_the_one_network(bench: Any) -> None:
    method = make(bench, form="shared").eval()
    assert len(method.encoder.networks) == 1 and method.encoder.dim == bench.encoder().dim
    channels = bench.batch(method)["channels"]
    changed = channels.clone()
    changed[:, 1:] = channels[:, 1:].flip(0)
    first, second = method.predicted(channels), method.predicted(changed)
    assert torch.equal(first[0], second[0]) and not torch.equal(first[1], second[1])


def test_ensemble_predicts_the_second_group_twice(bench: Any) -> None:
    method = make(bench, form="ensemble").eval()
    batch = bench.batch(method)
    first, second = method.predicted(batch["channels"])
    assert first.shape == second.shape and not torch.equal(first, second)
    assert set(method(**batch)) == {"loss", "error_ab", "mean_ab"}
    assert [net.spec["width"] for net in method.encoder.encoders()] == [2, 2]


def test_depth_is_a_group_of_its_own(bench: Any) -> None:
    four = {k: [*v, 0.5] if isinstance(v, list) else v for k, v in bench.input.items()} | {"channels": 4}
    method = SplitBrain(encoders.build("conv", four, width=8, depth=2), halves="RGB,D", levels=6)
    source = bench.Pictures()
    source.images = np.random.default_rng(0).integers(0, 256, (16, 12, 12, 4), np.uint8)
    method.prepare(source)
    index = np.arange(16)
    batch = method.views.apply(source.fetch(index), method.views.sample(index, 0, 0), torch.device("cpu"))
    outputs = method(**batch)
    assert {"error_D", "mean_D", "error_RGB", "mean_RGB"} <= set(outputs)
    assert [row.name for row in method.show(**batch)] == ["truth", "true D", "predicted D", "predicted RGB"]
    assert all(image.shape == (12, 12, 3) for row in method.show(**batch) for image in row.images)


def test_shows_what_each_half_says_of_the_other(bench: Any) -> None:
    method = make(bench).eval()
    rows = method.show(**bench.batch(method))
    assert [row.name for row in rows] == ["truth", "predicted ab", "predicted L"]
    truth, colours, _ = (torch.from_numpy(np.stack(row.images)).permute(0, 3, 1, 2) / 255 for row in rows)
    assert (lab(truth)[:, 0] - lab(colours)[:, 0]).abs().median() < 2  # the lightness is the image's own, in gamut


def test_mistakes_are_named(bench: Any) -> None:
    with pytest.raises(UserError, match="splits channels into two groups, not into 3"):
        SplitBrain(bench.encoder(), halves="R,G,B")
    with pytest.raises(UserError, match="each channel once, not 'L,a'"):
        SplitBrain(bench.encoder(), halves="L,a")
    with pytest.raises(UserError, match="needs images with 4 channels, but these have 3 channels"):
        SplitBrain(bench.encoder(), halves="RGB,D")
    for wrong in ({"loss": "l2"}, {"form": "both"}, {"stride": 0}, {"levels": 1}):
        with pytest.raises(UserError, match="split_brain needs a loss of classification or regression"):
            SplitBrain(bench.encoder(), **wrong)
    with pytest.raises(UserError, match="split_brain needs an encoder with positions, such as conv, not mlp"):
        SplitBrain(bench.encoder("mlp", width=4))
    grey = encoders.build("conv", bench.input | {"channels": 1, "mean": [0.5], "std": [0.2]}, width=4)
    with pytest.raises(
        UserError, match="split_brain learns from the colours of images, but these are grey: they have 1"
    ):
        SplitBrain(grey)
    source = bench.Pictures()
    source.images[..., 1:] = source.images[..., :1]
    with pytest.raises(UserError, match="but these are grey, although they have 3 channels"):
        SplitBrain(bench.encoder()).prepare(source)
