"""Fill the README's tables from benchmarks/results: `python -m benchmarks.readme [--check]`.

The table of methods comes from vision.json; the table of words, where the README has its two markers, from words.json.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
README = HERE.parent / "README.md"
BEGIN, END = "<!-- methods: begin -->", "<!-- methods: end -->"
WORDS_BEGIN, WORDS_END = "<!-- words: begin -->", "<!-- words: end -->"
PROTOCOLS = ("linear", "knn")
TRAININGS = {"skipgram": "skip-gram", "cbow": "CBOW", "fasttext": "fastText, with subwords"}
"""Rows of words.json and what to call them."""


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
    """What most rows stand beside: some methods keep a form of the encoder of their own, which stands beside itself untrained."""
    beside = Counter(" | ".join(f"{row['probe'][protocol][side]:.1f}" for protocol in PROTOCOLS) for row in rows if row["data"] == data)
    return beside.most_common(1)[0][0]


def cells(row: dict[str, Any] | None) -> str:
    """A method's two numbers, with standard deviations where there are several seeds; bold where it beats both baselines."""
    return " | ".join("" if row is None else cell(row["probe"][protocol]) for protocol in PROTOCOLS)


def cell(part: dict[str, Any]) -> str:
    """One number with its standard deviation over seeds, bold where it beats the untrained encoder and the raw input."""
    spread = (part.get("spread") or {}).get("trained")
    number = f"{part['trained']:.1f}"
    wins = part["trained"] > max(part["untrained"], part["raw"])
    return (f"**{number}**" if wins else number) + (f" ±{spread:.1f}" if spread is not None else "")


def words_table(rows: list[dict[str, Any]]) -> str:
    """One row a training: words a second of ours and the peer's, how many times faster, the quality of both; then the other numbers."""
    found = {row["row"]: row for row in rows}
    lines = [
        "| | words/s | peer | its words/s | times faster | total | WordSim: ours, peer's | SimLex | analogies, % |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for name, called in TRAININGS.items():
        row = found.get(name)
        if row is None or not row["train"]["times"]:
            continue
        peer, rate = row["peer"], row["train"]["words_per_second"]
        scores = found.get(f"quality-{name}", {}).get("scores", {})
        times = [row[what]["times"][peer]["median"] for what in ("train", "total")]
        both = [
            ", ".join(_score(scores.get(tool), test) for tool in ("selftaught", peer)) for test in ("wordsim353", "simlex999", "analogies")
        ]
        lines.append(
            f"| {called} | {rate['selftaught'] / 1e6:.2f} M | {peer} | {rate[peer] / 1e6:.2f} M | {times[0]:.1f} | {times[1]:.1f} | "
            f"{' | '.join(both)} |"
        )
    return "\n".join([*lines, *_besides(found), *_documents(found)])


def _besides(found: dict[str, Any]) -> list[str]:
    """What else was measured, a sentence each."""
    told = []
    if "memory" in found:
        held = found["memory"]["memory_mb"]
        peers = ", ".join(f"{tool} {megabytes:.0f} MB" for tool, megabytes in held.items() if tool != "selftaught")
        told.append(f"skip-gram's peak memory above imports and loaded code: {held['selftaught']:.0f} MB ({peers})")
    if "startup" in found:
        told.append(f"start-up over the imports {found['startup']['seconds']['selftaught']:.2f} s")
    if found.get("glove", {}).get("times"):
        times = found["glove"]["times"]
        told.append(
            f"GloVe counts {times['counting']['median']:.1f} and trains {times['train']['median']:.1f} times as fast as its authors' code"
        )
    if "classifier" in found:
        row = found["classifier"]
        losses = ", ".join(f"{loss} {_score(part, 'accuracy')} ({_score(part, 'fasttext')})" for loss, part in row["losses"].items())
        told.append(f"fastText's classifier names {row['data']}, in brackets its tool's, with the loss {losses} %")
    if "ngram" in found:
        counts, scores = (found["ngram"][f"{what}_per_second"] / 1e6 for what in ("counts", "scores"))
        told.append(f"Kneser-Ney counts {counts:.1f} M and scores {scores:.1f} M words/s")
    return ["", "; ".join(told)[:1].upper() + "; ".join(told)[1:] + "."] if told else []


def _documents(found: dict[str, Any]) -> list[str]:
    """A table of documents classified by their averaged vectors, trained and, in brackets, untrained, beside the bag of words."""
    measured = {name.removeprefix("documents-"): row["sets"] for name, row in found.items() if name.startswith("documents-")}
    if not measured:
        return []
    told = "Documents by the mean of their words' vectors, linear probe; in brackets the same encoder untrained:"
    lines = ["", told, "", "| accuracy, % | bag of words | " + " | ".join(measured) + " |", "|---|---|" + "---|" * len(measured)]
    for data, sides in next(iter(measured.values())).items():
        cells = [
            f"{_score(sets[data], 'trained')} ({sets[data]['untrained']['mean']:.1f})" if data in sets else "" for sets in measured.values()
        ]
        lines.append(f"| {data} | {_score(sides, 'raw')} | {' | '.join(cells)} |")
    return lines


def _score(scores: dict[str, Any] | None, test: str) -> str:
    part = (scores or {}).get(test, {})
    if part.get("mean") is None:
        return "-"
    return f"{part['mean']:.1f}" + (f" ±{part['spread']:.1f}" if part["spread"] is not None else "")


def filled(text: str, rows: list[dict[str, Any]], words: list[dict[str, Any]] | None = None) -> str:
    """`text` with what stands between markers replaced. Raises ValueError when a marker of the table of methods is missing."""
    if words is not None and WORDS_BEGIN in text:
        text = _between(text, WORDS_BEGIN, WORDS_END, words_table(words))
    return _between(text, BEGIN, END, table(rows))


def _between(text: str, first: str, last: str, content: str) -> str:
    head, begin, rest = text.partition(first)
    _, end, tail = rest.partition(last)
    if not begin or not end:
        raise ValueError(f"README.md needs the lines {first} and {last}")
    return f"{head}{first}\n{content}\n{last}{tail}"


def main() -> int:
    """Rewrite the README; with --check only compare, and return 1 when it is out of date."""
    text = README.read_text()
    words = HERE / "results" / "words.json"
    measured = json.loads(words.read_text())["rows"] if words.exists() else None
    new = filled(text, json.loads((HERE / "results" / "vision.json").read_text())["rows"], measured)
    if "--check" in sys.argv[1:]:
        return int(text != new)
    README.write_text(new)
    return 0


if __name__ == "__main__":
    sys.exit(main())
