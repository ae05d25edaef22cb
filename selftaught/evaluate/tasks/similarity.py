"""Fine-tuning for numbers of two texts, such as how alike they are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal, final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from selftaught.data.text.labelled.example import Labelled, Texts
from selftaught.data.text.labelled.rows import Wanted
from selftaught.errors import UserError
from selftaught.evaluate.metrics.correlation import pearson, spearman
from selftaught.evaluate.task import Said
from selftaught.evaluate.tasks.pair import columns
from selftaught.evaluate.texts import classes as texts
from selftaught.evaluate.texts import parts
from selftaught.evaluate.texts.training import Training
from selftaught.evaluate.texts.tuning import TextTuning
from selftaught.evaluate.tuning import Parts, Predicted, Setting, Subject
from selftaught.method import Encoder, Method, Source

Order = Literal["auto", "both", "given"]
Numbers = NDArray[np.float64]


@final
class Similarity(TextTuning):
    """A number for two texts, such as how alike they are (STS-B, SICK's relatedness, or one's own files).

    Args:
        first: The column of the first texts, if the files are of no published form; a number counts from 1.
        second: The column of the second texts.
        label: The column of the numbers.
        order: both: GPT reads two texts in both orders, because their order is nothing; given: in the order of the
            file; auto: both for STS-B and SICK.
    """

    training = "texts/training.py"
    metrics = ("Pearson", "Spearman")

    def __init__(
        self,
        training: Training,
        first: str | None = None,
        second: str | None = None,
        label: str | None = None,
        order: Order = "auto",
    ) -> None:
        options = ("--first", "--second", "--label")
        wanted = Wanted(2, number=True, columns=columns(first, second), label=label, options=options)
        alike = None if order == "auto" else order == "both"
        super().__init__(training)
        self.read = texts.Read(wanted, "pairs", training, alike)

    def open(self, run: Subject, data: Any, say: Said | None = None) -> Parts:
        """Open pairs with numbers.

        Raises UserError if the encoder has no vectors of tokens, or all numbers are equal.
        """
        found, long = self.read.open(run, data, "similarity")
        numbers = _numbers(found.train)
        if np.ptp(numbers) == 0:
            raise UserError(f"all training pairs have the number {numbers[0]:g}: there is nothing to learn")
        self.scale = float(numbers.mean()), float(numbers.std())
        said = f"numbers from {numbers.min():g} to {numbers.max():g}"
        parts.say_opening(run, data, found, long, said, say)
        return found

    def method(self, encoder: Encoder, frozen: bool, **setting: float) -> Method:
        """Return the encoder with one output."""
        made = self.read.method(encoder, frozen, "number", 1, self.scale)
        made.register_buffer("both", torch.tensor(self.read.both(made.body.causal)))
        return made

    def judge(self, method: Method, train: Source, test: Source) -> dict[str, float]:
        """Return both correlations in percent; 0 if all that is said is equal."""
        said = np.concatenate([one[:, 0].double().numpy() for _, one in parts.asked(method, test)])
        return _measured(said, _numbers(test))

    def examples(self, method: Method, test: Source) -> dict[str, Any]:
        """Return some held-out pairs with their number and what is said."""
        source = parts.some(test)
        said = [float(value) for _, one in parts.asked(method, source) for value in one[:, 0]]
        rows = list[list[str | float]]()
        for one, value in zip(parts.examples(source), said, strict=True):
            rows.append([" | ".join(one.texts), float(one.answer), round(value, 3)])
        return parts.answers(("text", "number", "said"), rows)

    def restored(self, encoder: Encoder, tensors: Mapping[str, Tensor], setting: Setting) -> Method:
        """Return the method, whose weights know the scale."""
        self.scale = (0.0, 1.0)
        self.read.alike = bool(tensors["both"])
        return self.method(encoder, texts.of_tensors(tensors)[0])

    def predicted(self, method: Method, data: Any, classes: Sequence[str], **how: Any) -> Predicted:
        """Return the number of each pair."""
        parts.one_answer("similarity", how["k"])
        source: Labelled = self.read.asked(data, ())
        pairs: list[tuple[float, float]] = []

        def rows() -> Iterator[dict[str, Any]]:
            for batch, said in parts.asked(method, source):
                where = batch["index"].cpu().numpy()
                for name, i, value in zip(source.names(where), where, said[:, 0].tolist(), strict=True):
                    answer = source.examples[i].answer if isinstance(source.examples[i], Texts) else None
                    if answer is not None:
                        pairs.append((value, float(answer)))
                    yield {"sample": name, "value": round(value, 6)}

        def measured() -> dict[str, float]:
            return _measured(*np.array(pairs).T) if pairs else {}

        return Predicted(rows(), len(source), source.samples, measured)


def _numbers(source: Source) -> Numbers:
    return np.array([float(one.answer) for one in parts.examples(source)])


def _measured(said: Numbers, truth: Numbers) -> dict[str, float]:
    return {"Pearson": 100 * (pearson(said, truth) or 0.0), "Spearman": 100 * (spearman(said, truth) or 0.0)}
