"""Word vectors compared with human judgements: rated pairs of words, and analogies."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, final

from selftaught.evaluate.task import Said, Subject, Table, Task
from selftaught.evaluate.words import Tests, judge, ordered, title, vectors_of
from selftaught.parts.word_vectors import Worded

SIDES = ("trained", "untrained")


@final
class Words(Task):
    """For encoders with a vector for each word, if no data are given."""

    key, order = "words", 10
    options: ClassVar[Mapping[str, str]] = {
        "pairs": "Files of rated pairs of words, in place of the standard tests.",
        "analogies": "A file of analogies, in place of the standard tests.",
    }

    def suits(self, run: Subject, data: Any) -> bool:
        """Return whether there are word vectors and no other data were given."""
        return data is None and isinstance(run.encoder, Worded)

    def judge(
        self, run: Subject, data: Any, *, seed: int = 0, quick: bool = False, say: Said | None = None, **options: Any
    ) -> dict[str, Any]:
        """See `evaluate.words.judge`."""
        own = Tests.of_files(options.get("pairs") or (), options.get("analogies")) if any(options.values()) else None
        return judge(vectors_of(run.encoder), vectors_of(run.untrained(seed)), own, say=say)

    def tables(self, result: Mapping[str, Any], sections: bool = False) -> list[Table]:
        """One table; with `sections`, also the sections of the analogies."""
        named = {title(key): result[key] for key in ordered(result)}
        named |= {f"  {name}": row for name, row in result["sections"].items()} if sections else {}
        sides = [side for side in SIDES if any(side in row for row in named.values())]
        rows = [
            {"words": name, **{side: row.get(side) for side in sides}, "used": f"{row['used']:,} of {row['of']:,}"}
            for name, row in named.items()
        ]
        return [Table(rows, ("words",))]

    def columns(self, summary: Mapping[str, Any]) -> dict[str, float | None]:
        """The two lists of pairs, and the analogies."""
        judged = summary.get("words") or {}
        return {key: judged.get(key, {}).get("trained") for key in ("wordsim353", "simlex999", "analogies")}
