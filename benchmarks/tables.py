"""Write the tables of the documents from benchmarks/results: `python -m benchmarks.tables [--check]`.

Each table is between two comments with its name. TABLES lists the document and the results of each table.
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
TRAININGS = {
    "skipgram": "skip-gram",
    "cbow": "CBOW",
    "fasttext": "fastText, with subwords",
    "fasttext-window": "fastText, `--negatives-per window`",
}
"""Rows of words.json and their names in the table."""
BASELINE = "supervised-whole"
"""The row that semi-supervised methods are compared with: the better of the two supervised rows."""


def methods_table(rows: list[dict[str, Any]]) -> str:
    """Return the table of vision.json: the two baselines, then one row per method.

    The columns are the linear probe and kNN on each data set.
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
    """Return the baseline of most rows.

    Methods with their own form of the encoder have another untrained baseline.
    """
    beside = Counter(
        " | ".join(f"{row['probe'][protocol][side]:.1f}" for protocol in PROTOCOLS)
        for row in rows
        if row["data"] == data
    )
    return beside.most_common(1)[0][0]


def cells(row: dict[str, Any] | None) -> str:
    """Return the two numbers of a method, with standard deviations if there are several seeds.

    A number above both baselines is bold.
    """
    return " | ".join("" if row is None else cell(row["probe"][protocol]) for protocol in PROTOCOLS)


def cell(part: dict[str, Any]) -> str:
    """Return one number with its standard deviation over seeds, bold if it is above both baselines."""
    spread = (part.get("spread") or {}).get("trained")
    return _number(part["trained"], spread, bold=part["trained"] > max(part["untrained"], part["raw"]))


def _number(value: float, spread: float | None = None, *, bold: bool = False) -> str:
    return (f"**{value:.1f}**" if bold else f"{value:.1f}") + (f" ±{spread:.1f}" if spread is not None else "")


def variants_table(rows: list[dict[str, Any]]) -> str:
    """Return the table of variants in vision.json.

    Each row has the arguments of the variant, its two numbers, and those of the default arguments.
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
    """Return the table of few_labels.json: one row per method, one column per number of labels.

    Each cell has the accuracy and, in brackets, its difference from `BASELINE`.
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
    """Return one cell, bold if the interval of the difference is above 0."""
    if row is None:
        return ""
    mean, gain = row["classifier"]["mean"], row["gain"].get(BASELINE, {}).get("classifier")
    if gain is None:
        return _number(mean)
    if gain["low"] is None:
        return f"{_number(mean)} ({gain['mean']:+.1f})"
    return f"{_number(mean, bold=gain['low'] > 0)} ({gain['mean']:+.1f}: {gain['low']:+.1f} to {gain['high']:+.1f})"


