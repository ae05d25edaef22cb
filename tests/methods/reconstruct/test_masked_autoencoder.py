from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from selftaught import encoders
from selftaught.errors import UserError
from selftaught.methods.reconstruct.masked_autoencoder import MaskedAutoencoder, Masks, patches, whole
from selftaught.parts.chosen import chosen
from selftaught.views.image import Augment, denormalise

SMALL = {"width": 16, "depth": 1, "heads": 2, "crop": 0.8}
"""Arguments that fit the method to the toys of the contract."""
OTHERS: dict[str, Any] = {
    "ratio": 0.5, "normalise": False, "width": 24, "depth": 1, "heads": 2, "crop": 0.9, "flip": 0.0,
}  # fmt: skip


def make(bench: Any, patch: int = 3, size: int = 12, **arguments: Any) -> MaskedAutoencoder:
    torch.manual_seed(0)
    seen = bench.input | {"size": size}
    encoder = encoders.build("vit", seen, patch=patch, width=12, depth=1, heads=3, positions="sincos")
    return MaskedAutoencoder(encoder, **({"width": 12, "depth": 1, "heads": 2} | arguments))


@pytest.mark.parametrize(("size", "patch"), [(12, 4), (12, 3), (10, 4), (7, 7)])
def test_cutting_and_joining_are_inverse(size: int, patch: int) -> None:
    x = torch.randn(2, 3, size, size)
    cut = patches(x, patch)
    assert cut.shape == (2, (-(-size // patch)) ** 2, 3 * patch * patch)
    assert torch.equal(cut[:, 0], x[:, :, :patch, :patch].flatten(1))
    assert torch.equal(whole(cut, 3, size), x)


def test_a_patch_is_what_the_encoder_embeds(bench: Any) -> None:
    x, embed = torch.randn(2, 3, 10, 10), make(bench, patch=4).encoder.patch_embed
    expected = embed(x).flatten(2).transpose(1, 2)
    assert torch.allclose(patches(x, 4) @ embed.proj.weight.flatten(1).T + embed.proj.bias, expected, atol=1e-5)


@pytest.mark.parametrize(("ratio", "visible"), [(0.75, 4), (0.5, 8), (0.9, 1), (0.999, 1), (0.01, 15)])
def test_every_image_has_exactly_so_many_hidden_patches(bench: Any, ratio: float, visible: int) -> None:
    batch = bench.batch(make(bench, ratio=ratio))
    assert batch["keep"].shape == (16, visible) and batch["hidden"].shape == (16, 16 - visible)
    together = torch.cat([batch["keep"], batch["hidden"]], 1).sort(1).values
    assert torch.equal(together, torch.arange(16).expand(16, -1))


def test_masks_are_uniform_and_a_function_of_seed_epoch_and_sample(bench: Any) -> None:
    views = Masks(bench.input, Augment(), 16, 0.75)

    def order(index: Any, epoch: int = 0, seed: int = 0) -> Any:
        return views.sample(np.asarray(index), epoch, seed)["patch"]

    many = order(np.arange(4000))
    share = np.stack([(many[:, :4] == patch).any(1).mean() for patch in range(16)])
    assert np.abs(share - 0.25).max() < 4 * np.sqrt(0.1875 / 4000)
    assert np.array_equal(order([3, 1, 2])[1], many[1])
    for other in (order([3], epoch=1), order([3], seed=1), order([4])):
        assert not np.array_equal(other[0], many[3])


def test_the_encoder_gets_the_visible_patches_and_a_class_token(bench: Any) -> None:
    method, lengths = make(bench), []
    method.encoder.blocks[0].register_forward_hook(lambda m, args, y: lengths.append(args[0].shape[1]))
    batch = bench.batch(method)
    method(**batch)
    assert lengths == [1 + 4]
    spoiled = patches(batch["image"], 3).scatter(1, batch["hidden"][:, :, None].expand(-1, -1, 27), 9.0)
    others = batch | {"image": whole(spoiled, 3, 12)}
    inputs = [{k: b[k] for k in ("image", "keep", "hidden")} for b in (batch, others)]
    assert torch.equal(method.rebuild(**inputs[0]), method.rebuild(**inputs[1]))


def test_the_shuffle_is_undone(bench: Any) -> None:
    method = make(bench).eval()
    batch = bench.batch(method)
    image, keep, hidden = batch["image"], batch["keep"], batch["hidden"]
    method.blocks, method.predict = torch.nn.Identity(), torch.nn.Identity()
    seen = method.embed(method.encoder.visible(image, keep))
    found = method.rebuild(image, keep, hidden)
    for b in range(len(image)):
        for place, patch in enumerate(keep[b].tolist()):
            assert torch.allclose(found[b, patch], seen[b, 1 + place] + method.positions[patch], atol=1e-6)
        for patch in hidden[b].tolist():
            assert torch.allclose(found[b, patch], method.token[0, 0] + method.positions[patch], atol=1e-6)


@pytest.mark.parametrize("normalise", [True, False])
def test_the_loss_is_the_mean_over_hidden_patches(bench: Any, normalise: bool) -> None:
    method = make(bench, normalise=normalise)
    batch = bench.batch(method)
    predicted = method.rebuild(batch["image"], batch["keep"], batch["hidden"])
    total, targets = 0.0, []
    for b, image in enumerate(batch["image"]):
        for patch in batch["hidden"][b].tolist():
            y, x = 3 * (patch // 4), 3 * (patch % 4)
            p = image[:, y : y + 3, x : x + 3].flatten()
            if normalise:
                p = (p - p.mean()) / (p.var() + 1e-6).sqrt()
            targets.append(p)
            total += ((predicted[b, patch] - p) ** 2).mean().item()
    outputs = method(**batch)
    assert outputs["loss"].item() == pytest.approx(total / len(targets), rel=1e-5)
    everything = torch.stack(targets)
    assert outputs["guess"].item() == pytest.approx(float(((everything - everything.mean()) ** 2).mean()), rel=1e-4)


def test_visible_patches_carry_no_loss(bench: Any) -> None:
    method = make(bench)
    batch = bench.batch(method)
    kept: list[Tensor] = []
    method.predict.register_forward_hook(lambda m, args, y: (y.retain_grad(), kept.append(y))[0])
    method(**batch)["loss"].backward()
    gradient = kept[0].grad
    assert gradient is not None
    assert (chosen(gradient, batch["keep"]) == 0).all()
    assert (chosen(gradient, batch["hidden"]) != 0).any(2).all()


def test_all_that_can_learn_gets_a_gradient(bench: Any) -> None:
    method = make(bench)
    method(**bench.batch(method))["loss"].backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in method.parameters())
    unseen = make(bench)
    batch = {k: v[:1] for k, v in bench.batch(unseen).items()}
    unseen(**batch)["loss"].backward()
    moved = unseen.encoder.pos_embed.grad[0, 1:].abs().sum(1) > 0
    assert moved.nonzero().flatten().tolist() == sorted(batch["keep"][0].tolist())


@pytest.mark.parametrize(
    ("argument", "value"),
    {"ratio": 0.5, "normalise": False, "width": 24, "depth": 2, "heads": 3, "crop": 0.9, "flip": 0.0}.items(),
)
def test_every_argument_has_an_effect(bench: Any, argument: str, value: Any) -> None:
    assert bench.fingerprint(make(bench)) == bench.fingerprint(make(bench))
    assert bench.fingerprint(make(bench, **{argument: value})) != bench.fingerprint(make(bench))


@pytest.mark.parametrize(("normalise", "name"), [(False, "rebuilt"), (True, "rebuilt (brightness")])
def test_shows_what_was_seen_and_what_was_rebuilt(bench: Any, normalise: bool, name: str) -> None:
    method = make(bench, normalise=normalise).eval()
    batch = bench.batch(method, n=3)
    image, visible, rebuilt = method.show(**batch)
    assert (image.name, visible.name) == ("image", "visible") and rebuilt.name.startswith(name)
    np.testing.assert_array_equal(np.stack(image.images), denormalise(batch["image"], bench.input))
    mean = np.round(255 * np.array(bench.input["mean"]))
    for b in range(3):
        for patch in range(16):
            cut = np.s_[3 * (patch // 4) : 3 * (patch // 4) + 3, 3 * (patch % 4) : 3 * (patch % 4) + 3]
            true, seen, filled = (np.asarray(row.images[b][cut], int) for row in (image, visible, rebuilt))
            if patch in batch["keep"][b]:
                assert (seen == true).all() and (filled == true).all()
            else:
                assert np.abs(seen - mean).max() <= 1 and (filled != true).any()


def test_it_learns_to_rebuild_what_is_the_same_everywhere(bench: Any) -> None:
    method = make(bench, normalise=False, crop=1.0, flip=0.0)
    optimizer = torch.optim.AdamW(method.parameters(), 1e-2)
    batch = bench.batch(method)
    batch["image"] = torch.randn(16, 3, 1, 1).expand(-1, -1, 12, 12)  # each image has one colour
    for _ in range(80):
        outputs = method(**batch)
        optimizer.zero_grad()
        outputs["loss"].backward()
        optimizer.step()
    assert outputs["error"] < 0.1 * outputs["guess"]


def test_mistakes_are_named(bench: Any) -> None:
    with pytest.raises(UserError, match="that can leave some out, such as vit, not conv"):
        MaskedAutoencoder(bench.encoder())
    with pytest.raises(UserError, match="ratio of masked_autoencoder must be greater than 0 and less than 1, not 1"):
        make(bench, ratio=1.0)
    with pytest.raises(UserError, match="images of 12 pixels have 1 x 1 of 12: use a smaller"):
        make(bench, patch=12)
    with pytest.raises(UserError, match="multiple of 4 and of heads"):
        make(bench, width=10)
