"""One annotated picture, and the check of its boxes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from selftaught.source import Skipped

NAMED = 2
"""Number of boxes that are named for each fault."""
ROUNDED = 1.0
"""A box may leave its picture by so many pixels without a word: annotations are rounded."""


@final
@dataclass(frozen=True)
class Box:
    """A box as it was found.

    Args:
        corners: [left, top, right, bottom], whatever the file says.
        label: The name of its class; None = unknown.
        said: What the file says of the class, for messages.
        ignored: Whether it is neither to be found nor wrong to find (a crowd, a difficult object).
    """

    corners: Sequence[Any]
    label: str | None
    said: Any = None
    ignored: bool = False


@final
@dataclass(frozen=True)
class Picture:
    """A picture as its annotations name it. `read` returns the encoded picture, or raises OSError or Unreadable."""

    name: str
    read: Callable[[], bytes]
    boxes: Sequence[Box]


@final
@dataclass(frozen=True)
class Found:
    """What the files of one part hold.

    Args:
        pictures: In the order of the files.
        classes: The names of the classes that they know, in their order.
        skipped: Files that could not be read.
        stray: Annotations of pictures that are not named.
    """

    pictures: Sequence[Picture]
    classes: Sequence[str]
    skipped: Sequence[Skipped] = ()
    stray: Sequence[str] = ()


@final
@dataclass(frozen=True)
class Checked:
    """The good boxes of a picture: float32 [M, 4], inside it; int64 [M]; bool [M]."""

    corners: NDArray[np.float32]
    classes: NDArray[np.int64]
    ignored: NDArray[np.bool_]


@final
@dataclass
class Faults:
    """What is wrong with boxes, counted, with the first ones of each fault."""

    counts: dict[str, int] = field(default_factory=dict)
    examples: dict[str, list[str]] = field(default_factory=dict)
    cut: int = 0
    """Boxes that were cut at the border of their picture."""

    def add(self, fault: str, where: str) -> None:
        """Count a fault of the box `where`."""
        self.counts[fault] = self.counts.get(fault, 0) + 1
        told = self.examples.setdefault(fault, [])
        if len(told) < NAMED:
            told.append(where)

    def notes(self) -> tuple[str, ...]:
        """Return what there is to say, a phrase each."""
        found = []
        if self.counts:
            total = sum(self.counts.values())
            told = [f"{n:,} {fault} ({'; '.join(self.examples[fault])})" for fault, n in self.counts.items()]
            found.append(f"{total:,} {'box' if total == 1 else 'boxes'} left out: {', '.join(told)}")
        if self.cut:
            found.append(f"{self.cut:,} {'box' if self.cut == 1 else 'boxes'} cut at the border of the picture")
        return tuple(found)


def check(picture: Picture, size: tuple[int, int], classes: Sequence[str], faults: Faults) -> Checked:
    """Return the boxes of a picture of `size` (height, width) that can be used, cut at its border.

    Boxes that are reversed, empty, outside the picture, of an unknown class, or no four numbers are left out and
    counted in `faults`. A picture without boxes is a negative.
    """
    height, width = size
    number = {name: i for i, name in enumerate(classes)}
    corners, labels, ignored = [], [], []
    for box in picture.boxes:
        try:
            left, top, right, bottom = (float(value) for value in box.corners)
        except (TypeError, ValueError):
            faults.add("not four numbers", f"{picture.name}: {box.corners!r}"[:80])
            continue
        where = f"{picture.name}: {left:g} {top:g} {right:g} {bottom:g}"
        inside = (max(left, 0.0), max(top, 0.0), min(right, float(width)), min(bottom, float(height)))
        if not all(map(np.isfinite, (left, top, right, bottom))):
            faults.add("not finite", where)
        elif right < left or bottom < top:
            faults.add("reversed", where)
        elif right == left or bottom == top:
            faults.add("empty", where)
        elif inside[2] <= inside[0] or inside[3] <= inside[1]:
            faults.add("outside the picture", f"{where} of {width}x{height}")
        elif box.label is None or box.label not in number:
            faults.add("of an unknown class", f"{picture.name}: {box.said if box.label is None else box.label}")
        else:
            faults.cut += max(abs(a - b) for a, b in zip(inside, (left, top, right, bottom), strict=True)) > ROUNDED
            corners.append(inside)
            labels.append(number[box.label])
            ignored.append(box.ignored)
    return Checked(
        np.array(corners, np.float32).reshape(-1, 4), np.array(labels, np.int64), np.array(ignored, np.bool_)
    )
