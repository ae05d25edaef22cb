"""Split-brain autoencoder: each half of the channels is predicted from the other half."""

from __future__ import annotations

from typing import Any, ClassVar, Literal, final, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from selftaught.encoders import multiview
from selftaught.encoders.multiview import Multiview
from selftaught.errors import UserError
from selftaught.method import Encoder, Method, Outputs, Source
from selftaught.parts.colour import SPACES, groups, refuse_colourless, refuse_grey
from selftaught.parts.colour_bins import ColourBins, soft_cross_entropy
from selftaught.parts.dense_predictor import DensePredictor
from selftaught.parts.layers import shape_of
from selftaught.parts.shown import Pictures
from selftaught.views.augmentation import Augment
from selftaught.views.colour import ColourViews, census, pictures

Loss = Literal["classification", "regression"]
Form = Literal["disjoint", "ensemble", "shared"]


@final
class SplitBrain(Method):
    """Predict each half of an image's channels from the other half, with half of the network for each.

    Zhang, Isola, Efros, CVPR 2017 (arXiv 1611.09842), "Split-Brain Autoencoders: Unsupervised Learning by Cross-Channel
    Prediction". An autoencoder may copy its input; a network that never sees what it predicts cannot. Two such
    networks, side by side, see the whole image together. With X1 and X2 the two groups of channels::

        L = L1( F1(X1), X2 ) + L2( F2(X2), X1 )

    regression: 1/2 sum || . ||^2 over positions and channels, each scaled to [-1, 1]. classification: cross-entropy
    over classes, a soft class of the bins of ab (see `parts.colour_bins`), or for every other channel one of `levels`
    equal parts of its range; summed over positions.

    Shapes: channels is [B, C, S, S] in the colour space; predictions are at S/stride positions a side. The encoder that
    is kept is `multiview` with the same views: it takes the ordinary image, splits it, and joins the features of both
    networks along the channels. They have no connections, and each has half the width of the given encoder, so that
    the joined features are as wide as its own. Besides the loss, in units of the space: "error_X", the root of the mean
    squared distance of the predicted group X, and "mean_X", that of its mean colour in the data.

    Forms, after the paper's comparison: disjoint, as above; ensemble, both halves predict the second group from the
    first; shared, one network of full width sees one group at a time, the other set to 0, and predicts both.

    Defaults are those of the released model: Lab, classes for both directions, 100 levels of L. Departures: all bins
    hold colours of sRGB (261 of step 10; the paper's list has 313), of the mean colour of a position; a decoder of
    transposed convolutions for each direction, instead of a fully convolutional AlexNet; no rescaling of the weights
    before they are used elsewhere, because batch norm fixes their scale; with depth, the fourth channel is what the
    data hold (the paper encodes it as HHA); random crops of at least `crop` of the area; AdamW for a few minutes.

    Args:
        halves: The two groups of channels of one colour space: "L,ab", "Y,CbCr", "R,GB", or "RGB,D" for images with a
            fourth channel, such as depth.
        loss: Loss of both directions: classification or regression.
        form: disjoint, ensemble or shared.
        stride: Pixels from one predicted position to the next.
        step: Spacing of the bins of ab, in their units. For classification.
        levels: Classes of every other channel. For classification.
        crop: Smallest area of a random crop, as a fraction of the image.
        flip: Probability of a horizontal flip.

    Raises:
        UserError: An argument is out of range, the encoder has no positions or no width, or the images have no colours.
    """

    recipe: ClassVar[dict[str, Any]] = {"batch_size": 128, "lr": 2e-3, "minutes": 1.5}
    sees = ("image",)
    effects: ClassVar[dict[str, Any]] = {
        "step": {"loss": ("classification",)}, "levels": {"loss": ("classification",)},
    }  # fmt: skip
    encoder: Multiview
    bins: ColourBins | None
    mean: Tensor

    def __init__(
        self,
        encoder: Encoder,
        halves: str = "L,ab",
        loss: Loss = "classification",
        form: Form = "disjoint",
        stride: int = 4,
        step: int = 10,
        levels: int = 100,
        crop: float = 0.6,
        flip: float = 0.5,
    ) -> None:
        super().__init__()
        seen = encoder.spec["input"]
        if loss not in get_args(Loss) or form not in get_args(Form) or stride < 1 or levels < 2:
            raise UserError(
                f"split_brain needs a loss of {' or '.join(get_args(Loss))}, a form of {', '.join(get_args(Form))}, a "
                f"stride of at least 1 and at least 2 levels, not '{loss}', '{form}', {stride} and {levels}"
            )
        self.space, parts = groups(halves)
        if len(parts) != 2:
            raise UserError(f"split_brain splits channels into two groups, not into {len(parts)}: use L,ab or RGB,D")
        names = list(SPACES[self.space].channels)
        self.names = ["".join(names[channel] for channel in part) for part in parts]
        if len(names) == 3:
            refuse_colourless("split_brain", seen["channels"])
        self.form, self.loss, self.levels, self.side = form, loss, levels, -(-seen["size"] // stride)
        sees = {"disjoint": halves, "ensemble": f"{self.names[0]},{self.names[0]}", "shared": "".join(names)}[form]
        self.encoder = multiview.of("split_brain", encoder, sees, split=form != "shared")
        sides = [(0, 0, 1), (1, 0, 1)] if form == "ensemble" else [(0, 0, 1), (int(form == "disjoint"), 1, 0)]
        self.directions = [(network, parts[given], parts[wanted], wanted) for network, given, wanted in sides]
        self.bins = ColourBins(step) if loss == "classification" and [1, 2] in parts and self.space == "Lab" else None
        self.heads = nn.ModuleList()
        for network, _, wanted, _ in self.directions:
            inner = self.encoder.encoders()[network]
            shape = shape_of(inner.local, inner, inner.spec["input"])
            if len(shape) != 3:
                raise UserError(f"split_brain needs an encoder with positions, such as conv, not {inner.spec['name']}")
            self.heads.append(DensePredictor(shape[0], shape[1], self.outputs(wanted), self.side))
        augment = Augment(crop=(crop, 1.0), flip=flip)
        self.views = self.channels = ColourViews(seen, self.space, augment, self.bins, self.side)
        self.register_buffer("mean", torch.zeros(len(names)))

    def prepare(self, source: Source) -> None:
        """Count the mean of every channel in the data. Raises UserError for grey images of three channels."""
        if len(self.mean) == 3:
            refuse_grey("split_brain", source)
        self.mean.copy_(census(self.channels, source)[0])

    def forward(self, channels: Tensor, **batch: Any) -> Outputs:
        """Return the loss summed over both directions, and the error of what each predicts."""
        coarse = F.adaptive_avg_pool2d(channels, self.side)  # [B, C, h, w]
        loss, errors = torch.zeros((), device=channels.device), {}
        for (_, _, wanted, name), found in zip(self.directions, self.predicted(channels), strict=True):
            each = self.losses(found, coarse, wanted, batch)  # [B, h, w]
            loss = loss + each.sum((1, 2)).mean()
            with torch.no_grad():
                truth, mean = coarse[:, wanted], self.mean[wanted].view(1, -1, 1, 1)
                errors[f"error_{self.names[name]}"] = distance(self.decoded(found, wanted), truth)
                errors[f"mean_{self.names[name]}"] = distance(mean, truth)
        return {"loss": loss, **errors}

    def predicted(self, channels: Tensor) -> list[Tensor]:
        """Return the output of each direction: [B, outputs, h, w]."""
        scaled, found = self.encoder.scaled(channels), []
        for (network, given, _, _), head in zip(self.directions, self.heads, strict=True):
            if self.form == "shared":
                visible = torch.zeros(scaled.shape[1], device=scaled.device)
                visible[given] = 1
                view = scaled * visible.view(1, -1, 1, 1)
            else:
                view = scaled[:, given]
            found.append(head(self.encoder.encoders()[network].local(view)))
        return found

    def outputs(self, wanted: list[int]) -> int:
        """Return the outputs at each position for a group of channels."""
        if self.loss == "regression":
            return len(wanted)
        return len(self.bins) if self.bins is not None and wanted == [1, 2] else len(wanted) * self.levels

    def losses(self, found: Tensor, coarse: Tensor, wanted: list[int], batch: dict[str, Any]) -> Tensor:
        """Return the loss of a predicted group at each position: [B, h, w]."""
        if self.bins is not None and wanted == [1, 2]:
            return soft_cross_entropy(found, batch["near"], batch["share"])
        scaled = self.encoder.scaled(coarse)[:, wanted]
        if self.loss == "regression":
            return ((found - scaled) ** 2).sum(1) / 2
        level = ((scaled + 1) / 2 * self.levels).long().clamp(0, self.levels - 1)  # [B, c, h, w]
        logits = found.unflatten(1, (len(wanted), self.levels)).transpose(1, 2)  # [B, levels, c, h, w]
        return F.cross_entropy(logits, level, reduction="none").sum(1)

    def decoded(self, found: Tensor, wanted: list[int]) -> Tensor:
        """Return the channels of a predicted group, in units of the space: the mean of its classes. [B, c, h, w]."""
        found = found.detach()
        if self.bins is not None and wanted == [1, 2]:
            return self.bins.decode(found, 1.0)
        if self.loss == "classification":
            middles = (2 * torch.arange(self.levels, device=found.device) + 1) / self.levels - 1
            found = torch.einsum("bclhw,l->bchw", found.unflatten(1, (len(wanted), self.levels)).softmax(2), middles)
        whole = torch.zeros(len(found), len(self.mean), *found.shape[2:], device=found.device)
        whole[:, wanted] = found
        return self.encoder.unscaled(whole)[:, wanted]

    def show(self, channels: Tensor, **_: Any) -> list[Pictures]:
        """Show images, and each with one group of channels replaced by the prediction; a fourth channel as grey."""
        rows = [Pictures("truth", pictures(self.space, channels))]
        depth = channels.shape[1] > 3
        if depth:
            rows.append(Pictures("true D", pictures("RGB", channels[:, 3:].expand(-1, 3, -1, -1))))
        for (*_unused, wanted, name), found in zip(self.directions, self.predicted(channels), strict=True):
            group = F.interpolate(self.decoded(found, wanted), size=channels.shape[2:], mode="bilinear")
            mixed = channels.clone()
            mixed[:, wanted] = group
            alone = group.expand(-1, 3, -1, -1) if depth and wanted == [3] else None
            shown = pictures(self.space, mixed) if alone is None else pictures("RGB", alone)
            rows.append(Pictures(f"predicted {self.names[name]}", shown))
        return rows


def distance(found: Tensor, truth: Tensor) -> Tensor:
    """Return the root of the mean squared distance of channels [B, c, h, w]."""
    return ((found - truth) ** 2).sum(1).mean().sqrt()
