"""N-gram language models."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, ClassVar, Literal, final, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from selftaught.data.text.corpus import Corpus
from selftaught.errors import UserError, unknown
from selftaught.kernels import ngrams
from selftaught.method import Clock, Compiled, Encoder, Level, Outputs, Source
from selftaught.parts import reader
from selftaught.parts.reader import Reader
from selftaught.parts.sampling import draw
from selftaught.parts.shuffled import pieces, pieces_in
from selftaught.parts.vocabulary import numbered, renumbering
from selftaught.parts.writer import Writer
from selftaught.views.text import TextViews

SLICE = 1 << 19
"""Words counted per step, a few tenths of a second of work."""
Smoothing = Literal["kneser-ney", "modified-kneser-ney", "witten-bell", "add-k"]
STRENGTH = 4.0  # of the smoothing of the running prediction whose loss is logged while counting


@final
class NGram(Compiled):
    """N-gram language model: smoothed counts of how often each word follows the previous words.

    Shannon 1948, "A Mathematical Theory of Communication", for the model; Kneser and Ney, ICASSP 1995, "Improved
    backing-off for m-gram language modeling", and Chen and Goodman 1999, "An Empirical Study of Smoothing Techniques
    for Language Modeling", whose interpolated forms are used. A sentence is START, its words, END. Its probability is
    the product of P(w | the previous order - 1 tokens), including the end, so that sentences of different lengths are
    comparable. With c the counts, h a history, h' the history without its first token, N1+(h.) the number of different
    tokens after h, and V the number of outcomes (words, other words, the end)::

        Kneser-Ney    P(w|h) = max(c(hw) - D, 0) / c(h.) + D N1+(h.) / c(h.) P(w|h')
                      with N1+(.hw) in place of c(hw) for all but the longest hw
        modified      the same with different D for counts of 1, 2, and 3 or more: D1, D2, D3+
        Witten-Bell   P(w|h) = (c(hw) + N1+(h.) P(w|h')) / (c(h.) + N1+(h.))
        add-k         P(w|h) = (c(hw) + k) / (c(h.) + k V)

    The shortest history backs off to 1 / V. A history that was never seen backs off completely to the shorter one.
    N-grams that begin with START keep their counts. Sums over w are 1 up to rounding: float64 from integer counts.

    Memory: a trie with 8 bytes for each of the longest n-grams and 12 bytes for any other (`kernels/ngrams`). While
    counting, 27 to 54 bytes per n-gram, independent of the length of the text. The loss that is logged is -log P of
    each token, predicted from everything counted before it. Words outside the encoder's vocabulary are one word.

    Args:
        order: Number of tokens in the longest n-gram, 2 to 5.
        smoothing: How counts are smoothed into probabilities.
        discount: Discount D of kneser-ney, at most 1. 0 estimates it for each length of n-gram as n1 / (n1 + 2 n2),
            where n1 n-grams occur once and n2 twice. modified-kneser-ney always estimates its three discounts.
        k: Value added to each count by add-k, greater than 0.

    Raises:
        UserError: An argument is out of range.
    """

    recipe: ClassVar[dict[str, Any]] = {"epochs": 1, "log_every": 1}
    sees, network, unit = ("text",), "bag", "words"
    extends = "an n-gram model counts every text once, and nothing is left to count"
    effects: ClassVar[dict[str, Any]] = {
        "discount": {"smoothing": ("kneser-ney",)}, "k": {"smoothing": ("add-k",)}, "lr": None, "schedule": None,
        "warmup": None, "milestones": None, "gamma": None, "final_lr": None}  # fmt: skip

    slots: Tensor  # int64 [slots, 2], left int32, seen int64 [V + 3], used: used while counting, then emptied
    left: Tensor
    seen: Tensor
    used: Tensor
    last_loss: Tensor
    unigrams: Tensor  # int64 [V + 3], begin int32, word int32 [E], count int32 [E]: the trie, empty before
    begin: Tensor
    word: Tensor
    count: Tensor

    def __init__(
        self,
        encoder: Encoder,
        order: int = 3,
        smoothing: Smoothing = "kneser-ney",
        discount: float = 0.75,
        k: float = 0.1,
    ) -> None:
        super().__init__()
        if not 2 <= order <= 5:
            raise UserError(f"order of ngram must be 2 to 5, not {order}")
        if smoothing not in get_args(Smoothing):
            raise unknown("smoothing of ngram", smoothing, get_args(Smoothing))
        if not (0 <= discount <= 1 and 0 < k < float("inf")):
            raise UserError(
                f"discount of ngram must be in [0, 1] and k finite and greater than 0, not {discount} and {k}"
            )
        if any(True for _ in encoder.parameters()) or "words" not in encoder.spec["input"]:
            raise UserError(
                f"ngram counts words and learns no vectors, so it cannot use encoder {encoder.spec['name']}: use bag"
            )
        self.encoder, self.views = encoder, TextViews(encoder.spec["input"])
        self.length, self.smoothing, self.discount, self.k = order, smoothing, discount, k
        self.words: tuple[str, ...] = encoder.words  # type: ignore[assignment]
        self.reader = Reader(encoder.spec["input"], encoder.index)  # type: ignore[arg-type]
        base = len(self.words) + ngrams.BASE
        arrays = {
            "slots": ngrams.table(1 << 12),
            "left": np.zeros(base + order, np.int32),
            "seen": np.zeros(base, np.int64),
        }
        arrays |= {"used": np.asarray(base), "last_loss": np.zeros(()), "unigrams": np.zeros(0, np.int64)}
        for name, array in (arrays | {name: np.zeros(0, np.int32) for name in ("begin", "word", "count")}).items():
            self.register_buffer(name, torch.from_numpy(array))
        self._ready: tuple[ngrams.Trie, ngrams.Weights] | None = None

    def prepare(self, source: Source) -> None:
        """Keep the corpus. Raises UserError for a source without words."""
        if not isinstance(source, Corpus):
            raise UserError("ngram counts words, but this source has none: use text")
        self.corpus, self.pieces = source, pieces(source.sentences, SLICE)
        self.table = renumbering(source.words, self.reader.index)

    def steps_in_epoch(self) -> int:
        """Return the number of slices of `SLICE` words."""
        return max(1, -(-len(self.corpus.ids) // SLICE))

    def advance(self, clock: Clock, rate: float, start: int) -> Outputs:
        """Count the sentences (or pieces) that begin in slice `start`. After the last slice, build the trie."""
        if len(self.begin) or clock.epoch > 0:
            return {"loss": float(self.last_loss), "words": 0}
        where = start * SLICE, (start + 1) * SLICE, self.length - 1
        begin, borders, whole = pieces_in(self.corpus.sentences, self.pieces, *where)
        ids, words = self.corpus.ids[begin : borders[-1]], int(borders[-1] - borders[0])
        # read-only arrays, such as those of a file, have another type in numba
        ids = np.require(ids if self.table is None else self.table[ids], np.int32, ["C", "W"])
        given = ids, borders - begin, whole[:-1], whole[1:], self.length, len(self.words), STRENGTH
        slots, left, used, loss, tokens, fresh = ngrams.count(*given, *self._counted())
        if used < 0:
            raise UserError(f"there are over {ngrams.MOST:,} n-grams: use a smaller --order or a greater --min-count")
        self.slots, self.left = torch.from_numpy(slots), torch.from_numpy(left)
        self.used.fill_(used)
        if tokens:
            self.last_loss.fill_(loss / tokens)
        if start + 1 == self.steps_in_epoch() or clock.step + 1 == clock.steps:
            self._arrange()
        return {"loss": float(self.last_loss), "words": words, "new": fresh / max(tokens, 1), "ngrams": used}

    def _counted(self) -> tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.int64], int]:
        return self.slots.numpy(), self.left.numpy(), self.seen.numpy(), int(self.used)

    def _arrange(self) -> None:
        arrays = ngrams.arranged(*self._counted(), self.length, kinds=self.smoothing.endswith("kneser-ney"))
        self.unigrams, self.begin, self.word, self.count = map(torch.from_numpy, arrays)
        self.slots, self.left = torch.zeros(0, 2, dtype=torch.int64), torch.zeros(0, dtype=torch.int32)
        self.seen = torch.zeros(0, dtype=torch.int64)
        self._ready = None

    def _load_from_state_dict(self, state_dict: dict[str, Tensor], prefix: str, *rest: Any) -> None:
        for name in list(self._buffers):  # their sizes depend on the counted n-grams
            if prefix + name in state_dict:
                self._buffers[name] = torch.empty_like(state_dict[prefix + name])
        self._ready = None
        super()._load_from_state_dict(state_dict, prefix, *rest)

    # --- what was learned ---------------------------------------------------------------------------------------------

    def model(self) -> tuple[ngrams.Trie, ngrams.Weights]:
        """Return the trie and its weights. Raises UserError before counting has finished."""
        if self._ready is None:
            if not len(self.begin):
                raise UserError(
                    "this n-gram model has not finished counting: continue its run with 'selftaught resume RUN'"
                )
            trie = ngrams.Trie(len(self.unigrams), self.begin.numpy(), self.word.numpy(), self.count.numpy())
            given = self.unigrams.numpy(), self.length, self.smoothing, self.discount, self.k
            self._ready = trie, ngrams.smoothed(trie, *given)
        return self._ready

    def levels(self) -> Iterator[Level]:
        """Yield the n-grams by length, see `kernels.ngrams.levels`."""
        return (Level(*level) for level in ngrams.levels(*self.model()))

    score = reader.score
    unknown = reader.unknown

    def score_ids(self, ids: NDArray[np.int32], sentences: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return log P of the tokens and of the end of each sentence, float64 [N + S].

        `ids`, int32 [N], are the encoder's word numbers.
        """
        out = np.empty(len(ids) + len(sentences) - 1)
        ngrams.score(
            *self.model(), np.require(ids, np.int32, ["C", "W"]), np.require(sentences, np.int64, ["C", "W"]), out
        )
        return out

    def fill(self, before: str, after: str, candidates: Sequence[str] | None = None) -> list[tuple[str, float]]:
        """Rank words for the blank between two texts, best first.

        Returns each word with the log P of the part of the sentence that it changes. By default, `candidates` are all
        words of the vocabulary.
        """
        known = self.words if candidates is None else candidates
        out = np.empty(len(known))
        ngrams.fill(*self.model(), *map(self.reader.ids, (before, after)), numbered(known, self.reader.index), out)
        return [(known[i], float(out[i])) for i in np.argsort(-out, kind="stable")]

    def follow(self, text: str | NDArray[np.int32]) -> NDArray[np.float64]:
        """Return the distribution of the next token of a sentence that begins with `text`.

        Float64 [V + 2]: the words, any other word, and the end.
        """
        out = np.empty(len(self.words) + 2)
        ngrams.follow(*self.model(), self.reader.ids(text) if isinstance(text, str) else text, True, out)
        return out

    def generate(
        self, prompt: str, length: int, seed: int, temperature: float = 1.0, top_k: int = 0, top_p: float = 1.0
    ) -> Iterator[str]:
        """Yield up to `length` words that follow `prompt` in its sentence; see `method.Generates`."""
        generator, write = torch.Generator().manual_seed(seed), Writer(self.reader.input, prompt)
        ids, known = self.reader.ids(prompt), len(self.words)
        for _ in range(length):
            p = self.follow(ids)
            p[known + ngrams.OTHER] = 0.0
            ids = np.append(ids, np.int32(draw(torch.from_numpy(p).log(), generator, temperature, top_k, top_p)))
            if ids[-1] > known:
                return
            yield write(self.words[ids[-1]])
