"""Rotation (RotNet)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any, ClassVar, final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from selftaught.errors import UserError
from selftaught.method import Encoder, Method, Outputs, Terms
from selftaught.parts.layers import norm2d, shape_of
from selftaught.parts.shown import Pictures
from selftaught.parts.turns import turned
from selftaught.views.image import Augment, ImageViews, denormalise

QUARTERS = (0.0, 90.0, 180.0, 270.0)


@final
class Rotation(Method):
    """Predict by which of a few angles an image was rotated, by default by which multiple of 90 degrees.

    Gidaris, Singh, Komodakis, ICLR 2018 (arXiv 1803.07728), "Unsupervised Representation Learning by Predicting Image
    Rotations". To tell which way is up, the network must recognise the content. Rotation by multiples of 90 degrees
    leaves no interpolation artefacts that would reveal the answer.

    With g_r the counter-clockwise rotation by the r-th of R angles and F^r the predicted probability of r::

        L = -1/(RN) sum_i sum_r log F^r(g_r(x_i))

    Other angles need pixels between pixels, and corners that come from outside the image. So that neither tells the
    answer, all copies, the upright one too, are turned in two steps of which none is a multiple of 90 degrees, and all
    outside the inscribed circle is set to the mean (0).

    Shapes: image is [B, C, S, S]; its copies are [RB, C, S, S], a sample's side by side, in one batch: the paper
    found this better than one random rotation of each image.

    The last layers specialise in rotations, so the paper takes its features from the middle. Here the encoder is the
    first half and the head is the second half: `blocks` convolutions that are discarded (the paper's 4-block network
    judged at block 2 is a 2-block encoder with 2 blocks of head). Defaults follow the authors' CIFAR-10 code (all four
    rotations in a batch of 128, horizontal flips, shifts by 4 of 32 pixels). Departures: a random crop of at least
    `crop` of the area replaces shifts; residual or strided encoders replace Network in Network; angles that are no
    multiples of 90 degrees are turned twice and cut to the circle, where the paper (which found four turns best) does
    neither; the default recipe is AdamW for a few minutes instead of SGD 0.1 for 200 epochs.

    Args:
        blocks: Number of 3x3 convolutions between the encoder's positions and the classifier. 0 classifies the pooled
            positions.
        width: Channels of these convolutions. 0 = as many as the encoder's positions have.
        crop: Smallest area of the random crop before the rotation, as a fraction of the image.
        flip: Probability of a horizontal flip before the rotation.
        angles: The angles in degrees, at least two, all different in [0, 360).

    Raises:
        UserError: An argument is out of range, or the encoder has no positions.
    """

    recipe: ClassVar[dict[str, Any]] = {"batch_size": 128, "lr": 2e-3, "minutes": 1.5}
    sees = ("image",)

    def __init__(
        self,
        encoder: Encoder,
        blocks: int = 2,
        width: int = 0,
        crop: float = 0.6,
        flip: float = 0.5,
        angles: tuple[float, ...] = (0.0, 90.0, 180.0, 270.0),
    ) -> None:
        super().__init__()
        if len(set(angles)) < max(len(angles), 2) or not all(0 <= angle < 360 for angle in angles):
            raise UserError(
                f"angles of rotation must be at least two different ones in [0, 360), not {', '.join(map(str, angles))}"
            )
        if blocks < 0 or width < 0:
            raise UserError(f"blocks and width of rotation must be at least 0, not {blocks} and {width}")
        self.encoder, self.angles = encoder, tuple(angles)
        shape = shape_of(encoder.local, encoder, encoder.spec["input"])
        if len(shape) != 3:
            raise UserError(
                f"rotation needs an encoder with positions, such as conv or resnet18, not {encoder.spec['name']}"
            )
        channels = shape[0]
        widths = [channels, *[width or channels] * blocks]
        self.head = nn.Sequential(
            *(
                nn.Sequential(nn.Conv2d(a, b, 3, padding=1, bias=False), norm2d("batch", b), nn.ReLU())
                for a, b in pairwise(widths)
            ),
            nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(widths[-1], len(angles)),
        )  # fmt: skip
        self.views = ImageViews(encoder.spec["input"], image=Augment(crop=(crop, 1.0), flip=flip))

    def terms(self) -> Terms:
        """Return the only term."""
        return {"loss": ("encoder", "head", "image")}

    def forward(self, image: Tensor, **_: Any) -> Outputs:
        """Return the cross-entropy of all rotations of every image."""
        count = len(self.angles)
        logits = self.head(self.encoder.local(rotated(image, self.angles)))  # [RB, R]
        turns = torch.arange(count, device=image.device).repeat(len(image))  # 0 1 2 3 0 1 2 3 ...
        accuracy = (logits.argmax(1) == turns).float().mean()
        return {"loss": F.cross_entropy(logits, turns), "accuracy": accuracy, "chance": 1 / count}

    def show(self, image: Tensor, **_: Any) -> list[Pictures]:
        """Show the rotations that the network must tell apart, and which it takes them for."""
        copies = rotated(image, self.angles)
        guesses = self.head(self.encoder.local(copies)).argmax(1).view(len(image), -1)
        pictures = denormalise(copies, self.encoder.spec["input"])
        rows = []
        for r, angle in enumerate(self.angles):
            notes = ["right" if g == r else f"wrong: {self.angles[g]:g}" for g in guesses[:, r].tolist()]
            rows.append(Pictures(f"{angle:g} degrees", list(pictures[r :: len(self.angles)]), notes))
        return rows


def rotated(image: Tensor, angles: Sequence[float]) -> Tensor:
    """Rotate every image counter-clockwise by each of the angles in degrees: [B, C, S, S] to [RB, C, S, S].

    The copies of an image are side by side. Multiples of 90 degrees alone are exact. With any other angle all copies
    are interpolated twice and are 0 outside the inscribed circle.
    """
    if tuple(angles) == QUARTERS:
        return turned(image)
    if all(angle % 90 == 0 for angle in angles):
        return torch.stack([torch.rot90(image, round(angle / 90), (2, 3)) for angle in angles], 1).flatten(0, 1)
    first = _between(angles)
    tilted = _spun(image, first)
    copies = torch.stack([_spun(tilted, angle - first) for angle in angles], 1).flatten(0, 1)
    side = torch.arange(image.shape[2], device=image.device) + 0.5 - image.shape[2] / 2
    return copies * (side[:, None] ** 2 + side**2 <= (image.shape[2] / 2) ** 2)


def _between(angles: Sequence[float]) -> float:
    """Return a first step in whole degrees with which neither step is near a multiple of 90 degrees for any angle."""

    def distance(first: int) -> float:
        steps = [first, *(angle - first for angle in angles)]
        return min(abs((step + 45) % 90 - 45) for step in steps)

    return float(max(range(90), key=distance))


def _spun(image: Tensor, angle: float) -> Tensor:
    """Rotate images counter-clockwise around their centre, with bilinear interpolation; the edge repeats outside."""
    cosine, sine = math.cos(math.radians(angle)), math.sin(math.radians(angle))
    matrix = torch.tensor([[cosine, -sine, 0.0], [sine, cosine, 0.0]], dtype=image.dtype, device=image.device)
    grid = F.affine_grid(matrix.expand(len(image), -1, -1), list(image.shape), align_corners=False)
    return F.grid_sample(image, grid, padding_mode="border", align_corners=False)
