"""The fastText classifier: averaged word vectors, learned together with the classes."""

from __future__ import annotations

from collections.abc import Sequence
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
from selftaught.parts.fasttext_model import Model, of_classifier
from selftaught.parts.hogwild import cores, spread
from selftaught.parts.huffman import log_probabilities, of_classes
from selftaught.parts.read_only import read_only
from selftaught.parts.streams import classes_of
from selftaught.views.text import plain

LOSSES = {"softmax": SOFTMAX, "hierarchical": HIERARCHICAL, "negative": NEGATIVE, "one_vs_all": ONE_VS_ALL}
SLICE = 400_000
"""Words per step, a few tenths of a second of work."""
LEAST = 20
"""Least number of steps in an epoch of few texts, so that the learning rate falls in small steps."""


@final
class FastTextClassifier(Compiled):
    """Supervised text classification with averaged word vectors.

    Joulin, Grave, Bojanowski, Mikolov, EACL 2017 (arXiv 1607.01759), "Bag of Tricks for Efficient Text Classification".
    Not self-supervised: word vectors are learned from labels only, in seconds.

    With R the rows of a text (one for each known word or, with encoder `subwords`, also one for each character n-gram;
    and one for each hashed run of 2 to `word_ngrams` words), o_k the vector of class k and y the class of the text::

        h = 1/|R| sum_{r in R} z_r        L = -log softmax(o_1 . h, ..., o_K . h)_y

    or, with s the logistic function and n_1 ... n_k classes other than y, drawn in proportion to the square root of
    their numbers of texts::

        one_vs_all      L = -log s(o_y . h) - sum_{k != y} log s(-o_k . h)
        negative        L = -log s(o_y . h) - sum_{i=1..k} log s(-o_{n_i} . h)
        hierarchical    L = -sum_j log s(+-o_j . h)    over the inner nodes j from the root of a Huffman tree to y,
                                                       + where the path turns left

    Shapes: the encoder's table is [V, dim] (`lookup`) or [V + n-grams, dim] (`subwords`), `runs` are [R, dim], `out` is
    [classes, dim] (hierarchical: [classes - 1, dim]). Texts without a label are never visited.

    Defaults are those of the authors' tool: dim 100, rate 0.1 falling to 0, 5 epochs, single words, the softmax over
    all classes. The hashes of words and of runs of words are also the tool's, but only runs that occur in a training
    text get a row. Departures: texts come in a new order in each epoch; the end of a line is not a word, and runs of
    words continue over it; --min-count defaults to 5, the tool's to 1; logistic functions are exact, while the tool
    uses a table. The kept encoder has only the words: `classify` adds the runs. With --encoder subwords a text has
    twenty times as many rows, and each gets its share of the gradient: use a larger --lr.

    The losses softmax and one_vs_all log the accuracy on the texts before their steps.

    Args:
        loss: softmax gives probabilities over all classes. hierarchical gives probabilities in about log2(classes)
            steps, for thousands of classes. one_vs_all trains a binary classifier for each class. negative trains the
            text's class against `negatives` other classes; it is as fast as hierarchical, but gives scores instead of
            probabilities.
        negatives: Number of classes drawn for each text, with the loss negative only.
        word_ngrams: Largest number of words in a run that has its own vector. 1 uses single words only, 2 also captures
            some word order.
        bucket: Number of hash buckets for runs. Runs in the same bucket share a vector.
        threads: Number of threads that update the same tables without locks. 0 = one per core. 1 gives the same result
            every time.

    Raises:
        UserError: An argument is out of range, or the encoder is not `lookup` or `subwords`. `prepare` raises it for
            data without labels or with a single class.
    """

    recipe: ClassVar[dict[str, Any]] = {
        "lr": 0.1, "epochs": 5, "schedule": "linear", "warmup": 0.0, "final_lr": 0.0, "log_every": 1,
    }  # fmt: skip
    sees = ("text",)
    network = "lookup"
    unit = "words"
    uses_labels = True
    effects: ClassVar[dict[str, Any]] = {"negatives": {"loss": ("negative",)}, "bucket": {"word_ngrams": 1}}

    texts: Tensor
    seen: Tensor

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
            raise UserError(f"fasttext_classifier needs encoder lookup or subwords, not {encoder.spec['name']}")
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
        # Replaced in `prepare`, or by what is loaded, when the numbers of rows are known.
        self.out = self.runs = nn.Parameter(torch.zeros(0, encoder.dim))
        self.register_buffer("texts", torch.zeros(0, dtype=torch.int64))  # of each class, [K]
        self.register_buffer("seen", torch.zeros(0, dtype=torch.int32))  # the bucket of each run, [R]

    def prepare(self, source: Source) -> None:
        """Create a vector for each class and each run of words.

        Raises UserError when there are fewer than two labelled classes.
        """
        if not isinstance(source, Corpus):
            raise UserError("fasttext_classifier needs text with labels: use another method for other data")
        classes, dim = classes_of(source, "fasttext_classifier"), self.encoder.dim
        borders = np.asarray(source.sentences)[source.documents]
        known = np.flatnonzero((source.labels >= 0) & (np.diff(borders) > 0))
        self.ids, self.labels = read_only(source.ids), source.labels[known]
        self.begins, self.ends = borders[:-1][known], borders[1:][known]
        self.vocabulary = self._bags(source.words)
        row_of = np.full(self.bucket if self.word_ngrams > 1 else 0, -1, np.int32)
        if self.word_ngrams > 1:
            number_runs(self.ids, self.begins, self.ends, self.vocabulary[2], self.word_ngrams, row_of)
        found = np.flatnonzero(row_of >= 0)
        seen = np.empty(len(found), np.int32)
        seen[row_of[found]] = found
        self.runs = nn.Parameter((2 * torch.rand(len(seen), dim) - 1) / dim)
        # a class without texts can be drawn, and has a leaf in the tree
        self._sized(np.maximum(np.bincount(self.labels, minlength=classes), 1), seen)
        self.steps = max(-(-int((self.ends - self.begins).sum()) // SLICE), min(LEAST, len(known)))

    def _sized(self, texts: NDArray[np.int64], seen: NDArray[np.int32]) -> None:
        """Make room for classes with so many `texts` [K], and for the runs of words in the buckets `seen` [R]."""
        self.texts, self.seen = torch.from_numpy(texts), torch.from_numpy(seen)
        self.out = nn.Parameter(torch.zeros(len(texts) - (self.loss == HIERARCHICAL), self.encoder.dim))
        if len(self.runs) != len(seen):
            self.runs = nn.Parameter(torch.zeros(len(seen), self.encoder.dim))
        self.row_of = np.full(self.bucket if self.word_ngrams > 1 else 0, -1, np.int32)
        self.row_of[seen] = np.arange(len(seen), dtype=np.int32)
        self.draws, self.paths = alias(np.sqrt(texts)), of_classes(texts)

    def _load_from_state_dict(self, state_dict: dict[str, Tensor], prefix: str, *rest: Any) -> None:
        for name in ("texts", "seen"):  # weights from before these were kept need the data, as `prepare` reads them
            state_dict.setdefault(prefix + name, getattr(self, name))
        texts, seen = state_dict[prefix + "texts"], state_dict[prefix + "seen"]
        if not (torch.equal(texts, self.texts) and torch.equal(seen, self.seen)):
            self._sized(texts.numpy().copy(), seen.numpy().copy())
        super()._load_from_state_dict(state_dict, prefix, *rest)

    def steps_in_epoch(self) -> int:
        """Return the number of parts of about `SLICE` words each."""
        return self.steps

    def advance(self, clock: Clock, rate: float, start: int) -> Outputs:
        """Train on part `start` of the texts in the epoch's order.

        Returns the mean loss, the number of words and, if the loss scores all classes, the number of correct texts.
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
                self.ids, self.begins, self.ends, self.labels, order[begin:end], starts, rows, tables[0], hashed,
                self.word_ngrams, self.row_of, *tables[1:], self.loss, *self.paths, self.negatives, *self.draws,
                clock.seed, clock.epoch, rate, part,
            )  # fmt: skip

        spread(work, lengths, self.threads)
        loss, texts, right, words = (float(total) for total in sum(totals))
        scored, texts = self.loss in (SOFTMAX, ONE_VS_ALL), max(texts, 1)  # a part may have no text with a known word
        return {"loss": loss / texts, "words": words} | (
            {"accuracy": right / texts, "chance": 1 / len(self.out)} if scored else {}
        )

    @torch.no_grad()
    def classify(self, text: list[list[str]]) -> Tensor:
        """Map lists of tokens to scores [B, classes].

        The scores are log-probabilities (softmax, hierarchical) or, for the other losses, the log-odds o_k . h of each
        class. For a text without known words, h = 0.
        """
        place: dict[str, int] = {}
        ids = np.array([place.setdefault(token, len(place)) for tokens in text for token in tokens], np.int32)
        borders = np.cumsum([0, *map(len, text)], dtype=np.int64)
        starts, rows, hashed = self._bags(list(place))
        mean = np.empty((len(text), self.encoder.dim), np.float32)
        table, runs = self.encoder.table.detach().numpy(), self.runs.detach().numpy()
        means(
            read_only(ids), borders[:-1], borders[1:], starts, rows, table, hashed, self.word_ngrams, self.row_of, runs,
            mean,
        )  # fmt: skip
        scores = torch.from_numpy(mean) @ self.out.T
        if self.loss == HIERARCHICAL:
            return torch.from_numpy(log_probabilities(self.paths, scores.numpy()))
        return scores.log_softmax(1) if self.loss == SOFTMAX else scores

    @property
    def independent(self) -> bool:
        """Whether `classify` gives each class log-odds of its own."""
        return self.loss in (NEGATIVE, ONE_VS_ALL)

    def fasttext_model(self, classes: Sequence[str]) -> Model:
        """Return the same classifier as a supervised model of the authors' tool."""
        loss = next(name for name, number in LOSSES.items() if number == self.loss)
        runs = (self.seen.numpy(), self.runs.detach().numpy(), self.bucket, self.word_ngrams)
        return of_classifier(self.encoder, classes, self.texts.numpy(), self.out.detach().numpy(), loss, runs)

    def _bags(self, words: Any) -> tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.int32]]:
        """Return where each word's rows begin, int64 [V + 1], the rows, and the hashes of the words."""
        words = list(words)
        if isinstance(self.encoder, Subwords):
            bags = self.encoder.rows_of(words)
        else:
            index = self.encoder.index
            bags = [np.array([index[word]] if word in index else [], np.int32) for word in words]
        starts = np.cumsum([0, *map(len, bags)], dtype=np.int64)
        return starts, np.concatenate([np.empty(0, np.int32), *bags]), hashes(words)
