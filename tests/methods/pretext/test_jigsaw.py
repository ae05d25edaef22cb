from __future__ import annotations

from itertools import pairwise, permutations, product
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import selftaught
from selftaught import methods
from selftaught.errors import UserError
from selftaught.methods.pretext.jigsaw import Jigsaw, chosen, every, fitted
from selftaught.run import RunFolder
from selftaught.views.image import Augment

SMALL = {"grid": 2, "permutations": 24, "size": 18, "width": 32, "hidden": 64}
LEARNS = {"crop": 0.9, "flip": 0.0}

OTHERS: dict[str, Any] = {
    "grid": 3, "permutations": 5, "shuffles": 1, "tile": 2, "split": 1, "size": 20, "grey": 0.9,
    "width": 8, "hidden": 8, "crop": 0.9, "flip": 0.0,
}  # fmt: skip


def make(bench: Any, **arguments: Any) -> Jigsaw:
    torch.manual_seed(0)
    return Jigsaw(bench.encoder(), **({"grid": 2, "permutations": 4, "width": 16, "hidden": 16} | arguments))


@pytest.mark.parametrize(
    ("grid", "count", "reached"), [(2, 4, 4), (2, 12, 3), (2, 24, 2), (3, 9, 9), (3, 10, 8), (3, 64, 7), (3, 100, 6)]
)
def test_permutations_differ_in_as_many_places_as_stated(grid: int, count: int, reached: int) -> None:
    rows, smallest = chosen(grid, count)
    assert (np.sort(rows, 1) == np.arange(grid**2)).all()
    assert len(np.unique(rows, axis=0)) == len(rows) == count
    apart = (rows[:, None] != rows).sum(2)[~np.eye(count, dtype=bool)]
    assert smallest == apart.min() >= reached and 1 not in apart  # the card's minima, or better


def test_all_orders_are_those_of_itertools() -> None:
    assert every(5).tolist() == [list(order) for order in permutations(range(5))]


def test_what_does_not_exist_or_is_not_found_is_said() -> None:
    with pytest.raises(
        UserError, match="permutations of jigsaw must be at most 24, the number of orders of 4 tiles, not 25"
    ):
        chosen(2, 25)
    with pytest.raises(UserError, match=r"at most 362,880"):
        chosen(3, 400_000)


def test_the_distance_is_in_the_run(tmp_path: Any) -> None:
    images = np.random.default_rng(0).integers(0, 256, (16, 16, 16, 3), dtype=np.uint8)
    given = {"grid": 2, "permutations": 12, "steps": 2, "batch_size": 4, "progress": False}
    run = selftaught.pretrain(
        "jigsaw", images, out=tmp_path / "run", encoder={"name": "conv", "width": 4, "depth": 2}, **given
    )
    told = [line["distance"] for line in RunFolder.open(run.path).metrics() if "loss" in line]
    assert told and set(told) == {3.0}


@pytest.mark.parametrize("grid", [2, 3])
def test_a_tile_and_all_its_colours_stay_in_their_cell(bench: Any, grid: int) -> None:
    method = make(bench, grid=grid, size=60, permutations=6)
    cut, patches = method.views.patches.grid, method.views.patches
    assert cut.split == 1 and cut.jitter >= 1
    params = patches.sample(np.arange(300), 0, 0)
    corner = (params["corner"][:, :, None] + params["shift"]).reshape(300, grid, grid, 3, 2)
    cell = 60 // grid
    for r, c in product(range(grid), repeat=2):
        inside = corner[:, r, c] - np.array([r * cell, c * cell])
        assert inside.min() >= 0 and (inside + cut.size).max() <= cell


def test_each_colour_of_a_tile_has_mean_0_and_deviation_1(bench: Any) -> None:
    patches = bench.batch(make(bench, size=40, grey=0.0))["patches"]
    assert patches.mean((-1, -2)).abs().max() < 1e-5
    torch.testing.assert_close(patches.std((-1, -2), correction=0), torch.ones(16, 2, 2, 3), atol=5e-3, rtol=0)


def test_the_loss_is_over_all_shuffles_of_all_images(bench: Any) -> None:
    method = make(bench, permutations=12, shuffles=3).eval()
    batch = bench.batch(method)
    assert batch["asked"].shape == (16, 3) and batch["asked"].min() >= 0 and batch["asked"].max() == 11
    losses, right = [], []
    with torch.no_grad():
        for tiles, orders in zip(batch["patches"], batch["asked"], strict=True):
            for y in orders:
                shuffled = tiles.flatten(0, 1)[method.orders[y]]  # shuffle first, then encode tile by tile
                codes = torch.cat(
                    [method.trunk(method.encoder.local, tile[None, None, None])[0, 0] for tile in shuffled]
                )
                logits = method.head(codes[None])
                losses.append(F.cross_entropy(logits, y[None]))
                right.append((logits.argmax(1) == y).float())
    outputs = method(**batch)
    assert outputs["loss"].item() == pytest.approx(float(torch.stack(losses).mean()), rel=1e-4)
    assert outputs["accuracy"].item() == pytest.approx(float(torch.cat(right).mean()), abs=1e-6)
    assert outputs["chance"] == 1 / 12


