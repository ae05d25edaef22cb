"""What the encoder was worth as the start of a task, beside the same encoder frozen and from scratch."""

from __future__ import annotations

from typing import Any

from selftaught.report.page import Page
from selftaught.report.values import mapping, number

ORDER = 15
TITLE = "Is it a better start than random weights?"
NAV = "Fine-tuning"
MISSING = ""


def suits(page: Page) -> bool:
    """For runs that fine-tuning left."""
    return "rows" in mapping(page.summary, "finetune")


def data(page: Page) -> dict[str, Any] | None:
    """``{"task", "metrics", "rows": [{"labels", "side", "seeds", "steps", "setting", "values"}]}``.

    "values" has the mean and the spread of each metric. Where there is something to say, "better" has the metrics that
    are no percentages, see `Tuning.better`, "beside" the numbers of answers without learning, and "signatures" a line
    for each program that measured.
    """
    found = mapping(page.summary, "finetune")
    metrics = [str(metric) for metric in found.get("metrics", ())]
    rows = [
        {
            "labels": str(labels), "side": str(side), "seeds": number(cell.get("seeds")),
            "steps": number(cell.get("steps")),
            "setting": ", ".join(f"{name} {value:g}" for name, value in mapping(cell, "setting").items()),
            "values": [[number(mapping(cell, metric).get(key)) for key in ("mean", "spread")] for metric in metrics],
        }
        for labels, sides in mapping(found, "rows").items()
        for side, cell in sides.items()
    ]  # fmt: skip
    more = {
        "better": {str(name): number(sign) for name, sign in mapping(found, "better").items()},
        "beside": [
            {"name": str(name), "values": [number(mapping(mapping(found, "beside"), name).get(m)) for m in metrics]}
            for name in mapping(found, "beside")
        ],
        "signatures": [f"{name}: {said}" for name, said in mapping(found, "signatures").items()],
    }  # fmt: skip
    told = {"task": str(found.get("task", "?")), "metrics": metrics, "rows": rows}
    return told | {name: one for name, one in more.items() if one} if rows and metrics else None
