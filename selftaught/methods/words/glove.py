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

_WORK = 2**26  # pairs times dim in a slice: about 0.2 s on one core


@final
class GloVe(Compiled):
    """Word vectors fitted to the logarithms of global word co-occurrence counts.

    Pennington, Socher, Manning, EMNLP 2014, "GloVe: Global Vectors for Word Representation". Ratios of co-occurrence
    counts reflect meaning (solid is nearer to ice than to steam), and differences of logarithms encode ratios. Training
    on counts instead of text visits each pair of words once per epoch, no matter how often it occurs.

    With X_ij the sum of 1 / distance over all places where word j is near word i, the loss is summed over the pairs
    where X_ij is not 0::

        J = sum_ij f(X_ij) (w_i.w~_j + b_i + b~_j - log X_ij)^2 / 2        f(x) = min((x / x_max)^power, 1)

    and minimised by AdaGrad, in random order. The final vector of a word is w_i + w~_i.

    Shapes: w and w~ are [V, dim], b and b~ [V]. `words` and `contexts`, [V, 2, dim + 1] each, hold vector and bias in
    their first row and AdaGrad's squared sums in the second. The encoder's table holds the result after every step.

    There are two compiled loops: counting (see `data/cooccurrence`; repeated on resume with the same result), then
    epochs of slices over the pairs. The pairs are in one random order that is the same for all runs; the order of the
    slices changes in each epoch. A pair (i, j) and its mirror (j, i) are trained one after the other, as they update
    different rows. Threads share the tables without locks, so only one thread (``threads=1``) is deterministic. The
    logged loss is the mean of J over pairs, as in the authors' program.

    Defaults are those of the authors' program (window 15, rate 0.05 = the recipe's lr, 25 epochs, gradients clipped at
    100, squared sums that start at 1 and add up squares of rate times gradient), and x_max of its demo on 17 million
    words; the paper uses 100 for billions of words. As in the program, rare words are removed before counting, so that
    their neighbours move closer together. Departures: float32 instead of double; pairs never cross sentences (there,
    lines); biases move with the rate (the program's newest version leaves it out for them); the clip holds for biases
    too; w and w~ start as a random split of the encoder's table, and the biases start at 0; for one-sided windows the
    program stores the mirrored pairs, which only exchanges w and w~.

    Args:
        window: Number of context words on each side, at least 1.
        symmetric: Use context words on both sides. Otherwise only words on the left.
        x_max: Count at which a pair gets full weight: 10 for millions of words, 100 for billions.
        power: Exponent of the weight below x_max: 0 weighs all pairs equally, 1 in proportion to their counts.
        clip: Largest absolute value of a gradient.
        vectors: Final vector of a word: sum is w + w~, word is w only.
        memory: Memory for counting, in megabytes. What does not fit is written to disk.
        scratch: Folder for these temporary files, which are deleted afterwards. "" uses the system's temporary folder.
        threads: Number of threads. 0 = one per core. With 1, the same seed gives the same result.

    Raises:
        UserError: An argument is out of range, the encoder is not a table of word vectors, or the text cannot be
            counted.
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
            raise UserError(f"glove needs encoder lookup, not {encoder.spec['name']}: remove --encoder")
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
        """Count the pairs of the corpus `source`.

        Raises UserError when there are no pairs, or not enough space for them.
        """
        size = len(self.encoder.words)
        corpus = counted_in(source, self.encoder.words, "glove")
        self.pairs = cooccurrence(
            corpus.ids, corpus.sentences, size, window=self.window, symmetric=self.symmetric,
            memory=self.memory, threads=self.threads, folder=self.scratch,
        )  # fmt: skip

    def steps_in_epoch(self) -> int:
        """Return the number of slices of about a fifth of a second.

        A slice has at least as many pairs as there are words, so that updating the encoder's table costs little.
        """
        size, _, width = self.words.shape
        return math.ceil(len(self.pairs) / max(_WORK // width, size))

    def advance(self, clock: Clock, rate: float, start: int) -> Outputs:
        """Train on the slice at place `start` of this epoch."""
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
        """Update the encoder's table."""
        self.encoder.table.copy_(self.words[:, 0, :-1])
        if self.vectors == "sum":
            self.encoder.table.add_(self.contexts[:, 0, :-1])
