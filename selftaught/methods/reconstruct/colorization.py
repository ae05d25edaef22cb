"""Colorization: predict the colours of an image from its lightness."""

from __future__ import annotations

from typing import Any, ClassVar, Literal, final, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from selftaught.encoders import multiview
from selftaught.encoders.multiview import Multiview
from selftaught.errors import UserError
from selftaught.method import Encoder, Method, Outputs, Source
from selftaught.parts.colour import GREY, lab, refuse_colourless, refuse_grey, rgb_of_hci
from selftaught.parts.colour_bins import ColourBins, soft_cross_entropy
from selftaught.parts.colour_histograms import divergence, histograms, hue_of, median_of
from selftaught.parts.dense_predictor import DensePredictor
from selftaught.parts.hypercolumn import hypercolumn
from selftaught.parts.layers import shape_of
from selftaught.parts.shown import Curves, Pictures, Shown
from selftaught.views.augmentation import Augment
from selftaught.views.colour import ColourViews, census, pictures

Target = Literal["quantised", "regression", "histogram"]
FARTHEST = 110.0  # a and b are divided by it


@final
class Colorization(Method):
    """Predict the colours of an image from its lightness.

    To colour an object, the network must recognise it: sky is blue, grass is green. Three forms, after three papers;
    x_L is the lightness L of Lab, ab its colours, and z^ the output at h x w positions::

        regression:  L = 1/2 sum_{h,w} || ab - ab^ ||^2, ab divided by 110
        quantised:   L = - sum_{h,w} v(Z) sum_q Z_q log Z^_q
        histogram:   L = 5 chroma KL(hue || hue^) + 3 min(l, 1/3, 1 - l) KL(chroma || chroma^), averaged over N places

    quantised: Zhang, Isola, Efros, ECCV 2016 (arXiv 1603.08511), "Colorful Image Colorization". Regression averages the
    possible colours of an object to grey, so the colours are classes: the bins of ab in gamut, Z the soft class of a
    pixel (see `parts.colour_bins`). v(Z) is the weight of its nearest bin, larger for rare colours (the released code
    multiplies the gradients by it, which is the same training). The colour is the annealed mean of Z^ at a
    `temperature`. Images without colours (no |a| or |b| above 5) are left out of the loss, here and in the regression.

    histogram: Larsson, Maire, Shakhnarovich, ECCV 2016 (arXiv 1603.06668), "Learning Representations for Automatic
    Colorization". The input is the mean of red, green and blue, l. The targets are histograms of hue and chroma in a
    window around N random places, predicted from the hypercolumn there: all layers of the network, upsampled. The hue
    of grey pixels says nothing, so it is weighted by their chroma. The colour is the circular mean of the hue, with the
    median of the chroma, which fades where hues disagree.

    Shapes: channels is [B, 3, S, S], Lab (or hue, chroma and intensity); predictions are at S/stride positions a side.
    The encoder that is kept is `multiview` with the one view L (or I): it takes the ordinary colour image, computes its
    lightness, and shows only that to its network, which is built like the given encoder. So the same encoder is trained
    and judged, and its features never depend on colours. Besides the loss: "error", the root of the mean squared
    distance in ab, "error_grey" and "error_mean", those of no colour and of the mean colour of the data; and the same
    with every position weighted by v(Z) ("rare", after the paper's rebalanced accuracy), where it has one.

    Defaults are the papers'. Departures: all bins hold colours of sRGB (261 of step 10; the paper's list has 313); the
    distribution of the colours is counted in 2,048 images of the data, not in ImageNet; bins of a position are of its
    mean colour, not of every fourth pixel; a decoder of transposed convolutions follows any encoder, instead of a
    dilated VGG; histograms leave out pixels outside the image, where the paper keeps away from the edges, and have
    fewer places and hidden units and a smaller window for images of 32 pixels; no dropout; random crops of at least
    `crop` of the area; AdamW for a few minutes.

    Args:
        target: What is predicted: quantised, regression or histogram.
        stride: Pixels from one predicted position to the next.
        step: Spacing of the bins of quantised colours, in units of a and b.
        sigma: Deviation of the Gaussian of soft classes, and of the one that smooths the distribution of the data.
        neighbours: Number of bins of a soft class (5 in the paper, 10 in the released code).
        mix: Share lambda of the uniform distribution in the weights v. 1 weights all colours alike.
        temperature: Temperature of the annealed mean, greater than 0. It changes the colours shown and the error.
        bins: Number of bins of the histograms of hue and of chroma.
        window: Side of the window of a histogram in pixels, odd (7 in the paper, for images of 352 pixels).
        locations: Number of places in each image (128 in the paper).
        width: Hidden units of the head on a hypercolumn (1024 in the paper).
        crop: Smallest area of a random crop, as a fraction of the image.
        flip: Probability of a horizontal flip.

    Raises:
        UserError: An argument is out of range, the encoder has no positions, or the images have no colours.
    """

    recipe: ClassVar[dict[str, Any]] = {"batch_size": 128, "lr": 2e-3, "minutes": 1.5}
    sees = ("image",)
    effects: ClassVar[dict[str, Any]] = {
        "stride": {"target": ("quantised", "regression")}, "step": {"target": ("quantised",)},
        "sigma": {"target": ("quantised",)}, "neighbours": {"target": ("quantised",)},
        "mix": {"target": ("quantised",)}, "temperature": {"target": ("quantised",)},
        "bins": {"target": ("histogram",)}, "window": {"target": ("histogram",)},
        "locations": {"target": ("histogram",)}, "width": {"target": ("histogram",)},
    }  # fmt: skip
    encoder: Multiview
    bins: ColourBins | None
    mean_ab: Tensor

    def __init__(
        self,
        encoder: Encoder,
        target: Target = "quantised",
        stride: int = 4,
        step: int = 10,
        sigma: float = 5.0,
        neighbours: int = 5,
        mix: float = 0.5,
        temperature: float = 0.38,
        bins: int = 32,
        window: int = 3,
        locations: int = 32,
        width: int = 256,
        crop: float = 0.6,
        flip: float = 0.5,
    ) -> None:
        super().__init__()
        seen = encoder.spec["input"]
        refuse_colourless("colorization", seen["channels"])
        if target not in get_args(Target):
            raise UserError(f"target of colorization must be one of {', '.join(get_args(Target))}, not '{target}'")
        if min(stride, bins, window, locations, width) < 1 or window % 2 == 0 or temperature <= 0 or not 0 <= mix <= 1:
            raise UserError(
                "colorization needs a stride, bins, locations and width of at least 1, an odd window, a temperature "
                f"greater than 0 and a mix in [0, 1], not {stride}, {bins}, {locations}, {width}, {window}, "
                f"{temperature} and {mix}"
            )
        self.encoder = multiview.of("colorization", encoder, "I" if target == "histogram" else "L")
        shape = shape_of(self.encoder.local, self.encoder, seen)
        if len(shape) != 3:
            raise UserError(f"colorization needs an encoder with positions, such as conv, not {encoder.spec['name']}")
        self.target, self.mix, self.temperature = target, mix, temperature
        self.cells, self.window, self.side = bins, window, -(-seen["size"] // stride)
        augment = Augment(crop=(crop, 1.0), flip=flip)
        self.bins = ColourBins(step, sigma, neighbours) if target == "quantised" else None
        self.views = self.lab_views = ColourViews(seen, "Lab", augment, self.bins, self.side)
        if target == "histogram":
            columns = shape_of(lambda x: self.columns(x, torch.zeros(1, 1, 2).long()), self, seen | {"channels": 1})
            self.head = nn.Sequential(nn.Linear(columns[1], width), nn.ReLU(), nn.Linear(width, 2 * bins))
            self.views = ColourViews(seen, "HCI", augment, locations=locations)
        else:
            out = 2 if self.bins is None else len(self.bins)
            self.head = nn.Sequential(DensePredictor(shape[0], shape[1], out, self.side))
        self.register_buffer("mean_ab", torch.zeros(2))

    def prepare(self, source: Source) -> None:
        """Count the colours of the data: their mean, and the weights of the bins. Raises UserError for grey images."""
        refuse_grey("colorization", source)
        mean, counts = census(self.lab_views, source)
        self.mean_ab.copy_(mean[1:])
        if self.bins is not None:
            self.bins.balance(counts, self.mix)

    def forward(self, channels: Tensor, **batch: Any) -> Outputs:
        """Return the loss of the target, and the errors of the predicted colours."""
        grey = self.lightness(channels)  # [B, 1, S, S]
        if "location" in batch:
            return self.at_locations(grey, channels, batch["location"])
        found = self.head(self.trunk.local(grey))  # [B, Q or 2, h, w]
        ab = F.adaptive_avg_pool2d(channels[:, 1:], self.side)
        coloured = channels[:, 1:].abs().amax((1, 2, 3)) > GREY  # [B]
        weight = None
        if self.bins is None:
            each = ((ab / FARTHEST - found) ** 2).sum(1) / 2  # [B, h, w]
        else:
            weight = self.bins.weight[batch["near"][:, 0]]  # [B, h, w], of the nearest bin
            each = weight * soft_cross_entropy(found, batch["near"], batch["share"])
        return {"loss": (each.sum((1, 2)) * coloured).mean(), **self.errors(self.decoded(found), ab, weight)}

    def at_locations(self, grey: Tensor, channels: Tensor, place: Tensor) -> Outputs:
        """Return the loss of the histograms at the N locations [B, N, 2]."""
        hue, chroma = self.head(self.columns(grey, place)).chunk(2, 2)  # [B, N, bins] each
        targets = [histograms(channels[:, i], place, self.cells, self.window) for i in (0, 1)]
        pixel = (place[:, :, 0] * channels.shape[3] + place[:, :, 1])[:, None].expand(-1, 3, -1)
        here = channels.flatten(2).gather(2, pixel)  # [B, 3, N]
        _, strength, light = here.unbind(1)
        lit = 3 * torch.minimum(light, 1 - light).clamp(max=1 / 3)
        hue_loss = (strength * divergence(targets[0], hue)).mean()
        chroma_loss = (lit * divergence(targets[1], chroma)).mean()
        errors = self.errors(self.from_histograms(hue, chroma, light), self.ab(here[..., None])[..., 0])
        return {"loss": 5 * hue_loss + chroma_loss, "hue": hue_loss.detach(), "chroma": chroma_loss.detach(), **errors}

    @property
    def trunk(self) -> Encoder:
        """What sees the lightness alone."""
        return self.encoder.encoders()[0]

    def lightness(self, channels: Tensor) -> Tensor:
        """Return what the network sees of [B, 3, S, S]: [B, 1, S, S] in [-1, 1]."""
        return self.encoder.scaled(channels)[:, self.encoder.groups[0]]

    def columns(self, grey: Tensor, place: Tensor) -> Tensor:
        """Return the input and all layers at the places: [B, N, D]."""
        return hypercolumn([grey, *self.trunk.layers(grey)], place, grey.shape[3])

    def ab(self, channels: Tensor) -> Tensor:
        """Return the colours of the view's channels: [B, 3, ...] to [B, 2, ...]."""
        return (lab(rgb_of_hci(channels).clamp(0, 1)) if self.target == "histogram" else channels)[:, 1:]

    def decoded(self, found: Tensor) -> Tensor:
        """Return the colours that the head predicts: [B, Q or 2, h, w] to [B, 2, h, w]."""
        return found.detach() * FARTHEST if self.bins is None else self.bins.decode(found.detach(), self.temperature)

    def from_histograms(self, hue: Tensor, chroma: Tensor, light: Tensor) -> Tensor:
        """Return the colours of predicted histograms [B, N, bins] at pixels of an intensity [B, N]: [B, 2, N]."""
        turn, kept = hue_of(hue.detach())
        return self.ab(torch.stack([turn, kept * median_of(chroma.detach()), light], 1))

    @torch.no_grad()
    def errors(self, found: Tensor, ab: Tensor, weight: Tensor | None = None) -> Outputs:
        """Compare predicted colours [B, 2, ...] with ab, beside no colour and the mean colour."""
        mean = self.mean_ab.view(1, 2, *[1] * (ab.ndim - 2))
        squares = {n: ((x - ab) ** 2).sum(1) for n, x in {"": found, "_grey": 0 * ab, "_mean": mean}.items()}
        errors = {f"error{n}": d.mean().sqrt() for n, d in squares.items()}
        if weight is not None:
            errors |= {f"rare{n}": ((weight * d).sum() / weight.sum()).sqrt() for n, d in squares.items()}
        return errors

    def show(self, channels: Tensor, **_: Any) -> list[Shown]:
        """Show images without colours, with the predicted and with their own; and the hues of histograms."""
        grey, size, rows = self.lightness(channels), channels.shape[3], list[Shown]()
        if self.target == "histogram":
            pixels = torch.cartesian_prod(*[torch.arange(0, size, max(size // 32, 1))] * 2)  # [N, 2]
            side, place = int(len(pixels) ** 0.5), pixels.to(channels.device).expand(len(channels), -1, -1)
            hue, chroma = self.head(self.columns(grey, place)).chunk(2, 2)
            ab = self.from_histograms(hue, chroma, channels[:, 2, *pixels.T]).unflatten(2, (side, side))
            true, strength = histograms(channels[:, 0], place, self.cells, 1), channels[:, 1, *pixels.T]
            hues = [torch.einsum("bnk,bn->bk", h, strength) for h in (hue.softmax(2), true)]
            curves = torch.stack([h / h.sum(1, keepdim=True).clamp(min=1e-6) for h in hues], 1)
            rows = [Curves("hues: predicted and true", list(curves.detach().cpu().numpy()))]
        else:
            ab = self.decoded(self.head(self.trunk.local(grey)))
        ab = F.interpolate(ab, size=(size, size), mode="bilinear")
        whole = lab(rgb_of_hci(channels).clamp(0, 1)) if self.target == "histogram" else channels
        shown = {"without colours": 0 * ab, "coloured": ab, "truth": whole[:, 1:]}
        return [*(Pictures(n, pictures("Lab", torch.cat([whole[:, :1], x], 1))) for n, x in shown.items()), *rows]
