"""The verb that asks classifiers: predict."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from selftaught.cli.output import SWITCH, remark, show
from selftaught.errors import UserError

if TYPE_CHECKING:
    from selftaught.ask import Asked, Depths, Located

ENDINGS = (".csv", ".jsonl")


def predict(
    run: Path,
    data: Annotated[str, Parameter(allow_leading_hyphen=True)] = "-",
    /,
    *,
    out: Path | None = None,
    k: Annotated[int, Parameter(name=("-k", "--k"))] = 1,
    threshold: float = 0.0,
    column: str | None = None,
    errors: Literal["strict", "replace"] | None = None,
    pfm: Annotated[bool, Parameter(**SWITCH)] = False,
    json_: Annotated[bool, Parameter(name="--json", help="Print JSON lines instead of CSV.", **SWITCH)] = False,
) -> None:
    """Name the classes of samples by a run's own classifier: 'selftaught predict RUN reviews.csv -k 3'.

    For runs that learned from labels (fasttext_classifier, supervised, mean_teacher, ...). Where the data say what the
    samples are, how often the most probable class is right is told as well. A run that was fine-tuned for detection
    gives a row for each object, with its box in pixels; one that was fine-tuned for a task of text reads files of the
    form of that task, labelled or not, and gives its classes, numbers, spans, answers, choices or texts. A run of
    monodepth writes the disparity of each pair of pictures, in pixels, to a file of the folder --out.

    Args:
        run: The run folder.
        data: A data set, a folder or a file; of texts also one a line (words that begin with __label__ are its labels),
            or rows of .csv, .tsv and .jsonl; "-" reads lines from standard input.
        out: FILE.csv or FILE.jsonl; by default the result is printed. For disparities a folder.
        k: How many classes to name for each sample, the most probable first; of seq2seq how many texts.
        threshold: Only classes with at least this probability.
        column: The column or the field that has the text; a number counts the columns of a table without names.
        pfm: Write disparities as .pfm instead of .npy.
        errors: What to do with bytes of a text that are not UTF-8: refuse them, or replace them.
    """
    from selftaught import ask
    from selftaught.run import check_writable

    if ask.finds_depth(run):
        if column is not None or errors is not None or k != 1 or threshold or json_:
            raise UserError(f"{run} finds disparities, for which only --out and --pfm have an effect")
        _put_depths(ask.depth(run, data), out, pfm)
        return
    if pfm:
        raise UserError(f"{run} finds no disparities, so --pfm has no effect: remove it")
    if out is not None and out.suffix not in ENDINGS:
        raise UserError(f"{out} must end in {' or '.join(ENDINGS)}")
    if out is not None:
        check_writable(out)
    options = {name: value for name, value in {"column": column, "errors": errors}.items() if value is not None}
    if ask.locates(run):
        if options or k != 1:
            raise UserError(f"{run} finds objects in pictures, for which -k, --column and --errors have no effect")
        rows = _located(ask.locate(run, data, threshold=threshold), json_ if out is None else out.suffix == ".jsonl")
        _put(rows, out, "objects")
        return
    as_json = json_ if out is None else out.suffix == ".jsonl"
    said = ask.predicted(run, data, k=k, threshold=threshold)
    if said is not None:
        if options:
            raise UserError(f"{run} was fine-tuned for a task of text, for which --column and --errors have no effect")
        _put(_rows(said.rows, as_json), out, f"answers for {said.count:,} {said.samples}")
        if numbers := said.measured():
            told = ", ".join(f"{name} {value:.1f}" for name, value in numbers.items())
            remark(f"by the labels in the data: {told}")
        return
    asked = ask.predict(run, data, k=k, threshold=threshold, **options)
    lines = _json_lines(asked) if as_json else _csv_lines(asked, k)
    _put(lines, out, f"classes of {len(asked):,} {asked.samples}")
    if asked.judged:
        share = 100 * asked.right / asked.judged
        remark(f"the most probable class is right for {share:.1f}% of {asked.judged:,} labelled {asked.samples}")


def _put(lines: Iterator[str], out: Path | None, what: str) -> None:
    from selftaught.run import write_atomically

    if out is None:
        for line in lines:
            show(line)
    else:
        write_atomically(out, "".join(f"{line}\n" for line in lines).encode("utf-8", "surrogateescape"))
        show(f"the {what} are in {out}")


def _put_depths(found: Depths, out: Path | None, as_pfm: bool) -> None:
    """A file for each pair, called like its left picture."""
    from selftaught.export.disparity import write

    if out is None:
        raise UserError("the disparities of pictures are written to files: name a folder with --out")
    for name, disparity in found:
        write(disparity, out, name, as_pfm)
    show(f"the disparities of {len(found):,} pairs are in {out}")
    if (error := found.error()) is not None:
        remark(f"by the disparities in the data: a mean error of {error:.2f} pixels")


def _located(found: Iterator[tuple[str, list[Located]]], as_json: bool) -> Iterator[str]:
    """A line of JSON for each picture, or a row for each object."""
    if not as_json:
        yield _row(["sample", "label", "probability", "left", "top", "right", "bottom"])
    for name, objects in found:
        if as_json:
            yield json.dumps(
                {
                    "sample": name,
                    "labels": [one.label for one in objects],
                    "probabilities": [one.probability for one in objects],
                    "boxes": [one.box for one in objects],
                },
                ensure_ascii=False,
            )
        else:
            for one in objects:
                yield _row([name, one.label, f"{one.probability:.6f}", *(f"{side:.2f}" for side in one.box)])


def _rows(said: Iterator[dict[str, Any]], as_json: bool) -> Iterator[str]:
    """A line for each answer: of JSON, or of CSV with the names of the first one's values."""
    names: list[str] | None = None
    for row in said:
        if not as_json and names is None:
            names = list(row)
            yield _row(names)
        yield json.dumps(row, ensure_ascii=False) if as_json else _row([str(value) for value in row.values()])


def _json_lines(asked: Asked) -> Iterator[str]:
    for name, said in asked:
        yield json.dumps(
            {"sample": name, "labels": [label for label, _ in said], "probabilities": [p for _, p in said]},
            ensure_ascii=False,
        )


def _csv_lines(asked: Asked, k: int) -> Iterator[str]:
    k = min(k, asked.most)
    marks = ["", *(f"_{place}" for place in range(2, k + 1))]
    yield _row(["sample", *(f"{word}{mark}" for mark in marks for word in ("label", "probability"))])
    for name, said in asked:
        cells = [cell for label, p in said for cell in (label, f"{p:.6f}")]
        yield _row([name, *cells, *[""] * (2 * k - len(cells))])


def _row(cells: list[str]) -> str:
    line = io.StringIO()
    csv.writer(line, lineterminator="").writerow(cells)
    return line.getvalue()
