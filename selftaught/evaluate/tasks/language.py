"""Language models beside text that they did not see: how surprising it is, and which word a blank wants."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, final

from selftaught.data.text.corpus import Corpus
from selftaught.evaluate.language import cloze, perplexity
from selftaught.evaluate.task import QUICK, Said, Subject, Table, Task
from selftaught.evaluate.tasks.probe import learned_to_score
from selftaught.method import Scores

BLANKS = (200, 50)
"""Blanks that are asked about, and of a quick judgement."""


@final
class Language(Task):
    """For methods that give sentences a probability, where there is held-out text."""

    key, order = "language", 30

    def suits(self, run: Subject, data: Any) -> bool:
        """Whether it is a language model, and there is text that it did not learn from."""
        return learned_to_score(run) and run.held_out(data)

    def judge(
        self, run: Subject, data: Any, *, seed: int = 0, quick: bool = False, say: Said | None = None, **options: Any
    ) -> dict[str, Any]:
        """ "perplexity" and "cloze", see `evaluate.language`; "data" and "quick" say on what."""
        if say is not None:
            say("evaluating the language model on held-out text")
        _, test = run.sources(data, QUICK if quick else (None, None))
        model = run.model()
        assert isinstance(model, Scores) and isinstance(test, Corpus)
        found = {"perplexity": perplexity(model, test), "cloze": cloze(model, test, BLANKS[quick], seed=seed)}
        return found | {"data": run.named(data), "quick": quick}

    def tables(self, result: Mapping[str, Any], sections: bool = False) -> list[Table]:
        """One."""
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
        """Perplexity, and the blanks filled right in percent."""
        judged = summary.get("language") or {}
        right = judged.get("cloze", {}).get("accuracy")
        return {
            "perplexity": judged.get("perplexity", {}).get("perplexity"),
            "cloze": None if right is None else 100 * right,
        }
