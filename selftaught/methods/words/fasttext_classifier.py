"""fastText's classifier: the mean of word vectors, learned with the classes."""

from __future__ import annotations

from typing import Any, ClassVar, Literal, final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from selftaught.data.text.corpus import Corpus
from selftaught.encoders.lookup import Lookup
from selftaught.encoders.subwords import MOST_BUCKETS, Subwords
from selftaught.errors import UserError
from selftaught.kernels.bag_classifier import HIERARCHICAL, NEGATIVE, ONE_VS_ALL, SOFTMAX, learn, means, number_runs
from selftaught.kernels.subwords import hashes
from selftaught.method import Clock, Compiled, Encoder, Outputs, Source
from selftaught.parts.alias import alias
from selftaught.parts.hogwild import cores, spread
from selftaught.parts.huffman import log_probabilities, of_classes
from selftaught.parts.read_only import read_only
from selftaught.parts.streams import classes_of
from selftaught.views.text import plain

LOSSES = {"softmax": SOFTMAX, "hierarchical": HIERARCHICAL, "negative": NEGATIVE, "one_vs_all": ONE_VS_ALL}
SLICE = 400_000
"""Words of a step: some tenths of a second."""
LEAST = 20
"""Steps of an epoch of few texts, so that the learning rate falls in small steps."""


