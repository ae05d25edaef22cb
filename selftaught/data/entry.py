"""The description of a data set in the catalog, available before it is downloaded."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Entry:
    """One data set of the catalog.

    Args:
        name: Its name in `open_source` and on the command line.
        what: What the samples are, in a few words.
        size: Samples (train + test), colours and pixels; or documents and words.
        classes: Names of the classes; empty if it has none.
        licence: The licence of the data.
        origin: The places it is downloaded from, in order.
        cached: Whether it is already on this computer.
        kind: The kind of its samples.
    """

    name: str
    what: str
    size: str
    classes: tuple[str, ...]
    licence: str
    origin: str
    cached: bool = False
    kind: str = field(kw_only=True)
