"""Fine-tuning for texts that are written for texts: translations, replies, what follows from an event."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar, final

import numpy as np
from torch import Tensor

from selftaught.data.groups import numbered
from selftaught.data.text.labelled import paired
from selftaught.data.text.labelled.example import Labelled, Paired, Read, together
from selftaught.data.text.labelled.opening import open_asked, open_labelled
from selftaught.errors import UserError
from selftaught.evaluate.metrics import bleu as measure
from selftaught.evaluate.task import Said
from selftaught.evaluate.texts import parts
from selftaught.evaluate.texts.rows import Rows, body_of
from selftaught.evaluate.texts.training import Training
from selftaught.evaluate.texts.tuning import TextTuning
from selftaught.evaluate.texts.writing import Lines, Search, Writing
from selftaught.evaluate.tuning import Parts, Predicted, Setting, Subject
from selftaught.method import Encoder, Method, Source
from selftaught.parts.sampling import check

ORDERS = {paired.ATOMIC: 2, paired.DIALOGUE: 0}
"""The BLEU that is measured of published forms; 4 of others."""
OTHER = "perplexity, other source"
COPIED = "copying the source"


@final
class Seq2seq(TextTuning):
    """A text for a text, by a run of gpt: translations in lines, ATOMIC's tuples, dialogues, or one's own files.

    Args:
        source: What is read: the column of tables (a number counts from 1), the field of JSON Lines, or the ending of
            files with a text a line, such as en for train.en and train.en.gz.
        target: What is written: the other column, field or ending.
        turns: Turns of a dialogue that a reply is written for.
        longest: Symbols of what is written with its end, at most. By default 64, or half of the
            context if that is less.
        beam: Texts that are kept in beam search; 1 takes the most probable token each time. By default 4.
        penalty: Texts are ranked by log P / T^penalty for T tokens: 0 prefers short ones, 1 is the mean of log P.
        samples: Draw so many texts and take the best one, in place of beam search.
        temperature: Of the draws: below 1 prefers probable tokens.
        top_k: Draw from the K most probable tokens only; 0 draws from all.
        top_p: Draw from the fewest most probable tokens that have this probability together.
        bleu: Length of the longest n-grams of BLEU, 0 leaves it out. By default 4; 2 for ATOMIC and 0 for dialogues.
    """

    training = "texts/training.py"
    better: ClassVar[Mapping[str, int]] = MappingProxyType({"perplexity": -1, OTHER: 0})
    chooses = "perplexity"

    def __init__(
        self,
        training: Training,
        source: str | None = None,
        target: str | None = None,
        turns: int = 1,
        longest: int | None = None,
        beam: int | None = None,
        penalty: float = 1.0,
        samples: int = 0,
        temperature: float = 1.0,
        top_k: int = 0,
        top_p: float = 1.0,
        bleu: int | None = None,
    ) -> None:
        super().__init__(training)
        if (source is None) != (target is None):
            given, other = ("source", "target") if target is None else ("target", "source")
            raise UserError(f"--{given} alone names one of two sides: name --{other} too")
        if source is not None and source == target:
            raise UserError(f"--source and --target are both {source}: name two sides")
        for name, least, value in (("turns", 1, turns), ("beam", 1, beam), ("samples", 0, samples), ("bleu", 0, bleu)):
            if value is not None and value < least:
                raise UserError(f"{name} must be at least {least}, not {value}")
        if not 0 <= penalty < math.inf:
            raise UserError(f"penalty must be a finite number of at least 0, not {penalty}")
        check(temperature, top_k, top_p)
        if samples and beam is not None:
            raise UserError("beam has no effect with samples, which are drawn and not searched: remove one")
        if not samples and (temperature != 1 or top_k or top_p != 1):
            raise UserError(
                "temperature, top_k and top_p have no effect on beam search: ask for --samples, or remove them"
            )
        self.source, self.target, self.turns, self.longest, self.order = source, target, turns, longest, bleu
        self.search = Search(beam or 4, penalty, samples, temperature, top_k, top_p)
        self.ends, self.lower, self.signed = False, False, dict[str, str]()
        self.metrics = self._metrics("")

    def open(self, run: Subject, data: Any, say: Said | None = None) -> Parts:
        """Open pairs; each target of a training source is a sample.

        Raises UserError if the encoder is not causal, or BLEU is measured and sacrebleu is not there.
        """
        body = body_of(run.encoder, "seq2seq")
        if not body.causal:
            raise UserError(
                "seq2seq needs an encoder that reads from left to right (causal_transformer, causal_lstm), not "
                f"{body.spec['name']}: pretrain gpt"
            )
        _refuse_unnamed(data, self.source)
        train, test, form = open_labelled(data, self._endings, self._file, "pairs", self.how.repeated)
        self.ends, self.metrics = form == paired.DIALOGUE, self._metrics(form)
        if self._bleu is not None:
            measure.check()
        self.lower = bool(body.spec["input"]["lower"])
        lines = Lines(Rows(body), self.longest, self.ends)
        notes = list[str]()
        for name, source in (("training", train), ("test", test)):
            lines.cut_sources = lines.cut_targets = lines.unknown = lines.symbols = 0
            for example in parts.examples(source):
                lines(example)
            side = "the end" if lines.ends else "the beginning"
            notes += [
                f"of {lines.cut_sources:,} {name} sources longer than {lines.room} symbols only {side} is read"
            ] * bool(lines.cut_sources)
            notes += [
                f"{lines.cut_targets:,} {name} targets longer than {lines.longest} symbols are cut (--longest)"
            ] * bool(lines.cut_targets)
            if lines.unknown:
                share = 100 * lines.unknown / lines.symbols
                notes.append(
                    f"{share:.1f}% of the symbols of {name} targets are unknown to the encoder and never written"
                )
        words = max(len(text.split()) for one in parts.examples(test) for text in one.targets)
        if words < self.used:
            notes.append(f"no test target has {self.used} words, so {self._bleu} is 0: measure shorter runs (--bleu 2)")
        found = Parts(_flat(train), test)
        said = "a target each"
        if len(found.train) != len(train):
            said = f"the targets of {len(train):,} training sources"
        parts.say_opening(run, data, found, notes, said, say)
        return found

    def method(self, encoder: Encoder, frozen: bool, **setting: float) -> Writing:
        """Return the encoder as a writer."""
        body = body_of(encoder, "seq2seq")
        lines = Lines(Rows(body), self.longest, self.ends)
        return Writing(body, self.how, frozen, parts.remembered(lines), lines)

    def tried(self, method: Method, train: Source, test: Source) -> dict[str, float]:
        """Return the perplexity of the targets, given their sources."""
        return {"perplexity": _perplexity(method, test)}

    def judge(self, method: Method, train: Source, test: Source) -> dict[str, float]:
        """Return BLEU, the perplexity of a target's symbols, and that given the source of another sample."""
        found = self.tried(method, train, test) | {OTHER: _perplexity(method, _exchanged(test))}
        if (name := self._bleu) is not None:
            pairs = list(parts.examples(test))
            found[name] = self._measured([said for said, _ in self._best(method, pairs)], pairs)
        return found

    def beside(self, found: Parts) -> dict[str, dict[str, float]]:
        """Return the BLEU of the sources themselves."""
        if (name := self._bleu) is None:
            return {}
        pairs = list(parts.examples(found.test))
        return {COPIED: {name: round(self._measured([one.source for one in pairs], pairs), 2)}}

    def signatures(self) -> dict[str, str]:
        """Return that of sacrebleu."""
        return self.signed

    def examples(self, method: Method, test: Source) -> dict[str, Any]:
        """Return some held-out sources with their targets and what is written."""
        pairs = list(parts.examples(parts.some(test)))
        rows = [
            [pair.source, " / ".join(pair.targets), said, round(log_p, 2)]
            for pair, (said, log_p) in zip(pairs, self._best(method, pairs), strict=True)
        ]
        return parts.answers(("source", "target", "written", "log P"), rows)

    def restored(self, encoder: Encoder, tensors: Mapping[str, Tensor], setting: Setting) -> Method:
        """Return the method."""
        self.ends = bool(tensors["ends"])
        return self.method(encoder, bool(tensors["body.frozen"]))

    def predicted(self, method: Method, data: Any, classes: Sequence[str], **how: Any) -> Predicted:
        """Return the texts for each source, the best first, with their probabilities."""
        assert isinstance(method, Writing)
        k, most = how["k"], self.search.samples or self.search.beam
        if k > most:
            raise UserError(f"-k {k} asks for more texts than the {most} that the run keeps (--beam in fine-tuning)")
        _refuse_unnamed(data, self.source)
        source = open_asked(data, self._endings, self._file, "texts", ())
        pairs: list[Paired] = list(parts.examples(source))
        self.lower, said = bool(method.encoder.spec["input"]["lower"]), list[str]()
        atomic = any(pair.group for pair in pairs) and not self.ends
        self.metrics = self._metrics(paired.DIALOGUE if self.ends else paired.ATOMIC if atomic else "")

        def rows() -> Iterator[dict[str, Any]]:
            for pair, found in zip(pairs, method.write([pair.source for pair in pairs], self.search), strict=True):
                said.append(method.text(found[0].symbols) if found else "")
                row: dict[str, Any] = {"sample": pair.where}
                for place in range(k):
                    mark = "" if place == 0 else f"_{place + 1}"
                    p = math.exp(found[place].log_p) if place < len(found) else 0.0
                    sure = place < len(found) and p >= how["threshold"]
                    row |= {f"text{mark}": method.text(found[place].symbols) if sure else ""}
                    row |= {f"probability{mark}": float(f"{p:.6g}") if sure else ""}
                yield row

        def measured() -> dict[str, float]:
            known = [i for i, pair in enumerate(pairs) if pair.targets]
            if not known:
                return {}
            there = [pairs[i] for i in known]
            numbers = {"perplexity": _perplexity(method, _of(there))}
            if (name := self._bleu) is not None:
                numbers = {name: self._measured([said[i] for i in known], there)} | numbers
            return numbers

        return Predicted(rows(), len(source), source.samples, measured)

    @property
    def _endings(self) -> tuple[tuple[str, ...], ...]:
        return paired.endings(self.source)

    def _file(self, path: Path, name: str) -> Read:
        return paired.read(path, self.source, self.target, self.turns, name)

    def _metrics(self, form: str) -> tuple[str, ...]:
        """Return what is measured; see `order` for BLEU."""
        self.used = ORDERS.get(form, 4) if self.order is None else self.order
        return (*([self._bleu] if self._bleu is not None else []), "perplexity", OTHER)

    @property
    def _bleu(self) -> str | None:
        return None if not self.used else "BLEU" if self.used == 4 else f"BLEU-{self.used}"

    def _measured(self, said: Sequence[str], pairs: Sequence[Paired]) -> float:
        references = [pair.targets for pair in pairs]
        self.signed = {str(self._bleu): measure.signature(references, self.used, self.lower)}
        return measure.bleu(said, references, self.used, self.lower)

    def _best(self, method: Method, pairs: Sequence[Paired]) -> Iterator[tuple[str, float]]:
        """Yield the best text for each source, and its log P."""
        assert isinstance(method, Writing)
        for found in method.write([pair.source for pair in pairs], self.search):
            yield (method.text(found[0].symbols), found[0].log_p) if found else ("", -math.inf)


