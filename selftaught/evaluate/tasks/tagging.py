"""Fine-tuning for tags of words, such as names of people and places."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal, final

from torch import Tensor

from selftaught.data.budget import Budget
from selftaught.data.text.labelled import conll
from selftaught.data.text.labelled.example import Read, Tagged
from selftaught.data.text.labelled.opening import open_asked, open_labelled
from selftaught.errors import UserError
from selftaught.evaluate.metrics.spans import span_f1, spans
from selftaught.evaluate.task import Said
from selftaught.evaluate.texts import parts
from selftaught.evaluate.texts.body import is_mixed
from selftaught.evaluate.texts.rows import Rows, RowViews, body_of
from selftaught.evaluate.texts.tagger import Pieces, Tagger
from selftaught.evaluate.texts.training import Training
from selftaught.evaluate.texts.tuning import TextTuning
from selftaught.evaluate.tuning import Parts, Predicted, Setting, Subject
from selftaught.method import Encoder, Method, Source


@final
class Tagging(TextTuning):
    """Tags of words: names, chunks (CoNLL's columns in IOB1, IOB2 or IOBES), by a head on GPT, BERT or ELMo.

    Args:
        word: The column of the words, from 1.
        tag: The column of the tags, from 1, or from the end: -1 is the last.
        encoding: The encoding of the files, such as latin-1.
        crf: on: tags are a linear chain, so that which one follows which is learned too, and the most probable tags of
            the whole sentence are said; off: each word is tagged by itself; auto: on for ELMo, as in its paper.
    """

    training = "texts/training.py"
    metrics = ("F1", "precision", "recall", "macro F1")

    def __init__(
        self,
        training: Training,
        word: int = 1,
        tag: int = -1,
        encoding: str = "utf-8",
        crf: Literal["auto", "on", "off"] = "auto",
    ) -> None:
        if word == 0 or tag == 0:
            raise UserError("word and tag count columns from 1, or from the end, -1: they cannot be 0")
        super().__init__(training)
        self.word, self.tag, self.encoding, self.crf = word, tag, encoding, crf

    def open(self, run: Subject, data: Any, say: Said | None = None) -> Parts:
        """Open tagged sentences.

        Raises UserError if the encoder has no vectors of tokens, or no word has a tag but O.
        """
        body = body_of(run.encoder, "tagging")
        train, test, _ = open_labelled(data, conll.ENDINGS, self._file, "sentences", self.how.repeated)
        tags = {tag for one in parts.examples(train) for tag in one.tags}
        kinds = sorted({tag[2:] for tag in tags if tag != conll.OUTSIDE})
        if not kinds:
            raise UserError("no training word has a tag other than O: choose the column of the tags with --tag")
        names = (conll.OUTSIDE, *(f"{mark}-{kind}" for kind in kinds for mark in "BI"))
        train.classes = test.classes = names
        self.tags = {name: number for number, name in enumerate(names)}
        unseen = sorted({tag[2:] for one in parts.examples(test) for tag in one.tags if tag not in self.tags} - {""})
        pieces = Pieces(Rows(body))
        for source in (train, test):
            for example in parts.examples(source):
                pieces(example)
        notes = [f"{pieces.long:,} longer than {pieces.rows.limit} symbols, read in pieces"] if pieces.long else []
        if unseen:
            notes.append(f"spans of types unseen in training ({', '.join(unseen[:5])}) count as not found")
        counts = " and ".join(
            f"{sum(len(spans(one.tags)) for one in parts.examples(source)):,}" for source in (train, test)
        )
        found = Parts(train, test)
        said = f"{counts} spans of {len(kinds)} types ({', '.join(kinds[:5])}{', ...' if len(kinds) > 5 else ''})"
        parts.say_opening(run, data, found, notes, said, say)
        return found

    def few(self, train: Source, budget: Budget, seed: int) -> Source:
        """Return a share of the sentences. Raises UserError for a number per class."""
        if isinstance(budget, int):
            raise UserError(f"labels {budget}/class: sentences have tags of several types: give a share such as 10%")
        return super().few(train, budget, seed)

    def method(self, encoder: Encoder, frozen: bool, **setting: float) -> Method:
        """Return the encoder with an output for each tag."""
        body = body_of(encoder, "tagging")
        chain = is_mixed(body) if self.crf == "auto" else self.crf == "on"
        return Tagger(body, self.how, frozen, self.tags, Pieces(Rows(body)), chain)

    def judge(self, method: Method, train: Source, test: Source) -> dict[str, float]:
        """Return what `conlleval` counts, and the mean F1 of types."""
        names = list(self.tags)
        said = [[names[i] for i in tags] for tags, _ in _said(method, test)]
        return span_f1(said, [one.tags for one in parts.examples(test)])

    def examples(self, method: Method, test: Source) -> dict[str, Any]:
        """Return some held-out sentences with their spans and those that were found."""
        source, names, rows = parts.some(test), list(self.tags), list[list[str | float]]()
        for example, (numbers, _) in zip(parts.examples(source), _said(method, source), strict=True):
            said = [names[i] for i in numbers]
            rows.append([" ".join(example.words), *(_spelt(example.words, tags) for tags in (example.tags, said))])
        return parts.answers(("sentence", "spans", "found"), rows)

    def restored(self, encoder: Encoder, tensors: Mapping[str, Tensor], setting: Setting) -> Method:
        """Return the method with as many outputs as the weights have."""
        self.tags = {str(number): number for number in range(len(tensors["head.bias"]))}
        self.crf = "on" if "chain.transitions" in tensors else "off"
        return self.method(encoder, bool(tensors["body.frozen"]))

    def predicted(self, method: Method, data: Any, classes: Sequence[str], **how: Any) -> Predicted:
        """Return the spans of each sentence, with the smallest probability of their tags."""
        parts.one_answer("tagging", how["k"])
        source = open_asked(data, conll.ENDINGS, self._file, "sentences", ())
        said_tags, true_tags = list[list[str]](), list[Sequence[str]]()

        def rows() -> Iterator[dict[str, Any]]:
            for example, (numbers, sure) in zip(source.examples, _said(method, source), strict=True):
                assert isinstance(example, Tagged)
                tags = [classes[number] for number in numbers]
                if example.tags:
                    said_tags.append(tags)
                    true_tags.append(example.tags)
                for begin, end, kind in sorted(spans(tags)):
                    probability = min(sure[begin : end + 1])
                    if probability >= how["threshold"]:
                        yield {
                            "sample": example.where, "first": begin + 1, "last": end + 1, "label": kind,
                            "text": " ".join(example.words[begin : end + 1]), "probability": round(probability, 6),
                        }  # fmt: skip

        return Predicted(
            rows(), len(source), source.samples, lambda: span_f1(said_tags, true_tags) if true_tags else {}
        )

    def _file(self, path: Any, name: str) -> Read:
        return conll.read(path, self.word, self.tag, name, self.encoding)


def _spelt(words: Sequence[str], tags: Sequence[str]) -> str:
    return ", ".join(f"{kind}: {' '.join(words[begin : end + 1])}" for begin, end, kind in sorted(spans(tags)))


def _said(method: Method, source: Source) -> Iterator[tuple[list[int], list[float]]]:
    """Yield the numbers of the tags of each sentence's words, and their probabilities."""
    assert isinstance(method, Tagger)
    assert isinstance(method.views, RowViews)
    pieces = method.views.encode
    assert isinstance(pieces, Pieces)
    for batch, p in parts.asked(method, source):
        row = 0
        for example in source.fetch(batch["index"].cpu().numpy())["example"]:
            numbers, sure = list[int](), list[float]()
            for places in pieces.places(example):
                numbers += p[row, : len(places), 0].int().tolist()
                sure += p[row, : len(places), 1].tolist()
                row += 1
            yield numbers, sure
