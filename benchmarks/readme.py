"""Fill the README's table of methods from benchmarks/results/methods.json: `python -m benchmarks.readme [--check]`."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
README = HERE.parent / "README.md"
BEGIN, END = "<!-- methods: begin -->", "<!-- methods: end -->"
COLUMNS = ("trained", "untrained", "raw")


def table(rows: list[dict[str, Any]]) -> str:
    """The rows as Markdown: what was trained on what, then each protocol as trained / untrained / raw, in percent."""
    lines = [
        "| method | data | encoder | budget | seeds | linear probe | kNN | 100 labels a class |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        probe = row["probe"]
        numbers = " | ".join(cell(part) for part in (probe["linear"], probe["knn"], probe["labels"]["100"]))
        lines.append(f"| `{row['method']}` | {row['data']} | `{row['encoder']}` | {row['budget']} | {row['seeds']} | {numbers} |")
    return "\n".join(lines)


def cell(part: dict[str, Any]) -> str:
    """One protocol: trained, with its standard deviation over seeds where there are several, then the two baselines."""
    spread = (part.get("spread") or {}).get("trained")
    trained = f"**{part['trained']:.1f}**" + (f" ±{spread:.1f}" if spread is not None else "")
    return f"{trained} / {part['untrained']:.1f} / {part['raw']:.1f}"


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
    new = filled(text, json.loads((HERE / "results" / "methods.json").read_text())["rows"])
    if "--check" in sys.argv[1:]:
        return int(text != new)
    README.write_text(new)
    return 0


if __name__ == "__main__":
    sys.exit(main())