def _refuse_unnamed(data: Any, source: str | None) -> None:
    """Raise UserError for files of lines whose sides are not named."""
    if source is None and isinstance(data, str | Path) and (two := paired.sides(Path(data))):
        raise UserError(
            f"{data} has texts in lines, {' and '.join(two)}: say which are read and which are written, --source "
            f"{two[0]} --target {two[1]}"
        )


def _of(pairs: Sequence[Paired], like: Source | None = None) -> Labelled:
    """Return pairs as a source, with what was said of another one."""
    groups = numbered([str(together(one)) for one in pairs])
    made = Labelled(pairs, np.zeros(len(pairs), np.int64), (), "pairs", groups)
    if like is not None:
        made.notes, made.skipped, made.samples = like.notes, like.skipped, like.samples
    return made


def _flat(source: Source) -> Source:
    """Return a sample for each target, those of one source together."""
    pairs: list[Paired] = list(parts.examples(source))
    if all(len(one.targets) == 1 for one in pairs):
        return source
    return _of([one._replace(targets=(text,)) for one in pairs for text in one.targets], source)


def _exchanged(source: Source) -> Source:
    """Return each sample with the source of the next one that has another; of one source alone, the samples."""
    pairs: list[Paired] = list(parts.examples(source))
    made = []
    for i, pair in enumerate(pairs):
        others = (pairs[(i + k) % len(pairs)].source for k in range(1, len(pairs)))
        made.append(pair._replace(source=next((one for one in others if one != pair.source), pair.source)))
    return _of(made)


def _perplexity(method: Method, source: Source) -> float:
    """Return exp(- mean log P) over the symbols of all targets."""
    total = np.sum([said.double().sum(0).numpy() for _, said in parts.asked(method, source)], 0)
    return float(math.exp(min(-total[0] / total[1], 700.0)))