def finetuning_table(rows: list[dict[str, Any]]) -> str:
    """Return the table of finetune.json: training from scratch first, then one row per encoder.

    A number above training from scratch for four times as many steps is bold.
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


def detection_table(rows: list[dict[str, Any]]) -> str:
    """Return the table of detection.json: one row per body, frozen and tuned.

    The best body of each column is bold.
    """
    columns = [(side, key) for side in ("frozen", "tuned") for key in ("AP", "AP50", "AP75")]
    found = {(row["body"], row["side"]): row for row in rows}
    best = {(side, key): max((r[key]["mean"] for r in rows if r["side"] == side), default=0.0) for side, key in columns}
    lines = ["| body | " + " | ".join(f"{key} {side}" for side, key in columns) + " | runs |", "|---|" + "---|" * 7]
    for body in dict.fromkeys(row["body"] for row in rows):
        cells = []
        for side, key in columns:
            cell = found.get((body, side), {}).get(key)
            bold = cell is not None and cell["mean"] == best[side, key]
            cells.append("" if cell is None else _number(cell["mean"], cell["spread"], bold=bold))
        seeds = max(row["seeds"] for row in rows if row["body"] == body)
        lines.append(f"| `{body}` | {' | '.join(cells)} | {seeds} |")
    return "\n".join(lines)


def tuning_table(rows: list[dict[str, Any]]) -> str:
    """Return the table of tuning.json: a row for each task of text, body and metric.

    The best body of each task, tuned, is bold. What stands beside the three sides, such as copying, has a row too.
    """
    sides = ("frozen", "tuned", "scratch")
    found = {(row["task"], row["body"], row["metric"], row["side"]): row for row in rows}
    lines = ["| task | body | " + " | ".join(sides) + " | measured | runs |", "|---|---|---|---|---|---|---|"]
    for task, body, metric in dict.fromkeys((row["task"], row["body"], row["metric"]) for row in rows):
        tuned = [r for r in rows if (r["task"], r["metric"], r["side"]) == (task, metric, "tuned")]
        sign = tuned[0].get("better", 1) if tuned else 1
        best = sign * max((sign * r["mean"] for r in tuned), default=0.0) if sign else None
        mine = [found.get((task, body, metric, side)) for side in sides]
        cells = [
            "" if one is None else _number(one["mean"], one["spread"], bold=side == "tuned" and one["mean"] == best)
            for side, one in zip(sides, mine, strict=True)
        ]
        known = [one for one in mine if one is not None]
        lines.append(f"| {task} | `{body}` | {' | '.join(cells)} | {metric} | {max(one['seeds'] for one in known)} |")
    for task, side, metric in dict.fromkeys(
        (row["task"], row["side"], row["metric"]) for row in rows if row["side"] not in sides
    ):
        mean = next(r["mean"] for r in rows if (r["task"], r["side"], r["metric"]) == (task, side, metric))
        lines.append(f"| {task} | {side} |  | {_number(mean, None)} |  | {metric} |  |")
    return "\n".join(lines)


def words_table(rows: list[dict[str, Any]]) -> str:
    """Return the tables of words.json.

    The first has one row per training: speed and quality, ours and the peer's. Then follow a table of the other
    measurements and a table of document classification.
    """
    found = {row["row"]: row for row in rows}
    lines = [
        (
            "| | words/s | peer | peer's words/s | times faster | times faster, total | WordSim: ours, peer's | "
            "SimLex | analogies, % |"
        ),
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
    """A table of the other measurements, one row each: ours, and the peer's where there is one."""
    rows = []
    if "memory" in found:
        held = found["memory"]["memory_mb"]
        peers = "; ".join(f"{tool}: {megabytes:.0f} MB" for tool, megabytes in held.items() if tool != "selftaught")
        rows.append(("skip-gram, peak memory beyond imports and loaded code", f"{held['selftaught']:.0f} MB", peers))
    if "startup" in found:
        rows.append(("start-up time beyond imports", f"{found['startup']['seconds']['selftaught']:.2f} s", "-"))
    if found.get("glove", {}).get("times"):
        times = found["glove"]["times"]
        for what, called in (("counting", "counting"), ("train", "training")):
            rows.append((f"GloVe, {called}", f"{times[what]['median']:.1f} times as fast", "the authors' code"))
    if "classifier" in found:
        row = found["classifier"]
        for loss, part in row["losses"].items():
            called = f"fastText classifier, accuracy on {row['data']}, loss `{loss}`, %"
            rows.append((called, _score(part, "accuracy"), f"fastText: {_score(part, 'fasttext')}"))
    if "small-text" in found:
        scores = found["small-text"]["scores"]
        for test, called in (("wordsim353", "WordSim-353"), ("simlex999", "SimLex-999"), ("analogies", "analogies, %")):
            ours = ", ".join(f"{_score(scores[per], test)} ({per})" for per in ("pair", "window"))
            peer = f"fastText: {_score(scores['fasttext'], test)}" if "fasttext" in scores else "-"
            rows.append((f"{found['small-text']['what']}, {called}, by `--negatives-per`", ours, peer))
    if "ngram" in found:
        for what, called in (("counts", "counting"), ("scores", "scoring")):
            rate = found["ngram"][f"{what}_per_second"] / 1e6
            rows.append((f"Kneser-Ney, {called}", f"{rate:.1f} M words/s", "-"))
    if not rows:
        return []
    lines = [f"| {called} | {ours} | {peer} |" for called, ours, peer in rows]
    return ["", "Other measurements:", "", "| | selftaught | compared with |", "|---|---|---|", *lines]


def _documents(found: dict[str, Any]) -> list[str]:
    """Return the table of documents classified by their averaged word vectors, next to a bag of words."""
    measured = {
        name.removeprefix("documents-"): row["sets"] for name, row in found.items() if name.startswith("documents-")
    }
    if not measured:
        return []
    told = "Linear probe on documents, each the average of its word vectors; in brackets the same encoder untrained:"
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


