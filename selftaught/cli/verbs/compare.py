"""The verb that puts runs side by side: compare."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from selftaught.cli.output import Json, remark, show_json, table
from selftaught.errors import UserError

if TYPE_CHECKING:
    from selftaught.run import RunFolder


def compare(*runs: Path, json_: Json = False) -> None:
    """Runs side by side, the best linear probe first; accuracies in percent.

    "majority" always names the most frequent class; "gain" is the linear probe over the same encoder untrained, "+-"
    half of its 95% confidence interval.

    Args:
        runs: Run folders.
    """
    from selftaught.evaluate.comparison import compare, measured
    from selftaught.run import RunFolder

    if not runs:
        raise UserError("no run is given: name run folders, 'selftaught compare runs/*'")
    folders = {str(path): RunFolder.open(path) for path in runs}
    judged = compare({name: folder.summary for name, folder in folders.items()})
    rows = [_made(folders[row["run"]]) | row for row in judged]
    if json_:
        show_json(rows)
        return
    table(measured(rows), left=("run", "method", "encoder", "data"))
    for row in judged:
        if all(value is None for key, value in row.items() if key != "run"):
            remark(f"{row['run']} was not judged yet: selftaught probe {row['run']}")


def _made(folder: RunFolder) -> dict[str, Any]:
    """How a run was made."""
    config, summary = folder.config, folder.summary
    seconds = summary.get("seconds")
    return {
        "run": str(folder.path),
        "method": config.get("method", {}).get("name"),
        "encoder": config.get("encoder", {}).get("name"),
        "data": Path(str(config.get("data", {}).get("source") or "in memory")).name,
        "steps": summary.get("steps"),
        "minutes": None if seconds is None else round(seconds / 60, 2),
    }
