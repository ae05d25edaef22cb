from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from selftaught import methods
from selftaught.errors import UserError
from selftaught.method import Clock
from selftaught.methods.pretext.rotation import Rotation, _spun, rotated, turned
from selftaught.views.image import Augment, denormalise


def test_quarter_turns_compose() -> None:
    x = torch.randn(3, 2, 6, 6)
    copies = turned(x).view(3, 4, 2, 6, 6)
    one = copies[:, 1]
    twice = turned(one).view(3, 4, 2, 6, 6)[:, 1]
    thrice = turned(twice).view(3, 4, 2, 6, 6)[:, 1]
    assert torch.equal(copies[:, 0], x)
    assert torch.equal(twice, copies[:, 2])
    assert torch.equal(thrice, copies[:, 3])
    assert torch.equal(turned(thrice).view(3, 4, 2, 6, 6)[:, 1], x)


def test_a_quarter_turn_is_a_transpose_and_a_vertical_flip() -> None:
    x = torch.arange(18.0).view(1, 2, 3, 3)
    assert np.array_equal(turned(x)[1].numpy(), x[0].numpy().transpose(0, 2, 1)[:, ::-1])


class Corners(nn.Module):
    """Scores each turn by the brightness of the corner where a mark at the upper left would then be.

    Counter-clockwise.
    """

    def forward(self, x: Tensor) -> Tensor:
        return 50 * torch.stack([x[:, 0, 0, 0], x[:, 0, -1, 0], x[:, 0, -1, -1], x[:, 0, 0, -1]], 1)


def oracle(bench: Any) -> Rotation:
    method = Rotation(bench.encoder())
    method.encoder.local = lambda x: x
    method.head = Corners()
    return method


def test_a_network_that_sees_which_way_is_up_is_right(bench: Any) -> None:
    image = torch.zeros(5, 3, 12, 12)
    image[:, :, 0, 0] = 1
    outputs = oracle(bench)(image)
    assert outputs["accuracy"] == 1
    assert outputs["loss"] < 1e-6
    image = image.flip(2)  # the mark is at the lower left: every answer is one turn too many
    outputs = oracle(bench)(image)
    assert outputs["accuracy"] == 0
    assert outputs["loss"].item() == pytest.approx(50, rel=1e-5)


def test_the_loss_is_the_mean_over_turns_and_images(bench: Any) -> None:
    method = Rotation(bench.encoder()).eval()
    image = bench.batch(method)["image"]
    total = 0.0
    for r in range(4):
        turned_images = torch.from_numpy(np.rot90(image.numpy(), r, (2, 3)).copy())
        probability = F.softmax(method.head(method.encoder.local(turned_images)), 1)
        total -= sum(math.log(p) for p in probability[:, r].tolist())
    assert method(image)["loss"].item() == pytest.approx(total / (4 * len(image)), rel=1e-5)


def test_symmetric_images_give_nothing_away(bench: Any) -> None:
    method = Rotation(bench.encoder())
    side = torch.linspace(-1, 1, 12)
    radial = (side[:, None] ** 2 + side[None, :] ** 2).expand(1, 3, 12, 12)
    images = torch.cat([radial * a + b for a, b in [(0, 1), (1, 0), (-2, 0.5), (3, -1)]])
    assert method(images)["accuracy"] == 0.25


def test_an_untrained_network_guesses(bench: Any) -> None:
    method = Rotation(bench.encoder(width=16))
    accuracy = method(**bench.batch(method, n=512))["accuracy"]
    assert accuracy == pytest.approx(0.25, abs=0.04)  # 2048 answers
    assert method(**bench.batch(method))["chance"] == 0.25


def test_every_turn_is_asked_for_once_per_image(bench: Any) -> None:
    method = Rotation(bench.encoder())
    seen: list[Tensor] = []
    method.head = nn.Sequential(method.head)
    method.encoder.local = lambda x: seen.append(x) or torch.zeros(len(x), 8, 3, 3)
    image = bench.batch(method)["image"]
    method(image)
    assert seen[0].shape == (64, 3, 12, 12)
    for r in range(4):
        assert torch.equal(seen[0][r::4], torch.rot90(image, r, (2, 3)))


def test_the_head_keeps_the_given_number_of_blocks_to_itself(bench: Any) -> None:
    method = Rotation(bench.encoder(), blocks=3, width=7)
    convolutions = [m for m in method.head.modules() if isinstance(m, nn.Conv2d)]
    assert [(c.in_channels, c.out_channels) for c in convolutions] == [(8, 7), (7, 7), (7, 7)]
    plain = Rotation(bench.encoder(), blocks=0)
    assert not [m for m in plain.head.modules() if isinstance(m, nn.Conv2d)]
    assert not {id(p) for p in method.encoder.parameters()} & {id(p) for p in method.head.parameters()}


def test_all_that_can_learn_gets_a_gradient(bench: Any) -> None:
    method = Rotation(bench.encoder())
    method(**bench.batch(method))["loss"].backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in method.parameters())


def test_crops_and_mirrors_come_before_the_turn(bench: Any) -> None:
    assert Rotation(bench.encoder()).views.augments == [Augment(crop=(0.6, 1.0), flip=0.5)]


