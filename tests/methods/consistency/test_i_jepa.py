from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from selftaught import encoders, methods
from selftaught.errors import UserError
from selftaught.method import Clock
from selftaught.methods.consistency.i_jepa import IJEPA, Blocks, largest
from selftaught.views.image import Augment, denormalise

SMALL = {"width": 16, "depth": 1, "heads": 2, "blocks": 2, "crop": 0.9}
"""Arguments that fit the method to the toys of the contract."""

OTHERS: dict[str, Any] = {
    "blocks": 1,
    "keep": 0.1,
    "momentum": 0.1,
    "width": 24,
    "depth": 2,
    "heads": 3,
    "crop": 0.9,
}


def make(bench: Any, patch: int = 2, **arguments: Any) -> IJEPA:
    """12 pixels: 6 x 6 patches of 2."""
    torch.manual_seed(0)
    encoder = encoders.build("vit", bench.input, patch=patch, width=12, depth=1, heads=3, pool="mean")
    return IJEPA(encoder, **({"width": 12, "depth": 1, "heads": 2, "blocks": 2} | arguments))


def views(side: int = 8, blocks: int = 4, keep: float = 0.25) -> Blocks:
    seen = {"kind": "image", "size": 4 * side, "channels": 3, "mean": [0.5] * 3, "std": [0.2] * 3}
    return Blocks(seen, Augment(), side, blocks, keep)


def at(step: int) -> Clock:
    clock = Clock(0, 100)
    clock.step = step
    return clock


@pytest.mark.parametrize("epoch", range(6))
@pytest.mark.parametrize("side", [7, 8, 14])
def test_context_and_targets_are_disjoint_and_of_their_sizes(side: int, epoch: int) -> None:
    drawn = views(side).sample(np.arange(40), epoch, 3)
    targets = [drawn[f"target{m}"] for m in range(4)]
    for size, block in zip(views(side).sizes(epoch, 3), targets, strict=True):
        height, width = size
        assert block.shape == (40, height * width)
        # 15% to 20% of the area, 0.75 to 1.5 times as high as wide, but for rounding to whole patches
        ideal = np.sqrt(side**2 * np.array([0.15 * 0.75, 0.2 * 1.5]))
        assert ideal[0] - 0.5 <= height <= ideal[1] + 0.5
        ideal = np.sqrt(side**2 * np.array([0.15 / 1.5, 0.2 / 0.75]))
        assert ideal[0] - 0.5 <= width <= ideal[1] + 0.5
        for row in block:
            y, x = np.divmod(row, side)
            assert (y.max() - y.min() + 1, x.max() - x.min() + 1) == (height, width)
            assert len(set(row)) == height * width
    context = drawn["context"]
    assert context.shape[1] == min(round(0.25 * side**2), side**2 - sum(t.shape[1] for t in targets))
    for n in range(40):
        covered = set(np.concatenate([t[n] for t in targets]))
        assert len(set(context[n])) == context.shape[1] and not covered & set(context[n])


