"""Words that mean several things: where they occur in the text, and the occurrences nearest to these."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, final, runtime_checkable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from selftaught.evaluate.embed import frozen
from selftaught.parts.shown import Table
from selftaught.parts.spread import spread
from selftaught.parts.symbols import START, spelt
from selftaught.parts.tokens import Way, begins_word, joined, model_of
from selftaught.report.page import Page
from selftaught.report.shown import Row, packed
from selftaught.views.occurrences import Occurrences
from selftaught.views.stream import Documents, Stream, StreamViews

ORDER = 45
TITLE = "Words in context"
NAV = "Words in context"
MISSING = ""
FIRST = ("play", "bank")
"""Words that come first, if they occur often enough."""
CANDIDATES, LEAST, MOST = 48, 12, 32
"""Words whose occurrences are compared; fewest and most occurrences of each."""
TOLD, AROUND = 5, 6
"""Words that are shown, beside the first ones, and the tokens on either side."""
SYMBOLS = 32
"""Length of the windows that an encoder reads, or its context if that is shorter: few are trained on less."""
TABLE = ("occurrence", "nearest", "second", "third")


@runtime_checkable
class InContext(Protocol):
    """An encoder of text that gives each symbol a vector, which depends on what stands around it."""

    context: int
    words: Sequence[str]

    @property
    def index(self) -> dict[str, int]:
        """The number of each word."""

    def hidden(self, ids: Tensor, /) -> list[Tensor]:
        """Return the vectors of symbols int64 [B, T] by layer, [B, T, D] each."""


def suits(page: Page) -> bool:
    """For encoders of words in context, if there is text."""
    needed = ((page.encoder, InContext), (page.seen, Documents))
    return all(isinstance(there, protocol) for there, protocol in needed)


def data(page: Page) -> dict[str, Any] | None:
    """``{"rows": [row]}``, see `packed`; None if no word occurs often enough."""
    if page.encoder is None or not isinstance(page.encoder, InContext) or page.seen is None:
        return None
    stream = StreamViews(page.encoder.index, page.encoder.context).bind(page.seen)
    if not isinstance(stream, Stream):
        return None
    words = Words(page.encoder.words, page.encoder.spec["input"]["tokens"])
    with frozen(page.encoder):
        rows = senses(page.encoder, words, stream)
    found: list[Row] = [packed(Table("", TABLE, rows))] if rows else []
    return {"rows": found} if found else None


@final
class Words:
    """The words of an encoder as a person reads them.

    Args:
        words: By their numbers.
        how: The way that text was split into them.
    """

    def __init__(self, words: Sequence[str], how: Way) -> None:
        self.words, self.how = words, how
        self.pieces = model_of(self.how) is not None

    def spelt(self, ids: Sequence[int]) -> str:
        """Return symbols as text."""
        return spelt(self.words, ids, self.how)

    def word(self, i: int) -> str:
        """Return the word of a symbol that may be a whole one, "" of others."""
        name = self.words[i]
        if self.pieces:
            name = joined([name], self.how) if begins_word(name, self.how) else ""
        return name if len(name) > 1 and name.isalpha() else ""

    def ends(self, i: int) -> bool:
        """Return whether a word that stands before this symbol is whole."""
        return i >= len(self.words) or begins_word(self.words[i], self.how)

    def around(self, window: list[int], at: int) -> str:
        """Return the word at a place of a window in brackets, with `AROUND` symbols on either side."""
        left, right = window[max(0, at - AROUND) : at], window[at + 1 : at + 1 + AROUND]
        return f"{self.spelt(left)} [{self.spelt([window[at]])}] {self.spelt(right)}".strip()


def senses(encoder: InContext, words: Words, text: Stream) -> list[list[str]]:
    """Return rows of `TABLE`: for each word two occurrences that are unlike, and the nearest other ones of each.

    Candidates are words of all frequencies, except the most frequent ones, which make up half of the text. Those whose
    vectors in context are spread most are shown, after `FIRST`.
    """
    found = Occurrences(text)
    length = min(encoder.context, SYMBOLS)
    vectors, texts, firsts = list[Tensor](), list[list[str]](), list[int]()
    for word in candidates(words, found.counts):
        windows, at = found.windows(found.places(word, MOST), length)
        after = np.take_along_axis(windows, np.minimum(at + 1, length - 1)[:, None], 1)[:, 0]
        whole = np.array([words.ends(i) for i in after.tolist()], np.bool_)
        if not whole.any():
            continue
        windows, at = windows[whole], at[whole]
        if words.word(word) in FIRST:
            firsts.append(len(vectors))
        vectors.append(in_context(encoder, windows, at))
        texts.append([words.around(row, place) for row, place in zip(windows.tolist(), at.tolist(), strict=True)])
    if not vectors:
        return []
    centre = torch.cat(vectors).mean(0)
    apart = [float(spread(F.normalize(h - centre, dim=1))) for h in vectors]
    others = [i for i in sorted(range(len(vectors)), key=lambda i: -apart[i]) if i not in firsts]
    return [row for i in [*firsts, *others[:TOLD]] for row in _unlike(vectors[i], texts[i])]


def candidates(words: Words, counts: NDArray[np.int64]) -> list[int]:
    """Return the numbers of words to compare."""
    share = np.cumsum(counts) / max(int(counts.sum()), 1)
    often = [word for word in np.flatnonzero(counts >= LEAST).tolist() if words.word(word)]
    first = [word for word in often if words.word(word) in FIRST]
    rest = [word for word in often if share[word] > 0.5 and word not in first]
    if rest:
        rest = [rest[i] for i in np.unique(np.geomspace(1, len(rest), CANDIDATES).astype(int)) - 1]
    return [*first, *rest]


def in_context(encoder: InContext, windows: NDArray[np.int64], at: NDArray[np.int64]) -> Tensor:
    """Return the last vectors [K, D] of the symbols at places int64 [K] of windows int64 [K, T].

    A window begins as a text does, with its start.
    """
    assert isinstance(encoder, torch.nn.Module)
    ids = torch.tensor(windows).to(next(encoder.parameters()).device)
    place = torch.from_numpy(at).to(ids.device)
    ids[place > 0, 0] = len(encoder.words) + START
    h = encoder.hidden(ids)[-1]
    return h[torch.arange(len(h), device=h.device), place].float()


def _unlike(vectors: Tensor, texts: list[str]) -> list[list[str]]:
    """Return the two occurrences of a word that are most unlike, each with the three most similar other ones.

    Vectors [K, D] are compared without their mean, which is what the word has in all contexts.
    """
    kept = sorted({text: row for row, text in enumerate(texts)}.values())  # a text that is repeated tells nothing
    if len(kept) < 4:
        return []
    texts = [texts[row] for row in kept]
    unit = F.normalize(vectors[kept] - vectors[kept].mean(0), dim=1)
    cosines = unit @ unit.T
    rows = []
    for row in sorted(divmod(int(cosines.argmin()), len(texts))):
        near = cosines[row].clone()
        near[row] = -torch.inf
        best = near.topk(3).indices.tolist()
        rows.append([texts[row], *(f"{float(near[other]):.2f} {texts[other]}" for other in best)])
    return rows
