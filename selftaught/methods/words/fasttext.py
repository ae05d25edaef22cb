"""fastText: word vectors built from character n-grams."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Literal, final

import numpy as np
import torch
from torch import Tensor, nn

from selftaught.data.text.corpus import counted_in
from selftaught.encoders.subwords import Subwords
from selftaught.errors import UserError
from selftaught.kernels.fasttext import LONGEST, learn
from selftaught.kernels.words import keep_thresholds, sigmoid_table
from selftaught.method import Clock, Compiled, Encoder, Outputs, Planned, Source
from selftaught.parts.alias import alias
from selftaught.parts.fasttext_model import MODELS, Model, of_words
from selftaught.parts.hogwild import cores, spread
from selftaught.parts.read_only import read_only
from selftaught.parts.shuffled import Shuffled, pieces
from selftaught.views.text import plain

SLICE = 400_000
"""Words per step, a few tenths of a second of work."""
LEAST = 10
"""Least number of steps in an epoch of a short text, so that its learning rate also falls in small steps."""


@final
class FastText(Compiled):
    """Word vectors built from character n-grams, trained to predict neighbouring words.

    Bojanowski, Grave, Joulin, Mikolov, TACL 2017 (arXiv 1607.04606), "Enriching Word Vectors with Subword Information".
    A word is the mean of its own vector and the vectors of its n-grams. Words that share parts share vectors, so rare
    words learn from frequent ones, and unseen words have a vector: the mean of their n-grams. This helps most in
    languages where words have many forms.

    With G(w) the rows of word w (its own, and those of its n-grams of minn to maxn characters), x_w their mean, o_c the
    output vector of the word c, and k negatives drawn in proportion to count^power::

        L(w, c) = -log sigmoid(x_w . o_c) - sum_{i=1..k} log sigmoid(-x_w . o_{n_i})
        x_w = 1/|G(w)| sum_{g in G(w)} z_g

    summed over each word c of the text and each word w around it (skip-gram), or with the mean of the rows of all words
    around c instead of x_w (CBOW). Every row gets the whole gradient of x, not its share. Without n-grams (maxn = 0)
    this is word2vec.

    Shapes: the encoder's table is [V + R, dim], with R the number of n-grams in the vocabulary; the output vectors are
    [V, dim].

    Defaults are those of the authors' tool (dim 100, window 5, 5 negatives, sample 1e-4, rate 0.05 falling to 0, 5
    epochs, minn 3, maxn 6, two million buckets, negatives by the square root of their counts). The tool uses means
    where the paper has sums. Departures: in each pair the context predicts the centre, as in the word2vec tool, instead
    of the reverse: the pairs are the same, but all pairs of a window share one centre; the rows of a word are read when
    the first window reaches it and updated when the last window has passed (at most 10 words later), so that they are
    accessed once per occurrence and not once per pair; ends of sentences are not words; n-grams that no word of the
    vocabulary has use no memory (see the encoder `subwords`).

    Args:
        model: skipgram learns rare words better, cbow is slightly faster.
        window: Largest number of context words on each side. Each centre draws its own number from 1 to this.
        negatives: Number k of negatives, for each pair or for each window.
        negatives_per: pair: each pair draws its own, as in the tool. window: all words of a window share the same
            negatives, so that their scores are one small matrix product, and training takes about half the time. On a
            small text this costs quality: on `sotu` (1.8 million words), WordSim-353 falls from 34 to 28. No difference
            for cbow, where a window is one pair.
        sample: Subsampling threshold t: an occurrence of a word with frequency f (a fraction of the text) is kept with
            probability sqrt(t / f) + t / f. 0 keeps all.
        power: Exponent of the counts in the distribution of negatives. The paper and the tool use 0.5, word2vec 0.75.
        shuffle: Length in words of the runs of text that each epoch reads in a new order, at most 400,000. 0 reads the
            text in order, as the tool does. Shorter runs give less weight to the last texts of a corpus: on `english`,
            similarity gets worse and analogies get better.
        threads: Number of threads that update the same tables without locks. 0 = one per core. 1 gives the same result
            every time.

    Raises:
        UserError: An argument is out of range, or the encoder is not `subwords`. `prepare` raises it for a text that is
            not the encoder's, that has a single word, or that never has two words in a row.
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
    effects: ClassVar[dict[str, Any]] = {"negatives_per": {"model": ("skipgram",)}}

    recent: Tensor

    def __init__(
        self,
        encoder: Encoder,
        model: Literal["skipgram", "cbow"] = "skipgram",
        window: int = 5,
        negatives: int = 5,
        negatives_per: Literal["window", "pair"] = "pair",
        sample: float = 1e-4,
        power: float = 0.5,
        shuffle: int = 0,
        threads: int = 0,
    ) -> None:
        super().__init__()
        if not isinstance(encoder, Subwords):
            raise UserError(f"fasttext needs encoder subwords, not {encoder.spec['name']}: remove --encoder")
        if model not in ("skipgram", "cbow") or negatives_per not in ("window", "pair"):
            raise UserError(
                f"fasttext needs model skipgram or cbow, and negatives_per window or pair, not '{model}' and "
                f"'{negatives_per}'"
            )
        if not 1 <= window <= 1000 or negatives < 1:
            raise UserError(
                f"window of fasttext must be in [1, 1000] and negatives at least 1, not {window} and {negatives}"
            )
        if not (sample >= 0 and np.isfinite([sample, power]).all()):
            raise UserError(
                f"sample of fasttext must be at least 0 and power a finite number, not {sample} and {power}"
            )
        if not 0 <= shuffle <= SLICE:
            raise UserError(f"shuffle of fasttext must be in [0, {SLICE}] words, not {shuffle}")
        self.encoder: Subwords = encoder
        self.views = plain(encoder.spec["input"])
        self.out = nn.Parameter(torch.zeros(len(encoder.words), encoder.dim))
        self.cbow, self.shared = model == "cbow", negatives_per == "window"
        self.window, self.negatives, self.shuffle, self.threads = window, negatives, shuffle, cores(threads)
        self.sample = sample
        self.keep = keep_thresholds(encoder.counts, sample)
        self.threshold, self.other = alias(encoder.counts.astype(np.float64) ** power)
        self.logistic = sigmoid_table()
        # The last loss, because a slice may have no pair.
        self.register_buffer("recent", torch.zeros((), dtype=torch.float64))

    def prepare(self, source: Source) -> None:
        """Split the text into steps.

        Raises UserError when the text is not the one that the encoder's words come from, or has nothing to learn from.
        """
        size = len(self.encoder.words)
        corpus = counted_in(source, self.encoder.words, "fasttext")
        if size < 2:
            raise UserError(
                f"the text has only one different word, '{corpus.words[0]}': use more text, or a smaller --min-count"
            )
        if int(np.diff(corpus.sentences).max()) < 2:
            raise UserError(
                "every sentence of the text is a single word, which has no neighbours to learn from: "
                "write one sentence per line"
            )
        starts = pieces(corpus.sentences, LONGEST)  # no window crosses their borders anyway, see the kernel
        self.corpus, self.ids, self.sentences = corpus, read_only(corpus.ids), read_only(starts)
        self.shuffled = Shuffled(starts, SLICE, LEAST, self.shuffle)
        corpus.release_all()

    def unused(self, planned: Planned) -> dict[str, str]:
        """See `Method.unused`."""
        return self.shuffled.unused()

    def steps_in_epoch(self) -> int:
        """Return the number of steps of about `SLICE` words each."""
        return self.shuffled.steps

    def advance(self, clock: Clock, rate: float, start: int) -> Outputs:
        """Train on step `start`. Returns the mean loss of a sample of the pairs, and the number of words."""
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

    def fasttext_model(self, classes: Sequence[str]) -> Model:
        """Return the same vectors as a model of the authors' tool."""
        said = {"ws": self.window, "neg": self.negatives, "t": self.sample}
        said["model"] = MODELS["cbow" if self.cbow else "skipgram"]
        out = self.out.detach().numpy()
        return of_words(self.encoder.word_vectors(), self.encoder.subword_rows(), out, **said)