@final
class FastTextClassifier(Compiled):
    """Name the class of a text by the mean of the vectors of its words, which are learned for that alone.

    Joulin, Grave, Bojanowski, Mikolov, EACL 2017 (arXiv 1607.01759), "Bag of Tricks for Efficient Text Classification".
    Not self-supervised: what labels alone teach word vectors, in seconds, and often as good as a deep network.

    With R the rows of a text (one for each of its known words, or those of its words' character n-grams too; and one
    for each run of 2 to `word_ngrams` words, hashed), o_k the vector of class k and y the text's class::

        h = 1/|R| sum_{r in R} z_r        L = -log softmax(o_1 . h, ..., o_K . h)_y

    or, with s the logistic function and n_1 ... n_k classes other than y, drawn in proportion to the root of their numbers of texts::

        one_vs_all      L = -log s(o_y . h) - sum_{k != y} log s(-o_k . h)
        negative        L = -log s(o_y . h) - sum_{i=1..k} log s(-o_{n_i} . h)
        hierarchical    L = -sum_j log s(+-o_j . h)    over the inner nodes j from the root of a Huffman tree to y, +
        where it turns left

    Shapes: the encoder's table is [V, dim] (`lookup`) or [V + n-grams, dim] (`subwords`), `runs` are [R, dim], `out` is
    [classes, dim] (hierarchical: [classes - 1, dim]). Texts of unknown class are never visited.

    Defaults are the authors' tool's: dim 100, rate 0.1 falling to 0, 5 epochs, single words, the softmax over all
    classes. Its hashes too, of words and of runs of words; but only runs that some training text has take a row.
    Departures: texts come in a new order each epoch; the end of a line is no word, and runs of words go over it;
    --min-count is 5 unless told, the tool's is 1; logistic functions are exact, where the tool has a table. The encoder
    that is kept has the words alone: `classify` adds the runs. With
    --encoder subwords a text has twenty times as many rows, each of which takes its share of the gradient: give it a
    larger --lr.

    The accuracy of the texts before their steps is logged where the loss needs all classes' scores: softmax and
    one_vs_all.

    Args:
        loss: softmax, one probability over all classes; hierarchical, the same kind of probability in about
            log2(classes) steps, for thousands of classes; one_vs_all, a yes or no for each class on its own; negative,
            yes for the text's class and no for `negatives` others, as quick as the tree, but what it gives are scores
            and no probabilities.
        negatives: Classes that are drawn for each text with the loss negative; the others draw none.
        word_ngrams: Words of the longest runs that have a vector of their own; 1 for single words, 2 to know some of
            their order.
        bucket: How many numbers runs are hashed to; those that share one share a vector.
        threads: 0 for one a core, which train on the same tables without locks; 1 gives the same bytes every time.

    Raises:
        UserError: A value out of range, another encoder than `lookup` or `subwords`; in `prepare`, no labels, or a
            single class.
    """

    recipe: ClassVar[dict[str, Any]] = {
        "lr": 0.1,
        "epochs": 5,
        "schedule": "linear",
        "warmup": 0.0,
        "final_lr": 0.0,
        "log_every": 1,
    }
    sees = ("text",)
    network = "lookup"
    unit = "words"

    def __init__(
        self,
        encoder: Encoder,
        loss: Literal["softmax", "hierarchical", "negative", "one_vs_all"] = "softmax",
        negatives: int = 5,
        word_ngrams: int = 1,
        bucket: int = 2_000_000,
        threads: int = 0,
    ) -> None:
        super().__init__()
        if not isinstance(encoder, Lookup | Subwords):
            raise UserError(f"fasttext_classifier trains the encoder lookup or subwords, not {encoder.spec['name']}")
        if loss not in LOSSES:
            raise UserError(f"loss of fasttext_classifier must be {' or '.join(LOSSES)}, not {loss}")
        if negatives < 1:
            raise UserError(f"negatives of fasttext_classifier must be at least 1, not {negatives}")
        if word_ngrams < 1:
            raise UserError(f"word_ngrams of fasttext_classifier must be at least 1, not {word_ngrams}")
        if not 1 <= bucket <= MOST_BUCKETS:
            raise UserError(f"bucket of fasttext_classifier must be from 1 to {MOST_BUCKETS}, not {bucket}")
        self.encoder: Lookup | Subwords = encoder
        self.views = plain(encoder.spec["input"])
        self.loss, self.negatives = LOSSES[loss], negatives
        self.word_ngrams, self.bucket, self.threads = word_ngrams, bucket, cores(threads)
        self.out = self.runs = nn.Parameter(torch.zeros(0, encoder.dim))  # how many there are is known once the data is

    def prepare(self, source: Source) -> None:
        """A vector for each class and each run of words. Raises UserError when fewer than two classes are labelled."""
        if not isinstance(source, Corpus):
            raise UserError("fasttext_classifier learns from a text with labels, not from other data")
        classes, dim = classes_of(source, "fasttext_classifier"), self.encoder.dim
        borders = np.asarray(source.sentences)[source.documents]
        known = np.flatnonzero((source.labels >= 0) & (np.diff(borders) > 0))
        self.ids, self.labels = read_only(source.ids), source.labels[known]
        self.begins, self.ends = borders[:-1][known], borders[1:][known]
        self.vocabulary = self._bags(source.words)
        self.row_of = np.full(self.bucket if self.word_ngrams > 1 else 0, -1, np.int32)
        count = 0
        if self.word_ngrams > 1:
            count = number_runs(self.ids, self.begins, self.ends, self.vocabulary[2], self.word_ngrams, self.row_of)
        self.runs = nn.Parameter((2 * torch.rand(count, dim) - 1) / dim)
        self.out = nn.Parameter(torch.zeros(classes - (self.loss == HIERARCHICAL), dim))
        # a class without texts can be drawn, and has a leaf
        texts = np.maximum(np.bincount(self.labels, minlength=classes), 1)
        self.draws, self.paths = alias(np.sqrt(texts)), of_classes(texts)
        self.steps = max(-(-int((self.ends - self.begins).sum()) // SLICE), min(LEAST, len(known)))

    def steps_in_epoch(self) -> int:
        """Runs of texts, of about `SLICE` words each."""
        return self.steps

    def advance(self, clock: Clock, rate: float, start: int) -> Outputs:
        """Part `start` of the texts in the epoch's order.

        Mean loss, words, and, where all classes have scores, those named rightly.
        """
        order = np.random.Generator(np.random.Philox(key=[clock.seed, clock.epoch])).permutation(len(self.labels))
        order = np.array_split(order, self.steps)[start]
        lengths = np.concatenate([[0], np.cumsum((self.ends - self.begins)[order])])
        starts, rows, hashed = self.vocabulary
        tables = [p.detach().numpy() for p in (self.encoder.table, self.runs, self.out)]
        totals: list[Any] = []

        def work(begin: int, end: int) -> None:
            totals.append(part := np.zeros(4))
            learn(
                self.ids,
                self.begins,
                self.ends,
                self.labels,
                order[begin:end],
                starts,
                rows,
                tables[0],
                hashed,
                self.word_ngrams,
                self.row_of,
                tables[1],
                tables[2],
                self.loss,
                *self.paths,
                self.negatives,
                *self.draws,
                clock.seed,
                clock.epoch,
                rate,
                part,
            )

        spread(work, lengths, self.threads)
        loss, texts, right, words = (float(total) for total in sum(totals))
        texts = max(texts, 1)  # a part may have none with a known word
        scored = self.loss in (SOFTMAX, ONE_VS_ALL)
        return {"loss": loss / texts, "words": words} | (
            {"accuracy": right / texts, "chance": 1 / len(self.out)} if scored else {}
        )

    @torch.no_grad()
    def classify(self, text: list[list[str]]) -> Tensor:
        """Lists of tokens to scores [B, classes]: log-probabilities (softmax, hierarchical) or each class's o_k.

        H, log-odds of its own.

        A text without anything known is judged with h = 0.
        """
        place: dict[str, int] = {}
        ids = np.array([place.setdefault(token, len(place)) for tokens in text for token in tokens], np.int32)
        borders = np.cumsum([0, *map(len, text)], dtype=np.int64)
        starts, rows, hashed = self._bags(list(place))
        mean = np.empty((len(text), self.encoder.dim), np.float32)
        table, runs = self.encoder.table.detach().numpy(), self.runs.detach().numpy()
        means(
            read_only(ids),
            borders[:-1],
            borders[1:],
            starts,
            rows,
            table,
            hashed,
            self.word_ngrams,
            self.row_of,
            runs,
            mean,
        )
        scores = torch.from_numpy(mean) @ self.out.T
        if self.loss == HIERARCHICAL:
            return torch.from_numpy(log_probabilities(self.paths, scores.numpy()))
        return scores.log_softmax(1) if self.loss == SOFTMAX else scores

    def _bags(self, words: Any) -> tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.int32]]:
        """Where each word's rows begin, int64 [V + 1], the rows, and the words' hashes."""
        words = list(words)
        if isinstance(self.encoder, Subwords):
            bags = self.encoder.rows_of(words)
        else:
            index = self.encoder.index
            bags = [np.array([index[word]] if word in index else [], np.int32) for word in words]
        starts = np.cumsum([0, *map(len, bags)], dtype=np.int64)
        return starts, np.concatenate([np.empty(0, np.int32), *bags]), hashes(words)
