"""Fill the documents' tables from benchmarks/results: `python -m benchmarks.tables [--check]`.

A table stands between two comments that name it; TABLES says in which document and from which results.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks import measure
from benchmarks.finetune import CONTROLS
from benchmarks.vision import VARIANTS

ROOT = Path(__file__).parent.parent
PROTOCOLS = ("linear", "knn")
TRAININGS = {"skipgram": "skip-gram", "cbow": "CBOW", "fasttext": "fastText, with subwords"}
"""Rows of words.json and what to call them."""
BASELINE = "supervised-whole"
"""What semi-supervised methods are compared with: the better of the two supervised rows."""


def methods_table(rows: list[dict[str, Any]]) -> str:
    """Of vision.json. One row a method, above them the raw input and the untrained encoder.

    Linear probe and kNN of each data set.
    """
    rows = [row for row in rows if row["method"] not in VARIANTS]
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
    """What most rows stand beside.

    Some methods keep a form of the encoder of their own, which stands beside itself untrained.
    """
    beside = Counter(
        " | ".join(f"{row['probe'][protocol][side]:.1f}" for protocol in PROTOCOLS)
        for row in rows
        if row["data"] == data
    )
    return beside.most_common(1)[0][0]


def cells(row: dict[str, Any] | None) -> str:
    """A method's two numbers, with standard deviations where there are several seeds.

    Bold where it beats both baselines.
    """
    return " | ".join("" if row is None else cell(row["probe"][protocol]) for protocol in PROTOCOLS)


def cell(part: dict[str, Any]) -> str:
    """One number with its standard deviation over seeds, bold where it beats the untrained encoder and the raw input."""
    spread = (part.get("spread") or {}).get("trained")
    return _number(part["trained"], spread, bold=part["trained"] > max(part["untrained"], part["raw"]))


def _number(value: float, spread: float | None = None, *, bold: bool = False) -> str:
    return (f"**{value:.1f}**" if bold else f"{value:.1f}") + (f" ±{spread:.1f}" if spread is not None else "")


def variants_table(rows: list[dict[str, Any]]) -> str:
    """Of vision.json. One row a variant.

    What it says on the command line, its two numbers, and those of its method's defaults.
    """
    found = {(row["method"], row["data"]): row for row in rows}
    lines = [
        "| | arguments | data | linear | kNN | defaults: linear | kNN | seeds |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name, (data, method, arguments) in sorted(VARIANTS.items()):
        if (row := found.get((name, data))) is not None:
            flags = measure.flags(arguments)
            lines.append(
                f"| `{name}` | `{flags}` | {data} | {cells(row)} | {cells(found.get((method, data)))} | "
                f"{row['seeds']} |"
            )
    return "\n".join(lines)


def labels_table(rows: list[dict[str, Any]]) -> str:
    """Of few_labels.json. One row a method, a column for each number of labels.

    Accuracy, and in brackets what it has over `BASELINE`.
    """
    budgets = sorted({row["labels"] for row in rows})
    found = {(row["method"], row["labels"]): row for row in rows}
    lines = ["| | " + " | ".join(f"{b} labels a class" for b in budgets) + " |", "|---|" + "---|" * len(budgets)]
    names = dict.fromkeys(row["method"] for row in rows)
    lines += [
        f"| `{name}` | " + " | ".join(_over_baseline(found.get((name, b))) for b in budgets) + " |" for name in names
    ]
    return "\n".join(lines)


def _over_baseline(row: dict[str, Any] | None) -> str:
    """Bold where the interval of the difference is above 0."""
    if row is None:
        return ""
    mean, gain = row["classifier"]["mean"], row["gain"].get(BASELINE, {}).get("classifier")
    if gain is None:
        return _number(mean)
    if gain["low"] is None:
        return f"{_number(mean)} ({gain['mean']:+.1f})"
    return f"{_number(mean, bold=gain['low'] > 0)} ({gain['mean']:+.1f}: {gain['low']:+.1f} to {gain['high']:+.1f})"


def finetuning_table(rows: list[dict[str, Any]]) -> str:
    """Of finetune.json. One row an encoder, below those from scratch.

    Bold where it beats four times as long from scratch.
    """
    parts = list(dict.fromkeys(part for row in rows for part in row["labels"]))
    found = {(row["data"], row["method"]): row["labels"] for row in rows}
    control = max(CONTROLS, key=lambda name: CONTROLS[name])
    lines = [
        "| | data | " + " | ".join(f"{part} of the labels" for part in parts) + " | seeds |",
        "|---|---|" + "---|" * (len(parts) + 1),
    ]
    for data in dict.fromkeys(row["data"] for row in rows):
        beside = found.get((data, control), {})
        for name in (
            *CONTROLS,
            *sorted(row["method"] for row in rows if row["data"] == data and row["method"] not in CONTROLS),
        ):
            mine = found.get((data, name), {})
            numbers = " | ".join(_finetuned(mine.get(part), beside.get(part)) for part in parts)
            seeds = max((cell["seeds"] for cell in mine.values()), default=0)
            lines.append(f"| `{name}` | {data} | {numbers} | {seeds} |")
    return "\n".join(lines)


def _finetuned(cell: dict[str, Any] | None, control: dict[str, Any] | None) -> str:
    if cell is None:
        return ""
    return _number(
        cell["accuracy"], cell["spread"], bold=control is not None and cell["accuracy"] > control["accuracy"]
    )


def words_table(rows: list[dict[str, Any]]) -> str:
    """Of words.json. One row a training: words a second, ours and the peer's, how many times faster, quality of both.

    Then the rest.
    """
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
            ", ".join(_score(scores.get(tool), test) for tool in ("selftaught", peer))
            for test in ("wordsim353", "simlex999", "analogies")
        ]
        lines.append(
            f"| {called} | {rate['selftaught'] / 1e6:.2f} M | {peer} | {rate[peer] / 1e6:.2f} M | {times[0]:.1f} | "
            f"{times[1]:.1f} | "
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
            f"GloVe counts {times['counting']['median']:.1f} and trains {times['train']['median']:.1f} times as "
            "fast as its authors' code"
        )
    if "classifier" in found:
        row = found["classifier"]
        losses = ", ".join(
            f"{loss} {_score(part, 'accuracy')} ({_score(part, 'fasttext')})" for loss, part in row["losses"].items()
        )
        told.append(f"fastText's classifier names {row['data']}, in brackets its tool's, with the loss {losses} %")
    if "ngram" in found:
        counts, scores = (found["ngram"][f"{what}_per_second"] / 1e6 for what in ("counts", "scores"))
        told.append(f"Kneser-Ney counts {counts:.1f} M and scores {scores:.1f} M words/s")
    return ["", "; ".join(told)[:1].upper() + "; ".join(told)[1:] + "."] if told else []


def _documents(found: dict[str, Any]) -> list[str]:
    """A table of documents classified by their averaged vectors, trained and, in brackets, untrained, beside the bag of words."""
    measured = {
        name.removeprefix("documents-"): row["sets"] for name, row in found.items() if name.startswith("documents-")
    }
    if not measured:
        return []
    told = "Documents by the mean of their words' vectors, linear probe; in brackets the same encoder untrained:"
    lines = [
        "",
        told,
        "",
        "| accuracy, % | bag of words | " + " | ".join(measured) + " |",
        "|---|---|" + "---|" * len(measured),
    ]
    for data, sides in next(iter(measured.values())).items():
        cells = [
            f"{_score(sets[data], 'trained')} ({sets[data]['untrained']['mean']:.1f})" if data in sets else ""
            for sets in measured.values()
        ]
        lines.append(f"| {data} | {_score(sides, 'raw')} | {' | '.join(cells)} |")
    return lines


def _score(scores: dict[str, Any] | None, test: str) -> str:
    part = (scores or {}).get(test, {})
    if part.get("mean") is None:
        return "-"
    return _number(part["mean"], part["spread"])


Table = Callable[[list[dict[str, Any]]], str]
TABLES: dict[str, tuple[Path, str, Table]] = {
    "methods": (ROOT / "README.md", "vision", methods_table),
    "words": (ROOT / "README.md", "words", words_table),
    "variants": (ROOT / "benchmarks" / "README.md", "vision", variants_table),
    "labels": (ROOT / "docs" / "few-labels.md", "few_labels", labels_table),
    "fine-tuning": (ROOT / "docs" / "few-labels.md", "finetune", finetuning_table),
}
"""A table's name: the document, the results that it shows, and how."""


def filled(text: str, name: str, content: str) -> str:
    """`text` with what stands between the markers of one table replaced. Raises ValueError when a marker is missing."""
    first, last = (f"<!-- {name}: {end} -->" for end in ("begin", "end"))
    head, begin, rest = text.partition(first)
    _, end, tail = rest.partition(last)
    if not begin or not end:
        raise ValueError(f"the document needs the lines {first} and {last}")
    return f"{head}{first}\n{content}\n{last}{tail}"


def main() -> int:
    """Rewrite the documents; with --check only compare, and return 1 when one is out of date."""
    found = {document: document.read_text() for document, _, _ in TABLES.values()}
    new = dict(found)
    for name, (document, results, table) in TABLES.items():
        path = measure.RESULTS / f"{results}.json"
        if path.exists():
            new[document] = filled(new[document], name, table(json.loads(path.read_text())["rows"]))
    if "--check" in sys.argv[1:]:
        return int(new != found)
    for document, text in new.items():
        document.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
