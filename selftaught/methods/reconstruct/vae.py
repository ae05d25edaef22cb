"""Variational autoencoder."""

from __future__ import annotations

import math
from typing import Any, ClassVar, Literal, final, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from selftaught.errors import UserError
from selftaught.method import Encoder, Method, Outputs, Terms
from selftaught.parts.layers import shape_of
from selftaught.parts.shown import Pictures, Table
from selftaught.parts.upward import Upward
from selftaught.views.image import denormalise
from selftaught.views.latent import Latent

Likelihood = Literal["logistic", "bernoulli"]

LEVELS = 255
"""The largest pixel value."""


@final
class VAE(Method):
    """Variational autoencoder: a generative model of images with a code, trained to make the images likely.

    Kingma, Welling, ICLR 2014 (arXiv 1312.6114), "Auto-Encoding Variational Bayes". The contrast to the other methods:
    it models every pixel, so most of its effort goes into detail that no later task needs, and its success is a
    likelihood, which held-out images can check.

    With q(z|x) = N(mu(x), diag sigma^2(x)) from the encoder and z = mu + sigma * e, e from N(0, I)::

        L = -ELBO = -log p(x|z) + beta * KL(q(z|x) || N(0, I))
        KL = 1/2 sum_j (mu_j^2 + sigma_j^2 - 1 - log sigma_j^2)

    summed over pixels and dimensions, averaged over images, and divided by d, the pixels times channels of an image;
    with beta = 1, the ELBO is at most log p(x). logistic: each pixel has one of 256 levels, with the probability that a
    logistic distribution around the decoder's output gives to the interval around the level (the lowest and highest
    have the tails); its scale is learned for each channel. So the ELBO bounds the logarithm of a probability, and
    "bits", -ELBO / (d log 2), is what coding a pixel's channel costs: 8 for uniform levels. bernoulli: a pixel in [0,
    1] is the probability of a white pixel, as for binary images in the paper.

    Shapes: image is [B, C, S, S], normalised as the encoder expects; noise is [B, latent], normal numbers, drawn anew
    in every epoch; mu and log sigma^2 are [B, latent] each, linear in the features.

    Defaults: beta 1 and one sample of z, as in the paper. Departures: convolutions instead of one hidden layer of 500
    units; the discretised logistic (Kingma et al. 2016, arXiv 1606.04934, and Salimans et al. 2017, arXiv 1701.05517)
    instead of a Gaussian density, which is no probability of 8-bit pixels; AdamW instead of Adagrad. What is kept is
    the encoder before mu and sigma.

    Args:
        latent: Dimensions of z.
        beta: Weight of the KL term in the loss (Higgins et al. 2017). "bits" is always computed with 1.
        likelihood: Distribution of a pixel given z: logistic or bernoulli.

    Raises:
        UserError: An argument is out of range.
    """

    recipe: ClassVar[dict[str, Any]] = {"batch_size": 128, "lr": 1e-3, "minutes": 1.5}
    sees = ("image",)

    mean: Tensor
    std: Tensor

    def __init__(
        self, encoder: Encoder, latent: int = 64, beta: float = 1.0, likelihood: Likelihood = "logistic"
    ) -> None:
        super().__init__()
        if latent < 1 or beta < 0:
            raise UserError(f"latent of vae must be at least 1 and beta at least 0, not {latent} and {beta}")
        if likelihood not in get_args(Likelihood):
            raise UserError(f"likelihood of vae must be one of {', '.join(get_args(Likelihood))}, not '{likelihood}'")
        seen = encoder.spec["input"]
        self.encoder, self.latent, self.beta, self.likelihood = encoder, latent, beta, likelihood
        self.views = Latent(seen, latent)
        self.posterior = nn.Linear(encoder.dim, 2 * latent)
        shape = shape_of(encoder.local, encoder, seen)
        self.shape = shape if len(shape) == 3 else (128, -(-seen["size"] // 8), -(-seen["size"] // 8))
        self.start = nn.Linear(latent, math.prod(self.shape))
        self.decoder = Upward(self.shape, seen["channels"], seen["size"])
        self.scale = nn.Parameter(torch.full((seen["channels"], 1, 1), -2.0)) if likelihood == "logistic" else None
        for name in ("mean", "std"):
            self.register_buffer(name, torch.tensor(seen[name]).view(-1, 1, 1))

    def terms(self) -> Terms:
        """Return the two terms: the second is of the code alone."""
        coded = ("encoder", "posterior", "image")
        drawn = ("start", "decoder", "noise", *(("scale",) if self.scale is not None else ()))
        return {"likelihood": (*coded, *drawn), **({"kl": coded} if self.beta else {})}

    def forward(self, image: Tensor, noise: Tensor, **_: Any) -> Outputs:
        """Return the loss, "bits" for a pixel's channel, and the two terms of the ELBO in nats for an image.

        "guess" are the bits under the best distribution of each channel that does not look at the image, found in this
        batch.
        """
        x = self.pixels(image)
        mu, log_variance = self.encode(image)
        z = mu + (log_variance / 2).exp() * noise
        likelihood = self.log_likelihood(x, self.decode(z)).sum((1, 2, 3)).mean()
        kl = divergence(mu, log_variance).mean()
        loss = (self.beta * kl - likelihood) / x[0].numel()
        bits = (kl - likelihood).detach() / (x[0].numel() * math.log(2))
        return {"loss": loss, "bits": bits, "guess": self.unconditional(x), "likelihood": likelihood, "kl": kl}

    def unconditional(self, x: Tensor) -> Tensor:
        """Return the bits for a pixel's channel under the best fixed distribution of each channel, a scalar."""
        if self.likelihood == "bernoulli":
            mean = x.mean((0, 2, 3))
            return F.binary_cross_entropy(mean, mean) / math.log(2)
        levels = (x * LEVELS).round().long().transpose(0, 1).flatten(1)  # [C, B S S]
        share = torch.stack([torch.bincount(channel, minlength=LEVELS + 1) for channel in levels]) / levels.shape[1]
        bits: Tensor = torch.special.entr(share).sum(1).mean() / math.log(2)
        return bits

    def pixels(self, image: Tensor) -> Tensor:
        """Undo the normalisation: [B, C, S, S] to multiples of 1/255 in [0, 1]."""
        return ((image * self.std + self.mean).clamp(0, 1) * LEVELS).round() / LEVELS

    def encode(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Return mu and log sigma^2, [B, latent] each."""
        mu, log_variance = self.posterior(self.encoder(image)).chunk(2, 1)
        return mu, log_variance.clamp(-20, 20)

    def decode(self, z: Tensor) -> Tensor:
        """Map [B, latent] to the decoder's output, [B, C, S, S]: a logit, of the mean pixel for logistic."""
        y: Tensor = self.decoder(F.relu(self.start(z)).unflatten(1, self.shape))
        return y

    def log_likelihood(self, x: Tensor, y: Tensor) -> Tensor:
        """Return log p(x|z) of every pixel: x in [0, 1] and the decoder's output y, [B, C, S, S] each."""
        if self.scale is None:
            return -F.binary_cross_entropy_with_logits(y, x, reduction="none")
        return discretised(x, y.sigmoid(), self.scale)

    @torch.no_grad()
    def show(self, image: Tensor, noise: Tensor, **_: Any) -> list[Pictures | Table]:
        """Show images, their reconstructions from mu, samples from the prior, and what the images cost."""
        mu = self.encode(image)[0]
        seen = self.encoder.spec["input"]
        shown = {"image": image} | {
            name: (self.decode(z).sigmoid() - self.mean) / self.std
            for name, z in (("rebuilt", mu), ("drawn from the prior", noise))
        }
        found = self.forward(image, noise)
        rows: list[tuple[str, float]] = [
            ("log p(x|z), nats for an image", float(found["likelihood"])),
            ("KL(q || prior), nats for an image", float(found["kl"])),
            ("ELBO, nats for an image", float(found["likelihood"] - found["kl"])),
            ("-ELBO, bits for a pixel's channel", float(found["bits"])),
            ("the same without looking at the image", float(found["guess"])),
        ]
        cost = Table("the evidence lower bound of these images", ("term", "mean"), rows)
        return [*(Pictures(name, list(denormalise(x, seen))) for name, x in shown.items()), cost]


def divergence(mu: Tensor, log_variance: Tensor) -> Tensor:
    """Return KL(N(mu, exp log_variance) || N(0, I)) of each row, [B, D] each to [B]."""
    return 0.5 * (mu**2 + log_variance.exp() - 1 - log_variance).sum(1)


def discretised(x: Tensor, centre: Tensor, log_scale: Tensor) -> Tensor:
    """Return the log-probability of levels x, multiples of 1/255 in [0, 1], under a discretised logistic.

    Its centre is in [0, 1]; `log_scale` is the logarithm of its scale. All are broadcast. Over the 256 levels the
    probabilities sum to 1.
    """
    half, inverse = 0.5 / LEVELS, (-log_scale).exp()
    above, below = (x - centre + half) * inverse, (x - centre - half) * inverse
    # log(s(a) - s(b)) = log s(a) + log s(-b) + log(1 - exp(b - a)), which stays finite far from the centre.
    between = F.logsigmoid(above) + F.logsigmoid(-below) + torch.log(-torch.expm1(-2 * half * inverse))
    ends = torch.where(x > 1 - half, F.logsigmoid(-below), between)
    return torch.where(x < half, F.logsigmoid(above), ends)
