"""Grey images as colour ones."""

from __future__ import annotations

from typing import Any, final

import numpy as np

from selftaught.data.image.source import ImageSource
from selftaught.source import Index, Source, Wrapped, digest_of


@final
class Coloured(Wrapped, ImageSource):
    """The grey images of `source` with the same value in red, green and blue."""

    channels = 3

    def __init__(self, source: Source) -> None:
        self._source = source
        self.image_size, self.reading = source.traits.get("size"), source.traits.get("reading", {})
        self.drawn, self.of = getattr(source, "drawn", None), getattr(source, "of", None)
        self.samples, self.classes = source.samples, source.classes
        self.skipped, self.notes = list(source.skipped), source.notes

    def fetch(self, index: Index) -> dict[str, Any]:
        """See `ImageSource.fetch`."""
        batch = self._source.fetch(index)
        images = batch["image"]
        if isinstance(images, np.ndarray):
            return batch | {"image": np.repeat(images, 3, axis=-1)}
        return batch | {"image": [np.repeat(image, 3, axis=-1) for image in images]}

    @property
    def fingerprint(self) -> str:
        """A digest that differs from that of the grey images."""
        return digest_of("colour", self._source.fingerprint)


def is_grey(source: Source) -> bool:
    """Return whether all images of a source are known to have one channel."""
    return source.traits.get("channels") == 1


def alike(parts: dict[str, Source]) -> dict[str, Source]:
    """Return all parts of a data set in colour if some are in colour and some are grey."""
    channels = {part.traits.get("channels") for part in parts.values()}
    if channels != {1, 3}:
        return parts
    return {name: Coloured(part) if is_grey(part) else part for name, part in parts.items()}
