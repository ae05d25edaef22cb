"""The verb that judges: probe."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import Parameter

from selftaught.cli.output import SWITCH, Json, remark, show, show_json, table


def probe(
    run: Path,
    data: str | None = None,
    /,
    *,
    seed: int = 0,
    quick: bool = False,
    groups: str | None = None,
    column: str | None = None,
    label_column: str | None = None,
    pool: Literal["mean", "sif"] | None = None,
    patches: int | None = None,
    pairs: Annotated[list[Path] | None, Parameter(consume_multiple=True, negative="")] = None,
    analogies: Path | None = None,
    errors: Literal["strict", "replace"] = "strict",
    sections: Annotated[bool, Parameter(**SWITCH)] = False,
    json_: Json = False,
) -> None:
    """Judge a run's encoder beside itself untrained and the raw input: linear probe, nearest neighbours, few labels.

    Word vectors, when no data are named, by what people say: rated pairs of words and analogies. Language models by
    held-out text.

    Args:
        run: The run folder, an encoder.safetensors or a file of word vectors of any tool.
        data: Labelled data to judge it by; by default what it was trained on.
        seed: Of the draws of labels.
        quick: Use at most 2,000 training and 1,000 test samples, drawn from all classes alike.
        groups: Which samples stay on one side of a split, such as the frames of one video: a column, a file with the
            group of each sample, or a regular expression for the paths, whose parenthesis is the group: '(.*)_[0-9]+'.
            By default those of the run for its own data.
        column: The column of the texts or images, if the data are tables. By default that of the run for its own data.
        label_column: The column of the labels. By default that of the run for its own data.
        pool: How the words of a text are averaged. mean (the default): alike; sif: frequent ones less, and without what
            all texts share.
        patches: Average the features over so many random patches of a sample, drawn as in the training, for a run of a
            method that learns from patches (emp_ssl).
        pairs: Files of rated pairs of words instead of the standard tests: two words and a number a line.
        analogies: A file of analogies instead of the standard tests: four words a line, ": NAME" before each section.
        errors: What to do with words of a file that are not UTF-8: refuse it, or replace the bytes.
        sections: Show the analogies by section.
    """
    from selftaught import pretraining

    own: dict[str, Any] = {"pool": pool, "patches": patches, "pairs": pairs, "analogies": analogies}
    how: dict[str, Any] = {"seed": seed, "quick": quick, "groups": groups}
    how |= {"column": column, "label_column": label_column}
    result = pretraining.load(run, errors).probe(data, say=remark, **how, **own)
    if json_:
        show_json(result)
    else:
        show_results(result, sections)


def show_results(result: Mapping[str, Any], sections: bool = False) -> None:
    """What `Run.probe` gives as tables; with all their `sections`."""
    from selftaught.evaluate.task import every

    keys: set[str] = set()
    for task in every():
        found = result if task.key == "probe" and "linear" in result else result.get(task.key)
        if found and task.key not in keys:
            for rows, text in task.tables(found, sections):
                if keys:
                    show("")
                table(rows, left=text)
            keys.add(task.key)
