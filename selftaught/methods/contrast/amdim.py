"""AMDIM: augmented multiscale deep infomax."""

from __future__ import annotations

import math
from typing import Any, ClassVar, final

import numpy as np
import torch
from torch import Tensor, nn

from selftaught.encoders import build
from selftaught.errors import UserError
from selftaught.method import Clock, Encoder, Method, Outputs, Terms
from selftaught.parts.gather import gather_with_gradient, rank, world
from selftaught.parts.layers import shape_of
from selftaught.parts.local_info_nce import local_info_nce
from selftaught.parts.norm import BatchNorm2d
from selftaught.views.image import Augment, ImageViews

TAG = 0x616D64696D  # separates these random numbers from other uses of (seed, step)


@final
class AMDIM(Method):
    """Contrastive learning of global and local features across two augmented views of an image.

    Bachman, Hjelm, Buchwalter, NeurIPS 2019 (arXiv 1906.00910), "Learning Representations by Maximizing Mutual
    Information Across Views". Deep InfoMax between two augmentations of an image instead of within one, and between
    several scales: local features are predicted, so the summary must encode what is where, and they belong to another
    view, so pixels cannot be copied.

    With phi_1, phi_5 and phi_7 the mapped features of the 1 x 1, 5 x 5 and 7 x 7 maps, for a pair of scales (a, b),
    view x of image i and the other view x' of image j at place l::

        s_ijl = clip tanh(r_ijl / clip)        r_ijl = phi_a(x_i) . phi_b(x'_j)_l / sqrt(d)
        L_ab  = -mean_il log( exp(s_iil) / (exp(s_iil) + sum_{j != i, m} exp(s_ijm)) ) + penalty mean_ijl r_ijl^2
        L     = mean of L_15, L_17 and L_55 over both directions; phi_5(x_i) is that of one random place

    Shapes: views is a list of two [B, C, S, S]; scores are [B, N, places], N the images of all ranks. The place is
    drawn for each image and step. It is the same for both views, so that swapping the views changes nothing.

    Padding would reveal to a position how near the edge is, and wide receptive fields would reveal its neighbours. Any
    encoder other than `unpadded` is therefore replaced by `unpadded`, with the same width if it has one, and that
    encoder is kept. `padded` keeps the given encoder. The scales are its last features and its last two maps with
    positions, of any size.

    Defaults follow the released code (clip 20, penalty 0.05, crops of at least 0.3, jitter 0.4, grey 0.25) with a
    narrow network. Departures: the maps of 28 pixels are 6 x 6 and 4 x 4; one set of features, not the mixture-based
    variant; features are taken before the mapping to phi, which is not normalised at its end; the default recipe is
    AdamW for a few minutes.

    Args:
        dim: Dimension d in which the scales are compared.
        clip: Scores are limited to between -clip and clip. Greater than 0.
        penalty: Weight of the penalty on the mean squared score before clipping.
        padded: Keep the given encoder even if it uses padding.
        crop: Smallest area of a random crop, as a fraction of the image.
        jitter: Strength of the brightness, contrast and saturation jitter.
        hue: Strength of the hue jitter, at most 0.5.
        flip: Probability of a horizontal flip.
        grey: Probability of converting the view to greyscale.

    Raises:
        UserError: An argument is out of range, or the encoder has fewer than two maps with positions.
    """

    recipe: ClassVar[dict[str, Any]] = {"batch_size": 64, "lr": 2e-3, "minutes": 1.5, "batch_norm_groups": 1}
    sees = ("image",)
    together = 2

    def __init__(
        self,
        encoder: Encoder,
        dim: int = 256,
        clip: float = 20.0,
        penalty: float = 0.05,
        padded: bool = False,
        crop: float = 0.3,
        jitter: float = 0.4,
        hue: float = 0.2,
        flip: float = 0.5,
        grey: float = 0.25,
    ) -> None:
        super().__init__()
        if dim < 1 or clip <= 0 or penalty < 0:
            raise UserError(
                f"amdim needs a dim of at least 1, a clip greater than 0 and a penalty of at least 0, "
                f"not {dim}, {clip} and "
                f"{penalty}"
            )
        seen = encoder.spec["input"]
        if not padded and encoder.spec["name"] != "unpadded":
            width = {"width": encoder.spec["width"]} if encoder.spec["name"] == "conv" else {}
            encoder = build("unpadded", seen, **width)
        self.encoder = encoder
        shapes: list[tuple[int, ...]] = []

        def noted(x: Tensor) -> Tensor:
            shapes.extend(tuple(f.shape[1:]) for f in encoder.layers(x))
            return x

        shape_of(noted, encoder, seen)
        maps = [i for i, shape in enumerate(shapes) if len(shape) == 3 and shape[1] * shape[2] > 1]
        if len(maps) < 2:
            raise UserError(
                "amdim needs an encoder with two maps of positions, such as conv or resnet18, not "
                f"{encoder.spec['name']}"
            )
        self.scales = (maps[-1], maps[-2])
        self.phi1 = Mapped(math.prod(shapes[-1]), dim)
        self.phi5, self.phi7 = (Mapped(shapes[i][0], dim) for i in self.scales)
        self.clip, self.penalty = clip, penalty
        augment = Augment(crop=(crop, 1.0), flip=flip, jitter=(jitter, jitter, jitter, hue), jitter_p=0.8, grey=grey)
        self.views = ImageViews(seen, views=[augment, augment])

    def terms(self) -> Terms:
        """Return both terms: each sees both views at all scales."""
        reached = ("encoder", "phi1", "phi5", "phi7", "views")
        return {"nce": reached} | ({"square": reached} if self.penalty else {})

    def forward(self, views: list[Tensor], clock: Clock, **_: Any) -> Outputs:
        """Return the loss; "nce", which is the loss without the penalty; "accuracy" and "chance".

        All are averaged over scales and directions.
        """
        x = torch.stack(views, 1).flatten(0, 1)  # [2B, C, S, S]: a sample's views side by side, in one batch norm group
        layers = self.encoder.layers(x)
        five, seven = (layers[i] for i in self.scales)
        phi1, phi5, phi7 = (
            phi(f).unflatten(0, (-1, 2)) for phi, f in (
                (self.phi1, layers[-1].flatten(1)[:, :, None, None]), (self.phi5, five), (self.phi7, seven),
            )
        )  # [B, 2, d, places] each  # fmt: skip
        all5, all7 = gather_with_gradient(phi5), gather_with_gradient(phi7)  # [N, 2, d, places]
        # [B, 2, d, 1]
        one = phi5.gather(3, self.place(phi5, clock)[:, None, None, None].expand(-1, 2, phi5.shape[2], 1))
        found = []
        for mine, other in ((0, 1), (1, 0)):
            for query, keys in ((phi1, all5), (phi1, all7), (one, all5)):
                found.append(self.contrast(query[:, mine, :, 0], keys[:, other]))
        mean = {name: torch.stack([f[name] for f in found]).mean(0) for name in found[0]}
        return {"loss": mean["loss"] + self.penalty * mean["square"], "nce": mean["loss"], **{
            name: mean[name] for name in ("square", "accuracy", "chance", "negatives")
        }}  # fmt: skip

    def place(self, phi5: Tensor, clock: Clock) -> Tensor:
        """Return a random place for each of this rank's images, int64 [B].

        A function of (seed, step) and the image's position in the batch.
        """
        generator = np.random.Generator(np.random.Philox(key=[clock.seed, clock.step], counter=[0, 0, 0, TAG]))
        drawn = generator.integers(phi5.shape[3], size=world() * len(phi5))[
            rank() * len(phi5) : (rank() + 1) * len(phi5)
        ]
        return torch.from_numpy(drawn).to(phi5.device)

    def contrast(self, query: Tensor, keys: Tensor) -> dict[str, Tensor]:
        """Return the loss of one direction between two scales: query [B, d] of this rank, keys [N, d, places]."""
        # [B, N, places]
        raw = (query @ keys.transpose(0, 1).flatten(1) / math.sqrt(query.shape[1])).unflatten(1, (len(keys), -1))
        own = torch.arange(len(query), device=query.device) + rank() * len(query)
        return {**local_info_nce(clipped(raw, self.clip), own), "square": raw.square().mean()}


def clipped(scores: Tensor, clip: float) -> Tensor:
    """Return clip tanh(s / clip): close to s where |s| is small, and never beyond clip."""
    return clip * torch.tanh(scores / clip)


@final
class Mapped(nn.Module):
    """phi: two 1 x 1 convolutions with a 1 x 1 convolution as shortcut, [B, C, h, w] to [B, dim, places]."""

    def __init__(self, channels: int, dim: int) -> None:
        super().__init__()
        self.deep = nn.Sequential(
            nn.Conv2d(channels, dim, 1, bias=False), BatchNorm2d(dim), nn.ReLU(), nn.Conv2d(dim, dim, 1, bias=False)
        )
        self.short = nn.Conv2d(channels, dim, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Return the features in which the scales are compared."""
        mapped: Tensor = self.deep(x) + self.short(x)
        return mapped.flatten(2)
