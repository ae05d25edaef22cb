"""Fine-tuning for multiple choice."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, final

import numpy as np
from torch import Tensor

from selftaught.data.text.labelled import choices
from selftaught.data.text.labelled.example import Choices, Read
from selftaught.data.text.labelled.opening import open_asked, open_labelled
from selftaught.errors import UserError
from selftaught.evaluate.metrics.classes import accuracy
from selftaught.evaluate.task import Said
from selftaught.evaluate.texts import parts
from selftaught.evaluate.texts.rows import Row, Rows, body_of
from selftaught.evaluate.texts.sequences import Sequences
from selftaught.evaluate.texts.training import Training
from selftaught.evaluate.texts.tuning import TextTuning
from selftaught.evaluate.tuning import Parts, Predicted, Setting, Subject
from selftaught.method import Encoder, Method, Source


@final
class Choice(TextTuning):
    """The best of several ways to go on: SWAG's CSV, COPA's XML, or one's own .csv and .tsv.

    Args:
        beginning: The column of the beginnings, if the files are not SWAG's.
        choices: The columns of the choices, separated by commas.
        label: The column of the number of the right one, from 0.
    """

    training = "texts/training.py"
    metrics = ("accuracy",)

    def __init__(
        self, training: Training, beginning: str | None = None, choices: str | None = None, label: str = "label"
    ) -> None:
        if (beginning is None) != (choices is None):
            raise UserError("--beginning and --choices belong together: name both, or none for SWAG's columns")
        self.columns = None if beginning is None else (beginning, tuple((choices or "").split(",")), label)
        super().__init__(training)

    def open(self, run: Subject, data: Any, say: Said | None = None) -> Parts:
        """Open choices. Raises UserError if the encoder has no vectors of tokens."""
        body = body_of(run.encoder, "choice")
        train, test, _ = open_labelled(data, choices.ENDINGS, self._file, "choices", self.how.repeated)
        rows = Rows(body)
        for source in (train, test):
            for example in parts.examples(source):
                _rows(rows, example)
        long = (
            [f"{rows.cut:,} texts longer than {rows.limit} symbols, of which the rest is not read"] if rows.cut else []
        )
        counts = {len(example.choices) for example in parts.examples(train)}
        found = Parts(train, test)
        said = f"each of {' or '.join(map(str, sorted(counts)))}"
        parts.say_opening(run, data, found, long, said, say)
        return found

    def method(self, encoder: Encoder, frozen: bool, **setting: float) -> Method:
        """Return the encoder with a score for each choice."""
        body = body_of(encoder, "choice")
        rows = Rows(body)

        def encode(example: Choices) -> list[Row]:
            return _rows(rows, example)

        return Sequences(body, self.how, frozen, "choices", 1, 2, (0.0, 1.0), rows, parts.remembered(encode))

    def judge(self, method: Method, train: Source, test: Source) -> dict[str, float]:
        """Return the accuracy."""
        said = np.concatenate([one.argmax(1).numpy() for _, one in parts.asked(method, test)])
        return {"accuracy": 100 * accuracy(said, np.array([one.right for one in parts.examples(test)]))}

    def examples(self, method: Method, test: Source) -> dict[str, Any]:
        """Return some held-out beginnings with the right choice, the best one and its probability."""
        source, rows = parts.some(test), list[list[str | float]]()
        said = [p for _, one in parts.asked(method, source) for p in one]
        for example, p in zip(parts.examples(source), said, strict=True):
            best = int(p.argmax())
            ways = example.choices
            rows.append([example.beginning, ways[example.right], ways[best], round(float(p[best]), 3)])
        return parts.answers(("beginning", "right", "said", "probability"), rows)

    def restored(self, encoder: Encoder, tensors: Mapping[str, Tensor], setting: Setting) -> Method:
        """Return the method."""
        return self.method(encoder, bool(tensors["body.frozen"]))

    def predicted(self, method: Method, data: Any, classes: Sequence[str], **how: Any) -> Predicted:
        """Return the best choice of each sample, counted from 0, with its probability."""
        parts.one_answer("choice", how["k"])
        source = open_asked(data, choices.ENDINGS, self._file, "choices", ())
        right: list[tuple[int, int]] = []

        def rows() -> Iterator[dict[str, Any]]:
            for batch, said in parts.asked(method, source):
                for i, p in zip(batch["index"].tolist(), said, strict=True):
                    example, best = source.examples[i], int(p.argmax())
                    assert isinstance(example, Choices)
                    if example.right is not None:
                        right.append((best, example.right))
                    if float(p[best]) >= how["threshold"]:
                        yield {
                            "sample": example.where, "choice": best, "text": example.choices[best],
                            "probability": round(float(p[best]), 6),
                        }  # fmt: skip

        def measured() -> dict[str, float]:
            return {"accuracy": 100 * accuracy(*np.array(right).T)} if right else {}

        return Predicted(rows(), len(source), source.samples, measured)

    def _file(self, path: Any, name: str) -> Read:
        return choices.read(path, self.columns, name)


def _rows(rows: Rows, example: Choices) -> list[Row]:
    """Return a row for each choice. Of a beginning that is too long the end is read, the same of it in all rows."""
    beginning, ways = rows.numbers(example.beginning), [rows.numbers(choice) for choice in example.choices]
    room = rows.limit - 3
    kept = max(room - max(map(len, ways)), room // 2)
    rows.cut += len(beginning) > kept
    return [rows.row(beginning[max(len(beginning) - kept, 0) :], way) for way in ways]
