from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from selftaught.errors import UserError
from selftaught.method import Clock
from selftaught.methods.adversarial.bigbigan import BigBiGAN, Discriminator, Spectral, hinge
from selftaught.optimizer import build
from selftaught.recipe import Recipe
from selftaught.views.image import denormalise

SMALL = {"latent": 4, "width": 4, "hidden": 16, "crop": 0.8}
"""Arguments that fit the method to the toys of the contract."""
OTHERS: dict[str, Any] = {
    "latent": 5, "width": 6, "hidden": 12, "unary": False, "encoder_rate": 2.0, "turns": 2, "crop": 0.9, "flip": 0.0,
}  # fmt: skip


def make(bench: Any, **arguments: Any) -> BigBiGAN:
    return BigBiGAN(bench.encoder(), **({"latent": 5, "width": 4, "hidden": 12} | arguments))


def test_the_hinge_is_zero_beyond_the_margin() -> None:
    far, near = torch.tensor([1.5, 2.0]), torch.tensor([0.5, 2.0])
    assert hinge([far], [-far]) == 0
    assert hinge([near], [-near]).item() == pytest.approx(0.5)  # (.5 + 0) / 2 on each side
    assert hinge([near, far], [-far, near]).item() == pytest.approx(0.25 + (1.5 + 3.0) / 2)


def test_both_losses_follow_the_equations(bench: Any) -> None:
    method = make(bench).eval()
    batch = bench.batch(method)
    z, e = batch["noise"][:, :5], batch["noise"][:, 5:]
    d, post = method.discriminator, method.posterior(method.encoder(batch["image"]))
    code = post[:, :5] + (post[:, 5:] / 2).exp() * e
    drawn = (method.generator(z).sigmoid() - method.mean) / method.std

    def scores(x: Any, c: Any) -> list[Any]:
        f, h = d.f(x), d.h(c)
        return [d.score_x(f)[:, 0], d.score_z(h)[:, 0], d.score_xz(d.j(torch.cat([f, h], 1)))[:, 0]]

    real, fake = scores(batch["image"], code), scores(drawn, z)
    judge = sum((1 - s).clamp(min=0).mean() for s in real) + sum((1 + s).clamp(min=0).mean() for s in fake)
    assert torch.allclose(method(player="discriminator", **batch)["loss"], judge, atol=1e-5)
    outputs = method(player="generator", **batch)
    assert torch.allclose(outputs["loss"], sum(s.mean() for s in real) - sum(s.mean() for s in fake), atol=1e-5)
    right = ((sum(real) > 0).float().mean() + (sum(fake) < 0).float().mean()) / 2
    assert outputs["told"] == right


def test_without_unary_scores_the_joint_one_remains(bench: Any) -> None:
    x, z = torch.randn(3, 3, 12, 12), torch.randn(3, 5)
    network = Discriminator(5, 3, 12, 4, 12, unary=True)
    joint = network(x, z)[0]
    network.score_x = network.score_z = None
    assert len(network(x, z)) == 1 and torch.equal(network(x, z)[0], joint)
    zeroed = Discriminator(5, 3, 12, 4, 12, unary=True)
    for score in (zeroed.score_x, zeroed.score_z):
        nn.init.zeros_(score.layer.bias)
        score.u.zero_().add_(1e30)  # a weight divided by something huge
    scores = zeroed(x, z)
    assert scores[1].abs().max() < 1e-6 and scores[2].abs().max() < 1e-6
    assert torch.allclose(sum(scores), scores[0], atol=1e-6)


def test_unary_scores_see_one_side_each() -> None:
    x, z = torch.randn(3, 3, 12, 12), torch.randn(3, 5)
    network = Discriminator(5, 3, 12, 4, 12, unary=True)
    both, other_x, other_z = network(x, z), network(-x, z), network(x, -z)
    assert [torch.equal(a, b) for a, b in zip(both, other_x, strict=True)] == [False, False, True]
    assert [torch.equal(a, b) for a, b in zip(both, other_z, strict=True)] == [False, True, False]


def gradients(method: BigBiGAN, loss: Any) -> set[str]:
    method.zero_grad()
    loss.backward(retain_graph=True)
    return {n.partition(".")[0] for n, p in method.named_parameters() if p.grad is not None and p.grad.abs().sum() > 0}


def test_the_encoder_learns_from_data_pairs_and_the_generator_from_generated_ones(bench: Any) -> None:
    method = make(bench)
    batch = bench.batch(method)
    z, e = batch["noise"].chunk(2, 1)
    mu, sigma = method.encode(batch["image"])
    data, generated = method.discriminator(batch["image"], mu + sigma * e), method.discriminator(method.generate(z), z)
    assert gradients(method, sum(data).mean()) == {"encoder", "posterior", "discriminator"}
    assert gradients(method, sum(generated).mean()) == {"generator", "discriminator"}
    assert gradients(method, method(**batch)["loss"]) == {"encoder", "posterior", "generator", "discriminator"}
    assert gradients(method, method(player="discriminator", **batch)["loss"]) == {"discriminator"}


def test_the_encoder_and_generator_pull_opposite_to_the_discriminator(bench: Any) -> None:
    """A step of the generator's player on its own loss raises the discriminator's."""
    method = make(bench).eval()
    batch = bench.batch(method)
    before = method(player="discriminator", **batch)["loss"].item()
    loss = method(**batch)["loss"]
    own = [p for g in method.players()[0].groups for p in g["params"]]
    for p, g in zip(own, torch.autograd.grad(loss, own), strict=True):
        p.data -= 0.01 * g
    assert method(**batch)["loss"] < loss
    assert method(player="discriminator", **batch)["loss"].item() > before


