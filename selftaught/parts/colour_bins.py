"""Colours as classes: the ab plane of Lab cut into bins, soft classes, weights of rare colours, and the way back."""

from __future__ import annotations

from functools import cache
from typing import Any, NamedTuple, final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from selftaught.errors import UserError
from selftaught.parts.colour import lab

FARTHEST = 110
"""No colour of sRGB has an a or b further from 0."""
SAMPLED = 97
"""Values of red, of green and of blue that are tried to find the bins in gamut; with 129 no more are found."""


class Squares(NamedTuple):
    """For each square of the ab plane, the bins that can be among the nearest of a colour in it.

    See `kernels.colour.nearest` for the fields.
    """

    least: int
    start: NDArray[np.int64]
    candidates: NDArray[np.int64]


@final
class ColourBins(nn.Module):
    """The ab plane on a grid with a spacing of `step`, of which only bins that hold colours of sRGB are kept.

    Zhang, Isola, Efros, ECCV 2016 (arXiv 1603.08511), "Colorful Image Colorization". A colour becomes a distribution
    over its K nearest bins, with weights ``exp(-d^2 / 2 sigma^2)`` that sum to 1. Q, the number of bins, is 261 for a
    step of 10, 77 for 20. (The paper's list has 313 bins of 10: it goes beyond sRGB.)

    `weight` of a bin, float32 [Q], makes rare colours count: with p~ the distribution of the data over the bins,
    smoothed by a Gaussian, it is proportional to ``1 / ((1 - mix) p~ + mix / Q)``, and its mean under p~ is 1. It is 1
    for all bins until `balance` is called.

    Args:
        step: Spacing of the bins, in units of a and b.
        sigma: Deviation of the Gaussian, in the same units.
        neighbours: Number K of bins of a colour.

    Raises:
        UserError: An argument is out of range, or there are fewer bins than neighbours.
    """

    centres: Tensor
    weight: Tensor

    def __init__(self, step: int = 10, sigma: float = 5.0, neighbours: int = 5) -> None:
        super().__init__()
        if not (1 <= step <= FARTHEST and sigma > 0 and neighbours >= 1):
            raise UserError(
                f"colour bins need a step of 1 to {FARTHEST}, a sigma greater than 0 and at least 1 neighbour, not "
                f"{step}, {sigma} and {neighbours}"
            )
        centres = in_gamut(step)
        if neighbours > len(centres):
            raise UserError(f"a colour cannot have {neighbours} nearest bins: with a step of {step} there are only "
                            f"{len(centres)}")  # fmt: skip
        self.step, self.sigma, self.neighbours = step, float(sigma), neighbours
        self.register_buffer("centres", torch.tensor(centres, dtype=torch.float32))
        self.register_buffer("weight", torch.ones(len(centres)))

    def __len__(self) -> int:
        return len(self.centres)

    def squares(self) -> Squares:
        """What the compiled search needs."""
        return _squares(self.step, self.neighbours)

    def encode(self, ab: Tensor) -> tuple[Tensor, Tensor]:
        """Return the nearest bins of colours [B, 2, ...], int64 [B, K, ...], the nearest first, and their weights."""
        centres = self.centres.to(ab.device)
        distance = torch.cdist(ab.flatten(2).mT.float(), centres, compute_mode="donot_use_mm_for_euclid_dist")
        found = distance.topk(self.neighbours, 2, largest=False)  # [B, P, K]
        share = (-(found.values**2) / (2 * self.sigma**2)).softmax(2)
        shape = (len(ab), self.neighbours, *ab.shape[2:])
        return found.indices.mT.reshape(shape), share.mT.reshape(shape)

    def dense(self, near: Tensor, share: Tensor) -> Tensor:
        """Return what `encode` found as distributions over all bins: [B, K, ...] to [B, Q, ...]."""
        whole = torch.zeros(len(near), len(self), *near.shape[2:], device=near.device)
        return whole.scatter_add_(1, near, share)

    def decode(self, logits: Tensor, temperature: float) -> Tensor:
        """Return the annealed mean of distributions: logits [B, Q, ...] to colours [B, 2, ...].

        Temperature 1 gives the mean, temperatures near 0 the most probable bin.
        """
        shares = (logits.float() / temperature).softmax(1)
        return torch.einsum("bq...,qc->bc...", shares, self.centres)

    @torch.no_grad()
    def balance(self, counts: Tensor, mix: float) -> Tensor:
        """Set `weight` by how often each bin is seen in the data, [Q], and return p~, [Q]."""
        smooth = torch.exp(-(torch.cdist(self.centres, self.centres) ** 2) / (2 * self.sigma**2)).double()
        p = smooth / smooth.sum(0) @ (counts.to(smooth.device).double() / counts.sum())
        weight = 1 / ((1 - mix) * p + mix / len(p))
        self.weight.copy_(weight / (p * weight).sum())
        return p.float()


@cache
def in_gamut(step: int) -> NDArray[np.float64]:
    """Return the centres of the bins nearest to some colour of sRGB: [Q, 2], sorted by a and b."""
    axis = torch.linspace(0, 1, SAMPLED)
    colours = lab(torch.cartesian_prod(axis, axis, axis))[:, 1:].numpy()
    return np.unique(np.rint(colours / step).astype(np.float64), axis=0) * step


@cache
def _squares(step: int, neighbours: int) -> Squares:
    """The K nearest bins of the middle of a square are within d; of any point in it, within d + 2 half diagonals."""
    centres, most = in_gamut(step), -(-FARTHEST // step)
    lines = np.arange(-most, most + 1) * float(step)
    middles = np.stack(np.meshgrid(lines, lines, indexing="ij"), -1)  # [side, side, 2]
    distance = np.linalg.norm(middles[:, :, None] - centres, axis=3)  # [side, side, Q]
    reach = np.sort(distance, axis=2)[:, :, neighbours - 1] + step * 2**0.5 + 1e-6
    inside = distance <= reach[:, :, None]
    ends = np.cumsum(inside.sum(2).reshape(-1)).reshape(inside.shape[:2])
    start = np.concatenate([(ends - inside.sum(2))[:, :1], ends], axis=1)
    return Squares(-most, np.ascontiguousarray(start), np.nonzero(inside)[2])


def soft_cross_entropy(logits: Tensor, near: Tensor, share: Tensor) -> Tensor:
    """Return ``-sum_q Z_q log softmax(logits)_q``: [B, Q, ...] and `encode`'s [B, K, ...] to [B, ...]."""
    chosen: Any = logits.log_softmax(1).gather(1, near)
    loss: Tensor = -(chosen * share).sum(1)
    return loss
