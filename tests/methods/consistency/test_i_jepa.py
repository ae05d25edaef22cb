from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from selftaught import encoders, methods
from selftaught.errors import UserError
from selftaught.method import Clock
from selftaught.methods.consistency.i_jepa import IJEPA
from selftaught.views.image import denormalise

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


def at(step: int) -> Clock:
    clock = Clock(0, 100)
    clock.step = step
    return clock


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
    (moved,) = torch.autograd.grad((seen * torch.randn(seen.shape)).sum(), image)
    inside = method.only(torch.ones_like(image), batch["context"]) > 0
    assert not moved[~inside].any() and moved[inside].any()
    changed = batch["image"].detach() + method.only(torch.ones_like(image), batch["targets"][0])
    other = method(image=changed, context=batch["context"], targets=batch["targets"])
    assert other["loss"].item() != method(**batch)["loss"].item()  # through the targets alone


def test_predictions_depend_on_where_they_are_asked_for(bench: Any) -> None:
    method = make(bench)
    batch = bench.batch(method)
    said: list[torch.Tensor] = []
    method.predict.register_forward_hook(lambda _, __, out: said.append(out.detach()))
    with torch.no_grad():
        method(**batch)
        method.positions.zero_()
        method(**batch)
    one, blind = said[0], said[len(said) // 2]  # the first block, with positions and without
    assert not torch.allclose(one[:, 0], one[:, 1], atol=1e-4)
    assert torch.allclose(blind[:, 0], blind[:, 1], atol=1e-6)


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
        ({"patch": 6}, "at least 3 x 3 patches, but images of 12 pixels have 2 x 2 of 6: use a smaller"),
    ],
)
def test_values_out_of_range_are_refused(bench: Any, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        make(bench, **arguments)


def test_other_encoders_are_refused(bench: Any) -> None:
    with pytest.raises(UserError, match="i_jepa needs an encoder of patches that can leave some out, such as vit"):
        IJEPA(bench.encoder())
