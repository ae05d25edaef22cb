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
from selftaught.kernels.word2vec import loop, pieces
from selftaught.kernels.words import keep_thresholds, sigmoid_table
from selftaught.method import Clock, Compiled, Encoder, Outputs, Source
from selftaught.parts.alias import alias
from selftaught.parts.hogwild import cores, spread
from selftaught.parts.huffman import Paths, huffman
from selftaught.parts.read_only import read_only
from selftaught.parts.shuffled import Shuffled
from selftaught.views.text import plain

SLICE = 500_000
"""Words of a step: some tenths of a second."""
LEAST = 10
"""Steps of an epoch of a short text, so that its learning rate falls in small steps too."""


@final
class Word2Vec(Compiled):
    """A word's vector foretells the words around it.

    Mikolov, Chen, Corrado, Dean, ICLR workshop 2013 (arXiv 1301.3781), "Efficient Estimation of Word Representations in
    Vector Space", and Mikolov, Sutskever, Chen, Corrado, Dean, NIPS 2013 (arXiv 1310.4546), "Distributed
    Representations of Words and Phrases and their Compositionality". Words that stand in like surroundings get like
    vectors, and many relations become directions.

    With x_w the vectors that are kept, o_c output vectors, and n_1 ... n_k drawn in proportion to count^power (Goldberg
    and Levy 2014, arXiv 1402.3722, derive it)::

        L(h, c) = -log sigmoid(h . o_c) - sum_{i=1..k} log sigmoid(-h . o_{n_i})

    For each word c of the text, skip-gram sums it over the words w around it with h = x_w; CBOW has one term, h the
    mean of all x_w around c. Hierarchical softmax puts words at the leaves of a Huffman tree instead, o_j at its inner
    nodes; a word's probability is that of its turns, left with sigmoid(h . o_j) at each node of its path, and L = -log
    of it. Skip-gram's optimum with negatives is x_w . o_c = PMI(w, c) - log k (Levy and Goldberg, NIPS 2014), with
    power 1.

    Shapes: the encoder's table is [V, dim]; output vectors are [V, dim], of a tree [V - 1, dim].

    Defaults are the authors' tool's: dim 100, window 5, 5 negatives to the power 0.75, sample 1e-3, words that occur 5
    times, 5 epochs, a rate that falls in a line from 0.025 to a ten-thousandth of it; sentences are cut after 1,000
    words, and subsampling has its formula (see `kernels/words`). The tool starts CBOW at 0.05: give it --lr 0.05. A
    recipe has one rate, and it is the default model's, because too small a rate learns less while one too large can
    learn nothing. Departures: negatives are shared by a window (see `negatives_per`); a draw of c itself is left out,
    as there; a window's scores are computed before any of its rows moves; the tree's scores beyond +-6 are learned
    from, where the tool skips them; vectors start within 1/dim, as gensim's, where the tool has half of it.

    The logged loss is the mean of L over the pairs (CBOW: windows) of every 64th centre, before its step; summing all
    logarithms would cost as much as learning.

    Args:
        model: skipgram, which learns rare words better, or cbow, about twice as fast.
        loss: negative, or hierarchical (no negatives; better for rare words, and slower).
        window: Most words on each side; each centre draws its own number from 1 to this.
        negatives: k: 5 to 20 for small texts, 2 to 5 for large ones.
        negatives_per: window: all words around a centre meet the same negatives, so their scores are one product of
            small matrices. Each word meets as many as before, in expectation the gradient is the same, but fewer words
            are drawn in all and their errors go together: twice as fast at equal scores of similarity and analogies.
            pair: each draws its own, as in the tool. With cbow and with hierarchical there is no difference.
        power: Of the counts, for negatives: 0 draws all words alike, 1 as they occur.
        sample: t: a word with share f of the text is kept with probability (sqrt(f / t) + 1) t / f; 0 keeps all. Down
            to 1e-5 for large texts.
        share_error: CBOW: each word around the centre moves by its share of the error, as the gradient of the mean
            says; else by all of it, as in the tool, which learns faster.
        shuffle: Words that stay together while each epoch reads the text in another order, at most 500,000; 0 reads it
            as it stands, as the tool does. The shorter, the less the last of many texts weighs: on `english`, less
            similarity and better analogies.
        threads: 0 for one a core, which train on the same tables without locks; 1 gives the same bytes every time.

    Raises:
        UserError: A value out of range, another encoder than `lookup`; in `prepare`, a text that is not the encoder's,
            or in which no two of its words are neighbours.
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
            raise UserError(f"word2vec trains the encoder lookup, not {encoder.spec['name']}: leave --encoder out")
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
            raise UserError(f"sample of word2vec must be at least 0, and power a number, not {sample} and {power}")
        if not 0 <= shuffle <= SLICE:
            raise UserError(
                f"shuffle of word2vec must be in [0, {SLICE}], not {shuffle}: it is how many words stay together"
            )
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
        self.register_buffer("recent", torch.zeros((), dtype=torch.float64))  # the last loss: a slice may have no pair

    def prepare(self, source: Source) -> None:
        """Cut the text into steps. Raises UserError when it is not the text that the encoder's words come from, or teaches nothing."""
        size = len(self.encoder.words)
        corpus = counted_in(source, self.encoder.words, "word2vec")
        self.corpus, self.ids, self.starts = corpus, read_only(corpus.ids), read_only(pieces(corpus.sentences))
        self.shuffled = Shuffled(self.starts, SLICE, LEAST, self.shuffle)
        if not any(self._neighbours(int(a), int(b)) for a, b in pairwise(self.shuffled.borders)):
            raise UserError(
                f"no sentence of the text has two words of the vocabulary ({size} words), so there is nothing to "
                "foretell: "
                "use more text, whole sentences, or a smaller --min-count"
            )
        corpus.release_all()

    def _neighbours(self, first: int, last: int) -> bool:
        """Does one of these pieces of sentences have two words of the vocabulary?"""
        begin = self.starts[first]
        known = self.ids[begin : self.starts[last]] < len(self.encoder.words)
        return bool((np.add.reduceat(known, self.starts[first:last] - begin, dtype=np.int32) > 1).any())

    def steps_in_epoch(self) -> int:
        """Steps of about `SLICE` words."""
        return self.shuffled.steps

    def advance(self, clock: Clock, rate: float, start: int) -> Outputs:
        """Step `start`: the mean loss of a pair (of some of them), and how many words the step has."""
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
