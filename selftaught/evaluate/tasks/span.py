"""Fine-tuning for questions about a passage that are answered by a span of it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple, final

import numpy as np
from torch import Tensor

from selftaught.data.text.labelled import squad
from selftaught.data.text.labelled.example import Question
from selftaught.data.text.labelled.opening import open_asked, open_labelled
from selftaught.errors import UserError
from selftaught.evaluate.metrics.answers import exact, overlap
from selftaught.evaluate.task import Said
from selftaught.evaluate.texts import parts
from selftaught.evaluate.texts.rows import Rows, RowViews, body_of
from selftaught.evaluate.texts.spans import Spans, Windows, best
from selftaught.evaluate.texts.training import Training
from selftaught.evaluate.texts.tuning import TextTuning
from selftaught.evaluate.tuning import Parts, Predicted, Setting, Subject
from selftaught.method import Encoder, Method, Source


class Answer(NamedTuple):
    """A text of the passage, the place of its first character (-1 for no answer), and its probability."""

    text: str
    place: int
    probability: float


@final
class Span(TextTuning):
    """Answers that stand in a passage: SQuAD's JSON, 1.1 and 2.0, by a head on GPT, BERT or ELMo.

    Args:
        longest: Tokens of an answer, at most.
        question: Tokens of a question, at most; the rest is not read, and at most half of the context.
        stride: Share of what is read of a passage at once, from one part to the next.
    """

    training = "texts/training.py"
    metrics = ("F1", "exact")

    def __init__(self, training: Training, longest: int = 30, question: int = 64, stride: float = 0.5) -> None:
        if longest < 1 or question < 1:
            raise UserError(f"longest and question must be at least 1, not {longest} and {question}")
        if not 0 < stride <= 1:
            raise UserError(f"stride must be in (0, 1], not {stride}")
        super().__init__(training)
        self.longest, self.question, self.stride = longest, question, stride

    def open(self, run: Subject, data: Any, say: Said | None = None) -> Parts:
        """Open questions. Raises UserError if the encoder has no vectors of tokens, or no answer can be learned."""
        body = body_of(run.encoder, "span")
        train, test, _ = open_labelled(data, squad.ENDINGS, squad.read, "questions", self.how.repeated)
        windows = self._windows(Rows(body))
        lost = usable = 0
        for source in (train, test):
            for example in parts.examples(source):
                windows(example)
                if source is train and example.answers:
                    there = any(window.answer is not None for window in windows.windows(example))
                    lost, usable = lost + (not there), usable + there
        if not usable:
            raise UserError("no training question has an answer that stands in its passage: name other data")
        self.unanswerable = any(example.answers == () for example in parts.examples(train))
        notes = [
            f"{windows.split:,} questions on passages longer than {windows.rows.limit} symbols, read in parts"
        ] * bool(windows.split)
        notes += [f"{windows.cut:,} questions longer than {windows.longest} symbols are cut"] * bool(windows.cut)
        notes += [f"{lost:,} training answers are in no part and not learned"] * bool(lost)
        none = sum(example.answers == () for example in parts.examples(train))
        found = Parts(train, test)
        said = f"{len({example.passage for example in parts.examples(train)}):,} training passages" + (
            f", {none:,} without an answer" if none else ""
        )
        parts.say_opening(run, data, found, notes, said, say)
        return found

    def method(self, encoder: Encoder, frozen: bool, **setting: float) -> Method:
        """Return the encoder with the scores of a beginning and an end."""
        body = body_of(encoder, "span")
        return Spans(body, self.how, frozen, self._windows(Rows(body)), self.unanswerable)

    def judge(self, method: Method, train: Source, test: Source) -> dict[str, float]:
        """Return F1 and exact matches of the answers, the best of their references, means over questions."""
        found = [(answer.text, example) for answer, example in self._answers(method, test)]
        return _measured([(text, [true for true, _ in example.answers or ()]) for text, example in found])

    def examples(self, method: Method, test: Source) -> dict[str, Any]:
        """Return some held-out questions with their answers and what is said."""
        rows = list[list[str | float]]()
        for said, example in self._answers(method, parts.some(test)):
            true = " / ".join(text for text, _ in example.answers or ())
            rows.append([example.question, true, said.text, round(said.probability, 3)])
        return parts.answers(("question", "answers", "said", "probability"), rows)

    def restored(self, encoder: Encoder, tensors: Mapping[str, Tensor], setting: Setting) -> Method:
        """Return the method, whose weights know whether there may be no answer."""
        self.unanswerable = bool(tensors["unanswerable"])
        return self.method(encoder, bool(tensors["body.frozen"]))

    def predicted(self, method: Method, data: Any, classes: Sequence[str], **how: Any) -> Predicted:
        """Return the answer to each question, with its place in the passage and its probability."""
        parts.one_answer("span", how["k"])
        source = open_asked(data, squad.ENDINGS, squad.read, "questions", ())
        pairs: list[tuple[str, list[str]]] = []

        def rows() -> Iterator[dict[str, Any]]:
            for answer, example in self._answers(method, source):
                if example.answers is not None:
                    pairs.append((answer.text, [true for true, _ in example.answers]))
                if answer.probability >= how["threshold"]:
                    yield {
                        "sample": example.where, "answer": answer.text, "place": answer.place,
                        "probability": round(answer.probability, 6),
                    }  # fmt: skip

        return Predicted(rows(), len(source), source.samples, lambda: _measured(pairs) if pairs else {})

    def _windows(self, rows: Rows) -> Windows:
        return Windows(rows, self.question, max(1, int(self.stride * rows.limit)))

    def _answers(self, method: Method, source: Source) -> Iterator[tuple[Answer, Question]]:
        """Yield the answer to each question: of the part of the passage where it is better than none by most."""
        assert isinstance(method, Spans)
        assert isinstance(method.views, RowViews)
        windows = method.views.encode
        assert isinstance(windows, Windows)
        for batch, scores in parts.asked(method, source):
            row = 0
            for example in source.fetch(batch["index"].cpu().numpy())["example"]:
                found: list[tuple[float, float, Answer]] = []
                for window in windows.windows(example):
                    own = scores[row]
                    first = int(batch["texts"][row, 1, 0])
                    z = float(own.logsumexp(1).sum())
                    score, i, j = best(own, first, window.places, self.longest)
                    if window.places:
                        begin, end = window.places[i][0], window.places[j][1]
                        answer = Answer(example.passage[begin:end], begin, math.exp(score - z))
                        found.append((score - float(own[:, 0].sum()), score, answer))
                    row += 1
                top = max(found, key=lambda one: one[0 if method.unanswerable else 1], default=None)
                if top is None or (bool(method.unanswerable) and top[0] < 0):
                    yield Answer("", -1, 1.0 if top is None else 1 - top[2].probability), example
                else:
                    yield top[2], example


def _measured(pairs: Sequence[tuple[str, list[str]]]) -> dict[str, float]:
    """Return what SQuAD's evaluation measures, in percent."""
    return {
        "F1": 100 * float(np.mean([overlap(said, true) for said, true in pairs])),
        "exact": 100 * float(np.mean([exact(said, true) for said, true in pairs])),
    }
