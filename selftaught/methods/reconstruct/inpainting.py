"""Context encoder: fill a hole in an image."""

from __future__ import annotations

import math
from typing import Any, ClassVar, final, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from selftaught.errors import UserError
from selftaught.method import Encoder, Method, Outputs, Player
from selftaught.parts.layers import norm2d, shape_of
from selftaught.parts.shown import Pictures
from selftaught.parts.upward import Upward
from selftaught.views.holes import Holes, Region, centre
from selftaught.views.image import Augment, denormalise


@final
class Inpainting(Method):
    """Context encoder: fill in a removed region of an image from what is around it.

    Pathak, Krahenbuhl, Donahue, Darrell, Efros, CVPR 2016 (arXiv 1604.07379), "Context Encoders: Feature Learning by
    Inpainting". To fill a hole, the network must recognise what the image shows. Many fillings are possible and a
    squared error prefers their blurred mean; a discriminator, which learns to tell filled from real, makes it choose
    one.

    With M the hole (1 = removed), x_c = (1 - M) x + M m its context with the mean colour m in the hole, y = F(x_c) the
    prediction, R the hole and a border of `overlap` around it, and D the discriminator's probability of "real"::

        L_rec = 1/|R| sum_{j in R} w_j (x_j - y_j)^2,   w = 1 in the hole and `weight` in the border
        generator:      (1 - adversarial) L_rec - adversarial log D(y)
        discriminator:  -log D(x) - log(1 - D(y))

    Between encoder and decoder stands a channel-wise fully connected layer: in each channel, every position sees every
    other, with weights of its own; a 1x1 convolution then mixes the channels.

    Shapes: image is [B, C, S, S], normalised as the encoder expects, so that the mean colour is 0; hole is bool [B, 1,
    S, S]. For a centre hole only R is predicted and shown to D, [B, C, r, r]; for random regions D sees whole images,
    filled in R.

    Two players take turns, each on a fresh batch: "generator" (encoder, layer between, decoder) and "discriminator",
    whose learning rate is a tenth of the generator's, both with betas (0.5, 0.999). With ``--adversarial 0`` there is
    no discriminator: so the authors trained the network that they judge.

    Defaults follow the authors' code: a centre hole of half the side; a border of 4 of 128 pixels, weighted 10; random
    regions of 20 to 30% from a smooth pattern of 8 cells along the side; the mean colour in the hole; 0.999 and 0.001;
    rates and betas. Departures: the hole keeps its full size and the border lies around it, as in the paper (in the
    code the border lies inside the half-size square); each image has a random region of its own (in the code a batch
    shares one), cut at the height that gives the drawn share instead of drawn until it fits, and L_rec and D are
    limited to R (in the code they see the whole prediction); the prediction is linear (code: tanh); any encoder with
    positions replaces AlexNet; the discriminator's convolutions start at 32 channels; each player has a batch of its
    own (in the code they share one); random crops of at least `crop` of the area, and AdamW with a cosine schedule.

    Args:
        region: The hole: centre, a square in the middle, or random, another region in every image and epoch.
        side: Side of the centre hole, as a fraction of the image's side. Only for centre.
        share: Least and largest share of the pixels in a random region. Only for random.
        overlap: Width of the border around the hole that is predicted as well, as a fraction of the image's side,
            rounded up to pixels.
        weight: Weight of the border's squared error.
        adversarial: Weight of the adversarial loss, in [0, 1); the squared error has the rest.
        width: Channels of the discriminator's first convolution.
        crop: Smallest area of the random crop, as a fraction of the image.
        flip: Probability of a horizontal flip.

    Raises:
        UserError: An argument is out of range, the hole is as large as the image, or the encoder has no positions.
    """

    recipe: ClassVar[dict[str, Any]] = {"batch_size": 64, "lr": 2e-3, "betas": (0.5, 0.999), "minutes": 1.5}
    sees = ("image",)
    effects: ClassVar[dict[str, Any]] = {
        "side": {"region": ("centre",)},
        "share": {"region": ("random",)},
        "weight": {"overlap": 0.0},
        "width": {"adversarial": 0.0},
    }

    def __init__(
        self,
        encoder: Encoder,
        region: Region = "centre",
        side: float = 0.5,
        share: tuple[float, float] = (0.2, 0.3),
        overlap: float = 0.03125,
        weight: float = 10.0,
        adversarial: float = 0.001,
        width: int = 32,
        crop: float = 0.6,
        flip: float = 0.5,
    ) -> None:
        super().__init__()
        if region not in get_args(Region):
            raise UserError(f"region of inpainting must be one of {', '.join(get_args(Region))}, not '{region}'")
        if min(overlap, weight) < 0 or not 0 <= adversarial < 1 or width < 1:
            raise UserError(
                "overlap and weight of inpainting must be at least 0, adversarial in [0, 1) and width at least 1, not "
                f"{overlap}, {weight}, {adversarial} and {width}"
            )
        seen = encoder.spec["input"]
        size, channels = seen["size"], seen["channels"]
        shape = shape_of(encoder.local, encoder, seen)
        if len(shape) != 3:
            raise UserError(
                f"inpainting needs an encoder with positions, such as conv or resnet18, not {encoder.spec['name']}"
            )
        self.views = Holes(seen, Augment(crop=(crop, 1.0), flip=flip), region, side, share)
        self.encoder, self.weight, self.adversarial = encoder, weight, adversarial
        self.border = math.ceil(size * overlap)
        self.window = slice(0, size)  # rows and columns that are predicted
        if region == "centre":
            hole = centre(size, side)
            self.window = slice(max(hole.start - self.border, 0), min(hole.stop + self.border, size))
        predicted = self.window.stop - self.window.start
        self.between = ChannelWise(shape)
        self.decoder = Upward(shape, channels, predicted)
        self.discriminator = discriminator(channels, predicted, width) if adversarial else None

    def players(self) -> list[Player]:
        """The generator, and the discriminator if there is an adversarial loss."""
        network = [*self.encoder.parameters(), *self.between.parameters(), *self.decoder.parameters()]
        players = [Player("generator", [{"params": network}])]
        if self.discriminator is not None:
            players.append(
                Player("discriminator", [{"params": list(self.discriminator.parameters()), "lr_scale": 0.1}])
            )
        return players

    def forward(self, image: Tensor, hole: Tensor, player: str = "generator", **_: Any) -> Outputs:
        """Return the player's loss.

        For the generator also the mean squared "error" in the hole, "guess", the same of the mean colour, and "fooled",
        how often D takes a filling for real; for the discriminator "told", how often it tells real and filled apart.
        """
        if player == "discriminator":
            assert self.discriminator is not None
            with torch.no_grad():
                filled = self.judged(image, hole, self.fill(image, hole))
            real, fake = self.discriminator(self.judged(image, hole, None)), self.discriminator(filled)  # [B, 1] each
            told = ((real > 0).float().mean() + (fake <= 0).float().mean()) / 2
            return {"loss": F.softplus(-real).mean() + F.softplus(fake).mean(), "told": told}
        y = self.fill(image, hole)
        x, inside = (v[:, :, self.window, self.window] for v in (image, hole))
        squared = weighted(x, y, inside, self.around(inside), self.weight)
        outputs = {"loss": squared}
        if self.discriminator is not None:
            score = self.discriminator(self.judged(image, hole, y))
            adversarial = F.softplus(-score).mean()
            outputs = {
                "loss": (1 - self.adversarial) * squared + self.adversarial * adversarial,
                "fooled": (score > 0).float().mean(),
            }
        with torch.no_grad():
            count = inside.sum() * x.shape[1]
            error, guess = (((x - z) ** 2 * inside).sum() / count for z in (y, torch.zeros_like(y)))
        return {**outputs, "squared": squared.detach(), "error": error, "guess": guess}

    def fill(self, image: Tensor, hole: Tensor) -> Tensor:
        """Predict the window from the context: [B, C, S, S] to [B, C, r, r]."""
        y: Tensor = self.decoder(self.between(self.encoder.local(image * ~hole)))
        return y

    def around(self, inside: Tensor) -> Tensor:
        """Return the border of a hole, bool [B, 1, r, r]."""
        grown = F.max_pool2d(inside.float(), 2 * self.border + 1, 1, self.border) > 0
        return grown & ~inside

    def judged(self, image: Tensor, hole: Tensor, y: Tensor | None) -> Tensor:
        """Return what the discriminator sees: the window of the image, filled with y [B, C, r, r] unless it is None."""
        x, inside = (v[:, :, self.window, self.window] for v in (image, hole))
        return x if y is None else torch.where(inside | self.around(inside), y, x)

    def show(self, image: Tensor, hole: Tensor, **_: Any) -> list[Pictures]:
        """Show images, the same with a hole, and the hole filled in."""
        filled = image.clone()
        window = filled[:, :, self.window, self.window]
        window.copy_(torch.where(hole[:, :, self.window, self.window], self.fill(image, hole), window))
        shown = {"image": image, "seen": image * ~hole, "filled": filled}
        return [Pictures(name, list(denormalise(x, self.encoder.spec["input"]))) for name, x in shown.items()]


