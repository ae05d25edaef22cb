"""word2vec: skip-gram and CBOW."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any, ClassVar, Literal, final

import numpy as np
import torch
from torch import Tensor

from selftaught.data.text.corpus import counted_in
from selftaught.encoders.lookup import Lookup
from selftaught.errors import UserError
from selftaught.kernels.word2vec import LONGEST, loop
from selftaught.kernels.words import keep_thresholds, sigmoid_table
from selftaught.method import Clock, Compiled, Encoder, Outputs, Planned, Source
from selftaught.parts.alias import alias
from selftaught.parts.hogwild import cores, spread
from selftaught.parts.huffman import Paths, huffman
from selftaught.parts.read_only import read_only
from selftaught.parts.shuffled import Shuffled, pieces
from selftaught.views.text import plain

SLICE = 500_000
"""Words per step, a few tenths of a second of work."""
LEAST = 10
"""Least number of steps in an epoch of a short text, so that its learning rate also falls in small steps."""


@final
class Word2Vec(Compiled):
    """Word vectors trained to predict the surrounding words (skip-gram and CBOW).

    Mikolov, Chen, Corrado, Dean, ICLR workshop 2013 (arXiv 1301.3781), "Efficient Estimation of Word Representations in
    Vector Space", and Mikolov, Sutskever, Chen, Corrado, Dean, NIPS 2013 (arXiv 1310.4546), "Distributed
    Representations of Words and Phrases and their Compositionality". Words in similar contexts get similar vectors, and
    many relations between words become directions.

    With x_w the vectors that are kept, o_c output vectors, and n_1 ... n_k drawn in proportion to count^power (derived
    in Goldberg and Levy 2014, arXiv 1402.3722)::

        L(h, c) = -log sigmoid(h . o_c) - sum_{i=1..k} log sigmoid(-h . o_{n_i})

    For each word c of the text, skip-gram sums L over the words w around c with h = x_w. CBOW has one term, where h is
    the mean of all x_w around c. Hierarchical softmax instead has the words at the leaves of a Huffman tree and vectors
    o_j at its inner nodes. The path to a word turns left with probability sigmoid(h . o_j) at each node, the
    probability of the word is the product over its path, and L is its negative logarithm. Skip-gram's optimum with
    negatives is x_w . o_c = PMI(w, c) - log k (Levy and Goldberg, NIPS 2014), with power 1.

    Shapes: the encoder's table is [V, dim]; output vectors are [V, dim], or [V - 1, dim] for a tree.

    Defaults are those of the authors' tool: dim 100, window 5, 5 negatives with power 0.75, sample 1e-3, words that
    occur at least 5 times, 5 epochs, and a rate that falls linearly from 0.025 to a ten-thousandth of it. Sentences are
    cut after 1,000 words, and subsampling uses the tool's formula (see `kernels/words`). The tool starts CBOW at 0.05:
    use --lr 0.05 for it. A recipe has only one rate, which is that of the default model, because a rate that is too
    small learns less while one that is too large can fail. Departures: negatives are shared by a window (see
    `negatives_per`), and draws of c itself are skipped, as in the tool; the scores of a window are computed before any
    of its rows is updated; scores of the tree beyond +-6 are trained, while the tool skips them; vectors start within
    1/dim, as in gensim, while the tool uses half of it.

    The logged loss is the mean of L over the pairs (CBOW: windows) of every 64th centre, before its step. Computing all
    logarithms would cost as much as training.

    Args:
        model: skipgram learns rare words better, cbow is about twice as fast.
        loss: negative sampling, or hierarchical softmax, which has no negatives, is better for rare words and slower.
        window: Largest number of context words on each side. Each centre draws its own number from 1 to this.
        negatives: Number k of negatives: 5 to 20 for small texts, 2 to 5 for large ones.
        negatives_per: window: all words around a centre share the same negatives, so that their scores are one small
            matrix product. The expected gradient is the same, and fewer words are drawn: twice as fast, with equal
            scores on similarity and analogies. pair: each pair draws its own, as in the tool. No difference for cbow
            and for hierarchical.
        power: Exponent of the counts in the distribution of negatives: 0 is uniform, 1 is in proportion to the counts.
        sample: Subsampling threshold t: an occurrence of a word with frequency f (a fraction of the text) is kept with
            probability (sqrt(f / t) + 1) t / f. 0 keeps all. Use down to 1e-5 for large texts.
        share_error: For CBOW, divide the error among the words around the centre, as in the gradient of the mean.
            Otherwise each word gets the whole error, as in the tool, which learns faster.
        shuffle: Length in words of the runs of text that each epoch reads in a new order, at most 500,000. 0 reads the
            text in order, as the tool does. Shorter runs give less weight to the last texts of a corpus: on `english`,
            similarity gets worse and analogies get better.
        threads: Number of threads that update the same tables without locks. 0 = one per core. 1 gives the same result
            every time.

    Raises:
        UserError: An argument is out of range, or the encoder is not `lookup`. `prepare` raises it for a text that is
            not the encoder's, or in which no two words of the vocabulary are in one sentence.
    """

    recipe: ClassVar[dict[str, Any]] = {
        "lr": 0.025,
        "epochs": 5,
        "schedule": "linear",
        "warmup": 0.0,
        "final_lr": 1e-4,
        "log_every": 1,
    }
    sees, network, unit = ("text",), "lookup", "words"
    effects: ClassVar[dict[str, Any]] = {
        "negatives": {"loss": ("negative",)},
        "negatives_per": {"loss": ("negative",), "model": ("skipgram",)},
        "power": {"loss": ("negative",)},
        "share_error": {"model": ("cbow",)},
    }

    output: Tensor
    recent: Tensor

    def __init__(
        self,
        encoder: Encoder,
        model: Literal["skipgram", "cbow"] = "skipgram",
        loss: Literal["negative", "hierarchical"] = "negative",
        window: int = 5,
        negatives: int = 5,
        negatives_per: Literal["window", "pair"] = "window",
        power: float = 0.75,
        sample: float = 1e-3,
        share_error: bool = False,
        shuffle: int = 0,
        threads: int = 0,
    ) -> None:
        super().__init__()
        if not isinstance(encoder, Lookup):
            raise UserError(f"word2vec needs encoder lookup, not {encoder.spec['name']}: remove --encoder")
        for name, value, allowed in (
            ("model", model, ("skipgram", "cbow")), ("loss", loss, ("negative", "hierarchical")),
            ("negatives_per", negatives_per, ("window", "pair")),
        ):  # fmt: skip
            if value not in allowed:
                raise UserError(f"{name} of word2vec must be {' or '.join(allowed)}, not {value}")
        if not 1 <= window <= 1000 or negatives < 1:
            raise UserError(
                f"window of word2vec must be in [1, 1000] and negatives at least 1, not {window} and {negatives}"
            )
        if not (0 <= sample < math.inf and math.isfinite(power)):
            raise UserError(
                f"sample of word2vec must be at least 0 and power a finite number, not {sample} and {power}"
            )
        if not 0 <= shuffle <= SLICE:
            raise UserError(f"shuffle of word2vec must be in [0, {SLICE}] words, not {shuffle}")
        self.encoder: Lookup = encoder
        self.views = plain(encoder.spec["input"])
        self.cbow, self.tree, self.pairwise = model == "cbow", loss == "hierarchical", negatives_per == "pair"
        self.window, self.negatives, self.share_error, self.shuffle, self.threads = (
            window,
            negatives,
            share_error,
            shuffle,
            cores(threads),
        )
        size = len(encoder.words)
        none = Paths(np.zeros(0, np.int32), np.zeros(0, np.bool_), np.zeros(1, np.int64))
        self.paths = huffman(encoder.counts) if self.tree else none
        self.draws = alias(encoder.counts.astype(np.float64) ** power)
        self.keep, self.logistic = keep_thresholds(encoder.counts, sample), sigmoid_table()
        self.register_buffer("output", torch.zeros(size - 1 if self.tree else size, encoder.dim))
        # The last loss, because a slice may have no pair.
        self.register_buffer("recent", torch.zeros((), dtype=torch.float64))

    def prepare(self, source: Source) -> None:
        """Split the text into steps.

        Raises UserError when the text is not the one that the encoder's words come from, or has nothing to learn from.
        """
        size = len(self.encoder.words)
        corpus = counted_in(source, self.encoder.words, "word2vec")
        self.corpus, self.ids, self.starts = corpus, read_only(corpus.ids), read_only(pieces(corpus.sentences, LONGEST))
        self.shuffled = Shuffled(self.starts, SLICE, LEAST, self.shuffle)
        if not any(self._neighbours(int(a), int(b)) for a, b in pairwise(self.shuffled.borders)):
            raise UserError(
                f"no sentence of the text has two words of the vocabulary ({size} words), so there is nothing to "
                "predict: "
                "use more text, whole sentences, or a smaller --min-count"
            )
        corpus.release_all()

    def _neighbours(self, first: int, last: int) -> bool:
        """Return whether one of these pieces of sentences has two words of the vocabulary."""
        begin = self.starts[first]
        known = self.ids[begin : self.starts[last]] < len(self.encoder.words)
        return bool((np.add.reduceat(known, self.starts[first:last] - begin, dtype=np.int32) > 1).any())

    def unused(self, planned: Planned) -> dict[str, str]:
        """See `Method.unused`."""
        return self.shuffled.unused()

    def steps_in_epoch(self) -> int:
        """Return the number of steps of about `SLICE` words each."""
        return self.shuffled.steps

    def advance(self, clock: Clock, rate: float, start: int) -> Outputs:
        """Train on step `start`. Returns the mean loss of a sample of the pairs, and the number of words."""
        order, begins, runs = self.shuffled.step(clock.seed, clock.epoch, start)
        table, output = self.encoder.table.detach().numpy(), self.output.numpy()
        train, negatives = loop(self.encoder.dim), 0 if self.tree else self.negatives
        pairwise = self.pairwise and not self.cbow and not self.tree
        sums: list[tuple[float, int]] = []

        def work(first: int, last: int) -> None:
            sums.append(
                train(
                    self.ids,
                    self.starts,
                    order[first:last],
                    clock.seed,
                    clock.epoch,
                    np.float32(rate),
                    self.cbow,
                    self.share_error,
                    self.window,
                    negatives,
                    pairwise,
                    table,
                    output,
                    *self.paths,
                    self.keep,
                    *self.draws,
                    self.logistic,
                )
            )

        spread(work, begins, self.threads)
        for first, last in runs:
            self.corpus.release(first, last)
        loss, pairs = (sum(parts) for parts in zip(*sums, strict=True))
        if pairs:
            self.recent.fill_(loss / pairs)
        return {"loss": float(self.recent), "words": float(begins[-1])}
