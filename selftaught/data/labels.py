"""Convert labels (integers, names, one-hot rows) to int64 and class names, once for all parts of a data set."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from selftaught.errors import UserError

LARGEST = 1_000_000  # more classes than this means that an index or a hash was taken for a label
FEW = 20
"""Fewer labelled samples than this may each have a class of their own."""
WORDS = {"f": "fractions"}
"""What values of some types of numpy are called."""
IDS = "hardly any value occurs twice (ids?)"
"""Why ids are no labels."""


@final
@dataclass(frozen=True)
class Given:
    """The labels of one part as they were found.

    Args:
        values: One a sample: integers, names, one-hot rows; None = there are none.
        n: The number of samples.
        names: Names of the classes that integers number, if they are known.
    """

    values: Any
    n: int
    names: Sequence[str] = ()

    @property
    def known(self) -> bool:
        """Whether at least one value says something."""
        return self.values is not None and any(
            value is not None and not (isinstance(value, int | np.integer) and value < 0) for value in self.values
        )


@final
@dataclass(frozen=True)
class Decided:
    """The labels of all parts.

    Args:
        labels: For each part int64 [N], -1 = unknown.
        classes: Names of the classes, the same for every part.
        why: Why what was found is no label, "" if it is.
        fix: What to do about it, if something can be done.
    """

    labels: list[NDArray[np.int64]]
    classes: tuple[str, ...]
    why: str = ""
    fix: str = ""


class _NoClasses(Exception):
    """The values are not labels of classes: why, and what to do about it."""

    def __init__(self, why: str, fix: str = "") -> None:
        super().__init__(why)
        self.why, self.fix = why, f": {fix}" if fix else ""


def decide(parts: Sequence[Given], ids: bool = False) -> Decided:
    """Number the labels of all parts of a data set alike.

    Names are numbered in the order of all that occur in any part, see `ordered`; integers are kept, and named by the
    names that come with them. Values that are not one class a sample (lists, fractions, texts or ids that
    hardly repeat) are no labels: then every sample is unknown, and `why` says why. With `ids`, values that hardly
    repeat are labels.
    """
    try:
        labels, classes = _decided(parts)
        if not ids:
            _not_ids(labels, parts)
    except _NoClasses as error:
        return Decided([np.full(part.n, -1, np.int64) for part in parts], (), error.why, error.fix)
    return Decided(labels, classes)


def as_text(value: Any) -> Any:
    """Return a value of a text file or of JSON as the name of a class; None if it is empty, others as they are."""
    return (str(value).strip() or None) if isinstance(value, str | int) else value


def ordered(names: Iterable[str]) -> list[str]:
    """Return names sorted by number if all are whole numbers, else by name."""
    found = sorted(names)
    return sorted(found, key=int) if all(name.removeprefix("-").isdecimal() for name in found) else found


def are_ids(labels: Sequence[NDArray[np.int64]]) -> bool:
    """Return whether most of the known labels of all parts are of one sample alone: they number or describe samples."""
    known = np.concatenate([one[one >= 0] for one in labels])
    return len(known) >= FEW and len(np.unique(known)) > len(known) / 2


def as_labels(
    values: Any, n: int, where: str, classes: Sequence[str] = ()
) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    """Return (int64 [n] with -1 = unknown, class names) of labels that someone gave as such.

    Integers are kept as they are. Names are numbered in sorted order, unless `classes` gives their order. Rows of a
    one-hot [n, K] array become their position. Raises UserError, with `where` in the message, if the count is wrong or
    values are not labels.
    """
    try:
        labels, names = _decided([Given(values, n, classes)])
    except _NoClasses as error:
        raise UserError(f"{where}: {error.why}{error.fix}") from None
    return labels[0], names


def _decided(parts: Sequence[Given]) -> tuple[list[NDArray[np.int64]], tuple[str, ...]]:
    found = [None if part.values is None else _read(part.values, part.n) for part in parts]
    named = [part.names for part in parts if part.names]
    kinds = {type(values) for values in found if values is not None and _known(values)}
    lists = {tuple(names) for names in named}
    if list in kinds or len(lists) > 1:
        found = [
            _spelt(values, part.names) if isinstance(values, np.ndarray) and _known(values) else values
            for values, part in zip(found, parts, strict=True)
        ]
        there = {name for values in found if isinstance(values, list) for name in values} - {""}
        classes = (
            next(iter(lists)) if len(lists) == 1 else tuple(sorted(there.union(*named)) if named else ordered(there))
        )
        if strange := sorted(there - set(classes)):
            raise _NoClasses(f"label '{strange[0]}' is not one of the classes {', '.join(classes)}")
        position = {name: i for i, name in enumerate(classes)}
        numbered = [
            [position.get(name, -1) for name in values] if isinstance(values, list) else [-1] * part.n
            for values, part in zip(found, parts, strict=True)
        ]
        return [np.array(one, np.int64) for one in numbered], classes
    labels = [
        values.astype(np.int64) if isinstance(values, np.ndarray) else np.full(part.n, -1, np.int64)
        for values, part in zip(found, parts, strict=True)
    ]
    low, high = (min(int(one.min(initial=0)) for one in labels), max(int(one.max(initial=-1)) for one in labels))
    if low < -1 or high > LARGEST:
        raise _NoClasses(f"labels range from {low} to {high}, but must be in [-1, {LARGEST}] (-1 = unknown)")
    if lists and high >= len(next(iter(lists))):
        raise _NoClasses(f"label {high} is out of range for the {len(next(iter(lists)))} named classes")
    return labels, next(iter(lists)) if lists else tuple(str(i) for i in range(high + 1))


def _known(values: NDArray[np.int64] | list[str]) -> bool:
    return any(values) if isinstance(values, list) else bool((values >= 0).any())


def _spelt(values: NDArray[np.int64], names: Sequence[str]) -> list[str]:
    """Return the names that integers number. Raises _NoClasses where they have none."""
    high = int(values.max())
    if not names:
        raise _NoClasses(f"some labels are names and some are numbers, such as {high}", "use only one type")
    if high >= len(names):
        raise _NoClasses(f"label {high} is out of range for the {len(names)} named classes")
    return [names[i] if i >= 0 else "" for i in values.tolist()]


def _read(values: Any, n: int) -> NDArray[np.int64] | list[str]:
    """Return integers with -1 = unknown, or names with "" = unknown. Raises _NoClasses for anything else."""
    array = _array(values)
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.ndim == 2 and array.dtype.kind in "buif" and array.shape[1] > 1 and _one_hot(array):
        array = array.argmax(axis=1)
    if array.shape != (n,):
        raise _NoClasses(f"labels have shape {array.shape}, but there are {n} samples", "give one label per sample")
    if array.dtype.kind == "O":
        array = _plain(array)
    if array.dtype.kind in "USO":
        return [_text(value) for value in array.tolist()]
    if array.dtype.kind in "uf" and n and array.max() > LARGEST:  # numpy makes one of them of large integers
        raise _NoClasses(f"labels range up to {array.max()}, but must be in [-1, {LARGEST}] (-1 = unknown)")
    if array.dtype.kind == "f" and n and np.isfinite(array).all() and (array == np.rint(array)).all():
        array = array.astype(np.int64)
    if array.dtype.kind not in "iub" and n:
        raise _NoClasses(f"labels must be integers or names, not {WORDS.get(array.dtype.kind, array.dtype)}")
    return array.astype(np.int64)


def _array(values: Any) -> NDArray[Any]:
    mixed = isinstance(values, list | tuple) and any(isinstance(value, str | bytes) for value in values)
    try:
        return np.asarray(values, object if mixed else None)  # numpy would spell the numbers among names
    except ValueError:  # rows of different lengths
        raise _NoClasses("labels are lists of different lengths", "give one label per sample") from None


def _plain(array: NDArray[Any]) -> NDArray[Any]:
    """Return objects as integers (None = -1) or as an array of names (None = ""). Raises _NoClasses for others."""
    known = [value for value in array if value is not None]
    if all(isinstance(value, str | bytes) for value in known):
        return np.array(["" if value is None else value for value in array], object)
    if any(isinstance(value, str | bytes) for value in known):
        strange = next(value for value in known if not isinstance(value, str | bytes))
        raise _NoClasses(f"some labels are names and some are numbers, such as {strange!r}", "use only one type")
    if all(isinstance(value, int | float | np.number | np.bool_) and float(value).is_integer() for value in known):
        if any(abs(int(value)) > LARGEST for value in known):
            low, high = min(map(int, known)), max(map(int, known))
            raise _NoClasses(f"labels range from {low} to {high}, but must be in [-1, {LARGEST}] (-1 = unknown)")
        return np.array([-1 if value is None else int(value) for value in array], np.int64)
    strange = next(value for value in known if not isinstance(value, int | np.integer))
    raise _NoClasses(f"labels must be integers or names, not {type(strange).__name__}")


def _not_ids(labels: Sequence[NDArray[np.int64]], parts: Sequence[Given]) -> None:
    """Raises _NoClasses if most samples have a label of their own, which numbers or describes them."""
    if are_ids(labels) and not any(part.names for part in parts):
        raise _NoClasses(IDS)


def _one_hot(array: NDArray[Any]) -> bool:
    return bool(((array == 0) | (array == 1)).all() and (array.sum(axis=1) == 1).all())


def _text(value: str | bytes) -> str:
    return value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else value