def test_a_tile_is_encoded_alone(bench: Any) -> None:
    method = make(bench).eval()
    patches = bench.batch(method)["patches"]
    before = method.trunk(method.encoder.local, patches)
    patches[:, 0, 1] += 1
    changed = (method.trunk(method.encoder.local, patches) - before).abs().amax((0, 2)) > 0
    assert changed.tolist() == [False, True, False, False]


class Numbered(nn.Module):
    """A trunk that reads from a tile where it comes from: the mean of each tile is its number."""

    def forward(self, encoder: Any, patches: Tensor) -> Tensor:
        return F.one_hot(patches.mean((3, 4, 5)).flatten(1).round().long(), 4).float()


def test_a_network_that_knows_the_tiles_is_right_and_puts_them_back(bench: Any) -> None:
    method = make(bench, permutations=24, width=4).eval()
    method.trunk, linear = Numbered(), nn.Linear(16, 24, bias=False)
    with torch.no_grad():  # how many tiles are where permutation y puts them
        linear.weight.copy_(10 * F.one_hot(method.orders, 4).flatten(1).float())
    method.head = nn.Sequential(linear)
    patches = torch.arange(4.0).view(1, 2, 2, 1, 1, 1).expand(24, 2, 2, 3, 4, 4).clone()
    order = torch.arange(24)[:, None]
    outputs = method(patches=patches, asked=order)
    assert outputs["accuracy"] == 1 and outputs["loss"] < 1e-3
    shuffled, back, whole = method.show(patches=patches, asked=order)
    assert back.notes == ["right"] * 24
    assert all(np.array_equal(picture, back.images[0]) for picture in back.images)  # pi, then its inverse
    assert not np.array_equal(shuffled.images[5], shuffled.images[0])
    assert all(np.array_equal(a, b) for a, b in zip(back.images, whole.images, strict=True))
    method.head[0].weight.data.neg_()
    assert method(patches=patches, asked=order)["accuracy"] == 0
    assert method.show(patches=patches, asked=order)[1].notes[0] == "wrong: 0 of 4 in place"


def test_permutations_are_asked_evenly_and_anew_in_each_epoch(bench: Any) -> None:
    views = make(bench, permutations=4, shuffles=2).views
    first, second = (views.sample(np.arange(2000), epoch, 0)["asked"] for epoch in (0, 1))
    np.testing.assert_allclose(np.bincount(first.ravel()) / first.size, 0.25, atol=0.03)
    assert (first != second).mean() == pytest.approx(0.75, abs=0.03)
    assert (first[:, 0] != first[:, 1]).mean() == pytest.approx(0.75, abs=0.03)


def test_the_image_is_cropped_and_may_be_grey_before_it_is_cut(bench: Any) -> None:
    views = make(bench, crop=0.7, flip=0.2, size=30, grey=0.4).views.patches
    assert views.image.augments == [Augment(crop=(0.7, 1.0), flip=0.2, size=30, grey=0.4)]


@pytest.mark.parametrize("argument", OTHERS)
def test_every_argument_matters(bench: Any, argument: str) -> None:
    assert list(OTHERS) == [a.name for a in methods.describe("jigsaw").arguments]
    plain = {"size": 20, "split": 0} if argument == "split" else {}
    given = plain | {argument: OTHERS[argument]}
    assert bench.fingerprint(make(bench, **given)) != bench.fingerprint(make(bench, **plain))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"grid": 4}, "grid of jigsaw must be 2 or 3, not 4"),
        ({"shuffles": 0}, "permutations, shuffles, width and hidden of jigsaw must be at least 1"),
        ({"split": -2}, "split at least -1"),
        ({"tile": 8}, "tiles of 8 pixels with a jitter of at least 1 need images of at least 20 pixels, not 18"),
        (
            {"grid": 3, "size": 8, "permutations": 9},
            "jigsaw cuts 3 x 3 tiles, and tiles of 1 pixels .* at least 9 pixels, not 8",
        ),
    ],
)
def test_values_out_of_range(bench: Any, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        make(bench, **arguments)


def test_an_encoder_without_positions_is_refused(bench: Any) -> None:
    with pytest.raises(UserError, match="jigsaw needs an encoder with positions, such as conv or resnet18, not mlp"):
        Jigsaw(bench.encoder("mlp"))


def test_tiles_are_three_quarters_of_a_cell() -> None:
    found = [
        (fitted(size, 3, 0, -1).size, fitted(size, 3, 0, -1).jitter, fitted(size, 3, 0, -1).split)
        for size in (40, 96, 255)
    ]
    assert found == [(9, 1, 1), (24, 3, 1), (63, 10, 1)]
    assert all(a < b for a, b in pairwise([f[0] for f in found]))


def test_an_untrained_network_guesses(bench: Any) -> None:
    method = make(bench, permutations=12)
    outputs = method(**bench.batch(method, n=256))
    assert outputs["accuracy"] == pytest.approx(1 / 12, abs=0.03)  # 1,024 answers
