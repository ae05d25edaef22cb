from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from selftaught import encoders
from selftaught.contract.case import Case, batch
from selftaught.data.stereo import toy
from selftaught.errors import UserError
from selftaught.methods.geometry.monodepth import Monodepth, roughness, ssim, warp
from selftaught.parts.skip_decoder import SkipDecoder

SMALL = {"scales": 3, "crop": 0.8}
"""Arguments that fit the method to the toys of the contract."""
VARIANTS = ({"eyes": "both"}, {"smoothness": 0.0, "consistency": 0.0})
CASE = Case("monodepth", "stereo", SMALL)
OTHERS: dict[str, Any] = {
    "alpha": 0.5, "smoothness": 1.0, "consistency": 0.3, "largest": 0.4, "scales": 2, "eyes": "both", "crop": 0.6,
    "flip": 1.0, "jitter": 0.1, "jitter_p": 1.0, "colours": "apart",
}  # fmt: skip


def make(**arguments: Any) -> Monodepth:
    torch.manual_seed(0)
    encoder = encoders.build("conv", toy.seen(), width=8, depth=2)
    return Monodepth(encoder, **(SMALL | arguments))


def pair(n: int = 16, **arguments: Any) -> tuple[Tensor, Tensor]:
    views = batch(make(crop=1.0, flip=0.0, jitter=0.0, **arguments), toy.source(n), range(n))
    return views["left"], views["right"]


def still(method: Monodepth, value: float) -> Monodepth:
    """The same method, whose disparities are `value` everywhere."""
    odds = value / method.largest
    for layer in method.decoder.predict:
        assert isinstance(layer, nn.Conv2d) and layer.bias is not None
        nn.init.zeros_(layer.weight)
        nn.init.constant_(layer.bias, float(np.log(odds / (1 - odds))))
    return method


def test_the_sampler_equals_the_loop_over_pixels() -> None:
    torch.manual_seed(0)
    image, shift = torch.rand(2, 3, 4, 7), 0.8 * torch.rand(2, 1, 4, 7) - 0.4
    found = warp(image, shift)
    for b, y, x in np.ndindex(2, 4, 7):
        at = min(max(x + 7 * float(shift[b, 0, y, x]), 0.0), 6.0)
        low = min(int(at), 5)
        expected = (low + 1 - at) * image[b, :, y, low] + (at - low) * image[b, :, y, low + 1]
        torch.testing.assert_close(found[b, :, y, x], expected, rtol=1e-5, atol=1e-6)


def test_no_disparity_is_the_picture_itself_and_a_whole_one_moves_it() -> None:
    image = torch.rand(2, 3, 5, 8)
    assert torch.equal(warp(image, torch.zeros(2, 1, 5, 8)), image)
    moved = warp(image, torch.full((2, 1, 5, 8), 2 / 8))
    assert torch.equal(moved[..., :6], image[..., 2:])
    assert torch.equal(moved[..., 6:], image[..., 7:].expand(-1, -1, -1, 2))  # beyond the border is the border


def test_the_sampler_has_the_gradient_of_finite_differences() -> None:
    torch.manual_seed(1)
    image = torch.rand(1, 2, 3, 6, dtype=torch.float64, requires_grad=True)
    shift = (0.6 * torch.rand(1, 1, 3, 6, dtype=torch.float64) - 0.3).requires_grad_()
    assert torch.autograd.gradcheck(warp, (image, shift))


def test_the_similarity_is_that_of_scikit_image() -> None:
    metrics = pytest.importorskip("skimage.metrics")
    rng = np.random.default_rng(0)
    x, y = rng.random((2, 9, 11))
    _, whole = metrics.structural_similarity(
        x, y, win_size=3, data_range=1, use_sample_covariance=False, full=True, gaussian_weights=False
    )
    found = ssim(torch.from_numpy(x)[None, None], torch.from_numpy(y)[None, None])
    np.testing.assert_allclose(found[0, 0], whole[1:-1, 1:-1], atol=1e-10)
    assert torch.allclose(ssim(found, found), torch.ones(1, dtype=torch.float64))


