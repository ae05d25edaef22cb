"""Jigsaw puzzles (context-free network)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import cache
from typing import Any, ClassVar, final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from selftaught.errors import UserError
from selftaught.kernels.permutations import spread
from selftaught.kernels.random import uniforms
from selftaught.method import Batch, Encoder, Index, Method, Outputs, Params, Raw, Views
from selftaught.parts.mosaic import mosaic
from selftaught.parts.norm import BatchNorm1d
from selftaught.parts.shown import Pictures
from selftaught.parts.siamese import Siamese
from selftaught.views.image import Augment, denormalise
from selftaught.views.patches import Grid, PatchViews

STREAM = 0x6A6967736177  # separates the choice of permutations from other random numbers
GRIDS = (2, 3)
"""Rows and columns of tiles; of 4 x 4 there are too many permutations to choose from."""


@final
class Jigsaw(Method):
    """Shuffle the tiles of an image by one of N fixed permutations, and predict which.

    Noroozi, Favaro, ECCV 2016 (arXiv 1603.09246), "Unsupervised Learning of Visual Representations by Solving Jigsaw
    Puzzles". To order tiles, the network must know which parts things have and where they go. Each tile passes through
    the same network alone ("context-free"); only the classifier sees all of them.

    With t_1 .. t_n the tiles, pi_1 .. pi_N the permutations, f the encoder and its layer::

        L = -log softmax( h([f(t_pi_y(1)), ..., f(t_pi_y(n))]) )_y

    The permutations are chosen one after the other, each the farthest (Hamming distance) from the nearest one chosen so
    far, so that no two differ in a few tiles only, which would be ambiguous. The smallest distance that the set reaches
    is in the log, as "distance".

    What would betray the order without a look at the content is taken away: each tile is cut at a random place of its
    cell (edges that continue), each colour of a tile is shifted by itself (chromatic aberration), some images are grey,
    and each colour of a tile has mean 0 and standard deviation 1 (brightness that runs across the image).

    Shapes: patches is [B, grid, grid, C, t, t]; asked int64 [B, shuffles] says which permutations are asked for; codes
    are [B, grid^2, width].

    Defaults follow the authors' code (tiles of about three quarters of a cell, colours shifted by a few pixels, 30%
    grey) at the scale of small images. Departures: 64 permutations instead of 1000; the greedy choice maximises the
    smallest distance, not the average one, which leaves pairs that differ in two tiles; each image is shuffled by
    `shuffles` permutations in a step, which costs little because its tiles are encoded once; tiles are cut from a
    random crop of the image, enlarged to `size`; the classifier has one hidden layer with batch norm instead of two
    with dropout; the default recipe is AdamW for a few minutes instead of SGD .01 for 350,000 steps.

    Args:
        grid: Rows and columns of tiles: 2 or 3.
        permutations: Number of permutations N; at most 24 for 2 x 2 and 362,880 for 3 x 3 tiles.
        shuffles: Permutations of each image in a step.
        tile: Side of a tile in pixels. 0 = three quarters of a cell.
        split: Largest shift of each colour of a tile in pixels. -1 = 1 if the cell has room for it.
        size: Side in pixels to which an image is resized before it is cut. 0 = 3/2 of the encoder's.
        grey: Probability of converting the image to greyscale.
        width: Width of a tile's code.
        hidden: Width of the classifier's hidden layer.
        crop: Smallest area of the random crop before the tiles are cut, as a fraction of the image.
        flip: Probability of a horizontal flip of the whole image.

    Raises:
        UserError: An argument is out of range, there are not so many permutations, the encoder has no positions, or
            the tiles do not fit.
    """

    recipe: ClassVar[dict[str, Any]] = {"batch_size": 64, "lr": 2e-3, "minutes": 1.5}
    sees = ("image",)

    orders: Tensor

    def __init__(
        self,
        encoder: Encoder,
        grid: int = 3,
        permutations: int = 64,
        shuffles: int = 4,
        tile: int = 0,
        split: int = -1,
        size: int = 0,
        grey: float = 0.3,
        width: int = 128,
        hidden: int = 256,
        crop: float = 0.5,
        flip: float = 0.5,
    ) -> None:
        super().__init__()
        if grid not in GRIDS:
            raise UserError(f"grid of jigsaw must be 2 or 3, not {grid}")
        if min(permutations, shuffles, width, hidden) < 1 or min(tile, size) < 0 or split < -1:
            raise UserError(
                "permutations, shuffles, width and hidden of jigsaw must be at least 1, tile and size at least 0, "
                f" and split at least -1, not {permutations}, {shuffles}, {width}, {hidden}, "
                f"{tile}, {size} and {split}"
            )
        orders, self.distance = chosen(grid, permutations)
        seen = encoder.spec["input"]
        size = size or max(seen["size"] * 3 // 2, 1)
        cut = fitted(size, grid, tile, split)
        self.encoder, self.grid = encoder, grid
        augment = Augment(crop=(crop, 1.0), flip=flip, grey=grey, size=size)
        self.views = Puzzle(seen, augment, cut, permutations, shuffles)
        self.trunk = Siamese(encoder, encoder.local, encoder.spec, cut.size, width, "jigsaw")
        self.head = nn.Sequential(
            nn.Linear(grid**2 * width, hidden, bias=False), BatchNorm1d(hidden), nn.ReLU(),
            nn.Linear(hidden, permutations),
        )  # fmt: skip
        self.register_buffer("orders", torch.from_numpy(orders.astype(np.int64)))

    def forward(self, patches: Tensor, asked: Tensor, **_: Any) -> Outputs:
        """Return the cross-entropy of the permutations of every image."""
        logits, truth = self.guess(patches, asked), asked.flatten()
        accuracy = (logits.argmax(1) == truth).float().mean()
        found = {"loss": F.cross_entropy(logits, truth), "accuracy": accuracy, "chance": 1 / len(self.orders)}
        return {**found, "distance": float(self.distance)}

    def guess(self, patches: Tensor, asked: Tensor) -> Tensor:
        """Return a score for each permutation of each shuffled image: [B * shuffles, N]."""
        codes = self.trunk(self.encoder.local, patches)  # [B, n, width]
        sample = torch.arange(len(codes), device=codes.device)[:, None, None]
        shuffled = codes[sample, self.orders[asked]]  # [B, shuffles, n, width]
        logits: Tensor = self.head(shuffled.flatten(0, 1).flatten(1))
        return logits

    def show(self, patches: Tensor, asked: Tensor, **_: Any) -> list[Pictures]:
        """Show each image shuffled, put back by the permutation that the network thinks it was, and in its order."""
        guesses = self.guess(patches, asked[:, :1]).argmax(1).tolist()
        pixels = denormalise(patches.flatten(0, 2), self.encoder.spec["input"])
        tiles = pixels.reshape(len(patches), self.grid**2, *pixels.shape[1:])
        gap = max(pixels.shape[1] // 8, 1)
        rows: dict[str, list[NDArray[np.uint8]]] = {"shuffled": [], "put back by guess": [], "in order": []}
        notes = []
        for tile, true, guessed in zip(tiles, asked[:, 0].tolist(), guesses, strict=True):
            own, said = self.orders[true].cpu().numpy(), self.orders[guessed].cpu().numpy()
            mixed, back = tile[own], np.empty_like(tile)
            back[said] = mixed
            for name, parts in (("shuffled", mixed), ("put back by guess", back), ("in order", tile)):
                rows[name].append(mosaic(parts.reshape(self.grid, self.grid, *tile.shape[1:]), gap))
            right = int((own == said).sum())
            notes.append("right" if true == guessed else f"wrong: {right} of {len(own)} in place")
        return [Pictures(name, made, notes if "back" in name else ()) for name, made in rows.items()]


@cache
def chosen(grid: int, count: int) -> tuple[NDArray[np.int8], int]:
    """Return `count` permutations of grid^2 tiles, int8 [count, grid^2], and their smallest Hamming distance.

    Raises UserError when there are not so many.
    """
    tiles = grid**2
    if count > math.factorial(tiles):
        raise UserError(
            f"permutations of jigsaw must be at most {math.factorial(tiles):,}, the number of orders of {tiles} tiles, "
            f"not {count:,}"
        )
    picked, smallest = spread(every(tiles), count)
    return every(tiles)[picked], smallest


@cache
def every(tiles: int) -> NDArray[np.int8]:
    """Return all orders of some tiles, in lexicographic order: int8 [tiles!, tiles]."""
    if tiles == 0:
        return np.zeros((1, 0), np.int8)
    rest = every(tiles - 1)
    return np.concatenate([np.insert(rest + (rest >= first), 0, first, axis=1) for first in range(tiles)])


def fitted(size: int, grid: int, tile: int, split: int) -> Grid:
    """Return the cells of an image of `size` pixels and the tile in each, which never leaves its cell."""
    cell = size // grid
    tile = tile or max(min(cell * 3 // 4, cell - 2), 1)
    room = (cell - tile) // 2  # on each side of a tile
    split = split if split >= 0 else int(room >= 2)
    if room < max(split, 1):
        raise UserError(
            f"jigsaw cuts {grid} x {grid} tiles, and tiles of {tile} pixels with a jitter of at least "
            f"{max(split, 1)} need images of at least {grid * (tile + 2 * max(split, 1))} pixels, not {size}: raise "
            "size, or lower tile or split"
        )
    return Grid(tile, cell, room - split, count=grid, split=split, contrast="channel")


@final
class Puzzle(Views):
    """Views "patches", as `PatchViews` has them, and "asked": which permutations, int64 [B, shuffles]."""

    def __init__(
        self, input: Mapping[str, Any], augment: Augment, grid: Grid, permutations: int, shuffles: int
    ) -> None:
        """Raises UserError when the tiles do not fit."""
        self.patches, self.permutations, self.shuffles = PatchViews(input, augment, grid), permutations, shuffles

    def sample(self, index: Index, epoch: int, seed: int) -> Params:
        """Return the parameters of the tiles, and "asked"."""
        u = uniforms(seed, STREAM, index, epoch, np.arange(self.shuffles), 1)[:, :, 0]
        return {**self.patches.sample(index, epoch, seed), "asked": (u * self.permutations).astype(np.int64)}

    def apply(self, raw: Raw, params: Params, device: torch.device) -> Batch:
        """Return the views on `device`. "label" and "index" pass through."""
        batch = self.patches.apply(raw, {k: v for k, v in params.items() if k != "asked"}, device)
        return {**batch, "asked": torch.from_numpy(params["asked"]).to(device)}
