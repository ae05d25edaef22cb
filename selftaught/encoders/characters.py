"""The vector of a word from its characters: convolutions, highway layers and a projection."""

from __future__ import annotations

from collections.abc import Sequence
from typing import final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from selftaught.parts.symbols import END, OTHER, START

FILTERS = ((1, 32), (2, 32), (3, 64), (4, 128), (5, 256), (6, 512), (7, 1024))
"""The paper's: how many characters a filter sees, and how many such filters there are."""
LONGEST = 50
"""Bytes of a word with its two marks. Those beyond are not read."""
WIDTH = 16
"""Dimension of a character's vector."""
FIRST, LAST, PADDING = 259, 260, 261
"""Characters are the 256 bytes of UTF-8, the marks that stand for a symbol (256 + OTHER, ...), and these."""


@final
class Characters(nn.Module):
    """Kim et al. 2016 (arXiv 1508.06615) with the sizes of ELMo: a word is what filters find anywhere in it::

        x = [max_t relu(F_w * c)_t  for every width w]        x = t relu(A x) + (1 - t) x, twice        W x

    with gates t = s(B x). Words that were never seen have vectors, too.

    Args:
        width: Dimension of a word's vector.
        share: Share of the paper's numbers of filters.
    """

    def __init__(self, width: int, share: float) -> None:
        super().__init__()
        sizes = [(size, max(1, round(share * number))) for size, number in FILTERS]
        total = sum(number for _, number in sizes)
        self.symbol = nn.Embedding(PADDING, WIDTH)
        self.filters = nn.ModuleList(nn.Conv1d(WIDTH, number, size) for size, number in sizes)
        self.highways = nn.ModuleList(nn.Linear(total, 2 * total) for _ in range(2))
        self.out = nn.Linear(total, width)
        for layer in (m for m in self.modules() if isinstance(m, nn.Linear)):
            nn.init.xavier_uniform_(layer.weight)
            nn.init.zeros_(layer.bias)
            if layer is not self.out:
                nn.init.constant_(layer.bias[total:], -2.0)  # a highway: at first most is handed on as it is

    def forward(self, codes: Tensor) -> Tensor:
        """Map words, int [N, LONGEST] of `coded`, to their vectors, [N, width]."""
        there = codes != PADDING
        codes, there = codes[:, : int(there.sum(1).max())], there[:, : int(there.sum(1).max())]
        wide = F.pad(codes.long(), (0, FILTERS[-1][0] - 1), value=PADDING)
        c = F.embedding(wide, F.pad(self.symbol.weight, (0, 0, 0, 1))).transpose(1, 2)  # [N, 16, L + 6], 0 for padding
        found = []
        for layer in self.filters:
            # a filter begins at a character of the word, so that the padding of longer ones changes nothing
            y = layer(c)[:, :, : codes.shape[1]].relu() * there[:, None]
            found.append(y.amax(2))
        x = torch.cat(found, 1)
        for layer in self.highways:
            y, gate = layer(x).chunk(2, 1)
            gate = gate.sigmoid()
            x = gate * y.relu() + (1 - gate) * x
        vectors: Tensor = self.out(x)
        return vectors


def coded(words: Sequence[str]) -> Tensor:
    """Return the bytes of each word between two marks, int16 [N, LONGEST], padded."""
    found = torch.full((len(words), LONGEST), PADDING, dtype=torch.int16)
    for row, word in enumerate(words):
        code = [FIRST, *word.encode("utf-8", "surrogatepass")[: LONGEST - 2], LAST]
        found[row, : len(code)] = torch.tensor(code, dtype=torch.int16)
    return found


def marks() -> Tensor:
    """Return what stands for other words, the end of a sentence and the start of a document, int16 [3, LONGEST]."""
    found = torch.full((3, LONGEST), PADDING, dtype=torch.int16)
    for row in (OTHER, END, START):
        found[row, :3] = torch.tensor([FIRST, 256 + row, LAST], dtype=torch.int16)
    return found
