"""Relative position of patches (context prediction)."""

from __future__ import annotations

from itertools import product
from typing import Any, ClassVar, Literal, final, get_args

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from selftaught.errors import UserError
from selftaught.method import Encoder, Method, Outputs
from selftaught.parts.mosaic import mosaic
from selftaught.parts.norm import BatchNorm1d
from selftaught.parts.shown import Pictures
from selftaught.parts.siamese import Siamese
from selftaught.views.image import Augment, denormalise
from selftaught.views.patches import Grid, PatchViews

Colour = Literal["drop", "project", "all"]
SIDE = 3
"""Rows and columns of patches."""
PLACES = (
    "upper left", "above", "upper right", "left", "right", "lower left", "below", "lower right",
)  # fmt: skip
"""The place of the other patch, in reading order without the centre."""
NOISE = 0.01
"""Standard deviation of the noise in dropped colours, in units of that of the colour that is kept."""


@final
class RelativePosition(Method):
    """Given two neighbouring patches of an image, predict where the second is, seen from the first.

    Doersch, Gupta, Efros, ICCV 2015 (arXiv 1505.05192), "Unsupervised Visual Representation Learning by Context
    Prediction". To place an ear beside an eye, the network must recognise both. Both patches pass through the same
    network; a small classifier reads the two codes in order.

    With f the encoder and its layer, c a patch, n one of its eight neighbours, and k the place of n in reading order::

        L = -log softmax( h([f(c), f(n)]) )_k

    An image is cut into 3 x 3 patches, and all 40 ordered pairs of neighbours are classified, each pair in both
    directions: place k one way is place 7 - k the other way. Patches are encoded once.

    What would betray the place without a look at the content is taken away: a gap between patches and a random shift
    of each (edges that continue), a change of resolution of some patches, and colour: lenses displace green and magenta
    towards the edge of a photograph. "drop" keeps one random colour of each patch and puts faint noise in the others;
    "project" removes the axis from green to magenta. Then each patch gets mean 0 for each colour and a fixed contrast.

    Shapes: patches is [B, 3, 3, C, p, p]; codes are [B, 9, width]. "chance" is the share of the most common place, 6 of
    40, because there are more pairs side by side than across a corner.

    Defaults follow the paper and its released code (gap half a patch, jitter 7 of 96 pixels, a third of the patches
    coarse, batch norm without scale and shift) at the scale of small images. Departures: patches are small and cut from
    a random crop of the image, enlarged to `size`, instead of 96 pixels of a large one; a coarse patch has at least a
    third of its side, not a tenth; the noise is uniform with the standard deviation of the released code; the pairs are
    those of one grid of 3 x 3; the classifier has one hidden layer of `hidden`, not two of 4096; the encoder keeps the
    norm that it has, and only the layers after it have batch norm without scale and shift; colours are left alone by
    default, because images of 32 pixels show no aberration and need their colours (choose drop or project for
    photographs at full size); the default recipe is AdamW for a few minutes.

    Args:
        patch: Side of a patch in pixels. 0 = the largest with which gap and jitter fit, about a quarter of `size`.
        gap: Pixels between patches. -1 = half a patch.
        jitter: Largest shift of each patch in pixels. -1 = 7/96 of a patch, at least 1.
        size: Side in pixels to which an image is resized before it is cut. 0 = 3/2 of the encoder's.
        colour: What is done to the colours of a patch: drop, project or all (nothing). Grey images are left as they
            are.
        coarse: Probability of a lower resolution of a patch.
        width: Width of a patch's code.
        hidden: Width of the classifier's hidden layer.
        crop: Smallest area of the random crop before the patches are cut, as a fraction of the image.
        flip: Probability of a horizontal flip of the whole image.

    Raises:
        UserError: An argument is out of range, the encoder has no positions, or the patches do not fit.
    """

    recipe: ClassVar[dict[str, Any]] = {"batch_size": 64, "lr": 2e-3, "minutes": 1.5}
    sees = ("image",)

    one: Tensor
    other: Tensor
    place: Tensor

    def __init__(
        self,
        encoder: Encoder,
        patch: int = 0,
        gap: int = -1,
        jitter: int = -1,
        size: int = 0,
        colour: Colour = "all",
        coarse: float = 0.33,
        width: int = 256,
        hidden: int = 256,
        crop: float = 0.5,
        flip: float = 0.5,
    ) -> None:
        super().__init__()
        if min(width, hidden) < 1 or min(patch, size) < 0 or min(gap, jitter) < -1:
            raise UserError(
                f"width and hidden of relative_position must be at least 1, patch and size at least 0, and gap and "
                f"jitter at least -1, not {width}, {hidden}, {patch}, {size}, {gap} and {jitter}"
            )
        if colour not in get_args(Colour):
            raise UserError(f"colour of relative_position must be one of {', '.join(get_args(Colour))}, not '{colour}'")
        seen = encoder.spec["input"]
        size = size or max(seen["size"] * 3 // 2, 1)
        grid = fitted(size, patch, gap, jitter, colour, coarse)
        self.encoder = encoder
        self.views = PatchViews(seen, Augment(crop=(crop, 1.0), flip=flip, size=size), grid)
        self.trunk = Siamese(encoder, encoder.local, encoder.spec, grid.size, width, "relative_position")
        self.first = nn.Linear(width, hidden, bias=False)  # together they are one layer on [f(c), f(n)]
        self.second = nn.Linear(width, hidden, bias=False)
        self.head = nn.Sequential(BatchNorm1d(hidden, affine=False), nn.ReLU(), nn.Linear(hidden, len(PLACES)))
        for name, values in zip(("one", "other", "place"), pairs(SIDE), strict=True):
            self.register_buffer(name, values)

    def forward(self, patches: Tensor, **_: Any) -> Outputs:
        """Return the cross-entropy of the places of all pairs of neighbours."""
        logits = self.places(patches)  # [B, 40, 8]
        truth = self.place.expand(len(patches), -1)
        accuracy = (logits.argmax(2) == truth).float().mean()
        chance = self.place.bincount().max() / len(self.place)
        return {"loss": F.cross_entropy(logits.flatten(0, 1), truth.flatten()), "accuracy": accuracy, "chance": chance}

    def places(self, patches: Tensor) -> Tensor:
        """Return a score for each place of each pair of neighbours: [B, 3, 3, C, p, p] to [B, 40, 8]."""
        codes = self.trunk(self.encoder.local, patches)  # [B, 9, width]
        read = self.first(codes)[:, self.one] + self.second(codes)[:, self.other]  # [B, 40, hidden]
        logits: Tensor = self.head(read.flatten(0, 1))
        return logits.view(len(patches), -1, len(PLACES))

    def show(self, patches: Tensor, **_: Any) -> list[Pictures]:
        """Show the patches, and for each sample a neighbour of the centre where the network thinks that it belongs."""
        middle = (self.one == SIDE**2 // 2).nonzero()[:, 0]  # the 8 pairs with the centre first, in reading order
        guess = self.places(patches)[:, middle].argmax(2).tolist()  # [B, 8]
        rows, columns, *shape = patches.shape[1:]
        tiles = denormalise(patches.flatten(0, 2), self.encoder.spec["input"])
        tiles = tiles.reshape(len(patches), rows, columns, *tiles.shape[1:])
        gap = max(shape[-1] // 4, 1)
        whole, placed, notes = [], [], []
        for b, tile in enumerate(tiles):
            k = b % len(PLACES)
            answer = guess[b][k]
            board = np.full_like(tile, 235)
            board[1, 1] = tile[1, 1]
            board[_cell(answer)] = tile[_cell(k)]
            whole.append(mosaic(tile, gap))
            placed.append(mosaic(board, gap))
            notes.append(f"{PLACES[answer]}: right" if answer == k else f"{PLACES[answer]}: wrong, is {PLACES[k]}")
        return [Pictures("patches in their places", whole), Pictures("one neighbour, placed by guess", placed, notes)]


def pairs(side: int) -> tuple[Tensor, Tensor, Tensor]:
    """Return all ordered pairs of neighbours in a grid of side x side patches, numbered in reading order.

    Three int64 [Q]: the first patch, the second, and the place of the second seen from the first, 0 to 7.
    """
    cells = list(product(range(side), repeat=2))
    found = [
        (i, j, (b[0] - a[0] + 1) * 3 + b[1] - a[1] + 1)
        for (i, a), (j, b) in product(enumerate(cells), repeat=2)
        if i != j and max(abs(a[0] - b[0]), abs(a[1] - b[1])) == 1
    ]
    one, other, cell = torch.tensor(found).unbind(1)
    return one, other, cell - (cell > 4).long()


def fitted(size: int, patch: int, gap: int, jitter: int, colour: Colour, coarse: float) -> Grid:
    """Return the grid of 3 x 3 patches for images of `size` pixels, with what is 0 or -1 chosen to fit."""
    for side in [patch] if patch else range(max(size // SIDE, 1), 0, -1):
        between = gap if gap >= 0 else side // 2
        shift = jitter if jitter >= 0 else max(round(side * 7 / 96), 1)
        needs = SIDE * side + (SIDE - 1) * between + 2 * shift
        if needs <= size:
            break
    else:
        raise UserError(
            f"relative_position cuts {SIDE} x {SIDE} patches, and patches of {side} pixels with gaps of {between} and "
            f"a jitter of {shift} need images of at least {needs} pixels, not {size}: set size to {needs} or more, or "
            "lower patch, gap or jitter"
        )
    return Grid(
        side, side + between, shift, drop=float(colour == "drop"), count=SIDE, project=colour == "project",
        noise=NOISE, coarse=coarse, contrast="patch",
    )  # fmt: skip


def _cell(place: int) -> tuple[int, int]:
    """Return row and column of a place around the centre of 3 x 3 cells."""
    return divmod(place + (place > 3), 3)
