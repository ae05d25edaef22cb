"""GloVe."""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from typing import Any, ClassVar, Literal, final

import numpy as np
import torch
from torch import Tensor

from selftaught.data.text.cooccurrence import cooccurrence
from selftaught.data.text.corpus import counted_in
from selftaught.encoders.lookup import Lookup
from selftaught.errors import UserError
from selftaught.kernels import glove as kernel
from selftaught.method import Clock, Compiled, Encoder, Outputs, Source
from selftaught.parts.hogwild import cores
from selftaught.views.text import plain

_WORK = 2**26  # pairs times dim in a slice: about 0.2 s of one core


@final
class GloVe(Compiled):
    """Vectors whose products are the logarithms of how often words stand near each other, counted once over the whole text.

    Pennington, Socher, Manning, EMNLP 2014, "GloVe: Global Vectors for Word Representation". Ratios of co-occurrence
    tell what words mean (solid is nearer to ice than to steam), and differences of logarithms are ratios; fitting the
    counts instead of the text visits each pair of words once an epoch, however often it occurs.

    With X_ij the sum of 1 / distance over all places where word j stands near word i, and over the pairs where it is not 0::

        J = sum_ij f(X_ij) (w_i.w~_j + b_i + b~_j - log X_ij)^2 / 2        f(x) = min((x / x_max)^power, 1)

    by AdaGrad, in a random order. A word's vector is w_i + w~_i at the end.

    Shapes: w and w~ are [V, dim], b and b~ [V]. `words` and `contexts`, [V, 2, dim + 1] each, hold vector and bias, and
    below them their squared sums. The encoder's table holds the result after every step.

    Two compiled loops: counting (see `data/cooccurrence`; happens again on resume, with the same result), then epochs
    of slices over the pairs, which lie in one random order that is the same for all runs; slices come in another order
    each epoch. A pair and its mirror image are trained one after the other: they touch different rows. Threads share
    the tables without locks, so only one thread (``threads=1``) gives the same bytes again. The logged loss is the mean
    of J over pairs, as the authors' program prints it.

    Defaults are those of the authors' program (window 15, rate 0.05 = the recipe's lr, 25 epochs, gradients clipped at
    100, squared sums that start at 1 and add up squares of rate times gradient), and x_max of its demo on 17 million
    words; the paper has 100 for billions of words. Like the program, words that are too rare leave no hole, so that
    their neighbours come nearer. Departures: float32 instead of double; pairs never cross sentences (there, lines);
    biases move with the rate (the program's newest version leaves it out for them); the clip holds for biases too; the
    start is the encoder's table, split at random into w and w~, and biases of 0; of
    one-sided windows the program stores the mirror image, which only exchanges w and w~.

    Args:
        window: Words on each side that count as near, at least 1.
        symmetric: Both sides; else only the words on the left of a word are near it.
        x_max: The count from which on a pair has full weight: 10 for millions of words, 100 for billions.
        power: How weights fall below it: 0 weighs all pairs alike, 1 by their count.
        clip: Largest absolute value of a gradient.
        vectors: What is kept of a word: w + w~, or w alone.
        memory: Megabytes that counting may use. What does not fit goes to disk.
        scratch: The folder for that; "" is the system's for temporary files. Nothing stays there.
        threads: 0 = one a core. With 1, the same seed gives the same bytes.

    Raises:
        UserError: A value out of range, an encoder that is no table of words, or a text that cannot be counted.
    """

    recipe: ClassVar[dict[str, Any]] = {"epochs": 25, "lr": 0.05, "schedule": "constant", "warmup": 0.0, "log_every": 1}
    sees = ("text",)
    network = "lookup"
    unit = "pairs"

    words: Tensor
    contexts: Tensor

    def __init__(
        self,
        encoder: Encoder,
        window: int = 15,
        symmetric: bool = True,
        x_max: float = 10.0,
        power: float = 0.75,
        clip: float = 100.0,
        vectors: Literal["sum", "word"] = "sum",
        memory: int = 1024,
        scratch: str = "",
        threads: int = 0,
    ) -> None:
        super().__init__()
        if not isinstance(encoder, Lookup):
            raise UserError(f"glove trains the encoder lookup, not {encoder.spec['name']}: leave --encoder out")
        for name, value in {"window": window, "memory": memory}.items():
            if value < 1:
                raise UserError(f"{name} of glove must be at least 1, not {value}")
        for name, bound in {"x_max": x_max, "clip": clip}.items():
            if not 0 < bound < math.inf:
                raise UserError(f"{name} of glove must be greater than 0, not {bound}")
        if not 0 <= power < math.inf:
            raise UserError(f"power of glove must be at least 0, not {power}")
        if vectors not in ("sum", "word"):
            raise UserError(f"vectors of glove must be 'sum' or 'word', not '{vectors}'")
        self.encoder: Lookup = encoder
        self.views = plain(encoder.spec["input"])
        self.window, self.symmetric, self.memory, self.scratch = window, symmetric, memory, scratch
        self.x_max, self.power, self.clip, self.vectors = x_max, power, clip, vectors
        self.threads = cores(threads)
        table = encoder.table.detach()
        size, dim = table.shape
        words, contexts = torch.ones(2, size, 2, dim + 1)
        noise = (torch.rand(size, dim) - 0.5) / (dim + 1)
        words[:, 0, :dim], contexts[:, 0, :dim] = (
            (table, noise) if vectors == "word" else (table / 2 + noise, table / 2 - noise)
        )
        words[:, 0, dim], contexts[:, 0, dim] = 0, 0
        self.register_buffer("words", words)
        self.register_buffer("contexts", contexts)

    def prepare(self, source: Source) -> None:
        """Count the pairs of the corpus `source`. Raises UserError when there are none, or no room for them."""
        size = len(self.encoder.words)
        corpus = counted_in(source, self.encoder.words, "glove")
        self.pairs = cooccurrence(
            corpus.ids, corpus.sentences, size, window=self.window, symmetric=self.symmetric,
            memory=self.memory, threads=self.threads, folder=self.scratch,
        )  # fmt: skip

    def steps_in_epoch(self) -> int:
        """Slices of about a fifth of a second.

        Of no fewer pairs than words, beside which renewing the encoder's table costs little.
        """
        size, _, width = self.words.shape
        return math.ceil(len(self.pairs) / max(_WORK // width, size))

    def advance(self, clock: Clock, rate: float, start: int) -> Outputs:
        """Train on the slice that comes at place `start` of this epoch."""
        steps = self.steps_in_epoch()
        order = np.random.Generator(np.random.Philox(key=[clock.seed, clock.epoch])).permutation(steps)
        begin, end = (len(self.pairs) * (int(order[start]) + side) // steps for side in (0, 1))
        words, contexts, pairs = self.words.numpy(), self.contexts.numpy(), self.pairs

        def part(begin: int, end: int) -> float:
            rows = (pairs.first, pairs.second, pairs.count, begin, end, self.symmetric)
            return float(kernel.train(*rows, words, contexts, rate, self.x_max, self.power, self.clip))

        borders = [begin + (end - begin) * i // self.threads for i in range(self.threads + 1)]
        with ThreadPoolExecutor(self.threads) as pool:
            loss = sum(pool.map(part, borders[:-1], borders[1:]))
        seen = end - begin
        if self.symmetric:
            seen += int((pairs.first[begin:end] != pairs.second[begin:end]).sum())
        self.keep()
        return {"loss": loss / seen, "pairs": seen}

    @torch.no_grad()
    def keep(self) -> None:
        """Renew the encoder's table."""
        self.encoder.table.copy_(self.words[:, 0, :-1])
        if self.vectors == "sum":
            self.encoder.table.add_(self.contexts[:, 0, :-1])
