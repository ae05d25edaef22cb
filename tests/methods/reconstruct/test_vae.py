from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.distributions import Normal, kl_divergence

from selftaught.errors import UserError
from selftaught.methods.reconstruct.vae import VAE, discretised, divergence
from selftaught.parts.shown import Pictures, Table
from selftaught.views.image import denormalise

SMALL = {"latent": 8}
"""Arguments that fit the method to the toys of the contract."""
OTHERS: dict[str, Any] = {"latent": 5, "beta": 2.0, "likelihood": "bernoulli"}


def make(bench: Any, encoder: Any = None, **arguments: Any) -> VAE:
    return VAE(encoder or bench.encoder(), **({"latent": 5} | arguments))


@pytest.mark.parametrize("centre", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("log_scale", [-5.0, -2.0, 1.0])
def test_the_levels_share_a_probability_of_one(centre: float, log_scale: float) -> None:
    x = torch.arange(256, dtype=torch.float64) / 255
    found = discretised(x, torch.tensor(centre), torch.tensor(log_scale, dtype=torch.float64))
    assert found.exp().sum().item() == pytest.approx(1, abs=1e-5)
    scale = math.exp(log_scale)
    for level in (0, 1, 77, 254, 255):
        low, high = ((255 * centre, level - 0.5), (255 * centre, level + 0.5))
        below = 0.0 if level == 0 else 1 / (1 + math.exp(-(low[1] - low[0]) / 255 / scale))
        above = 1.0 if level == 255 else 1 / (1 + math.exp(-(high[1] - high[0]) / 255 / scale))
        if above - below > 1e-9:
            assert found[level].item() == pytest.approx(math.log(above - below), abs=1e-4)


def test_far_levels_have_finite_probabilities_and_gradients() -> None:
    centre = torch.tensor([0.0, 1.0], requires_grad=True)
    log_scale = torch.tensor(-9.0, requires_grad=True)
    found = discretised(torch.tensor([1.0, 0.0]), centre, log_scale)
    found.sum().backward()
    assert found.isfinite().all() and centre.grad.isfinite().all() and log_scale.grad.isfinite()


def test_the_divergence_is_that_of_normal_distributions() -> None:
    mu, log_variance = torch.randn(2, 6, 4)
    expected = kl_divergence(Normal(mu, (log_variance / 2).exp()), Normal(0.0, 1.0)).sum(1)
    assert torch.allclose(divergence(mu, log_variance), expected, atol=1e-5)
    assert divergence(torch.zeros(1, 4), torch.zeros(1, 4)).item() == 0


@pytest.mark.parametrize("likelihood", ["logistic", "bernoulli"])
@pytest.mark.parametrize("beta", [1.0, 0.3])
def test_the_loss_is_the_negative_bound(bench: Any, likelihood: Any, beta: float) -> None:
    method = make(bench, likelihood=likelihood, beta=beta).eval()
    batch = bench.batch(method)
    mu, log_variance = method.encode(batch["image"])
    y = method.decode(mu + (log_variance / 2).exp() * batch["noise"]).sigmoid()
    x = torch.from_numpy(bench.Pictures(16).images).permute(0, 3, 1, 2) / 255
    if likelihood == "bernoulli":
        log_p = (x * y.log() + (1 - x) * (1 - y).log()).sum() / 16
    else:
        log_p = discretised(x, y, method.scale).sum() / 16
    kl = divergence(mu, log_variance).mean()
    outputs = method(**batch)
    assert torch.allclose(outputs["loss"], (beta * kl - log_p) / 432, rtol=1e-4)
    assert outputs["bits"].item() == pytest.approx((kl - log_p).item() / 432 / math.log(2), rel=1e-4)
    assert torch.allclose(outputs["kl"], kl) and torch.allclose(outputs["likelihood"], log_p, rtol=1e-5)


def test_pixels_are_read_back_exactly(bench: Any) -> None:
    method = make(bench)
    x = method.pixels(bench.batch(method)["image"])
    assert torch.equal((x * 255).permute(0, 2, 3, 1).round(), torch.from_numpy(bench.Pictures(16).images).float())


def test_the_guess_is_the_entropy_of_the_levels(bench: Any) -> None:
    method = make(bench)
    assert method.unconditional(torch.zeros(2, 3, 12, 12)) == 0
    halves = torch.cat([torch.zeros(2, 3, 12, 12), torch.ones(2, 3, 12, 12)])
    assert method.unconditional(halves).item() == pytest.approx(1)
    assert method.unconditional((torch.arange(256) / 255).expand(3, -1)[None, :, :, None]).item() == pytest.approx(8)
    assert make(bench, likelihood="bernoulli").unconditional(halves).item() == pytest.approx(1)


def test_more_samples_give_a_tighter_bound(bench: Any) -> None:
    """The mean of p(x, z) / q(z) over samples estimates p(x), so its logarithm is above the mean of logarithms."""
    torch.manual_seed(0)
    method = make(bench, likelihood="bernoulli").eval()
    image = bench.batch(method)["image"][:1].expand(200, -1, -1, -1)
    with torch.no_grad():
        mu, log_variance = method.encode(image)
        sigma = (log_variance / 2).exp()
        z = mu + sigma * torch.randn_like(mu)
        log_p = method.log_likelihood(method.pixels(image), method.decode(z)).sum((1, 2, 3))
        ratio = log_p + Normal(0.0, 1.0).log_prob(z).sum(1) - Normal(mu, sigma).log_prob(z).sum(1)  # [200]
    tight, elbo = (torch.logsumexp(ratio, 0) - math.log(200)).item(), ratio.mean().item()
    found = log_p.mean().item() - divergence(mu, log_variance)[0].item()
    assert found == pytest.approx(elbo, abs=4 * ratio.std().item() / math.sqrt(200) + 0.5)
    assert tight > elbo


def test_all_that_can_learn_gets_a_gradient(bench: Any) -> None:
    method = make(bench)
    method(**bench.batch(method))["loss"].backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in method.parameters())
    assert method.scale is not None and make(bench, likelihood="bernoulli").scale is None


