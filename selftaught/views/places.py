"""Where samples are in time, for kinds whose samples follow each other (`Kind.moments`)."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from selftaught.errors import UserError
from selftaught.source import TOGETHER, Source

Places = NDArray[np.int64]


@runtime_checkable
class Placed(Protocol):
    """A source that knows the scene, the camera and the time of all its samples, int64 [N, 3], without reading them."""

    @property
    def places(self) -> Places:
        """See `places`."""


def places(source: Source) -> Places:
    """Return scene, camera and time in frames of every sample, int64 [N, 3].

    They are in the raw batches under "place"; samples are read only if the source cannot tell otherwise. Raises
    UserError for a source of other samples.
    """
    if isinstance(source, Placed):
        return source.places
    found = []
    for start in range(0, len(source), TOGETHER):
        batch = source.fetch(np.arange(start, min(start + TOGETHER, len(source))))
        if "place" not in batch:
            raise UserError(f"these {source.samples} have no places in time: use videos")
        found.append(np.asarray(batch["place"], np.int64))
    return np.concatenate(found) if found else np.zeros((0, 3), np.int64)
