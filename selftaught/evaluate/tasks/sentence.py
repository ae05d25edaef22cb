"""Fine-tuning for classes of single texts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, final

from torch import Tensor

from selftaught.data.text.labelled.rows import Wanted
from selftaught.evaluate.metrics.classes import named
from selftaught.evaluate.task import Said
from selftaught.evaluate.texts import classes as texts
from selftaught.evaluate.texts import parts
from selftaught.evaluate.texts.body import is_mixed
from selftaught.evaluate.texts.classes import TextClasses
from selftaught.evaluate.texts.training import Training
from selftaught.evaluate.tuning import Parts, Setting, Subject
from selftaught.method import Encoder, Method


@final
class Sentence(TextClasses):
    """Classes of single texts: CoLA, SST-2, or one's own .tsv and .csv, by a head on GPT, BERT or ELMo.

    Args:
        text: The column of the texts, if the files are of no published form; a number counts from 1.
        label: The column of the labels.
    """

    training = "texts/training.py"

    def __init__(self, training: Training, text: str | None = None, label: str | None = None) -> None:
        wanted = Wanted(1, columns=None if text is None else (text,), label=label, options=("--text", "--label"))
        super().__init__(training)
        self.read, self.metrics = texts.Read(wanted, "sentences", training), ("accuracy",)

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

    def method(self, encoder: Encoder, frozen: bool, **setting: float) -> Method:
        """Return the encoder with an output for each class."""
        return self.read.method(encoder, frozen, "classes", self.classes)

    def restored(self, encoder: Encoder, tensors: Mapping[str, Tensor], setting: Setting) -> Method:
        """Return the method with as many outputs as the weights have."""
        frozen, self.classes = texts.of_tensors(tensors)
        return self.read.method(encoder, frozen, "classes", self.classes)
