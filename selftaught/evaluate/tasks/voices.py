"""Which word is said, in a voice whose words were never labelled, and the same prompt across voices."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, final

from selftaught.data.told import opening
from selftaught.evaluate.task import QUICK, Said, Subject, Table, Task
from selftaught.evaluate.voices import pairs, voices


@final
class Voices(Task):
    """For encoders of sound, where classes are voices that say the same: files of one name in several of them."""

    key, order = "voices", 40

    def suits(self, run: Subject, data: Any) -> bool:
        """Whether the encoder hears sound, and two voices of one language have held-out prompts in common."""
        if "rate" not in run.encoder.spec["input"] or not run.labelled(data):
            return False
        return next(pairs(run.sources(data, (None, None))[1]), None) is not None

    def judge(
        self, run: Subject, data: Any, *, seed: int = 0, quick: bool = False, say: Said | None = None, **options: Any
    ) -> dict[str, Any]:
        """See `evaluate.voices`, of the test part."""
        train, test = run.sources(data, QUICK if quick else (None, None))
        if say is not None:
            say(opening(run.named(data), train, test))
            say("comparing voices that say the same")
        return voices(run.encoder, run.untrained(seed), test, seed) | {"data": run.named(data), "quick": quick}

    def tables(self, result: Mapping[str, Any], sections: bool = False) -> list[Table]:
        """One, in percent. "raw" are cepstral coefficients (MFCC)."""
        names = {"retrieval": "the same prompt in another voice", "word": "which word, in an unseen voice"}
        rows = [
            {"accuracy, %": name, **result[key], "chance": result["chance"][key], "prompts": result["prompts"][key]}
            for key, name in names.items()
            if result[key]
        ]
        return [Table(rows, ("accuracy, %",))]

    def columns(self, summary: Mapping[str, Any]) -> dict[str, float | None]:
        """Accuracy in percent of the trained encoder."""
        found = summary.get("voices") or {}
        return {key: found.get(key, {}).get("trained") for key in ("word", "retrieval")}
