"""Fine-tuning for classes of two texts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, final

import torch
from torch import Tensor

from selftaught.data.text.labelled.rows import Wanted
from selftaught.errors import UserError
from selftaught.evaluate.metrics.classes import named
from selftaught.evaluate.task import Said
from selftaught.evaluate.texts import classes as texts
from selftaught.evaluate.texts import parts
from selftaught.evaluate.texts.body import is_mixed
from selftaught.evaluate.texts.classes import TextClasses
from selftaught.evaluate.texts.training import Training
from selftaught.evaluate.tuning import Parts, Setting, Subject
from selftaught.method import Encoder, Method

Order = Literal["auto", "both", "given"]


@final
class Pair(TextClasses):
    """Classes of two texts: paraphrase, entailment (MRPC, QQP, MNLI, QNLI, RTE, WNLI, SICK, SNLI, or one's own files).

    Args:
        first: The column of the first texts, if the files are of no published form; a number counts from 1.
        second: The column of the second texts.
        label: The column of the labels.
        order: both: GPT reads two texts in both orders, because their order is nothing; given: in the order of the
            file; auto: both for MRPC and QQP.
    """

    training = "texts/training.py"

    def __init__(
        self,
        training: Training,
        first: str | None = None,
        second: str | None = None,
        label: str | None = None,
        order: Order = "auto",
    ) -> None:
        wanted = Wanted(2, columns=columns(first, second), label=label, options=("--first", "--second", "--label"))
        alike = None if order == "auto" else order == "both"
        super().__init__(training)
        self.read, self.metrics = texts.Read(wanted, "pairs", training, alike), ("accuracy",)

    def open(self, run: Subject, data: Any, say: Said | None = None) -> Parts:
        """Open labelled pairs.

        Raises UserError if the encoder has no vectors of tokens, or there are fewer than two classes.
        """
        found, long = self.read.open(run, data, "pair")
        texts.refuse_one_class(found.train)
        self.classes = len(found.train.classes)
        self.head = self.how.head if is_mixed(run.encoder) else ({},)
        own = self.read.form.metrics if self.read.form is not None else ()
        own = tuple(name for name in own if name in named([0], [0], self.classes))
        self.metrics = parts.first(own, named([0], [0], self.classes))
        parts.say_opening(run, data, found, long, "", say)
        return found

    def method(self, encoder: Encoder, frozen: bool, **setting: float) -> Method:
        """Return the encoder with an output for each class."""
        made = self.read.method(encoder, frozen, "classes", self.classes)
        made.register_buffer("both", torch.tensor(self.read.both(made.body.causal)))
        return made

    def restored(self, encoder: Encoder, tensors: Mapping[str, Tensor], setting: Setting) -> Method:
        """Return the method with as many outputs as the weights have."""
        frozen, self.classes = texts.of_tensors(tensors)
        self.read.alike = bool(tensors["both"])
        return self.method(encoder, frozen)


def columns(first: str | None, second: str | None) -> tuple[str, ...] | None:
    """Return the columns of two texts. Raises UserError if only one is named."""
    if first is None and second is None:
        return None
    if first is None or second is None:
        raise UserError(f"--{'second' if first is None else 'first'} alone names one of two columns: name both")
    return first, second
