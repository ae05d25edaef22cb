"""A recurrent memory that forgets where an episode begins."""

from __future__ import annotations

from typing import final

import torch
from torch import Tensor, nn


@final
class EpisodeMemory(nn.Module):
    """An LSTM along T moments, whose state is zero at the first moment of every episode.

    The state is one tensor [B, 2 units]: what it says, then what it keeps.
    """

    def __init__(self, width: int, units: int) -> None:
        super().__init__()
        self.cell = nn.LSTMCell(width, units)

    def empty(self, batch: int) -> Tensor:
        """Return the state at the start of an episode, zeros [batch, 2 units]."""
        return self.cell.weight_hh.new_zeros(batch, 2 * self.cell.hidden_size)

    def forward(self, codes: Tensor, start: Tensor, state: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Return the contexts [B, T, units] of codes [B, T, width], and the state after them.

        Args:
            codes: What is read.
            start: bool [B, T], the moment is the first of its episode.
            state: The state before the first moment; by default `empty`.
        """
        said, kept = (self.empty(len(codes)) if state is None else state).chunk(2, 1)
        goes_on = (~start).to(codes.dtype)  # [B, T]
        found = []
        for code, on in zip(codes.unbind(1), goes_on.unbind(1), strict=True):
            said, kept = self.cell(code, (said * on[:, None], kept * on[:, None]))
            found.append(said)
        return torch.stack(found, 1), torch.cat([said, kept], 1)
