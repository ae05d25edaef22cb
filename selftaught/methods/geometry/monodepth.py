"""Depth from one eye, learned from pairs."""

from __future__ import annotations

from typing import Any, ClassVar, Literal, final, get_args

import torch
from torch import Tensor
from torch.nn import functional as F

from selftaught.errors import UserError
from selftaught.method import Encoder, Method, Outputs, Terms
from selftaught.parts.depth_colours import coloured
from selftaught.parts.layers import shapes_of
from selftaught.parts.shown import Pictures
from selftaught.parts.skip_decoder import SkipDecoder
from selftaught.views.stereo import Jitter, StereoViews, denormalise

Eyes = Literal["left", "both"]
WINDOW = 3
"""Side of the windows in which pictures are compared."""


@final
class Monodepth(Method):
    """Monodepth: the disparity of a picture, learned by making the other eye's picture from it.

    Godard, Mac Aodha, Brostow, CVPR 2017 (arXiv 1609.03677), "Unsupervised Monocular Depth Estimation with Left-Right
    Consistency". From the left picture alone the network predicts the disparities of both; the right picture, moved by
    them, must give the left one, and the other way round. To predict them from one eye, it must know how near things
    are by what they look like.

    With d_l and d_r the disparities as parts of the width, I~_l(x) = I_r(x - d_l) and I~_r(x) = I_l(x + d_r) (linear
    between pixels), the sum over both eyes and over scales s = 0, 1, ... (each half as large as the one before) is::

        L = sum_s  appearance + smoothness / 2^s * L_ds + consistency * L_lr
        appearance = alpha (1 - SSIM(I, I~)) / 2 + (1 - alpha) |I - I~|
        L_ds = |dx d| exp(-|dx I|) + |dy d| exp(-|dy I|)
        L_lr = |d_l(x) - d_r(x - d_l)|,  and  |d_r(x) - d_l(x + d_r)|

    each the mean over pixels, and over channels. SSIM has windows of 3x3 pixels.

    Shapes: left and right are [B, C, S, S], normalised as the encoder expects; a disparity is [B, 2, s, s], left and
    right, in (0, `largest`). The decoder has skip connections to the layers of the encoder, which is what is kept. For
    samples, disparities are averaged with those of the mirrored picture, as the paper's post-processing does: near a
    border that of the side where the border hides nothing.

    Defaults follow the paper and its released code: alpha .85, weights .1 and 1, disparities of at most .3, four
    scales, ELU, pairs mirrored with their eyes swapped, colours changed alike in half of the pairs. Departures: squares
    of the pair at random, of at least `crop` of its shorter side, where the paper resizes whole pictures; brightness,
    contrast, saturation and hue as in the other methods, instead of gamma, brightness and colour shifts; the decoder
    starts from any encoder with positions, without the two deepest levels of the paper's VGG, and has fewer channels;
    pixels of the picture are compared at every scale after averaging; a batch of 16, AdamW with a cosine schedule and a
    learning rate of 2e-3 instead of 1e-4 halved twice. The paper's variants: `consistency` 0 is "no LR"; with `eyes`
    both, the network sees both pictures ("stereo"), here each by the same encoder, whose layers are joined.

    Args:
        alpha: Weight of the structural similarity in the appearance; the rest is that of the absolute difference.
        smoothness: Weight of smooth disparities where the picture is smooth. 0 = none.
        consistency: Weight of the agreement of both disparities. 0 = none.
        largest: Largest disparity as a part of the width.
        scales: Number of scales at which pictures are compared.
        eyes: What the network sees: the left picture, or both.
        crop: Shortest side of the random square, as a part of the shorter side of the pair.
        flip: Probability of mirroring a pair, with its eyes swapped.
        jitter: Strength of the change of brightness, contrast and saturation; that of hue is an eighth.
        jitter_p: Probability of changing the colours of a pair.
        colours: Whether the colours of both eyes change alike, or each apart.

    Raises:
        UserError: An argument is out of range, or the encoder has no positions, or too few levels for the scales.
    """

    recipe: ClassVar[dict[str, Any]] = {"batch_size": 16, "lr": 2e-3, "minutes": 1.5}
    sees = ("stereo",)
    effects: ClassVar[dict[str, Any]] = {"jitter_p": {"jitter": 0.0}, "colours": {"jitter": 0.0}}

    def __init__(
        self,
        encoder: Encoder,
        alpha: float = 0.85,
        smoothness: float = 0.1,
        consistency: float = 1.0,
        largest: float = 0.3,
        scales: int = 4,
        eyes: Eyes = "left",
        crop: float = 0.7,
        flip: float = 0.5,
        jitter: float = 0.4,
        jitter_p: float = 0.5,
        colours: Jitter = "alike",
    ) -> None:
        super().__init__()
        if not (0 <= alpha <= 1 and 0 < largest <= 1) or min(smoothness, consistency) < 0 or scales < 1:
            raise UserError(
                "alpha of monodepth must be in [0, 1], largest in (0, 1], smoothness and consistency at least 0 and "
                f"scales at least 1, not {alpha}, {largest}, {smoothness}, {consistency} and {scales}"
            )
        if eyes not in get_args(Eyes):
            raise UserError(f"eyes of monodepth must be left or both, not '{eyes}'")
        seen = encoder.spec["input"]
        shapes = shapes_of(encoder.layers, encoder, seen)
        if any(len(shape) != 3 for shape in shapes):
            raise UserError(
                f"monodepth needs an encoder with positions, such as conv or resnet18, not {encoder.spec['name']}"
            )
        if -(-seen["size"] // 2 ** (scales - 1)) < WINDOW:
            raise UserError(f"{scales} scales of {seen['size']} pixels end with fewer than {WINDOW}: use fewer scales")
        if eyes == "both":
            shapes = [(2 * channels, *positions) for channels, *positions in shapes]
        strengths = (jitter, jitter, jitter, jitter / 8) if jitter else None
        self.views = StereoViews(seen, crop, flip, strengths, jitter_p, colours)
        self.encoder, self.decoder = encoder, SkipDecoder(shapes, 2, seen["size"], scales)
        self.alpha, self.smoothness, self.consistency = alpha, smoothness, consistency
        self.largest, self.eyes = largest, eyes

    def terms(self) -> Terms:
        """Return the terms with a weight. The right picture is seen by the network only if both eyes are."""
        parts = ("encoder", "decoder", "left")
        found: dict[str, tuple[str, ...]] = {"appearance": (*parts, "right")}
        if self.smoothness:
            found["rough"] = (*parts, "right")
        if self.consistency:
            found["disagreement"] = (*parts, "right") if self.eyes == "both" else parts
        return found

    def forward(self, left: Tensor, right: Tensor, **_: Any) -> Outputs:
        """Return the loss with its terms, and "error": the mean |I - I~| of the finest scale."""
        pyramid = self.disparities(left, right)
        pictures = [self.pixels(x) for x in (left, right)]
        appearance, rough, disagreement = (left.new_zeros(()) for _ in range(3))
        for s, both in enumerate(pyramid):
            i_l, i_r = (F.adaptive_avg_pool2d(x, both.shape[3]) for x in pictures)
            d_l, d_r = both[:, :1], both[:, 1:]
            made_l, made_r = warp(i_r, -d_l), warp(i_l, d_r)
            appearance = appearance + self.appearance(i_l, made_l) + self.appearance(i_r, made_r)
            rough = rough + (roughness(d_l, i_l) + roughness(d_r, i_r)) / 2**s
            disagreement = disagreement + (d_l - warp(d_r, -d_l)).abs().mean() + (d_r - warp(d_l, d_r)).abs().mean()
            if s == 0:
                error = ((i_l - made_l).abs().mean() + (i_r - made_r).abs().mean()).detach() / 2
        loss = appearance + self.smoothness * rough + self.consistency * disagreement
        return {
            "loss": loss, "appearance": appearance, "rough": rough, "disagreement": disagreement, "error": error,
        }  # fmt: skip

    def disparities(self, left: Tensor, right: Tensor) -> list[Tensor]:
        """Return the disparities of both eyes as parts of the width, the finest first: [B, 2, s, s] each."""
        layers = self.encoder.layers(left)
        if self.eyes == "both":
            layers = [torch.cat(pair, 1) for pair in zip(layers, self.encoder.layers(right), strict=True)]
        return [self.largest * torch.sigmoid(x) for x in self.decoder(layers)]

    def pixels(self, x: Tensor) -> Tensor:
        """Return a view with pixels in [0, 1]."""
        mean, std = (x.new_tensor(self.encoder.spec["input"][key]).view(1, -1, 1, 1) for key in ("mean", "std"))
        return x * std + mean

    def appearance(self, x: Tensor, y: Tensor) -> Tensor:
        """Return how much two pictures [B, C, H, W] differ."""
        structure = ((1 - ssim(x, y)) / 2).clamp(0, 1).mean()
        return self.alpha * structure + (1 - self.alpha) * (x - y).abs().mean()

    def disparity(self, left: Tensor, right: Tensor) -> Tensor:
        """Return the disparity of the left picture as a part of its width, [B, S, S], with that of its mirror image."""
        straight = self.disparities(left, right)[0][:, 0]
        if self.eyes == "both":  # the mirror image of the right picture is the left one of a pair
            mirrored = self.disparities(right.flip(3), left.flip(3))[0][:, 1].flip(2)
        else:
            mirrored = self.disparities(left.flip(3), right)[0][:, 0].flip(2)
        place = torch.linspace(0, 1, straight.shape[2], device=straight.device)
        near = 1 - (20 * (place - 0.05)).clamp(0, 1)  # 1 at the left border, 0 from a tenth of the width on
        middle = 1 - near - near.flip(0)
        return near * mirrored + near.flip(0) * straight + middle * (straight + mirrored) / 2

    def show(self, left: Tensor, right: Tensor, **_: Any) -> list[Pictures]:
        """Show both pictures, the disparity of the left one (the nearer the paler), and what the right one gives."""
        depth = self.disparities(left, right)[0][:, :1]
        made = warp(right, -depth)
        seen = self.encoder.spec["input"]
        rows = [Pictures(name, list(denormalise(x, seen))) for name, x in (("left", left), ("right", right))]
        colours = [coloured(one, 0, self.largest) for one in depth[:, 0].float().cpu().numpy()]
        return [*rows, Pictures("disparity", colours), Pictures("left from right", list(denormalise(made, seen)))]


def warp(image: Tensor, shift: Tensor) -> Tensor:
    """Return what lies `shift` (parts of the width, [B, 1, H, W]) to the right in image [B, C, H, W].

    Linear between two pixels of a row; beyond a border is the pixel at the border. No gradient flows where it is.
    """
    width = image.shape[3]
    x = torch.arange(width, device=image.device) + shift * width
    x = x.clamp(0, width - 1)  # [B, 1, H, W]
    first = x.detach().floor().clamp(max=width - 2).long()
    there = first.expand(-1, image.shape[1], -1, -1)
    before, after = image.gather(3, there), image.gather(3, there + 1)
    return before + (x - first) * (after - before)


def ssim(x: Tensor, y: Tensor) -> Tensor:
    """Return the structural similarity of pictures in [0, 1] in every 3x3 window: [B, C, H, W] to [B, C, H-2, W-2]."""
    a, b = (F.avg_pool2d(z, WINDOW, 1) for z in (x, y))
    variances = F.avg_pool2d(x**2 + y**2, WINDOW, 1) - a**2 - b**2
    covariance = F.avg_pool2d(x * y, WINDOW, 1) - a * b
    c1, c2 = 0.01**2, 0.03**2
    return (2 * a * b + c1) * (2 * covariance + c2) / ((a**2 + b**2 + c1) * (variances + c2))


def roughness(disparity: Tensor, image: Tensor) -> Tensor:
    """Return the mean slope of a disparity [B, 1, H, W], less where the image [B, C, H, W] has an edge."""
    found = disparity.new_zeros(())
    for axis in (2, 3):
        edge = image.diff(dim=axis).abs().mean(1, keepdim=True)
        found = found + (disparity.diff(dim=axis).abs() * torch.exp(-edge)).mean()
    return found
