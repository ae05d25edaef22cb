"""How pixels are read: which values are black and white, which bands and pages are taken, which axis has the channels.

The rules are the same for every format. What is kept of a pixel is uint8: values of other types are first mapped from
their range (see `levels`).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, Self, final, get_args

from selftaught import errors
from selftaught.errors import UserError

Ranges = tuple[tuple[float, float], ...]
"""(black, white): one pair for all channels, or one for each."""
Axis = Literal["auto", "first", "last"]
_NUMBER = r"\s*[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?\s*"
_PAIR = re.compile(rf"({_NUMBER})\.\.({_NUMBER})")


@final
@dataclass(frozen=True)
class Reading:
    """The options of reading pixels, checked.

    Args:
        ranges: The values that become 0 and 255. "auto": decided by the data set; "type": the whole range of the type.
        bands: Positions from 0 of the bands that are kept, in order. None: those that the file's tags call colours and
            bands, transparency composited over white; "all": every band as it is.
        pages: Of a file with several pages: "first", "all" (each is a sample), "channels" (each is a channel), or one
            page, counted from 0.
        axis: The axis of an array that has the channels.
    """

    ranges: Ranges | Literal["auto", "type"] = "auto"
    bands: tuple[int, ...] | Literal["all"] | None = None
    pages: int | Literal["first", "all", "channels"] = "first"
    axis: Axis = "auto"

    @classmethod
    def of(
        cls,
        range: str | Sequence[float] | None = None,
        bands: str | int | Sequence[int] | None = None,
        pages: str | int = "first",
        channel_axis: str = "auto",
    ) -> Self:
        """Return the options from what a user wrote. Raises UserError, which begins with the name of the option."""
        if channel_axis not in get_args(Axis):
            raise errors.unknown("channel_axis", channel_axis, get_args(Axis))
        return cls(_ranges(range), _bands(bands), _pages(pages), channel_axis)  # type: ignore[arg-type]

    @property
    def remark(self) -> str:
        """What there is to say if no pixel has more than 8 bits: that a range has no effect; else ""."""
        return "" if self.ranges == "auto" else "--range has no effect, because the pixels have 8 bits"

    @property
    def shaping(self) -> str:
        """Tells readings apart that give other values or shapes; the range is applied after them. "" by default."""
        changed = (self.bands, self.pages, self.axis == "first")
        return "" if changed == (None, "first", False) else repr(changed)

    @property
    def told(self) -> dict[str, Any]:
        """What differs from the defaults, as a user would write it; `of` reads it back."""
        found: dict[str, Any] = {}
        if self.ranges != "auto":
            found["range"] = self.ranges if isinstance(self.ranges, str) else written(self.ranges)
        if self.bands is not None:
            found["bands"] = "all" if self.bands == "all" else ",".join(str(band + 1) for band in self.bands)
        if self.pages != "first":
            found["pages"] = str(self.pages + 1) if isinstance(self.pages, int) else self.pages
        if self.axis != "auto":
            found["channel_axis"] = self.axis
        return found


DEFAULT = Reading()
"""Decided by the data and by the tags of the files."""


def written(ranges: Ranges) -> str:
    """Return ranges as a user writes them: ``0..4095``, or ``0..3000,0..800`` for two channels."""
    return ",".join(f"{low:.15g}..{high:.15g}" for low, high in ranges)


def _ranges(value: str | Sequence[float] | None) -> Ranges | Literal["auto", "type"]:
    if value is None or value == "auto":
        return "auto"
    if value == "type":
        return "type"
    if isinstance(value, str):
        pairs = [_PAIR.fullmatch(part) for part in value.split(",")]
        found = tuple((float(pair[1]), float(pair[2])) for pair in pairs if pair)
        fits = len(found) == len(pairs)
    else:
        fits, found = len(value) == 2, ((float(value[0]), float(value[-1])),)
    if not fits or any(low >= high for low, high in found):
        raise UserError(
            f"range must be auto, type, BLACK..WHITE such as 0..4095, or one such pair for each channel, separated by "
            f"commas, not {value!r}"
        )
    return found


def _bands(value: str | int | Sequence[int] | None) -> tuple[int, ...] | Literal["all"] | None:
    if value is None or value == "auto":
        return None
    if value == "all":
        return "all"
    parts = [str(one).strip() for one in (value.split(",") if isinstance(value, str) else _listed(value))]
    if not parts or not all(part.isdecimal() and int(part) for part in parts):
        raise UserError(f"bands must be auto, all, or numbers from 1 such as 4,3,2, not {value!r}")
    return tuple(int(part) - 1 for part in parts)


def _listed(value: int | Sequence[int]) -> Sequence[int]:
    return [value] if isinstance(value, int) else value


def _pages(value: str | int) -> int | Literal["first", "all", "channels"]:
    if value == "first" or value == "all" or value == "channels":
        return value  # type: ignore[return-value]
    if not str(value).isdecimal() or int(value) < 1:
        raise UserError(f"pages must be first, all, channels, or the number of a page from 1, not {value!r}")
    return int(value) - 1
