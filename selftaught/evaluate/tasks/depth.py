"""Disparities of held-out pairs, beside a constant, the untrained method and OpenCV's matching."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, final

import numpy as np

from selftaught.data.told import opening
from selftaught.evaluate.depth import constant, disparities, errors, matched, median
from selftaught.evaluate.task import QUICK, Said, Subject, Table, Task
from selftaught.method import SeesDepth, Source

NAMES = {
    "abs": "mean error, pixels", "rmse": "root mean squared error, pixels", "d1": "off by > 3 pixels and 5%, %",
    "bad": "off by > 2 pixels, %", "abs_rel": "mean error of depth, parts of it",
}  # fmt: skip
SIDES = {"trained": "trained", "untrained": "untrained", "constant": "constant", "matching": "both eyes (OpenCV)"}


@final
class Depth(Task):
    """For methods that find disparities, if there are held-out pairs."""

    key, order = "depth", 40

    def suits(self, run: Subject, data: Any) -> bool:
        """Return whether the method finds disparities and there are held-out pairs."""
        return self.judges_without_labels(run) and run.held_out(data) and run.own_kind(data)

    def judges_without_labels(self, run: Subject) -> bool:
        """Return whether the method finds disparities."""
        return run.learned_by is not None and issubclass(run.learned_by, SeesDepth)

    def judge(
        self, run: Subject, data: Any, *, seed: int = 0, quick: bool = False, say: Said | None = None, **options: Any
    ) -> dict[str, Any]:
        """Return the errors of each side, see `evaluate.depth.errors`, with "median", "data" and "quick".

        "constant" is the median disparity of the training pairs everywhere. "matching" is OpenCV's semi-global matching
        of both pictures, which sees more than the method; without OpenCV it is left out.
        """
        train, test = run.sources(data, QUICK if quick else (None, None))
        if say is not None:
            say(opening(run.named(data), train, test))
            say("comparing the disparities of held-out pairs with those that are known")
        middle = median(train)
        found: dict[str, Any] = {
            "trained": errors(disparities(run.method(), test), test),
            "untrained": errors(disparities(run.method_untrained(), test), test),
            "constant": errors(constant(middle, test), test),
        }
        pairs = matched(test, largest(train))
        if pairs is not None:
            found["matching"] = errors(pairs, test)
        elif say is not None:
            say("semi-global matching is left out, because OpenCV is not installed: pip install opencv-python-headless")
        return found | {"median": middle, "data": run.named(data), "quick": quick}

    def tables(self, result: Mapping[str, Any], sections: bool = False) -> list[Table]:
        """One table."""
        sides = [side for side in SIDES if side in result]
        rows = [
            {"disparity of held-out pairs": called, **{SIDES[side]: result[side][name] for side in sides}}
            for name, called in NAMES.items()
            if name in result["trained"]
        ]
        return [Table(rows, ("disparity of held-out pairs",))]

    def columns(self, summary: Mapping[str, Any]) -> dict[str, float | None]:
        """The mean error in pixels, that of the constant, and the percentage of wrong pixels."""
        judged = summary.get("depth") or {}
        return {
            "disparity error": judged.get("trained", {}).get("abs"),
            "constant": judged.get("constant", {}).get("abs"),
            "D1": judged.get("trained", {}).get("d1"),
        }


def largest(source: Source) -> float:
    """Return the largest known disparity, in pixels."""
    found = 1.0
    for i in range(len(source)):
        known = source.fetch(np.array([i]))["disparity"][0]
        if np.isfinite(known).any():
            found = max(found, float(np.nanmax(known)))
    return found
