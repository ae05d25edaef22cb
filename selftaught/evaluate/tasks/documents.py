"""Probe of labelled texts as averaged word vectors, with untrained vectors and a bag of words as baselines."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, final

from selftaught.data.told import opening
from selftaught.evaluate.documents import documents
from selftaught.evaluate.task import QUICK, Said, Subject, Table, Task, needs_no_labels
from selftaught.evaluate.tasks.probe import Probe
from selftaught.parts.word_vectors import Worded


@final
class Documents(Task):
    """For encoders with a vector for each word."""

    key, order = "probe", 20
    options: ClassVar[Mapping[str, str]] = {
        "pool": "How the words of a text are averaged. mean: with equal weights; sif: with less weight for frequent "
        "words and without the common component of all texts.",
    }

    def suits(self, run: Subject, data: Any) -> bool:
        """Return whether there are word vectors, and labelled texts that they were not trained on.

        The text of a language model need not have labels.
        """
        if not isinstance(run.encoder, Worded) or not run.held_out(data):
            return False
        return not needs_no_labels(run) or run.labelled(data)

    def judge(
        self, run: Subject, data: Any, *, seed: int = 0, quick: bool = False, say: Said | None = None, **options: Any
    ) -> dict[str, Any]:
        """See `evaluate.documents`."""
        train, test = run.sources(data, QUICK if quick else (None, None))
        if say is not None:
            say(opening(run.named(data), train, test))
        found = documents(run.encoder, train, test, seed, untrained=run.untrained(seed), say=say, **options)
        return found | {"data": run.named(data), "quick": quick}

    def tables(self, result: Mapping[str, Any], sections: bool = False) -> list[Table]:
        """The tables of the probe."""
        return Probe().tables(result, sections)

    def columns(self, summary: Mapping[str, Any]) -> dict[str, float | None]:
        """The columns of the probe."""
        return Probe().columns(summary)
