"""fastText: word vectors made of vectors of character n-grams."""

from __future__ import annotations

from typing import Any, ClassVar, Literal, final

import numpy as np
import torch
from torch import Tensor, nn

from selftaught.data.text.corpus import counted_in
from selftaught.encoders.subwords import Subwords
from selftaught.errors import UserError
from selftaught.kernels.fasttext import learn
from selftaught.kernels.words import keep_thresholds, sigmoid_table
from selftaught.method import Clock, Compiled, Encoder, Outputs, Source
from selftaught.parts.alias import alias
from selftaught.parts.hogwild import cores, spread
from selftaught.parts.read_only import read_only
from selftaught.parts.shuffled import Shuffled
from selftaught.views.text import plain

SLICE = 400_000
"""Words of a step: some tenths of a second."""
LEAST = 10
"""Steps of an epoch of a short text, so that its learning rate falls in small steps too."""


@final
class FastText(Compiled):
    """A word is the mean of its own vector and those of its character n-grams, and foretells its neighbours.

    Bojanowski, Grave, Joulin, Mikolov, TACL 2017 (arXiv 1607.04606), "Enriching Word Vectors with Subword Information".
    Words that share parts share vectors, so rare words learn from frequent ones, and words that were never seen have a
    vector: the mean of their n-grams. It helps most where words have many forms.

    With G(w) the rows of word w (its own, and those of its n-grams of minn to maxn characters), x_w their mean, o_c the
    output vector of the word c, and k negatives drawn in proportion to count^power::

        L(w, c) = -log sigmoid(x_w . o_c) - sum_{i=1..k} log sigmoid(-x_w . o_{n_i})        x_w = 1/|G(w)| sum_{g in
        G(w)} z_g

    summed over each word c of the text and each word w around it (skip-gram), or with the mean of the rows of all words
    around c in the place of x_w (CBOW). Every row takes the whole gradient of x, not its share. Without n-grams (maxn =
    0) this is word2vec.

    Shapes: the encoder's table is [V + R, dim], R the n-grams that the vocabulary has; the output vectors are [V, dim].

    Defaults are the authors' tool's (dim 100, window 5, 5 negatives, sample 1e-4, rate 0.05 falling to 0, 5 epochs,
    minn 3, maxn 6, two million buckets, negatives by the root of their counts); the tool takes means where the paper
    has sums. Departures: in each pair the context foretells the centre, as in the word2vec tool, instead of the other
    way round: the same pairs, but a window then shares one centre; a word's rows are read when the first window reaches
    it and changed when the last has left it (10 words later at most), so one occurrence costs its rows once and not
    once for each pair; negatives are shared by a window (see `negatives_per`); ends of sentences are no words; n-grams
    that no word of the vocabulary has take no memory (see the encoder `subwords`).

    Args:
        model: skipgram, which learns rare words better, or cbow, which is a little faster.
        window: Most words on each side; each centre draws its own number from 1 to this.
        negatives: k, for each pair, or for each window.
        negatives_per: window: all words of a window meet the same negatives, which makes their scores one product of
            small matrices, and is about twice as fast at the same quality; pair: each draws its own, as in the tool.
            The same for cbow, whose windows are one pair.
        sample: t: an occurrence of a word with share f of the text is kept with probability sqrt(t / f) + t / f; 0
            keeps all.
        power: Of the counts, for negatives. The paper's text and the tool have 0.5, word2vec 0.75.
        shuffle: Words that stay together while each epoch reads the text in another order, at most 400,000; 0 reads it
            as it stands, as the tool does. The shorter, the less the last of many texts weighs: on `english`, less
            similarity and better analogies.
        threads: 0 for one a core, which train on the same tables without locks; 1 gives the same bytes every time.

    Raises:
        UserError: A value out of range, another encoder than `subwords`; in `prepare`, a text that is not the
            encoder's, with a single word, or without two words in a row.
    """

    recipe: ClassVar[dict[str, Any]] = {
        "lr": 0.05,
        "epochs": 5,
        "schedule": "linear",
        "warmup": 0.0,
        "final_lr": 0.0,
        "log_every": 1,
    }
    sees = ("text",)
    network = "subwords"
    unit = "words"

    recent: Tensor

    def __init__(
        self,
        encoder: Encoder,
        model: Literal["skipgram", "cbow"] = "skipgram",
        window: int = 5,
        negatives: int = 5,
        negatives_per: Literal["window", "pair"] = "window",
        sample: float = 1e-4,
        power: float = 0.5,
        shuffle: int = 0,
        threads: int = 0,
    ) -> None:
        super().__init__()
        if not isinstance(encoder, Subwords):
            raise UserError(f"fasttext trains the encoder subwords, not {encoder.spec['name']}: leave --encoder out")
        if model not in ("skipgram", "cbow") or negatives_per not in ("window", "pair"):
            raise UserError(
                f"fasttext takes model skipgram or cbow, negatives per window or pair, not '{model}' and "
                f"'{negatives_per}'"
            )
        if not 1 <= window <= 1000 or negatives < 1:
            raise UserError(
                f"window of fasttext must be in [1, 1000] and negatives at least 1, not {window} and {negatives}"
            )
        if not (sample >= 0 and np.isfinite([sample, power]).all()):
            raise UserError(f"sample of fasttext must be at least 0, and power a number, not {sample} and {power}")
        if not 0 <= shuffle <= SLICE:
            raise UserError(
                f"shuffle of fasttext must be in [0, {SLICE}], not {shuffle}: it is how many words stay together"
            )
        self.encoder: Subwords = encoder
        self.views = plain(encoder.spec["input"])
        self.out = nn.Parameter(torch.zeros(len(encoder.words), encoder.dim))
        self.cbow, self.shared = model == "cbow", negatives_per == "window"
        self.window, self.negatives, self.shuffle, self.threads = window, negatives, shuffle, cores(threads)
        self.keep = keep_thresholds(encoder.counts, sample)
        self.threshold, self.other = alias(encoder.counts.astype(np.float64) ** power)
        self.logistic = sigmoid_table()
        self.register_buffer("recent", torch.zeros((), dtype=torch.float64))  # the last loss: a slice may have no pair

    def prepare(self, source: Source) -> None:
        """Cut the text into steps. Raises UserError when it is not the text that the encoder's words come from, or teaches nothing."""
        size = len(self.encoder.words)
        corpus = counted_in(source, self.encoder.words, "fasttext")
        if size < 2:
            raise UserError(
                f"the text has one word, '{corpus.words[0]}', and no other to tell it from: use more text, or a "
                "smaller --min-count"
            )
        if int(np.diff(corpus.sentences).max()) < 2:
            raise UserError(
                "every sentence of the text is a single word, which has no neighbours to learn from: one sentence "
                "a line"
            )
        self.corpus, self.ids, self.sentences = corpus, read_only(corpus.ids), read_only(corpus.sentences)
        self.shuffled = Shuffled(corpus.sentences, SLICE, LEAST, self.shuffle)
        corpus.release_all()

    def steps_in_epoch(self) -> int:
        """Steps of about `SLICE` words."""
        return self.shuffled.steps

    def advance(self, clock: Clock, rate: float, start: int) -> Outputs:
        """Step `start`: the mean loss of a pair (of some of them), and how many words the step has."""
        encoder, (order, begins, runs) = self.encoder, self.shuffled.step(clock.seed, clock.epoch, start)
        table, out = encoder.table.detach().numpy(), self.out.detach().numpy()
        totals: list[Any] = []
        measure = 64 if begins[-1] > SLICE // 20 else 1

        def work(first: int, last: int) -> None:
            totals.append(part := np.zeros(3))
            learn(
                self.ids,
                self.sentences,
                order[first:last],
                encoder.starts,
                encoder.rows,
                table,
                out,
                self.keep,
                self.threshold,
                self.other,
                self.logistic,
                self.window,
                self.negatives,
                self.cbow,
                self.shared,
                rate,
                clock.seed,
                clock.epoch,
                measure,
                part,
            )

        spread(work, begins, self.threads)
        for first, last in runs:
            self.corpus.release(first, last)
        loss, pairs, words = sum(totals)
        if pairs:
            self.recent.fill_(loss / pairs)
        return {"loss": float(self.recent), "words": float(words)}
