"""Rotation (RotNet)."""

from __future__ import annotations

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


@final
class Rotation(Method):
    """Predict by which multiple of 90 degrees an image was rotated.

    Gidaris, Singh, Komodakis, ICLR 2018 (arXiv 1803.07728), "Unsupervised Representation Learning by Predicting Image
    Rotations". To tell which way is up, the network must recognise the content. Rotation by multiples of 90 degrees
    leaves no interpolation artefacts that would reveal the answer.

    With g_r the counter-clockwise rotation by r * 90 degrees and F^r the predicted probability of r::

        L = -1/(4N) sum_i sum_r log F^r(g_r(x_i))

    Shapes: image is [B, C, S, S]; its four copies are [4B, C, S, S], a sample's side by side, in one batch: the paper
    found this better than one random rotation of each image.

    The last layers specialise in rotations, so the paper takes its features from the middle. Here the encoder is the
    first half and the head is the second half: `blocks` convolutions that are discarded (the paper's 4-block network
    judged at block 2 is a 2-block encoder with 2 blocks of head). Defaults follow the authors' CIFAR-10 code (all four
    rotations in a batch of 128, horizontal flips, shifts by 4 of 32 pixels). Departures: a random crop of at least
    `crop` of the area replaces shifts; residual or strided encoders replace Network in Network; the default recipe is
    AdamW for a few minutes instead of SGD 0.1 for 200 epochs.

    Args:
        blocks: Number of 3x3 convolutions between the encoder's positions and the classifier. 0 classifies the pooled
            positions.
        width: Channels of these convolutions. 0 = as many as the encoder's positions have.
        crop: Smallest area of the random crop before the rotation, as a fraction of the image.
        flip: Probability of a horizontal flip before the rotation.

    Raises:
        UserError: An argument is out of range, or the encoder has no positions.
    """

    recipe: ClassVar[dict[str, Any]] = {"batch_size": 128, "lr": 2e-3, "minutes": 1.5}
    sees = ("image",)

    def __init__(self, encoder: Encoder, blocks: int = 2, width: int = 0, crop: float = 0.6, flip: float = 0.5) -> None:
        super().__init__()
        if blocks < 0 or width < 0:
            raise UserError(f"blocks and width of rotation must be at least 0, not {blocks} and {width}")
        self.encoder = encoder
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
            nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(widths[-1], 4),
        )  # fmt: skip
        self.views = ImageViews(encoder.spec["input"], image=Augment(crop=(crop, 1.0), flip=flip))

    def terms(self) -> Terms:
        """Return the only term."""
        return {"loss": ("encoder", "head", "image")}

    def forward(self, image: Tensor, **_: Any) -> Outputs:
        """Return the cross-entropy of the four rotations of every image."""
        logits = self.head(self.encoder.local(turned(image)))  # [4B, 4]
        turns = torch.arange(4, device=image.device).repeat(len(image))  # 0 1 2 3 0 1 2 3 ...
        accuracy = (logits.argmax(1) == turns).float().mean()
        return {"loss": F.cross_entropy(logits, turns), "accuracy": accuracy, "chance": 0.25}

    def show(self, image: Tensor, **_: Any) -> list[Pictures]:
        """Show the four rotations that the network must tell apart."""
        seen = self.encoder.spec["input"]
        return [Pictures(f"{90 * r} degrees", list(denormalise(torch.rot90(image, r, (2, 3)), seen))) for r in range(4)]
