"""Fill the README's table of methods from benchmarks/results/vision.json: `python -m benchmarks.readme [--check]`."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
README = HERE.parent / "README.md"
BEGIN, END = "<!-- methods: begin -->", "<!-- methods: end -->"
PROTOCOLS = ("linear", "knn")


def table(rows: list[dict[str, Any]]) -> str:
    """One row a method and, above them, the raw input and the untrained encoder; for each data set the linear probe and kNN, in percent."""
    data = list(dict.fromkeys(row["data"] for row in rows))
    names = sorted({row["method"] for row in rows})
    found = {(row["method"], row["data"]): row for row in rows}
    lines = [
        "| | " + " | ".join(f"{d} linear | kNN" for d in data) + " | seeds |",
        "|---|" + "---|---|" * len(data) + "---|",
        *(f"| {side} | " + " | ".join(baseline(rows, d, side) for d in data) + " | |" for side in ("raw", "untrained")),
    ]
    for name in names:
        seeds = ", ".join(str(found[name, d]["seeds"]) if (name, d) in found else "-" for d in data)
        lines.append(f"| `{name}` | " + " | ".join(cells(found.get((name, d))) for d in data) + f" | {seeds} |")
    return "\n".join(lines)


def baseline(rows: list[dict[str, Any]], data: str, side: str) -> str:
    """What the row with the most seeds stands beside."""
    most = max((row for row in rows if row["data"] == data), key=lambda row: row["seeds"])
    return " | ".join(f"{most['probe'][protocol][side]:.1f}" for protocol in PROTOCOLS)


def cells(row: dict[str, Any] | None) -> str:
    """A method's two numbers, with standard deviations where there are several seeds; bold where it beats both baselines."""
    return " | ".join("" if row is None else cell(row["probe"][protocol]) for protocol in PROTOCOLS)


def cell(part: dict[str, Any]) -> str:
    """One number with its standard deviation over seeds, bold where it beats the untrained encoder and the raw input."""
    spread = (part.get("spread") or {}).get("trained")
    number = f"{part['trained']:.1f}"
    wins = part["trained"] > max(part["untrained"], part["raw"])
    return (f"**{number}**" if wins else number) + (f" ±{spread:.1f}" if spread is not None else "")


def filled(text: str, rows: list[dict[str, Any]]) -> str:
    """`text` with what stands between the two markers replaced. Raises ValueError when a marker is missing."""
    head, begin, rest = text.partition(BEGIN)
    _, end, tail = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"README.md needs the lines {BEGIN} and {END}")
    return f"{head}{BEGIN}\n{table(rows)}\n{END}{tail}"


def main() -> int:
    """Rewrite the README; with --check only compare, and return 1 when it is out of date."""
    text = README.read_text()
    new = filled(text, json.loads((HERE / "results" / "vision.json").read_text())["rows"])
    if "--check" in sys.argv[1:]:
        return int(text != new)
    README.write_text(new)
    return 0


if __name__ == "__main__":
    sys.exit(main())
