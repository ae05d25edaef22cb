"""Language models on held-out text: perplexity and cloze tests."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, final

from selftaught.data.text.corpus import Corpus
from selftaught.data.told import opening
from selftaught.evaluate.language import cloze, perplexity
from selftaught.evaluate.task import QUICK, Said, Subject, Table, Task
from selftaught.method import Scores

BLANKS = (200, 50)
"""Number of blanks, and their number in a quick evaluation."""


@final
class Language(Task):
    """For methods that give sentences a probability, if there is held-out text."""

    key, order = "language", 30

    def suits(self, run: Subject, data: Any) -> bool:
        """Return whether the method is a language model and there is held-out text."""
        return self.judges_without_labels(run) and run.held_out(data)

    def judges_without_labels(self, run: Subject) -> bool:
        """Return whether the method is a language model."""
        return run.learned_by is not None and issubclass(run.learned_by, Scores)

    def judge(
        self, run: Subject, data: Any, *, seed: int = 0, quick: bool = False, say: Said | None = None, **options: Any
    ) -> dict[str, Any]:
        """Return "perplexity" and "cloze", see `evaluate.language`, with "data" and "quick"."""
        train, test = run.sources(data, QUICK if quick else (None, None))
        if say is not None:
            say(opening(run.named(data), train, test))
            say("evaluating the language model on held-out text")
        model = run.model()
        assert isinstance(model, Scores) and isinstance(test, Corpus)
        found = {"perplexity": perplexity(model, test), "cloze": cloze(model, test, BLANKS[quick], seed=seed)}
        return found | {"data": run.named(data), "quick": quick}

    def tables(self, result: Mapping[str, Any], sections: bool = False) -> list[Table]:
        """One table."""
        surprise, blanks = result["perplexity"], result["cloze"]
        rows = [
            {
                "held-out text": "perplexity (lower is better)", "trained": surprise["perplexity"],
                "over": f"{surprise['tokens']:,} tokens, {surprise['unknown']:.1%} unknown",
            },
            {
                "held-out text": f"cloze accuracy, % (chance {100 * blanks['chance']:.0f})",
                "trained": 100 * blanks["accuracy"], "over": f"{blanks['blanks']:,} sentences",
            },
        ]  # fmt: skip
        return [Table(rows, ("held-out text", "over"))]

    def columns(self, summary: Mapping[str, Any]) -> dict[str, float | None]:
        """Perplexity, and the cloze accuracy in percent."""
        judged = summary.get("language") or {}
        right = judged.get("cloze", {}).get("accuracy")
        return {
            "perplexity": judged.get("perplexity", {}).get("perplexity"),
            "cloze": None if right is None else 100 * right,
        }