def test_the_context_is_a_block_where_targets_leave_enough() -> None:
    """One small context in a large grid: it lies in a block of 85% of the area or more."""
    drawn = views(14, blocks=1, keep=0.5).sample(np.arange(200), 0, 0)
    widest = max(np.ptp(c // 14) for c in drawn["context"])
    least = min(np.ptp(c // 14) for c in drawn["context"])
    assert widest == 13 and least == 12  # sides of 13 or 14 patches


def test_blocks_are_a_function_of_seed_epoch_and_sample() -> None:
    many = views().sample(np.arange(30), 1, 2)
    for other in (views().sample(np.arange(30), 2, 2), views().sample(np.arange(30), 1, 3)):
        assert not np.array_equal(other["context"], many["context"])
    some = views().sample(np.array([7, 3]), 1, 2)
    for name in ("context", "target0", "target3"):
        assert np.array_equal(some[name], many[name][[7, 3]])
    places = {tuple(row) for row in many["target0"]}
    assert len(places) > 10


def test_targets_lie_everywhere() -> None:
    drawn = views().sample(np.arange(2000), 0, 0)
    share = np.bincount(np.concatenate([drawn[f"target{m}"].reshape(-1) for m in range(4)]), minlength=64)
    assert share.min() > 0


@torch.no_grad()
def test_the_loss_is_the_papers(bench: Any) -> None:
    method = make(bench)
    for p in method.target.parameters():
        p.add_(0.05 * torch.randn(p.shape, generator=torch.Generator().manual_seed(1)))
    batch = bench.batch(method)
    whole = method.target.layers(batch["image"])[-1].flatten(2).transpose(1, 2)  # [B, P, D]: after the norm
    seen = method.encoder.visible(batch["image"], batch["context"])
    total = 0.0
    for block in batch["targets"]:
        part = 0.0
        for n in range(16):
            context = method.embed(seen[n]) + torch.cat([torch.zeros(1, 12), method.positions[batch["context"][n]]])
            asked = method.token[0] + method.positions[block[n]]
            out = method.predict(method.blocks(torch.cat([context, asked])[None]))[0, len(context) :]
            for p, j in zip(out, block[n].tolist(), strict=True):
                true = (whole[n, j] - whole[n, j].mean()) / (whole[n, j].var(correction=0) + 1e-5).sqrt()
                difference = (p - true).abs()
                part += float(torch.where(difference < 1, difference**2 / 2, difference - 0.5).mean())
        total += part / 16 / block.shape[1] / len(batch["targets"])
    assert method(**batch)["loss"].item() == pytest.approx(total, rel=1e-4)


def test_the_encoder_sees_the_context_alone_and_the_target_everything(bench: Any) -> None:
    method = make(bench)
    batch = bench.batch(method)
    image = batch["image"].requires_grad_()
    seen = method.encoder.visible(image, batch["context"])
    (moved,) = torch.autograd.grad(seen.sum(), image)
    inside = method.only(torch.ones_like(image), batch["context"]) > 0
    assert not moved[~inside].any() and moved[inside].any()
    changed = batch["image"].detach() + method.only(torch.ones_like(image), batch["targets"][0])
    other = method(image=changed, context=batch["context"], targets=batch["targets"])
    assert other["loss"].item() != method(**batch)["loss"].item()  # through the targets alone


def test_predictions_depend_on_where_they_are_asked_for(bench: Any) -> None:
    method = make(bench)
    batch = bench.batch(method)
    with torch.no_grad():
        moved = [(block + 1) % 36 for block in batch["targets"]]
        here, there = (method.positions[b[0][0]] for b in (batch["targets"], moved))
        assert not torch.equal(here, there)
        method.positions.zero_()
        flat = method.token + method.positions[batch["targets"][0]]
        assert torch.equal(flat[:, 0], flat[:, 1])  # positions are all that tells two asked patches apart


def test_no_gradient_reaches_the_target(bench: Any) -> None:
    method = make(bench)
    method(**bench.batch(method))["loss"].backward()
    assert all(p.grad is None and not p.requires_grad for p in method.target.parameters())
    assert all(p.grad is not None for p in method.encoder.parameters())


@pytest.mark.parametrize(("step", "momentum"), [(0, 0.9), (50, 0.95), (100, 1.0)])
def test_the_target_follows_and_is_kept(bench: Any, step: int, momentum: float) -> None:
    method = make(bench, momentum=0.9)
    with torch.no_grad():
        for p in method.encoder.parameters():
            p.add_(1)
    before = [p.clone() for p in method.target.parameters()]
    method.after_step(at(step), {})
    for now, old, new in zip(method.target.parameters(), before, method.encoder.parameters(), strict=True):
        assert torch.allclose(now, momentum * old + (1 - momentum) * new, atol=1e-5)
    assert method.kept is method.target and method.kept.spec == method.encoder.spec


def test_smooth_l1_is_quadratic_near_and_linear_far(bench: Any) -> None:
    method = make(bench)
    batch = bench.batch(method)
    with torch.no_grad():
        method.predict.weight.zero_()
        method.predict.bias.fill_(100.0)
        true = [F.layer_norm(method.target.tokens(batch["image"])[0][-1][:, 1:], (12,))]
        far = method(**batch)["loss"].item()
    picked = [true[0].gather(1, b[:, :, None].expand(-1, -1, 12)) for b in batch["targets"]]
    assert far == pytest.approx(sum(float((100 - p).mean()) - 0.5 for p in picked) / 2, rel=1e-4)


def test_the_report_shows_what_is_seen_and_what_is_predicted(bench: Any) -> None:
    method = make(bench)
    batch = bench.batch(method)
    image, context, predicted = method.show(**batch)
    assert [p.name for p in (image, context, predicted)] == ["image", "context", "predicted"]
    original = denormalise(batch["image"], bench.input)
    assert np.array_equal(np.stack(image.images), original)
    blank = denormalise(torch.zeros(1, 3, 1, 1), bench.input)[0, 0, 0]
    for n in range(3):
        for j in range(36):
            y, x = 2 * (j // 6), 2 * (j % 6)
            there = original[n, y : y + 2, x : x + 2]
            for shown, numbers in ((context, [batch["context"]]), (predicted, batch["targets"])):
                expected = there if any(j in b[n] for b in numbers) else np.broadcast_to(blank, (2, 2, 3))
                assert np.array_equal(shown.images[n][y : y + 2, x : x + 2], expected)


@pytest.mark.parametrize("argument", OTHERS)
def test_every_argument_matters(bench: Any, argument: str) -> None:
    assert list(OTHERS) == [a.name for a in methods.describe("i_jepa").arguments]
    assert bench.fingerprint(make(bench, **{argument: OTHERS[argument]}), 3) != bench.fingerprint(make(bench), 3)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"blocks": 0}, "blocks of at least 1, keep between 0 and 1 and momentum in"),
        ({"keep": 1.0}, "not 2, 1.0 and 0.99"),
        ({"momentum": 1.5}, "not 2, 0.25 and 1.5"),
        ({"width": 10}, "width of i_jepa must be a multiple of 4 and of heads"),
        ({"heads": 5}, "width of i_jepa must be a multiple of 4 and of heads"),
        ({"depth": 0}, "depth and heads at least 1, not 12, 0 and 2"),
        ({"blocks": 9}, "9 target blocks may cover all of the 6 x 6 patches of 12 pixels"),
        ({"patch": 6}, "2 target blocks may cover all of the 2 x 2 patches .* smaller --encoder.patch than 6"),
    ],
)
def test_values_out_of_range_are_refused(bench: Any, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        make(bench, **arguments)


def test_other_encoders_are_refused(bench: Any) -> None:
    with pytest.raises(UserError, match="i_jepa needs an encoder of patches that can leave some out, such as vit"):
        IJEPA(bench.encoder())


def test_the_largest_block_is_known() -> None:
    for side in (4, 7, 8, 14):
        drawn = max(int(views(side).sizes(epoch, 0).prod(1).max()) for epoch in range(300))
        assert drawn <= largest(side) <= 0.2 * side**2 + side