def test_the_noise_reaches_the_posteriors_spread(bench: Any) -> None:
    """Without noise nothing but the KL term moves sigma."""
    method = make(bench, beta=0.0)
    batch = bench.batch(method)
    method(**(batch | {"noise": torch.zeros_like(batch["noise"])}))["loss"].backward()
    assert method.posterior.weight.grad[5:].abs().sum() == 0 and method.posterior.weight.grad[:5].abs().sum() > 0
    method.zero_grad()
    method(**batch)["loss"].backward()
    assert method.posterior.weight.grad[5:].abs().sum() > 0


@pytest.mark.parametrize(("argument", "value"), {"latent": 7, "beta": 0.1, "likelihood": "bernoulli"}.items())
def test_every_argument_has_an_effect(bench: Any, argument: str, value: Any) -> None:
    assert bench.fingerprint(make(bench)) == bench.fingerprint(make(bench))
    assert bench.fingerprint(make(bench, **{argument: value})) != bench.fingerprint(make(bench))


@pytest.mark.parametrize("name", ["conv", "mlp"])
def test_any_encoder_of_images_will_do(bench: Any, name: str) -> None:
    method = make(bench, bench.encoder(name))
    assert method.decode(torch.randn(2, 5)).shape == (2, 3, 12, 12)


def test_shows_reconstructions_samples_and_the_bound(bench: Any) -> None:
    method = make(bench).eval()
    batch = bench.batch(method, n=3)
    image, rebuilt, drawn, bound = method.show(**batch)
    assert isinstance(rebuilt, Pictures) and isinstance(drawn, Pictures) and isinstance(bound, Table)
    np.testing.assert_array_equal(np.stack(image.images), denormalise(batch["image"], bench.input))
    again = method.show(**batch)[2]
    assert isinstance(again, Pictures) and np.array_equal(np.stack(again.images), np.stack(drawn.images))
    expected = (255 * method.decode(method.encode(batch["image"])[0]).sigmoid()).round().permute(0, 2, 3, 1)
    assert np.abs(np.stack(rebuilt.images).astype(int) - expected.detach().numpy()).max() <= 1
    rows = {str(name): value for name, value in bound.rows}
    likelihood, kl, elbo, bits, _ = rows.values()
    assert elbo == pytest.approx(likelihood - kl)
    assert bits == pytest.approx(-elbo / 432 / math.log(2), rel=1e-4)


def test_it_learns_what_the_pixels_are(bench: Any) -> None:
    method = make(bench)
    optimizer = torch.optim.AdamW(method.parameters(), 1e-2)
    batch = bench.batch(method)
    colours: Tensor = torch.rand(16, 3, 1, 1).expand(-1, -1, 12, 12)
    batch["image"] = (colours - method.mean) / method.std
    for _ in range(150):
        outputs = method(**batch)
        optimizer.zero_grad()
        outputs["loss"].backward()
        nn.utils.clip_grad_norm_(method.parameters(), 1.0)
        optimizer.step()
    assert outputs["bits"] < 0.9 * 8 and outputs["kl"] > 1


def test_mistakes_are_named(bench: Any) -> None:
    with pytest.raises(UserError, match="latent of vae must be at least 1 and beta at least 0, not 0"):
        make(bench, latent=0)
    with pytest.raises(UserError, match="likelihood of vae must be one of logistic, bernoulli, not 'normal'"):
        make(bench, likelihood="normal")