def language_table(rows: list[dict[str, Any]]) -> str:
    """Return the tables of language.json: a step of training and its memory, generation, and Shakespeare."""
    found = {row["row"]: row for row in rows}
    head = [
        (
            "| a step of training | tokens/s | transformers' | times as fast | share of its memory | "
            "body alone, share of a step | building a batch |"
        ),
        "|---|---|---|---|---|---|---|",
    ]
    lines: list[str] = []
    for row in (row for row in rows if "times" in row):
        rate = row["tokens_per_second"]
        lines.append(
            f"| {row['what'].removeprefix('a step of ')} | {rate['selftaught']:,} | {rate['transformers']:,} | "
            f"{row['times']['median']:.2f} | {row['memory']:.2f} | {100 * row['body']:.0f}% | "
            f"{100 * row['batch']:.1f}% |"
        )
    lines = [*head, *lines, ""] if lines else []
    others = []
    if "generation" in found:
        milliseconds = found["generation"]["milliseconds"]
        each = {tool: f"{ms['first']:.1f} to {ms['last']:.1f} ms" for tool, ms in milliseconds.items()}
        called = f"a generated token, from the first tenth to the last of {found['generation']['length']}"
        others.append((called, each["selftaught"], f"transformers: {each.get('transformers', '-')}"))
    if "shakespeare" in found:
        row = found["shakespeare"]
        called = f"Shakespeare by characters, nats per held-out character after {row['seconds']:.0f} s"
        ours = f"{row['selftaught']['mean']:.3f} ±{row['selftaught']['spread']:.3f}"
        others.append((called, ours, f"nanoGPT: {row['nanoGPT']:.2f}"))
    if others:
        lines += ["| | selftaught | compared with |", "|---|---|---|"]
        lines += [f"| {called} | {ours} | {peer} |" for called, ours, peer in others]
    return "\n".join(lines)


def peers_table(rows: list[dict[str, Any]]) -> str:
    """Return the table of peers.json: one row per method, library and optimiser."""
    lines = ["| | library | optimiser | images/s | linear | kNN | seeds |", "|---|---|---|---|---|---|---|"]
    lines += [
        f"| `{row['method']}` | {row['tool']} | {row['optimizer']} | {row['images_per_second']:,.0f} | {cells(row)} | "
        f"{row['seeds']} |"
        for row in rows
    ]
    return "\n".join(lines)


def _score(scores: dict[str, Any] | None, test: str) -> str:
    part = (scores or {}).get(test, {})
    if part.get("mean") is None:
        return "-"
    return _number(part["mean"], part["spread"])


Table = Callable[[list[dict[str, Any]]], str]
TABLES: dict[str, tuple[Path, str, Table]] = {
    "methods": (ROOT / "README.md", "vision", methods_table),
    "words": (ROOT / "README.md", "words", words_table),
    "language": (ROOT / "benchmarks" / "README.md", "language", language_table),
    "variants": (ROOT / "benchmarks" / "README.md", "vision", variants_table),
    "peers": (ROOT / "benchmarks" / "README.md", "peers", peers_table),
    "labels": (ROOT / "docs" / "few-labels.md", "few_labels", labels_table),
    "fine-tuning": (ROOT / "docs" / "few-labels.md", "finetune", finetuning_table),
    "tuning": (ROOT / "docs" / "fine-tuning.md", "tuning", tuning_table),
    "detection": (ROOT / "docs" / "fine-tuning.md", "detection", detection_table),
}
"""For each table: its document, its results and the function that writes it."""


def filled(text: str, name: str, content: str) -> str:
    """Replace the content between the two markers of a table. Raises ValueError if a marker is missing."""
    first, last = (f"<!-- {name}: {end} -->" for end in ("begin", "end"))
    head, begin, rest = text.partition(first)
    _, end, tail = rest.partition(last)
    if not begin or not end:
        raise ValueError(f"the document needs the lines {first} and {last}")
    return f"{head}{first}\n{content}\n{last}{tail}"


def main() -> int:
    """Write the documents. With --check only compare them, and return 1 if one is out of date."""
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
