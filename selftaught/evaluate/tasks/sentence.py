"""Fine-tuning for classes of single texts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, final

from torch import Tensor

from selftaught.data.budget import Budget
from selftaught.data.text.labelled.rows import Wanted
from selftaught.evaluate.metrics.classes import named
from selftaught.evaluate.task import Said
from selftaught.evaluate.texts import classes as texts
from selftaught.evaluate.texts import parts
from selftaught.evaluate.texts.body import is_mixed
from selftaught.evaluate.texts.training import Training
from selftaught.evaluate.tuning import Parts, Predicted, Setting, Subject, Tuning
from selftaught.method import Encoder, Method, Source


@final
class Sentence(Tuning):
    """Classes of single texts: CoLA, SST-2, or one's own .tsv and .csv, by a head on GPT, BERT or ELMo.

    Args:
        text: The column of the texts, if the files are of no published form; a number counts from 1.
        label: The column of the labels.
    """

    asks = True
    training = "texts/training.py"
    recipe: ClassVar[dict[str, Any]] = parts.RECIPE
    grouped = False

    def __init__(self, training: Training, text: str | None = None, label: str | None = None) -> None:
        wanted = Wanted(1, columns=None if text is None else (text,), label=label, options=("--text", "--label"))
        self.how, self.read = training, texts.Read(wanted, "sentences", training)
        self.settings, self.head, self.metrics = training.settings, training.head, ("accuracy",)

    def open(self, run: Subject, data: Any, say: Said | None = None) -> Parts:
        """Open labelled texts.

        Raises UserError if the encoder has no vectors of tokens, or there are fewer than two classes.
        """
        found, long = self.read.open(run, data, "sentence")
        texts.refuse_one_class(found.train)
        self.classes = len(found.train.classes)
        self.head = self.how.head if is_mixed(run.encoder) else ({},)
        own = self.read.form.metrics if self.read.form is not None else ()
        self.metrics = parts.first(own, named([0], [0], self.classes))
        parts.say_opening(run, data, found, long, "", say)
        return found

    def few(self, train: Source, budget: Budget, seed: int) -> Source:
        """Return a share of the texts of each class."""
        return parts.few(train, budget, seed)

    def halves(self, train: Source, seed: int) -> tuple[Source, Source] | None:
        """Return four fifths of each class, and a fifth."""
        return parts.halves(train, seed)

    def steps(self, train: Source) -> int:
        """Return those of `epochs`."""
        return self.how.steps(len(train), self.recipe["batch_size"])

    def method(self, encoder: Encoder, frozen: bool, **setting: float) -> Method:
        """Return the encoder with an output for each class."""
        return self.read.method(encoder, frozen, "classes", self.classes)

    def solved(self, method: Method, train: Source, seed: int) -> bool:
        """Fit the head by logistic regression, except under ELMo."""
        return texts.solved(method, train, seed)

    def judge(self, method: Method, train: Source, test: Source) -> dict[str, float]:
        """Return accuracy, F1 and Matthews' correlation."""
        return texts.judged(method, test)

    def examples(self, method: Method, test: Source) -> dict[str, Any]:
        """Return some held-out samples with what is said of them."""
        return texts.shown(method, test)

    def restored(self, encoder: Encoder, tensors: Mapping[str, Tensor], setting: Setting) -> Method:
        """Return the method with as many outputs as the weights have."""
        frozen, self.classes = texts.of_tensors(tensors)
        return self.read.method(encoder, frozen, "classes", self.classes)

    def predicted(self, method: Method, data: Any, classes: Sequence[str], **how: Any) -> Predicted:
        """Return the classes of each text, labelled or not."""
        return texts.predicted(method, self.read.asked(data, classes), how["k"], how["threshold"])
