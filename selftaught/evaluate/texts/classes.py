"""Classes of one text or two: what the tasks `sentence` and `pair` share."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from selftaught.data.text.labelled import rows as files
from selftaught.data.text.labelled.example import Labelled, Texts
from selftaught.data.text.labelled.opening import open_asked, open_labelled
from selftaught.errors import UserError
from selftaught.evaluate.linear import fit_linear
from selftaught.evaluate.metrics.classes import named
from selftaught.evaluate.texts import parts
from selftaught.evaluate.texts.rows import Row, Rows, body_of
from selftaught.evaluate.texts.sequences import Form, Sequences
from selftaught.evaluate.texts.training import Training
from selftaught.evaluate.texts.tuning import TextTuning
from selftaught.evaluate.tuning import Parts, Predicted, Subject
from selftaught.method import Encoder, Method, Source

NEVER = -1e4
"""Logit of a class without a training sample."""


@final
class Read:
    """Texts with labels, read and encoded for one encoder.

    Args:
        wanted: Which columns are read.
        samples: What several samples are called.
        training: Options of the training.
        alike: Whether the order of two texts is nothing; None = as the form of the data has it.
    """

    def __init__(self, wanted: files.Wanted, samples: str, training: Training, alike: bool | None = None) -> None:
        self.wanted, self.samples, self.training, self.alike = wanted, samples, training, alike
        self.form: files.Form | None = None

    def open(self, run: Subject, data: Any, task: str) -> tuple[Parts, list[str]]:
        """Return the parts of the data, and notes on texts that are too long."""
        body = body_of(run.encoder, task)
        train, test, form = open_labelled(data, files.ENDINGS, self._file, self.samples, self.training.repeated)
        self.form = files.of_form(form, self.wanted.number)
        rows = Rows(body)
        for source in (train, test):
            for example in parts.examples(source):
                rows.row(*map(rows.numbers, example.texts))
        long = [] if not rows.cut else [f"{rows.cut:,} longer than {rows.limit} symbols, of which the rest is not read"]
        return Parts(train, test), long

    def _file(self, path: Any, name: str) -> Any:
        return files.read(path, self.wanted, name)

    def both(self, causal: bool) -> bool:
        """Return whether two texts are read in both orders, as GPT does where their order is nothing."""
        alike = self.alike if self.alike is not None else self.form is not None and self.form.alike
        return causal and self.wanted.texts == 2 and bool(alike)

    def method(
        self, encoder: Encoder, frozen: bool, form: Form, outputs: int, scale: tuple[float, float] = (0.0, 1.0)
    ) -> Sequences:
        """Return the encoder with a head."""
        body = body_of(encoder, "this task")
        rows, both = Rows(body), self.both(body.causal)

        def encode(example: Texts) -> list[Row]:
            numbers = [rows.numbers(text) for text in example.texts]
            return [rows.row(*numbers), *([rows.row(*numbers[::-1])] if both else [])]

        return Sequences(
            body, self.training, frozen, form, outputs, self.wanted.texts, scale, rows, parts.remembered(encode)
        )

    def asked(self, data: Any, classes: Sequence[str]) -> Labelled:
        """Return samples to ask a method about."""
        return open_asked(data, files.ENDINGS, self._file, self.samples, classes)


def refuse_one_class(train: Source) -> None:
    """Raise UserError if all samples have the same label, or hardly any two have."""
    count = len(np.unique(train.labels))
    if count < 2:
        raise UserError(f"all training {train.samples} have the same label: fine-tuning needs at least two classes")
    if len(train) >= 2 * parts.LEAST and count > len(train) / 2:
        raise UserError(
            f"{count:,} different labels of {len(train):,} training {train.samples} are no classes: choose the column "
            "of the labels with --label"
        )


class TextClasses(TextTuning):
    """A task of classes, of one text or two.

    Attributes:
        read: What reads and encodes its samples.
    """

    read: Read

    def solved(self, method: Method, train: Source, seed: int) -> bool:
        """Fit the head by logistic regression, except under ELMo."""
        return solved(method, train, seed)

    def judge(self, method: Method, train: Source, test: Source) -> dict[str, float]:
        """Return accuracy, F1 and Matthews' correlation."""
        return named(_said(method, test), test.labels, len(test.classes))

    def examples(self, method: Method, test: Source) -> dict[str, Any]:
        """Return some held-out samples with what is said of them."""
        return shown(method, test)

    def predicted(self, method: Method, data: Any, classes: Sequence[str], **how: Any) -> Predicted:
        """Return the classes of each sample, labelled or not."""
        return predicted(method, self.read.asked(data, classes), how["k"], how["threshold"])


