"""BigBiGAN: a generator and an encoder that a discriminator of pairs cannot tell apart."""

from __future__ import annotations

from typing import Any, ClassVar, final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from selftaught.errors import UserError
from selftaught.method import Clock, Encoder, Group, Method, Outputs, Player
from selftaught.parts.shown import Pictures
from selftaught.parts.upward import Upward
from selftaught.views.image import Augment, denormalise
from selftaught.views.latent import Latent


@final
class BigBiGAN(Method):
    """Adversarial inference: an encoder is trained as the inverse of a generator of images.

    Donahue, Simonyan, NeurIPS 2019 (arXiv 1907.02544), "Large Scale Adversarial Representation Learning", on the
    bidirectional GAN of Donahue, Krahenbuhl, Darrell 2017 and Dumoulin et al. 2017. A discriminator sees pairs of an
    image and a code: (x, E(x)) of data, or (G(z), z) of the generator. Where it cannot tell them apart, E inverts G;
    and since pixels never have to be rebuilt, the code is free to keep what an image shows instead of its details.

    With F the discriminator's features of an image, H those of a code and J of both, three scores for each pair::

        s_x = a F(x),  s_z = b H(z),  s_xz = c J(F(x), H(z)),   S = s_x + s_z + s_xz
        discriminator:          sum over the three of  max(0, 1 - s) of data pairs + max(0, 1 + s) of generated pairs
        encoder and generator:  S of data pairs - S of generated pairs

    each averaged over its B pairs. The unary scores s_x and s_z (without them: BiGAN, ``--no-unary``) make images and
    codes right one by one. The encoder is stochastic, E(x) = mu(x) + sigma(x) * e, and so is z, from N(0, I).

    Shapes: image is [B, C, S, S], normalised as the encoder expects; noise is [B, 2 * latent], normal numbers: z, then
    e; codes are [B, latent]; scores are [B].

    Two players take turns, each on fresh batches: "generator" (encoder, its mu and sigma, and generator; the encoder's
    part learns `encoder_rate` times as fast) and "discriminator", `turns` times. Every weight of the discriminator is
    divided by its largest singular value, which one step of power iteration follows after each step (Miyato et al.
    2018, arXiv 1802.05957). What is kept is the encoder before mu and sigma.

    Defaults follow the paper's losses, the unary terms and ten times the rate for the encoder. Departures: a generator
    and a discriminator of the size of DCGAN's instead of BigGAN's, without self-attention, skip connections of z, a
    moving average of the generator, or more pixels for the encoder than for the generator; one discriminator step
    instead of two; power iteration after a step instead of in each forward pass; batches of 64 instead of 2,048; AdamW
    with betas (0.5, 0.999) and a schedule.

    Args:
        latent: Dimensions of z.
        width: Channels of the generator's last and the discriminator's first layers; they double with each halving.
        hidden: Width of the features F and H, and of the layers of H and J.
        unary: Use the scores of the image alone and of the code alone.
        encoder_rate: Learning rate of the encoder, as a multiple of the generator's.
        turns: Steps of the discriminator for each of the generator.
        crop: Smallest area of the random crop, as a fraction of the image.
        flip: Probability of a horizontal flip.

    Raises:
        UserError: An argument is out of range.
    """

    recipe: ClassVar[dict[str, Any]] = {
        "batch_size": 64, "lr": 2e-4, "betas": (0.5, 0.999), "minutes": 1.5, "weight_decay": 0.0,
    }  # fmt: skip
    sees = ("image",)

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        encoder: Encoder,
        latent: int = 64,
        width: int = 32,
        hidden: int = 256,
        unary: bool = True,
        encoder_rate: float = 10.0,
        turns: int = 1,
        crop: float = 0.6,
        flip: float = 0.5,
    ) -> None:
        super().__init__()
        if min(latent, width, hidden, turns) < 1 or encoder_rate < 0:
            raise UserError(
                "latent, width, hidden and turns of bigbigan must be at least 1 and encoder_rate at least 0, not "
                f"{latent}, {width}, {hidden}, {turns} and {encoder_rate}"
            )
        seen = encoder.spec["input"]
        self.encoder, self.latent, self.encoder_rate, self.turns = encoder, latent, encoder_rate, turns
        self.views = Latent(seen, 2 * latent, Augment(crop=(crop, 1.0), flip=flip))
        self.posterior = nn.Linear(encoder.dim, 2 * latent)
        self.generator = generator(latent, seen["channels"], seen["size"], width)
        self.discriminator = Discriminator(latent, seen["channels"], seen["size"], width, hidden, unary)
        for name in ("mean", "std"):
            self.register_buffer(name, torch.tensor(seen[name]).view(-1, 1, 1))

    def players(self) -> list[Player]:
        """The encoder with the generator, and the discriminator."""
        inference = [*self.encoder.parameters(), *self.posterior.parameters()]
        own: list[Group] = [
            {"params": inference, "lr_scale": self.encoder_rate},
            {"params": list(self.generator.parameters())},
        ]
        judge: list[Group] = [{"params": list(self.discriminator.parameters())}]
        return [Player("generator", own), Player("discriminator", judge, self.turns)]

    def forward(self, image: Tensor, noise: Tensor, player: str = "generator", **_: Any) -> Outputs:
        """Return the player's loss.

        "told" is how often the sum of the scores is above 0 for data pairs and below 0 for generated pairs. On
        held-out images also "error", the mean squared error of their reconstructions G(mu(x)), and "guess", that of the
        mean image of the batch.
        """
        z, e = noise.chunk(2, 1)
        with torch.set_grad_enabled(torch.is_grad_enabled() and player != "discriminator"):
            mu, sigma = self.encode(image)
            code, drawn = mu + sigma * e, self.generate(z)
        data, generated = self.discriminator(image, code), self.discriminator(drawn, z)  # scores, [B] each
        told = (sum(data) > 0).float().mean() / 2 + (sum(generated) < 0).float().mean() / 2
        outputs: Outputs = {"loss": hinge(data, generated), "told": told.detach()}
        if player != "discriminator":
            outputs["loss"] = (sum(data) - sum(generated)).mean()
            if not self.training:
                outputs["error"] = F.mse_loss(self.generate(mu), image)
                outputs["guess"] = image.var(0, unbiased=False).mean()
        return outputs

    def encode(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Return mu and sigma of the code, [B, latent] each."""
        mu, log_variance = self.posterior(self.encoder(image)).chunk(2, 1)
        return mu, (log_variance.clamp(-20, 20) / 2).exp()

    def generate(self, z: Tensor) -> Tensor:
        """Map codes [B, latent] to images [B, C, S, S], normalised."""
        x: Tensor = (self.generator(z).sigmoid() - self.mean) / self.std
        return x

    def after_step(self, clock: Clock, outputs: Outputs) -> None:
        """Follow the largest singular values of the discriminator's weights."""
        for layer in self.discriminator.modules():
            if isinstance(layer, Spectral):
                layer.iterate()

    def show(self, image: Tensor, noise: Tensor, **_: Any) -> list[Pictures]:
        """Show images, their reconstructions, and samples of the generator."""
        shown = {
            "image": image,
            "rebuilt from its code": self.generate(self.encode(image)[0]),
            "drawn by the generator": self.generate(noise[:, : self.latent]),
        }
        return [Pictures(name, list(denormalise(x, self.encoder.spec["input"]))) for name, x in shown.items()]


def hinge(data: list[Tensor], generated: list[Tensor]) -> Tensor:
    """Return the discriminator's loss, a scalar: each score is [B]."""
    pairs = zip(data, generated, strict=True)
    return torch.stack([F.relu(1 - real).mean() + F.relu(1 + fake).mean() for real, fake in pairs]).sum()


def generator(latent: int, channels: int, size: int, width: int) -> nn.Sequential:
    """Return a linear layer to at most 4x4 positions, then `Upward`: [B, latent] to logits [B, C, size, size]."""
    side, doublings = size, 0
    while side > 4:
        side, doublings = -(-side // 2), doublings + 1
    shape = (width * 2 ** max(doublings - 1, 0), side, side)
    start = nn.Linear(latent, shape[0] * side**2)
    return nn.Sequential(start, nn.ReLU(), nn.Unflatten(1, shape), Upward(shape, channels, size))


@final
class Discriminator(nn.Module):
    """F, H and J of `BigBiGAN`, with leaky ReLU and spectral normalisation, and no batch normalisation."""

    def __init__(self, latent: int, channels: int, size: int, width: int, hidden: int, unary: bool) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        before, side = channels, size
        while side > 4:
            layers += [Spectral(nn.Conv2d(before, width, 4, 2, 1)), nn.LeakyReLU(0.2)]
            before, width, side = width, 2 * width, side // 2
        self.f = nn.Sequential(*layers, nn.Flatten(), Spectral(nn.Linear(before * side**2, hidden)), nn.LeakyReLU(0.2))
        self.h = self._layers(latent, hidden)
        self.j = self._layers(2 * hidden, hidden)
        self.score_xz = Spectral(nn.Linear(hidden, 1))
        self.score_x = Spectral(nn.Linear(hidden, 1)) if unary else None
        self.score_z = Spectral(nn.Linear(hidden, 1)) if unary else None

    @staticmethod
    def _layers(before: int, hidden: int) -> nn.Sequential:
        first, second = Spectral(nn.Linear(before, hidden)), Spectral(nn.Linear(hidden, hidden))
        return nn.Sequential(first, nn.LeakyReLU(0.2), second, nn.LeakyReLU(0.2))

    def forward(self, x: Tensor, z: Tensor) -> list[Tensor]:
        """Return the scores of pairs of images [B, C, S, S] and codes [B, latent]: s_xz, and s_x and s_z if unary."""
        f, h = self.f(x), self.h(z)  # [B, hidden] each
        scores = [self.score_xz(self.j(torch.cat([f, h], 1)))]
        if self.score_x is not None and self.score_z is not None:
            scores += [self.score_x(f), self.score_z(h)]
        return [score[:, 0] for score in scores]


@final
class Spectral(nn.Module):
    """A layer whose weight W is divided by u^T W v, its largest singular value once u and v have converged.

    u and v are constants for the gradient.
    """

    u: Tensor
    v: Tensor

    def __init__(self, layer: nn.Linear | nn.Conv2d) -> None:
        super().__init__()
        self.layer = layer
        rows, columns = layer.weight.flatten(1).shape
        self.register_buffer("u", F.normalize(torch.randn(rows), dim=0))
        self.register_buffer("v", F.normalize(torch.randn(columns), dim=0))
        for _ in range(15):
            self.iterate()

    @torch.no_grad()
    def iterate(self) -> None:
        """Make one step of power iteration."""
        weight = self.layer.weight.flatten(1)
        self.v.copy_(F.normalize(weight.T @ self.u, dim=0))
        self.u.copy_(F.normalize(weight @ self.v, dim=0))

    def forward(self, x: Tensor) -> Tensor:
        """Apply the layer with its normalised weight. The bias stays as it is."""
        weight = self.layer.weight / (self.u @ self.layer.weight.flatten(1) @ self.v)
        if isinstance(self.layer, nn.Conv2d):
            return F.conv2d(x, weight, self.layer.bias, self.layer.stride, self.layer.padding)
        return F.linear(x, weight, self.layer.bias)
