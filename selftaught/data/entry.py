"""What the catalog tells about a data set before it is fetched."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Entry:
    """One data set of the catalog.

    Args:
        name: What `open_source` and the command line call it.
        what: What the samples are, in a few words.
        size: Samples (train + test), colours and pixels; or documents and words.
        classes: Names of the classes; empty when it has none.
        licence: Of the data.
        origin: Where it is fetched from, in order.
        cached: Whether it is on this computer already.
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
