from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from selftaught import methods
from selftaught.errors import UserError
from selftaught.methods.pretext.relative_position import PLACES, RelativePosition, fitted, pairs
from selftaught.views.image import Augment

SMALL = {"size": 24, "width": 32, "hidden": 32}
LEARNS = {"coarse": 0.0, "crop": 0.9, "flip": 0.0}

OTHERS: dict[str, Any] = {
    "patch": 2, "gap": 0, "jitter": 0, "size": 15, "colour": "project", "coarse": 0.9, "width": 8,
    "hidden": 8, "crop": 0.9, "flip": 0.0,
}  # fmt: skip


def make(bench: Any, **arguments: Any) -> RelativePosition:
    torch.manual_seed(0)
    return RelativePosition(bench.encoder(), **({"width": 16, "hidden": 16} | arguments))


def test_places_of_a_pair_and_of_the_pair_turned_round_are_opposite() -> None:
    one, other, place = pairs(3)
    asked = dict(zip(zip(one.tolist(), other.tolist(), strict=True), place.tolist(), strict=True))
    assert len(asked) == len(one) == 40 and set(asked.values()) == set(range(8))
    for (a, b), k in asked.items():
        assert asked[b, a] == 7 - k
    around_the_centre = [asked[4, cell] for cell in (0, 1, 2, 3, 5, 6, 7, 8)]
    assert (
        around_the_centre == list(range(8)) and PLACES[asked[0, 1]] == "right" and PLACES[asked[8, 4]] == "upper left"
    )


