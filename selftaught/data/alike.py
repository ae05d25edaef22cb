"""Samples of one kind for an encoder of another, which sees the same of both: images for an encoder of frames."""

from __future__ import annotations

from typing import final

from selftaught.kind import Kind
from selftaught.source import Index, Raw, Source, Wrapped


@final
class Alike(Wrapped):
    """The samples of `source`, of the kind that `kind` is like (`Kind.like`), as plain views of `kind` read them."""

    def __init__(self, source: Source, kind: type[Kind]) -> None:
        super().__init__(source)
        self._kind = kind

    def fetch(self, index: Index) -> Raw:
        """See `Source.fetch` and `Kind.alike`."""
        return self._kind.alike(self._source.fetch(index))