def test_roughness_is_the_slope_weighted_by_the_edges_of_the_picture() -> None:
    d = torch.tensor([[0.0, 0.1, 0.3], [0.0, 0.1, 0.3]]).view(1, 1, 2, 3)
    image = torch.tensor([[0.0, 0.0, 1.0], [0.0, 0.0, 1.0]]).view(1, 1, 2, 3).expand(1, 3, 2, 3)
    assert float(roughness(d, image)) == pytest.approx((0.1 + 0.2 * np.exp(-1)) / 2)
    assert float(roughness(d.mT, image.mT)) == pytest.approx((0.1 + 0.2 * np.exp(-1)) / 2)
    assert float(roughness(torch.ones_like(d), image)) == 0


@torch.no_grad()
def test_the_same_disparity_everywhere_agrees_and_is_smooth() -> None:
    method = still(make(), 0.1)
    outputs = method(*pair())
    assert float(outputs["disagreement"]) < 1e-6 and float(outputs["rough"]) < 1e-6


def test_the_true_shift_makes_each_eye_from_the_other() -> None:
    torch.manual_seed(0)
    wall = torch.randn(4, 1, 16, 19)
    left, right = wall[..., :16], wall[..., 3:]  # what is at x of the left lies at x - 3 of the right
    made = {shift: still(make(), shift / 16) for shift in (1, 3)}
    for eye, other, sign, inside in ((left, right, -1, slice(3, 16)), (right, left, 1, slice(0, 13))):
        d = made[3].disparities(left, right)[0][:, :1]
        torch.testing.assert_close(warp(other, sign * d)[..., inside], eye[..., inside], atol=1e-4, rtol=0)
    right_one, wrong_one = (float(made[shift](left, right)["error"]) for shift in (3, 1))
    assert right_one < wrong_one / 2


def test_the_loss_is_the_sum_over_eyes_and_scales() -> None:
    method, (left, right) = make(), pair(2)
    outputs = method(left, right)
    total, errors = torch.zeros(()), []
    for s, both in enumerate(method.disparities(left, right)):
        step = 16 // both.shape[3]
        i_l, i_r = (nn.functional.avg_pool2d(0.25 * x + 0.4, step) for x in (left, right))
        d_l, d_r = both[:, :1], both[:, 1:]
        for image, other, d, theirs, sign in ((i_l, i_r, d_l, d_r, -1), (i_r, i_l, d_r, d_l, 1)):
            made = warp(other, sign * d)
            structure = ((1 - ssim(image, made)) / 2).clamp(0, 1).mean()
            total = total + 0.85 * structure + 0.15 * (image - made).abs().mean()
            total = total + 0.1 * roughness(d, image) / 2**s + (d - warp(theirs, sign * d)).abs().mean()
            errors += [(image - made).abs().mean()] if s == 0 else []
    torch.testing.assert_close(outputs["loss"], total)
    torch.testing.assert_close(outputs["error"], sum(errors) / 2)


def test_a_mirrored_pair_with_its_eyes_swapped_has_the_mirrored_loss() -> None:
    """With both eyes seen alike, swapping sides swaps the disparities; here the prediction is made symmetric."""
    left, right = pair(4)
    method = still(make(), 0.12)
    one, other = method(left, right), method(right.flip(3), left.flip(3))
    for key in ("loss", "appearance", "error"):
        torch.testing.assert_close(one[key], other[key])


def test_disparities_are_averaged_with_those_of_the_mirror_image() -> None:
    left, right = pair(4)
    for eyes in ("left", "both"):
        method = make(eyes=eyes).eval()
        found = method.disparity(left, right)
        straight = method.disparities(left, right)[0][:, 0]
        if eyes == "left":
            mirrored = method.disparities(left.flip(3), right)[0][:, 0].flip(2)
        else:
            mirrored = method.disparities(right.flip(3), left.flip(3))[0][:, 1].flip(2)
        assert torch.equal(found[..., 0], mirrored[..., 0]) and torch.equal(found[..., -1], straight[..., -1])
        torch.testing.assert_close(found[..., 4:12], ((straight + mirrored) / 2)[..., 4:12])


