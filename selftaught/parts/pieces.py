"""Texts of any length, read by a network that takes batches of equal length."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

TOGETHER = 64
"""Pieces that are read at a time."""

Reading = Callable[[Tensor, Tensor], Sequence[Tensor]]
"""Maps ids int64 [B, T] and where they are not padding, bool [B, T], to the vectors of each layer, [B, T, D]."""


def read(texts: Sequence[Tensor], most: int, reading: Reading) -> list[list[Tensor]]:
    """Return the vectors of each text's symbols in each layer, [T, D] each, for ids int64 [T] of each text.

    Texts of more than `most` symbols are cut into pieces, which do not see each other.
    """
    pieces, owners = list[Tensor](), list[int]()
    for owner, numbers in enumerate(texts):
        pieces += list(numbers.split(most))
        owners += [owner] * (len(pieces) - len(owners))
    found: list[list[list[Tensor]]] = [[] for _ in texts]
    for begin in range(0, len(pieces), TOGETHER):
        some = pieces[begin : begin + TOGETHER]
        lengths = torch.tensor([len(piece) for piece in some], device=some[0].device)
        ids = nn.utils.rnn.pad_sequence(some, batch_first=True)
        there = torch.arange(ids.shape[1], device=ids.device) < lengths[:, None]
        features = reading(ids, there)
        for row, (owner, piece) in enumerate(zip(owners[begin:], some, strict=False)):
            found[owner].append([h[row, : len(piece)] for h in features])
    return [[torch.cat(layer) for layer in zip(*parts, strict=True)] for parts in found]


def stacked(texts: Sequence[Sequence[Tensor]]) -> list[Tensor]:
    """Return each layer of `read` as one tensor, [B, D, T], padded with zeros."""
    padded = (nn.utils.rnn.pad_sequence(list(layer), batch_first=True) for layer in zip(*texts, strict=True))
    return [layer.transpose(1, 2) for layer in padded]


def mean(h: Tensor, marks: int) -> Tensor:
    """Return the mean [D] of a text's vectors [T, D] without its start and (if `marks` is 2) its end, if others are."""
    return h[1 : len(h) + 1 - marks].mean(0) if len(h) > marks else h.mean(0)
