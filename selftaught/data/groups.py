"""Groups of samples that stay on one side of a split, such as the frames of one video.

They come from a column, from a file, or from a pattern of the samples' names.
"""

from __future__ import annotations

import csv
import os
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from selftaught.errors import UserError, expanded
from selftaught.source import Labels

Names = Callable[[], Sequence[str]]


def values(groups: Any, n: int, where: str, names: Names | None = None) -> list[str] | None:
    """Return the group of each of n samples; None if `groups` is the name of a column.

    >>> values("(.*)_", 3, "films", lambda: ["a_1.png", "a_2.png", "b_1.png"])
    ['a', 'a', 'b']

    Args:
        groups: One group per sample; or the path of a file: .npy, or text with one group a line in the order of the
            samples or with lines "name,group"; or a regular expression that is searched in the names, whose first
            parenthesis, else the whole match, is the group.
        n: The number of samples.
        where: Names the data in messages.
        names: The samples' names, if they have any. Without, text that is not a file is the name of a column.

    Raises UserError if a sample is left without a group.
    """
    if not isinstance(groups, str | os.PathLike):
        return _checked([str(one) for one in np.asarray(groups).reshape(-1).tolist()], n, "groups", where)
    path = expanded(groups)
    if path.is_file():
        return _of_file(path, n, where, names)
    if names is None:
        return None
    return _of_pattern(str(groups), names(), where)


def is_column(groups: Any) -> bool:
    """Return whether `groups` can only be the name of a column, where samples have no names."""
    return isinstance(groups, str) and not expanded(groups).is_file()


def numbered(found: Sequence[Any]) -> Labels:
    """Return groups as numbers, int64 [N]. A sample without a value (None or "") is a group of its own."""
    own = [f"\0{i}" if one is None or one == "" else f"{one}" for i, one in enumerate(found)]
    return np.unique(np.array(own, object), return_inverse=True)[1].reshape(-1).astype(np.int64)


def absent(groups: Any, where: str, known: Sequence[str]) -> UserError:
    """Return the error for a column that does not exist."""
    there = f"there is no column '{groups}' to group by, but {', '.join(known)}" if known else "it has no columns"
    return UserError(f"{where}: {there}: name a column or a file with the group of each sample with --groups")


def _checked(found: list[str], n: int, named: str, where: str) -> list[str]:
    if len(found) != n:
        raise UserError(f"{named}: {len(found)} groups for the {n} samples of {where}: give one group per sample")
    return found


def _of_file(path: Path, n: int, where: str, names: Names | None) -> list[str]:
    try:
        if path.suffix == ".npy":
            array = np.load(path, allow_pickle=False)
            return _checked([str(one) for one in array.reshape(-1).tolist()], n, str(path), where)
        lines = path.read_text("utf-8-sig").splitlines()
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: cannot be read as groups: {error}") from None
    rows = list(csv.reader(lines, delimiter="\t" if any("\t" in line for line in lines[:1]) else ","))
    if names is None or all(len(row) < 2 for row in rows):
        return _checked(lines, n, str(path), where)
    known = {row[0].removeprefix("./"): row[1] for row in rows if len(row) > 1}
    called = names()
    without = next((name for name in called if name not in known), None)
    if without is not None:
        raise UserError(f"{path}: '{without}' of {where} has no group: add a line with its path and its group")
    return [known[name] for name in called]


def _of_pattern(pattern: str, names: Sequence[str], where: str) -> list[str]:
    try:
        search = re.compile(pattern).search
    except re.error as error:
        raise UserError(f"groups '{pattern}' is neither a file nor a regular expression: {error}") from None
    matches = [search(name) for name in names]
    without = [name for name, match in zip(names, matches, strict=True) if match is None]
    if without:
        raise UserError(
            f"groups '{pattern}' matches no part of '{without[0]}' ({len(without):,} of {len(names):,} names of "
            f"{where}): write a regular expression that every path has, such as '(.*)_[0-9]+' for video_0001.png, "
            "or the path of a file of groups"
        )
    return [next((one for one in match.groups() if one is not None), match[0]) for match in matches if match]