def weighted(x: Tensor, y: Tensor, hole: Tensor, border: Tensor, weight: float) -> Tensor:
    """Return L_rec of `Inpainting`, a scalar: x and y are [B, C, r, r], hole and border bool [B, 1, r, r]."""
    count = (hole | border).sum() * x.shape[1]
    return ((hole + weight * border) * (x - y) ** 2).sum() / count


def discriminator(channels: int, side: int, width: int) -> nn.Sequential:
    """Return strided 4x4 convolutions down to at most 4x4 positions, then a linear layer: [B, C, side, side] to [B, 1].

    As in DCGAN (Radford, Metz, Chintala 2016): leaky ReLU, and batch normalisation except in the first.
    """
    layers, before = nn.Sequential(), channels
    while side > 4:
        first = before == channels and not layers
        layers.append(nn.Conv2d(before, width, 4, 2, 1, bias=first))
        layers.extend([nn.LeakyReLU(0.2)] if first else [norm2d("batch", width), nn.LeakyReLU(0.2)])
        before, width, side = width, 2 * width, side // 2
    return layers.extend([nn.Flatten(), nn.Linear(before * side**2, 1)])


@final
class ChannelWise(nn.Module):
    """A fully connected layer in each channel, [h w] to [h w], then ReLU and a 1x1 convolution over the channels."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        super().__init__()
        channels, positions = shape[0], shape[1] * shape[2]
        self.weight = nn.Parameter(torch.randn(channels, positions, positions) / positions**0.5)
        self.bias = nn.Parameter(torch.zeros(channels, 1, positions))
        self.mix = nn.Conv2d(channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Map [B, C, h, w] to the same shape."""
        y = torch.baddbmm(self.bias, x.flatten(2).transpose(0, 1), self.weight)  # [C, B, h w]
        z: Tensor = self.mix(F.relu(y).transpose(0, 1).unflatten(2, x.shape[2:]))
        return z
