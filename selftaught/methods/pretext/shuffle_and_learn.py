"""Shuffle and learn: whether three frames are in order."""

from __future__ import annotations

from typing import Any, ClassVar, final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from selftaught.errors import UserError
from selftaught.method import Encoder, Method, Outputs
from selftaught.parts.mosaic import mosaic
from selftaught.parts.norm import BatchNorm1d
from selftaught.parts.shown import Pictures
from selftaught.parts.siamese import Siamese
from selftaught.views.augmentation import Augment
from selftaught.views.stretches import TupleViews
from selftaught.views.video import show

ORDERS = ((1, 2, 3), (1, 0, 3), (1, 4, 3))
"""Positions in a tuple (a, b, c, d, e): the right order, and a frame from before or after in the middle."""


@final
class ShuffleAndLearn(Method):
    """Tell three frames of a video in order from three of which the middle one lies outside.

    Misra, Zitnick, Hebert, ECCV 2016 (arXiv 1603.08561), "Shuffle and Learn: Unsupervised Learning using Temporal Order
    Verification". Frames a < b < c < d < e are taken from a stretch with much motion. (b, c, d) is in order; (b, a, d)
    and (b, e, d) are not. All three begin and end alike, so that only the middle frame tells. Played backwards,
    (d, c, b) is as right, because nothing says which way time runs.

    With f the encoder and its layer, h the classifier and y = 1 for the right order::

        L = -log softmax( h([f(x_1), f(x_2), f(x_3)]) )_y

    The share of right orders, `positives`, is the weight of their loss: p L(b, c, d) + (1 - p) (L(b, a, d) + L(b, e,
    d)) / 2. "accuracy" is the mean of the accuracy of right orders and of wrong ones, so that chance is 1/2 whatever p.

    Shapes: frames is [B, 5, C, S, S]; turned bool [B] says which tuples are seen backwards; codes are [B, 5, width].

    Departures: motion is the mean difference of neighbouring frames in small cells instead of optical flow; tuples are
    drawn anew in each epoch instead of once; all three orders of a tuple are one step's examples, because its frames
    are encoded once, where the authors draw 25% right and 75% wrong ones (`positives`); `span` and `gap` are 24 and 6
    frames instead of 60 and 15, for shorter videos; a tuple is the least ambiguous of `tries`, where the authors refuse
    one whose a or e is too like c; the classifier has one hidden layer instead of being linear, because the trunk is
    small; crop, flip and colours are changed alike for all frames of a tuple; the default recipe is AdamW for a minute
    or two instead of SGD .001 for 100,000 steps.

    Args:
        span: Most frames from the first to the last of three (tau_max of the paper).
        gap: Fewest frames by which a and e are outside (tau_min). They are at most twice as far.
        tries: Tuples drawn, of which the one is taken whose a and e are least like c.
        positives: Weight of right orders, in (0, 1).
        width: Width of a frame's code.
        hidden: Width of the classifier's hidden layer.
        crop: Smallest area of the random crop, as a fraction of the frame.
        flip: Probability of a horizontal flip.
        strength: Strength of the colour jitter: brightness, contrast and saturation by this, hue by a quarter of it.

    Raises:
        UserError: An argument is out of range, or the encoder has no positions.
    """

    recipe: ClassVar[dict[str, Any]] = {"batch_size": 32, "lr": 2e-3, "minutes": 1.5}
    sees = ("video",)

    def __init__(
        self,
        encoder: Encoder,
        span: int = 24,
        gap: int = 6,
        tries: int = 3,
        positives: float = 0.5,
        width: int = 128,
        hidden: int = 256,
        crop: float = 0.5,
        flip: float = 0.5,
        strength: float = 0.2,
    ) -> None:
        super().__init__()
        if span < 2 or min(gap, tries, width, hidden) < 1:
            raise UserError(
                "span of shuffle_and_learn must be at least 2, and gap, tries, width and hidden at least 1, not "
                f"{span}, {gap}, {tries}, {width} and {hidden}"
            )
        if not 0 < positives < 1:
            raise UserError(f"positives of shuffle_and_learn must be in (0, 1), not {positives}")
        seen = encoder.spec["input"]
        self.encoder, self.positives = encoder, positives
        jitter = (strength, strength, strength, strength / 4)
        augment = Augment(crop=(crop, 1.0), flip=flip, jitter=jitter if strength else None)
        self.views = TupleViews(seen, augment, span, gap, tries)
        self.trunk = Siamese(encoder, encoder.local, encoder.spec, seen["size"], width, "shuffle_and_learn")
        self.head = nn.Sequential(
            nn.Linear(3 * width, hidden, bias=False), BatchNorm1d(hidden), nn.ReLU(), nn.Linear(hidden, 2)
        )

    def forward(self, frames: Tensor, turned: Tensor, **_: Any) -> Outputs:
        """Return the weighted cross-entropy of the three orders of every tuple."""
        logits = self.guess(frames, turned)  # [B, 3, 2]
        truth = torch.tensor([1, 0, 0], device=logits.device).expand(len(logits), -1)
        cost = F.cross_entropy(logits.flatten(0, 1), truth.flatten(), reduction="none").view(-1, 3)
        loss = self.positives * cost[:, 0].mean() + (1 - self.positives) * cost[:, 1:].mean()
        right = (logits.argmax(2) == truth).float()
        accuracy = (right[:, 0].mean() + right[:, 1:].mean()) / 2
        return {"loss": loss, "accuracy": accuracy, "chance": 0.5, "in_order": right[:, 0].mean()}

    def guess(self, frames: Tensor, turned: Tensor) -> Tensor:
        """Return the logits of wrong and right for the three orders of each tuple: [B, 3, 2]."""
        codes = self.trunk(self.encoder.local, frames)  # [B, 5, width]
        order = torch.tensor(ORDERS, device=codes.device).expand(len(codes), 3, 3)
        order = torch.where(turned[:, None, None], order.flip(2), order)
        sample = torch.arange(len(codes), device=codes.device)[:, None, None]
        logits: Tensor = self.head(codes[sample, order].flatten(0, 1).flatten(1))
        return logits.view(-1, 3, 2)

    def show(self, frames: Tensor, turned: Tensor, **_: Any) -> list[Pictures]:
        """Show each tuple in its right order and with a wrong middle frame, and what the network thinks of them."""
        right = self.guess(frames, turned).softmax(2)[:, :, 1].tolist()
        rows = []
        for number, name in ((0, "in order"), (1, "with an earlier frame between"), (2, "with a later frame between")):
            strips: list[NDArray[np.uint8]] = []
            for one in frames[:, list(ORDERS[number])]:
                told = show("", one, self.encoder.spec["input"])
                assert told is not None
                strips.append(mosaic(np.stack([np.stack(list(told.images))])))
            notes = [f"in order: {shares[number]:.0%}" for shares in right]
            rows.append(Pictures(name, strips, notes))
        return rows