def test_an_encoder_without_positions_is_refused(bench: Any) -> None:
    with pytest.raises(UserError, match="rotation needs an encoder with positions, such as conv or resnet18, not mlp"):
        Rotation(bench.encoder("mlp"))


def test_shows_the_turns_and_what_they_are_taken_for(bench: Any) -> None:
    method = oracle(bench)
    image = torch.zeros(3, 3, 12, 12)
    image[:, :, 0, 0] = 2
    image[1] = image[1].rot90(3, (1, 2))  # every answer is one turn too few
    rows = method.show(image=image, clock=Clock())
    assert [row.name for row in rows] == ["0 degrees", "90 degrees", "180 degrees", "270 degrees"]
    np.testing.assert_array_equal(rows[0].images, denormalise(image, bench.input))
    np.testing.assert_array_equal(rows[2].images, denormalise(image.flip(2, 3), bench.input))
    assert [row.notes[0] for row in rows] == ["right"] * 4
    assert [row.notes[1] for row in rows] == ["wrong: 270", "wrong: 0", "wrong: 90", "wrong: 180"]


EIGHT = tuple(range(0, 360, 45))


def test_other_angles_turn_the_same_way(bench: Any) -> None:
    side = torch.arange(33.0) - 16
    y, x = -side[:, None].expand(33, 33), side.expand(33, 33)  # y upwards
    for r, angle in enumerate(EIGHT):
        blob = torch.exp(-((x - 8) ** 2 + y**2) / 12)[None, None]  # to the right
        copies = rotated(blob, EIGHT)
        weight = copies[r, 0] / copies[r, 0].sum()
        a = math.radians(angle)
        assert float((weight * x).sum()) == pytest.approx(8 * math.cos(a), abs=0.05)
        assert float((weight * y).sum()) == pytest.approx(8 * math.sin(a), abs=0.05)


def test_quarter_turns_in_any_order_are_exact() -> None:
    image = torch.randn(2, 3, 7, 7)
    copies = rotated(image, (180.0, 0.0)).view(2, 2, 3, 7, 7)
    assert torch.equal(copies[:, 0], image.rot90(2, (2, 3))) and torch.equal(copies[:, 1], image)


def test_no_corner_tells_the_angle() -> None:
    copies = rotated(torch.ones(2, 3, 16, 16), EIGHT)
    y, x = np.mgrid[:16, :16] - 7.5
    outside = torch.from_numpy(np.hypot(x, y) > 8)
    assert (copies[:, :, outside] == 0).all() and (copies[:, :, ~outside] > 0.5).all()
    assert torch.equal(copies.amax((0, 1)) > 0, ~outside)  # of every copy, the upright one too
    inner = torch.from_numpy(np.hypot(x, y) < 6)
    assert (copies[:, :, inner] - 1).abs().max() < 1e-5


def test_every_copy_is_interpolated_alike() -> None:
    """Interpolation smooths: noise that one copy keeps and another loses would tell the angle."""
    noise = torch.randn(200, 1, 16, 16, generator=torch.Generator().manual_seed(0))
    middle = rotated(noise, EIGHT).view(200, 8, 16, 16)[:, :, 5:11, 5:11]
    rough = middle.diff(dim=3).square().mean((0, 2, 3))
    assert (rough / rough.mean() - 1).abs().max() < 0.15
    once = (
        torch.stack([_spun(noise, angle) for angle in EIGHT], 1)[:, :, 0, 5:11, 5:11]
        .diff(dim=3)
        .square()
        .mean((0, 2, 3))
    )
    assert (once / once.mean() - 1).abs().max() > 0.4  # what it is without the second step


@pytest.mark.parametrize("angles", [(0.0, 180.0), EIGHT])
def test_any_set_of_angles_is_asked_for(bench: Any, angles: tuple[float, ...]) -> None:
    method = Rotation(bench.encoder(), angles=angles).eval()
    image = bench.batch(method)["image"]
    outputs = method(image)
    logits = method.head(method.encoder.local(rotated(image, angles)))
    turns = torch.arange(len(angles)).repeat(16)
    assert logits.shape == (16 * len(angles), len(angles)) and outputs["chance"] == 1 / len(angles)
    assert outputs["loss"].item() == pytest.approx(F.cross_entropy(logits, turns).item(), rel=1e-5)


@pytest.mark.parametrize("angles", [(0.0,), (0.0, 0.0, 90.0), (0.0, 360.0), (-45.0, 0.0)])
def test_angles_that_cannot_be_told_apart_are_refused(bench: Any, angles: tuple[float, ...]) -> None:
    with pytest.raises(UserError, match=r"angles of rotation must be at least two different ones in \[0, 360\), not"):
        Rotation(bench.encoder(), angles=angles)


OTHERS: dict[str, Any] = {"blocks": 1, "width": 5, "crop": 0.9, "flip": 0.0, "angles": (0.0, 90.0, 180.0, 300.0)}


@pytest.mark.parametrize("argument", OTHERS)
def test_every_argument_matters(bench: Any, argument: str) -> None:
    assert list(OTHERS) == [a.name for a in methods.describe("rotation").arguments]

    def trained(**arguments: Any) -> list[Any]:
        torch.manual_seed(1)
        return bench.fingerprint(Rotation(bench.encoder(), **arguments))

    assert trained(**{argument: OTHERS[argument]}) != trained()
