"""The verbs that look at what was learned: probe, embed, compare, report."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from selftaught.cli.output import remark, show, show_json, table
from selftaught.cli.signature import SWITCH
from selftaught.errors import UserError

if TYPE_CHECKING:
    from selftaught.run import RunFolder

Json = Annotated[bool, Parameter(name="--json", help="Print JSON instead of a table.", **SWITCH)]
SIDES = ("trained", "untrained", "raw")


def probe(
    run: Path,
    data: str | None = None,
    /,
    *,
    seed: int = 0,
    quick: bool = False,
    pool: Literal["mean", "sif"] = "mean",
    sections: Annotated[bool, Parameter(**SWITCH)] = False,
    json_: Json = False,
) -> None:
    """Judge a run's encoder beside itself untrained and the raw input: linear probe, nearest neighbours, few labels.

    Word vectors, when no data are named, by what people say: rated pairs of words and analogies.

    Args:
        run: The run folder, or an encoder.safetensors.
        data: Labelled data to judge it by; by default what it was trained on.
        seed: Of the draws of labels.
        quick: Use at most 2,000 training and 1,000 test samples.
        pool: How the words of a text are averaged. mean: alike; sif: frequent ones less, and without what all texts have in common.
        sections: Show the analogies by section.
    """
    from selftaught import pretraining

    result = pretraining.load(run).probe(data, seed=seed, quick=quick, pool=pool, say=remark)
    if json_:
        show_json(result)
    else:
        show_probe(result, sections)


def show_probe(result: Mapping[str, Any], sections: bool = False) -> None:
    """The probe as tables, in percent; of analogies `sections` too."""
    if "words" in result:
        show_words(result["words"], sections)
    if "linear" in result:
        if "words" in result:
            show("")
        rows = [{"accuracy, %": name, **{side: entry.get(side) for side in SIDES}} for name, entry in _entries(result)]
        table(rows, left=("accuracy, %",))


def show_words(judged: Mapping[str, Any], sections: bool) -> None:
    """The judgement of word vectors as a table."""
    from selftaught.evaluate.words import ROWS

    named = {name: judged[key] for key, name in ROWS.items() if key in judged}
    named |= {f"  {name}": row for name, row in judged["sections"].items()} if sections else {}
    sides = [side for side in SIDES if any(side in row for row in named.values())]
    rows = [
        {"words": name, **{side: row.get(side) for side in sides}, "used": f"{row['used']:,} of {row['of']:,}"}
        for name, row in named.items()
    ]
    table(rows, left=("words",))


def _entries(result: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Any]]]:
    entries = [("linear probe, all labels", result["linear"]), ("k nearest neighbours", result["knn"])]
    if "classifier" in result:
        own = result["classifier"]
        entries.insert(0, (f"the run's own classifier, {_labels(own['labels'])}", {"trained": own["accuracy"]}))
    for labels, entry in result["labels"].items():
        if labels == "all":
            continue
        entries.append((f"linear probe, {labels} labels" + (" a class" if labels.isdigit() else ""), entry))
    return entries


def _labels(budget: str) -> str:
    """What `data.labels` says in words: 10/class is "10 labels a class", 10% "10% labels"."""
    number, _, a_class = budget.partition("/")
    return f"{number} labels" + (" a class" if a_class else "")


def embed(
    run: Path,
    data: str,
    /,
    *,
    out: Path,
    split: Literal["train", "test", "all"] = "all",
    limit: int | None = None,
    batch_size: int = 512,
) -> None:
    """Write the encoder's features of data to a file.

    Args:
        run: The run folder, or an encoder.safetensors.
        data: A data set, a folder or a file.
        out: FILE.npy (features alone), FILE.parquet or FILE.safetensors (features, labels, positions).
        split: Part of the data.
        limit: Only the first N samples.
        batch_size: Samples at a time.
    """
    from selftaught import pretraining
    from selftaught.data import open_source
    from selftaught.export import features as files

    files.check(out)
    loaded = pretraining.load(run)
    source = open_source(data, split, limit)
    features = loaded.embed(source, batch_size=batch_size)
    files.write(out, features, source.labels)
    show(f"{len(features):,} x {features.shape[1]} features are in {out}")


def compare(*runs: Path, json_: Json = False) -> None:
    """Runs side by side, the best linear probe first; accuracies in percent.

    "gain" is the linear probe over the same encoder untrained, "+-" half of its 95% confidence interval.

    Args:
        runs: Run folders.
    """
    from selftaught import evaluate
    from selftaught.run import RunFolder

    if not runs:
        raise UserError("no run is given: name run folders, 'selftaught compare runs/*'")
    folders = {str(path): RunFolder.open(path) for path in runs}
    judged = evaluate.compare({name: folder.summary for name, folder in folders.items()})
    rows = [_made(folders[row["run"]]) | row | _of_words(folders[row["run"]]) for row in judged]
    if json_:
        show_json(rows)
        return
    names = {"labels": "100 labels", "interval": "+-"}
    hidden = {key for key in _of_words(None) if all(row[key] is None for row in rows)}
    shown = [{names.get(key, key): value for key, value in row.items() if key not in hidden} for row in rows]
    table(shown, left=("run", "method", "encoder", "data"))
    for row in rows:
        if row["linear"] is None and row["analogies"] is None:
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


def _of_words(folder: RunFolder | None) -> dict[str, float | None]:
    """What word vectors of a run are worth by people's answers; None where that was not judged."""
    judged = {} if folder is None else folder.summary.get("words") or {}
    return {key: judged.get(key, {}).get("trained") for key in ("wordsim353", "simlex999", "analogies")}


def report(run: Path, /) -> None:
    """Write RUN/report.html, one file that opens without a network.

    Args:
        run: The run folder.
    """
    from selftaught import pretraining

    show(str(pretraining.load(run).report()))
