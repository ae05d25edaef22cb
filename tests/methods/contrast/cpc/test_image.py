from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from selftaught import encoders
from selftaught.encoders.patchwise import Patchwise
from selftaught.errors import UserError
from selftaught.method import Clock
from selftaught.methods.contrast.cpc.image import CPC, TAG, Context

SMALL = {"width": 8, "depth": 1, "steps": 1, "negatives": 64}
"""Arguments that fit the method to the toys of the contract."""
VARIANTS = ({"directions": 1},)
"""More arguments with which its gradients are checked."""

INPUT = {"kind": "image", "size": 16, "channels": 3, "mean": [0.5, 0.4, 0.6], "std": [0.2, 0.3, 0.25]}

OTHERS: dict[str, Any] = {
    "directions": 1,
    "steps": 1,
    "negatives": 9,
    "width": 5,
    "depth": 1,
    "patch": 2,
    "stride": 1,
    "norm": "none",
    "crop": 0.9,
    "flip": 0.0,
    "grey": 0.9,
    "patch_flip": 0.0,
    "drop": 0.0,
}


def at(step: int, seed: int = 0) -> Clock:
    clock = Clock(seed)
    clock.step = step
    return clock


def made(**arguments: Any) -> CPC:
    torch.manual_seed(0)
    return CPC(encoders.build("conv", INPUT, width=4, depth=2), **({"width": 6} | arguments))


def batch(method: CPC, n: int = 6, epoch: int = 0) -> Tensor:
    images = np.random.default_rng(epoch).integers(0, 256, (n, 16, 16, 3), np.uint8)
    index = np.arange(n)
    found: Tensor = method.views.apply({"image": images}, method.views.sample(index, epoch, 0), torch.device("cpu"))[
        "patches"
    ]
    return found


def upright(z: Tensor, turns: int) -> Tensor:
    """The grid as the direction reads it, from top to bottom, by hand.

    1 reads from the right, 2 from below, 3 from the left.
    """
    if turns == 1:
        return z.transpose(2, 3).flip(2)
    if turns == 2:
        return z.flip(2, 3)
    return z.transpose(2, 3).flip(3) if turns == 3 else z


def naive(method: CPC, z: Tensor, clock: Clock) -> float:
    """Equation by equation, one prediction at a time."""
    codes, rows = z.shape[1:3]
    generator = np.random.Generator(np.random.Philox(key=[clock.seed, clock.step], counter=[0, 0, 0, TAG]))
    drawn = generator.permutation(len(z) * rows * rows)[: method.negatives].tolist()
    everyone = [z[b, :, i, j] for b in range(len(z)) for i in range(rows) for j in range(rows)]
    means = []
    for turns, predictor in zip(method.turns, method.predictors, strict=True):
        grid, c = upright(z, turns), predictor.context(upright(z, turns))
        for k, w in zip(method.steps, predictor.maps, strict=True):
            weight, losses = w.weight, []
            for b in range(len(z)):
                for i in range(rows - k):
                    for j in range(rows):
                        query = weight @ c[b, :, i, j]
                        target = grid[b, :, i + k, j]
                        own = math.exp(target @ query / math.sqrt(codes))
                        rest = sum(
                            math.exp(everyone[n] @ query / math.sqrt(codes))
                            for n in drawn
                            if not torch.equal(everyone[n], target)
                        )
                        losses.append(-math.log(own / (own + rest)))
            means.append(sum(losses) / len(losses))
    return sum(means) / len(means)


@pytest.mark.parametrize("directions", [1, 2, 4])
def test_the_loss_is_the_papers(directions: int) -> None:
    method = made(directions=directions, steps=2, negatives=20, patch=6, stride=3).eval()
    patches = batch(method, 2)
    with torch.no_grad():
        z = method.encoder.encode(patches)
        assert z.shape[2:] == (4, 4)
        for clock in (at(0), at(3, seed=1)):
            assert method(patches, clock)["loss"].item() == pytest.approx(naive(method, z, clock), rel=1e-4)
    separate = [{p.data_ptr() for p in predictor.parameters()} for predictor in method.predictors]
    assert len(set().union(*separate)) == directions * len(separate[0])