def test_an_encoder_that_inverts_the_generator_cannot_be_told(bench: Any) -> None:
    """Codes and images are the same four one-hot vectors on both sides, so both kinds of pairs are the same pairs."""
    method = make(bench, latent=4).eval()
    codes = torch.eye(4)[torch.arange(16) % 4]
    pictures = torch.randn(4, 3, 12, 12)
    method.encode = lambda image: (codes[order], torch.zeros(16, 4))
    method.generate = lambda z: pictures[z.argmax(1)]
    order = torch.randperm(16)
    batch = {"image": pictures[codes[order].argmax(1)], "noise": torch.cat([codes, codes], 1)}
    assert method(**batch)["loss"].item() == pytest.approx(0, abs=1e-5)
    data, generated = (
        method.discriminator(batch["image"], codes[order]),
        method.discriminator(pictures[codes.argmax(1)], codes),
    )
    for real, fake in zip(data, generated, strict=True):
        assert torch.allclose(real.sort().values, fake.sort().values, atol=1e-5)


@pytest.mark.parametrize("layer", [nn.Linear(7, 5), nn.Conv2d(3, 6, 4, 2, 1)])
def test_weights_are_divided_by_their_largest_singular_value(layer: Any) -> None:
    wrapped = Spectral(layer)
    for _ in range(100):
        wrapped.iterate()
    largest = torch.linalg.matrix_norm(layer.weight.flatten(1), 2)
    x = torch.randn(2, 7) if isinstance(layer, nn.Linear) else torch.randn(2, 3, 8, 8)
    bias = layer.bias if isinstance(layer, nn.Linear) else layer.bias[:, None, None]
    assert torch.allclose(wrapped(x), (layer(x) - bias) / largest + bias, atol=1e-4)


def test_the_gradient_of_a_normalised_weight_leaves_its_size_alone() -> None:
    wrapped = Spectral(nn.Linear(7, 5))
    wrapped(torch.randn(2, 7)).square().sum().backward()
    weight = wrapped.layer.weight
    assert (weight.grad * weight).sum().item() == pytest.approx(0, abs=1e-4)  # scaling W changes nothing


def test_singular_vectors_are_followed_after_a_step(bench: Any) -> None:
    method = make(bench)
    spectral = [m for m in method.discriminator.modules() if isinstance(m, Spectral)]
    assert len(spectral) == 2 + 1 + 2 + 2 + 3 and not [m for m in method.generator.modules() if isinstance(m, Spectral)]
    with torch.no_grad():
        for m in spectral:
            m.layer.weight.normal_()
    before = [m.u.clone() for m in spectral if len(m.u) > 1]
    method.after_step(Clock(), {})
    assert not any(torch.allclose(a, m.u) for a, m in zip(before, [m for m in spectral if len(m.u) > 1], strict=True))


def test_the_encoder_is_stochastic(bench: Any) -> None:
    method = make(bench).eval()
    batch = bench.batch(method)
    quiet = batch["noise"].clone()
    quiet[:, 5:] = 0
    assert not torch.equal(method(**batch)["loss"], method(**(batch | {"noise": quiet}))["loss"])
    assert torch.equal(method.encode(batch["image"])[0], method.encode(batch["image"])[0])


def test_rates_and_turns_of_the_players(bench: Any) -> None:
    generator, judge = make(bench, encoder_rate=7.0, turns=3).players()
    assert (generator.turns, judge.turns) == (1, 3)
    scales = [g["lr_scale"] for g in build(generator, Recipe()).param_groups]
    assert set(scales) == {7.0, 1.0} and {g["lr_scale"] for g in build(judge, Recipe()).param_groups} == {1.0}
    assert BigBiGAN.recipe["betas"] == (0.5, 0.999)


def test_held_out_images_are_rebuilt_from_their_codes(bench: Any) -> None:
    method = make(bench)
    assert "error" not in method(**bench.batch(method))
    method.eval()
    batch = bench.batch(method)
    outputs = method(**batch)
    rebuilt = method.generate(method.encode(batch["image"])[0])
    assert torch.allclose(outputs["error"], (rebuilt - batch["image"]).square().mean())
    assert torch.allclose(outputs["guess"], (batch["image"] - batch["image"].mean(0)).square().mean(), atol=1e-5)


@pytest.mark.parametrize(
    ("argument", "value"),
    {
        "latent": 6, "width": 6, "hidden": 9, "unary": False, "encoder_rate": 1.0, "turns": 2, "crop": 0.9, "flip": 0.0,
    }.items(),
)  # fmt: skip
def test_every_argument_has_an_effect(bench: Any, argument: str, value: Any) -> None:
    def trace(method: BigBiGAN) -> Any:
        return [bench.fingerprint(method), [p.turns for p in method.players()]]

    assert trace(make(bench)) == trace(make(bench))
    assert trace(make(bench, **{argument: value})) != trace(make(bench))


def test_shows_reconstructions_and_samples(bench: Any) -> None:
    method = make(bench).eval()
    batch = bench.batch(method, n=3)
    image, rebuilt, drawn = method.show(**batch)
    assert (image.name, rebuilt.name, drawn.name) == ("image", "rebuilt from its code", "drawn by the generator")
    np.testing.assert_array_equal(np.stack(image.images), denormalise(batch["image"], bench.input))
    expected = method.generate(batch["noise"][:, :5])
    np.testing.assert_array_equal(np.stack(drawn.images), denormalise(expected, bench.input))
    assert expected.shape == batch["image"].shape


def test_mistakes_are_named(bench: Any) -> None:
    with pytest.raises(UserError, match="must be at least 1 and encoder_rate at least 0, not 5, 4, 12, 0"):
        make(bench, turns=0)