def predicted(method: Method, source: Labelled, k: int, threshold: float) -> Predicted:
    """Return the k most probable classes of each sample."""
    right: list[tuple[int, int]] = []

    def rows() -> Iterator[dict[str, Any]]:
        for batch, said in parts.asked(method, source):
            best = said.topk(min(k, said.shape[1]))
            where = batch["index"].cpu().numpy()
            for name, label, values, numbers in zip(
                source.names(where),
                source.labels[where].tolist(),
                best.values.tolist(),
                best.indices.tolist(),
                strict=True,
            ):
                right.append((int(numbers[0]), label))
                row: dict[str, Any] = {"sample": name}
                for place, (value, number) in enumerate(zip(values, numbers, strict=True), 1):
                    mark = "" if place == 1 else f"_{place}"
                    sure = value >= threshold
                    row |= {f"label{mark}": source.classes[number] if sure else ""}
                    row |= {f"probability{mark}": round(value, 6) if sure else ""}
                yield row

    def measured() -> dict[str, float]:
        known = [(one, label) for one, label in right if label >= 0]
        if not known:
            return {}
        said, truth = np.array(known).T
        return named(said, truth, len(source.classes))

    return Predicted(rows(), len(source), source.samples, measured)


def shown(method: Method, test: Source) -> dict[str, Any]:
    """Return some samples with their class, the most probable one and its probability."""
    source, names = parts.some(test), test.classes
    rows: list[list[str | float]] = []
    for (_, said), label, example in zip(
        _each(method, source), source.labels.tolist(), parts.examples(source), strict=True
    ):
        best = int(said.argmax())
        rows.append([" | ".join(example.texts), names[label], names[best], round(float(said[best]), 3)])
    return parts.answers(("text", "class", "said", "probability"), rows)


def _each(method: Method, source: Source) -> Iterator[tuple[int, Tensor]]:
    """Yield the number of each sample with what is said of it."""
    for batch, said in parts.asked(method, source):
        yield from zip(batch["index"].tolist(), said, strict=True)


def solved(method: Method, train: Source, seed: int) -> bool:
    """Fit the head on a frozen encoder by logistic regression, as in the probe. ELMo's mix and LSTM need steps."""
    if not isinstance(method, Sequences) or method.body.mix is not None:
        return False
    method.eval()
    found = []
    for begin in range(0, len(train), parts.BATCH):
        index = np.arange(begin, min(begin + parts.BATCH, len(train)))
        with torch.no_grad():
            batch = method.views.apply(train.fetch(index), {}, method.head.weight.device)
            found.append(method.features(**batch).float().cpu().numpy())
    fitted = fit_linear(np.concatenate(found), train.labels, seed, groups=train.groups)
    weight = fitted.weight * torch.from_numpy(fitted.standard.scale)  # of features that are not scaled
    bias = fitted.bias - weight @ torch.from_numpy(fitted.standard.mean)
    with torch.no_grad():
        method.head.weight.zero_()[: len(weight)] = weight
        method.head.bias.fill_(NEVER)[: len(bias)] = bias
    return True


def of_tensors(tensors: Mapping[str, Tensor]) -> tuple[bool, int]:
    """Return whether saved weights are of a frozen encoder, and the number of outputs. Raises KeyError."""
    return bool(tensors["body.frozen"]), len(tensors["head.bias"])


def _said(method: Method, source: Source) -> NDArray[np.int64]:
    return np.concatenate([said.argmax(1).numpy() for _, said in parts.asked(method, source)])