def test_the_context_of_a_row_knows_the_rows_above_it_and_no_others() -> None:
    torch.manual_seed(0)
    context = Context(5, 6, depth=3)
    z = torch.randn(2, 5, 6, 6)
    before = context(z)
    for row in range(6):
        changed = z.clone()
        changed[:, :, row] += 1
        after = context(changed)
        assert torch.equal(after[:, :, :row], before[:, :, :row])
        differs = (after - before).abs().amax((0, 1, 3)) > 1e-6
        assert differs[row : row + 4].all()  # itself and as many rows below as there are blocks


@pytest.mark.parametrize("turns", [0, 1, 2, 3])
def test_each_direction_is_causal_in_its_own_order(turns: int) -> None:
    """No prediction changes when pixels of its target's patch, or beyond, do.

    Neither overlap nor context leaks the answer.
    """
    method = made(steps=4, negatives=9).eval()
    place = method.turns.index(turns)
    side, p, s = 7, method.encoder.patch, method.encoder.stride
    assert (p, s, method.steps) == (4, 2, range(2, 6))
    image = torch.randn(1, 3, 16, 16, requires_grad=True)
    z = method.encoder.local(image)
    predictions = method.predictors[place](z.rot90(turns, (2, 3)))
    pixels = torch.arange(16.0)
    depth = {0: pixels[:, None], 2: 15 - pixels[:, None], 1: 15 - pixels[None], 3: pixels[None]}[turns].expand(16, 16)
    for k, prediction in zip(method.steps, predictions, strict=True):
        for i, row in enumerate(prediction.unflatten(0, (side - k, side))):
            (grad,) = torch.autograd.grad(row.pow(2).sum(), image, retain_graph=True)
            read = grad.abs().sum((0, 1)) > 0
            # the last pixel read lies before the target's first
            assert depth[read].max() <= i * s + p - 1 < (i + k) * s
            assert read.any()


@pytest.mark.parametrize(("patch", "stride", "first"), [(4, 2, 2), (4, 4, 1), (6, 2, 3), (2, 3, 1), (5, 3, 2)])
def test_rows_whose_patches_overlap_are_skipped(patch: int, stride: int, first: int) -> None:
    assert made(patch=patch, stride=stride).steps.start == first


def test_the_loss_starts_near_the_logarithm_of_the_choices() -> None:
    method = made(negatives=64)
    out = method(batch(method, 16), Clock())
    assert out["loss"].item() == pytest.approx(math.log(1 + float(out["negatives"])), abs=0.2)
    assert 63 < out["negatives"] <= 64
    assert out["chance"].item() == pytest.approx(1 / (1 + float(out["negatives"])), rel=1e-3)


def test_the_target_is_never_a_negative_and_negatives_are_drawn_by_seed_and_step() -> None:
    method = made(negatives=10**6, directions=1, steps=1).eval()
    patches = batch(method, 3)
    assert method(patches, Clock())["negatives"] == 3 * 49 - 1
    method.negatives = 12
    losses = [method(patches, clock)["loss"].item() for clock in (at(0), at(0), at(1), at(0, seed=1))]
    assert losses[0] == losses[1] and len(set(losses)) == 3


def test_permuted_targets_give_no_gain() -> None:
    """What is learned is what an image shares with itself.

    Another image's codes in the targets' place cannot be foretold.
    """
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    method = made(directions=1, steps=1, negatives=63, depth=1)
    patches = torch.from_numpy(
        rng.normal(size=(16, 1, 1, 3, 1, 1)) + 0.1 * rng.normal(size=(16, 7, 7, 3, 4, 4))
    ).float()
    optimizer = torch.optim.Adam(method.parameters(), lr=1e-2)
    for step in range(40):
        optimizer.zero_grad()
        method(patches, at(step))["loss"].backward()
        optimizer.step()
    with torch.no_grad():
        z = method.encoder.encode(patches)
        true, permuted = (method.predict(z, t, at(99))[0]["loss"].item() for t in (z, z.roll(1, 0)))
    assert true < math.log(64) - 0.4
    assert permuted > math.log(64) - 0.1