def test_one_eye_is_seen_unless_both_are_asked_for() -> None:
    left, right = pair(4)
    for eyes, same in (("left", True), ("both", False)):
        method = make(eyes=eyes).eval()
        assert torch.equal(method.disparity(left, right), method.disparity(left, right.flip(2))) is same


@torch.no_grad()
def test_disparities_lie_between_0_and_the_largest() -> None:
    method = make(largest=0.25)
    nn.init.normal_(method.decoder.predict[-1].bias, std=50)  # type: ignore[arg-type]
    pyramid = method.disparities(*pair(4))
    assert [tuple(d.shape) for d in pyramid] == [(4, 2, 16, 16), (4, 2, 8, 8), (4, 2, 4, 4)]
    assert all(float(d.min()) >= 0 and float(d.max()) <= 0.25 for d in pyramid)


def test_a_rendered_pair_gives_its_depth() -> None:
    """Trained on rendered pairs, one eye tells the disparity of others better than any constant does."""
    method, held_out = CASE.build(flip=0.0, jitter=0.0, crop=1.0, smoothness=0.01), toy.source(48, seed=1)
    source = toy.source(192)
    optimiser = torch.optim.Adam(method.parameters(), lr=4e-3)
    for step in range(160):
        views = batch(method, source, np.random.default_rng(step).integers(0, 192, 24))
        optimiser.zero_grad()
        method(**views)["loss"].backward()
        optimiser.step()
    views, raw = batch(method, held_out, range(48)), held_out.fetch(np.arange(48))
    with torch.no_grad():
        found = 16 * method.eval().disparity(views["left"], views["right"]).numpy()
    truth = raw["disparity"]
    constant = float(np.abs(truth - np.median(truth)).mean())
    assert np.abs(found - truth).mean() < 0.7 * constant, (np.abs(found - truth).mean(), constant)
    near, far = found[truth >= 2].mean(), found[truth < 2].mean()
    assert near > far + 1


def test_the_decoder_joins_the_layers_of_its_sides() -> None:
    shapes = [(4, 16, 16), (8, 8, 8), (9, 8, 8), (12, 4, 4)]
    decoder = SkipDecoder(shapes, 2, 16, 3)
    assert decoder.skips == [None, 2, 0] and decoder.sides == [4, 8, 16]
    layers = [torch.randn(2, *shape, requires_grad=True) for shape in shapes]
    found = decoder(layers)
    assert [one.shape[3] for one in found] == [16, 8, 4]
    found[0].sum().backward()
    assert [bool(x.grad is not None and x.grad.any()) for x in layers] == [True, False, True, True]
    assert [one.shape[3] for one in SkipDecoder([(6, 5, 5)], 1, 20, 2)([torch.randn(1, 6, 5, 5)])] == [20, 10]
    with pytest.raises(UserError, match="scales must be at most 3, not 4"):
        SkipDecoder(shapes, 2, 16, 4)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"alpha": 1.1}, "alpha of monodepth must be in"),
        ({"largest": 0.0}, "largest in"),
        ({"scales": 0}, "scales at least 1"),
        ({"consistency": -1.0}, "consistency at least 0"),
        ({"eyes": "right"}, "eyes of monodepth must be left or both"),
        ({"scales": 4}, "4 scales of 16 pixels end with fewer than 3"),
    ],
)
def test_arguments_out_of_range_are_refused(arguments: Any, said: str) -> None:
    with pytest.raises(UserError, match=said):
        make(**arguments)


def test_an_encoder_without_positions_is_refused() -> None:
    with pytest.raises(UserError, match="monodepth needs an encoder with positions"):
        Monodepth(encoders.build("mlp", toy.seen(), width=4))


@pytest.mark.parametrize("argument", OTHERS)
@torch.no_grad()
def test_every_argument_has_an_effect(argument: str) -> None:
    base: Any = {"jitter_p": 0.9} if argument == "colours" else {}

    def outcome(**arguments: Any) -> float:
        method = make(**base, **arguments)
        return float(method(**batch(method, toy.source(8), range(8)))["loss"])

    assert outcome() == outcome()
    assert outcome() != outcome(**{argument: OTHERS[argument]})
