"""Files of the UCR and UEA archives of time series: .ts.

Lines of tags (``@univariate false``, ``@classLabel true walking running``), then after ``@data`` one series a line:
numbers with commas between them, a colon between channels, and the class last.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from selftaught.data.labels import Given
from selftaught.data.signal.part import Part
from selftaught.errors import UserError
from selftaught.source import Skipped

SUFFIX = ".ts"
MISSING = "?"


def read(path: Path) -> Part:
    """Return the series of a file. Raises UserError if it is not of this format, or has a time for each number."""
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: not a .ts file of time series: byte {error.start} is not UTF-8") from None
    tags, start = _tags(lines, path)
    classes = _labels(tags.get("classlabel", []))
    target = tags.get("targetlabel", ["false"])[0].lower() == "true"
    if tags.get("timestamps", ["false"])[0].lower() == "true":
        raise UserError(f"{path}: numbers with times (@timeStamps true) are not read: write them at equal steps")
    last = classes is not None or target
    series: list[NDArray[np.float64]] = []
    labels: list[str | float] = []
    skipped: list[Skipped] = []
    names = []
    for number, line in enumerate(lines[start:], start + 1):
        if not line.strip() or line.lstrip().startswith(("#", "%")):
            continue
        cells = line.strip().split(":")
        label = cells.pop().strip() if last and len(cells) > 1 else ""
        found = _series(cells)
        if isinstance(found, str):
            skipped.append({"path": f"{path.name}, line {number}", "reason": found})
        elif last and not label:
            skipped.append({"path": f"{path.name}, line {number}", "reason": "the line ends before its class"})
        elif classes and label not in classes:
            reason = f"'{label}' is none of the classes that @classLabel lists"
            skipped.append({"path": f"{path.name}, line {number}", "reason": reason})
        else:
            series.append(found)
            labels.append(label)
            names.append(f"{path.name}, line {number}")
    if not series and not skipped:
        raise UserError(f"{path}: there is no series after @data")
    notes = ("no classes, because @targetLabel names numbers to predict",) if target and not classes else ()
    given = Given(labels if classes is not None else None, len(series), classes or ())
    return Part(series, given, str(path), names, skipped=skipped, notes=notes)


def _tags(lines: list[str], path: Path) -> tuple[dict[str, list[str]], int]:
    """Return the words of each tag, and the number of the line after @data."""
    tags: dict[str, list[str]] = {}
    for number, line in enumerate(lines):
        words = line.split()
        if not words or words[0].startswith(("#", "%")):
            continue
        if not words[0].startswith("@"):
            raise UserError(f"{path}, line {number + 1}: not a .ts file of time series: a tag such as @data is missing")
        if words[0].lower() == "@data":
            return tags, number + 1
        tags[words[0][1:].lower()] = words[1:] or [""]
    raise UserError(f"{path}: not a .ts file of time series, or cut: there is no @data in it")


def _labels(words: list[str]) -> list[str] | None:
    """Return the classes that the tag lists, which may be none; None if there are no classes."""
    return words[1:] if words and words[0].lower() == "true" else None


def _series(cells: list[str]) -> NDArray[np.float64] | str:
    """Return [C, T], or why it cannot be read."""
    channels = []
    for cell in cells:
        words = [word.strip() for word in cell.split(",")] if cell.strip() else []
        try:
            channels.append(np.array(["nan" if word == MISSING else word for word in words], np.float64))
        except ValueError:
            wrong = next(word for word in words if not _is_number(word))
            return f"'{wrong[:40]}' is not a number"
    if len({len(one) for one in channels}) > 1:
        return f"its channels have {' and '.join(str(len(one)) for one in channels[:4])} samples"
    return np.stack(channels)


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return word == MISSING
    return True