def test_with_layer_norm_no_patch_sees_another_and_with_batch_norm_each_sees_all() -> None:
    for norm, leaks in (("layer", False), ("none", False), ("batch", True)):
        method = made(norm=norm).train()
        patches = batch(method)
        changed = patches.clone()
        changed[0, 0, 0] += 3
        before, after = method.encoder.encode(patches), method.encoder.encode(changed)
        before, after = before.clone(), after.clone()
        before[0, :, 0, 0] = after[0, :, 0, 0] = 0
        assert ((before - after).abs().amax() > 1e-4).item() is leaks, norm


def test_what_is_kept_is_an_ordinary_encoder_with_the_given_weights() -> None:
    given = encoders.build("conv", INPUT, width=4, depth=2)
    method = CPC(given)
    assert isinstance(method.encoder, Patchwise)
    assert torch.equal(method.encoder.network.blocks[0][0].weight, given.blocks[0][0].weight)
    assert method.encoder(torch.randn(2, 3, 16, 16)).shape == (2, method.encoder.dim) == (2, 8 * 16)
    again = CPC(method.encoder)
    assert again.encoder is method.encoder
    with pytest.raises(UserError, match="cuts patches of 4 pixels every 2, not of 6 every 0"):
        CPC(method.encoder, patch=6)


def test_the_views_patches_are_the_encoders() -> None:
    method = made(crop=1.0, flip=0.0, grey=0.0, patch_flip=0.0, drop=0.0, patch=5, stride=3)
    images = np.random.default_rng(0).integers(0, 256, (2, 16, 16, 3), np.uint8)
    patches = method.views.apply({"image": images}, method.views.sample(np.arange(2), 0, 0), torch.device("cpu"))[
        "patches"
    ]
    mean, std = (torch.tensor(INPUT[k])[:, None, None] for k in ("mean", "std"))
    whole = (torch.from_numpy(images).permute(0, 3, 1, 2) / 255 - mean) / std
    assert torch.allclose(method.encoder.cut(whole), patches, atol=1e-5)


def test_version_twos_augmentation_reaches_the_patches() -> None:
    patches = batch(made(drop=1.0), 8)
    assert ((patches.flatten(4).abs().amax(-1) == 0).sum(-1) == 2).all()  # two of three colours of every patch
    patches = batch(made(drop=0.0), 8)
    assert (patches.flatten(4).abs().amax(-1) > 0).all()
    assert made(patch_flip=0.3).views.grid.flip == 0.3
    augment = made(crop=0.5, flip=0.2, grey=0.1).views.image.augments[0]
    assert (augment.crop, augment.flip, augment.grey) == ((0.5, 1.0), 0.2, 0.1)


def test_bad_values_are_refused() -> None:
    with pytest.raises(UserError, match="directions of cpc must be 1, 2 or 4, not 3"):
        made(directions=3)
    with pytest.raises(UserError, match="steps, negatives, width and depth of cpc must be at least 1, not 0"):
        made(steps=0)
    with pytest.raises(
        UserError,
        match="cpc needs patches 2 rows apart to predict without overlap, but only 2 rows of patches of 10 pixels",
    ):
        made(patch=10)


@pytest.mark.parametrize("argument", OTHERS)
def test_every_argument_matters(bench: Any, argument: str) -> None:
    found = []
    for others in ({}, {argument: OTHERS[argument]}):
        torch.manual_seed(0)
        found.append(bench.fingerprint(CPC(bench.encoder(), **others)))
    assert found[0] != found[1]