def test_only_neighbours_are_pairs() -> None:
    one, other, _ = pairs(3)
    rows, columns = (one // 3 - other // 3).abs(), (one % 3 - other % 3).abs()
    assert torch.maximum(rows, columns).eq(1).all()


@pytest.mark.parametrize(("size", "arguments"), [(40, {}), (96, {}), (40, {"patch": 8, "gap": 5, "jitter": 2})])
def test_patches_never_come_nearer_than_the_gap_allows(bench: Any, size: int, arguments: dict[str, int]) -> None:
    method = make(bench, size=size, **arguments)
    corner = method.views.sample(np.arange(500), 0, 0)["corner"].reshape(500, 3, 3, 2)
    grid = method.views.grid
    gap = grid.stride - grid.size
    assert gap == arguments.get("gap", grid.size // 2) and grid.jitter == arguments.get(
        "jitter", max(1, round(grid.size * 7 / 96))
    )
    for axis in (0, 1):
        between = np.diff(corner[..., axis], axis=axis + 1) - grid.size
        assert between.min() == gap - 2 * grid.jitter and between.max() == gap + 2 * grid.jitter
    assert corner.min() >= 0 and (corner + grid.size).max() <= size


def test_the_loss_is_over_all_pairs_of_all_images(bench: Any) -> None:
    method = make(bench).eval()
    patches = bench.batch(method)["patches"]
    one, other, place = pairs(3)
    with torch.no_grad():
        codes = [
            method.trunk(method.encoder.local, patches[:, r : r + 1, c : c + 1])[:, 0]
            for r in range(3)
            for c in range(3)
        ]
        both = torch.cat([method.first.weight, method.second.weight], 1)  # one layer on [f(c), f(n)]
        losses, right = [], []
        for a, b, k in zip(one, other, place, strict=True):
            logits = method.head(torch.cat([codes[a], codes[b]], 1) @ both.T)
            losses.append(F.cross_entropy(logits, k.expand(len(patches))))
            right.append((logits.argmax(1) == k).float().mean())
    outputs = method(patches)
    assert outputs["loss"].item() == pytest.approx(float(torch.stack(losses).mean()), rel=1e-4)
    assert outputs["accuracy"].item() == pytest.approx(float(torch.stack(right).mean()), abs=1e-6)
    assert float(outputs["chance"]) == pytest.approx(6 / 40)


def test_the_order_of_a_pair_matters(bench: Any) -> None:
    method = make(bench).eval()
    one, other, _ = pairs(3)
    logits = method.places(bench.batch(method)["patches"])
    turned = [int(((one == b) & (other == a)).nonzero()) for a, b in zip(one, other, strict=True)]
    assert not torch.allclose(logits, logits[:, turned], atol=1e-3)


def test_a_code_sees_its_own_patch_alone(bench: Any) -> None:
    method = make(bench).eval()
    patches = bench.batch(method)["patches"]
    before = method.trunk(method.encoder.local, patches)
    patches[:, 1, 2] += 1
    changed = (method.trunk(method.encoder.local, patches) - before).abs().amax((0, 2)) > 0
    assert changed.nonzero().flatten().tolist() == [5]


class Marked(nn.Module):
    """A trunk that reads from a patch where it lies: the mean of each patch is its number."""

    def forward(self, encoder: Any, patches: Tensor) -> Tensor:
        return F.one_hot(patches.mean((3, 4, 5)).flatten(1).round().long(), 9).float()


def test_a_network_that_knows_the_places_is_right(bench: Any) -> None:
    method = make(bench, width=9, hidden=81).eval()
    method.trunk = Marked()
    one, other, place = pairs(3)
    with torch.no_grad():  # hidden unit (a, b) fires for the pair of a and b alone
        method.first.weight.copy_(torch.eye(9).repeat_interleave(9, 0))
        method.second.weight.copy_(torch.eye(9).repeat(9, 1))
        linear = nn.Linear(81, 8, bias=False)
        linear.weight.zero_()
        linear.weight[place, one * 9 + other] = 10
        method.head = nn.Sequential(nn.Threshold(1.5, 0.0), linear)
    patches = torch.arange(9.0).view(1, 3, 3, 1, 1, 1).expand(4, 3, 3, 3, 4, 4).clone()
    assert method(patches)["accuracy"] == 1
    assert method(patches.flip(1, 2))["accuracy"] == 0  # every place is the opposite one


def test_hints_of_colour_are_taken_away(bench: Any) -> None:
    dropped = bench.batch(make(bench, colour="drop", coarse=0.0, size=40))["patches"].flatten(0, 2)
    spread = dropped.std((2, 3)).sort(1).values
    # one colour, and a hundredth of it as noise
    torch.testing.assert_close(spread[:, :2], 0.01 * spread[:, 2:].expand(-1, 2), rtol=0.35, atol=1e-3)
    axis = torch.tensor([-1.0, 2.0, -1.0])
    for colour, flat in (("project", True), ("all", False)):
        method = make(bench, colour=colour, size=40, coarse=0.0)
        method.views.grid = fitted(40, 0, -1, -1, colour, 0.0).__class__(9, 13, contrast="whole", count=3)
        pixels = bench.batch(method)["patches"] * torch.tensor(bench.input["std"]).view(3, 1, 1)
        pixels = pixels + torch.tensor(bench.input["mean"]).view(3, 1, 1)
        along = torch.einsum("...chw,c->...hw", pixels, axis)
        assert (float(along.abs().max()) < 1e-5) is flat


def test_the_layers_after_the_encoder_neither_scale_nor_shift(bench: Any) -> None:
    method = make(bench)
    norms = [m for part in (method.trunk, method.head) for m in part.modules() if isinstance(m, nn.BatchNorm1d)]
    assert len(norms) == 2 and all(m.weight is None and m.bias is None for m in norms)


def test_the_image_is_cropped_and_mirrored_before_it_is_cut(bench: Any) -> None:
    views = make(bench, crop=0.7, flip=0.2, size=30).views
    assert views.image.augments == [Augment(crop=(0.7, 1.0), flip=0.2, size=30)]


@pytest.mark.parametrize("argument", OTHERS)
def test_every_argument_matters(bench: Any, argument: str) -> None:
    assert list(OTHERS) == [a.name for a in methods.describe("relative_position").arguments]
    given = {argument: OTHERS[argument]}
    assert bench.fingerprint(make(bench, **given)) != bench.fingerprint(make(bench))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"width": 0}, "width and hidden of relative_position must be at least 1"),
        ({"gap": -2}, "gap and jitter at least -1"),
        ({"colour": "grey"}, "colour of relative_position must be one of drop, project, all, not 'grey'"),
        (
            {"patch": 5},
            "patches of 5 pixels with gaps of 2 and a jitter of 1 need images of at least 21 pixels, not 18",
        ),
        ({"size": 4}, "need images of at least 5 pixels, not 4"),
    ],
)
def test_values_out_of_range(bench: Any, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        make(bench, **arguments)


def test_an_encoder_without_positions_is_refused(bench: Any) -> None:
    with pytest.raises(
        UserError, match="relative_position needs an encoder with positions, such as conv or resnet18, not mlp"
    ):
        RelativePosition(bench.encoder("mlp"))


def test_shows_a_neighbour_where_it_was_guessed(bench: Any) -> None:
    method = make(bench, size=40)
    patches = bench.batch(method, n=9)["patches"]
    answers = torch.zeros(9, 40, 8)
    _, _, place = pairs(3)
    answers[:, torch.arange(40), place] = 1  # all right but for the second sample
    answers[1] = answers[1].flip(1)
    method.places = lambda patches: answers
    rows = method.show(patches=patches)
    assert [len(row.images) for row in rows] == [9, 9] and rows[0].notes == ()
    assert rows[1].notes[:3] == ["upper left: right", "below: wrong, is above", "upper right: right"]
    assert rows[1].notes[8] == "upper left: right"
    whole, placed = rows[0].images, rows[1].images
    side = method.views.grid.size
    assert np.array_equal(placed[0][:side, :side], whole[0][:side, :side])  # where it belongs
    assert np.array_equal(placed[1][-side:, side + 2 : 2 * side + 2], whole[1][:side, side + 2 : 2 * side + 2])
    assert (placed[0][-side:, -side:] == 235).all()


def test_an_untrained_network_guesses(bench: Any) -> None:
    method = make(bench)
    outputs = method(**bench.batch(method, n=256))
    assert outputs["accuracy"] == pytest.approx(1 / 8, abs=0.03)  # 10,240 answers
