"""What features of frames know of time, beside the untrained encoder and the pixels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, final

from selftaught import kind as kinds
from selftaught.data.told import opening
from selftaught.evaluate.task import QUICK, Said, Subject, Table, Task
from selftaught.evaluate.time import NEAR, measured

SIDES = ("trained", "untrained", "raw")
NAMES = {
    "order": "the middle one of three frames, %", "arrow": "which of two frames came first, %",
    "retrieval": f"a changed frame found again within {NEAR} frames, %",
    "alignment": "error of aligning two passes, % of the video",
}  # fmt: skip
CHANCE = {"order": 33.3, "arrow": 50.0, "alignment": 33.3}


@final
class Time(Task):
    """For encoders of frames, if some are held out: no labels are needed."""

    key, order = "time", 45

    def suits(self, run: Subject, data: Any) -> bool:
        """Return whether the encoder sees frames, and some are held out."""
        return self.judges_without_labels(run) and run.held_out(data) and run.own_kind(data)

    def judges_without_labels(self, run: Subject) -> bool:
        """Return whether samples of the encoder's kind are moments that follow each other (`Kind.moments`)."""
        return kinds.has_moments(str(run.encoder.spec["input"]["kind"]))

    def judge(
        self, run: Subject, data: Any, *, seed: int = 0, quick: bool = False, say: Said | None = None, **options: Any
    ) -> dict[str, Any]:
        """Return what `evaluate.time.measured` gives for each side, with "data" and "quick"."""
        train, test = run.sources(data, QUICK if quick else (None, None))
        if say is not None:
            say(opening(run.named(data), train, test))
            say("asking what the features know of time, beside those of the untrained encoder and the pixels")
        seen = run.encoder.spec["input"]
        encoders = {"trained": run.encoder, "untrained": run.untrained(seed), "raw": None}
        found: dict[str, Any] = {side: measured(one, train, test, seen, seed) for side, one in encoders.items()}
        return found | {"data": run.named(data), "quick": quick}

    def tables(self, result: Mapping[str, Any], sections: bool = False) -> list[Table]:
        """One table; in the last row less is better."""
        rows = [
            {"of held-out frames": called, **{side: result[side][name] for side in SIDES}, "chance": CHANCE.get(name)}
            for name, called in NAMES.items()
            if result["trained"].get(name) is not None
        ]
        return [Table(rows, ("of held-out frames",))]

    def columns(self, summary: Mapping[str, Any]) -> dict[str, float | None]:
        """Each measure of the trained encoder."""
        found = (summary.get("time") or {}).get("trained") or {}
        return {"alignment error": found.get("alignment"), "frame found": found.get("retrieval"),
                "order": found.get("order"), "arrow": found.get("arrow")}  # fmt: skip
