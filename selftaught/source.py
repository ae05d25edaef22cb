"""The interface of data. It does not need torch, so that listing and fetching data are fast."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Index = NDArray[np.int64]
Labels = NDArray[np.int64]
Raw = dict[str, Any]
Skipped = dict[str, str]
"""What could not be read, each as ``{"path": ..., "reason": ...}``."""

BESIDE = ("label", "index")
"""Entries of a batch other than the samples."""
LOOKED_AT = 64
"""Number of evenly spaced samples whose content is part of the default fingerprint."""
TOGETHER = 512


class Source(ABC):
    """A finite, indexable set of samples. For your own data, implement `__len__` and `fetch`.

    >>> import numpy as np
    >>> class Noise(Source):
    ...     def __len__(self):
    ...         return 100
    ...     def fetch(self, index):
    ...         rows = [np.random.default_rng(i).integers(0, 256, (8, 8, 1), np.uint8) for i in index]
    ...         return {"image": np.stack(rows), "index": index}
    >>> Noise().labelled, Noise().groups, len(Noise().digests)
    (False, None, 100)

    Attributes:
        samples: What samples are called in messages and logs: "images", "documents".
        classes: Names of the classes, position = label; empty if nothing is labelled.
        skipped: What could not be read, with reasons.
        notes: How the data were divided and what was left aside, a phrase each: see `data/told`.
        traits: Properties common to all samples, by name: ``{"channels": 3, "size": (28, 28)}`` for images. The kind
            defines which ones it reads.
    """

    samples: str = "samples"
    classes: tuple[str, ...] = ()
    skipped: Sequence[Skipped] = ()
    notes: Sequence[str] = ()
    traits: Mapping[str, Any] = {}

    @abstractmethod
    def __len__(self) -> int:
        """The number of samples."""

    @abstractmethod
    def fetch(self, index: Index) -> Raw:
        """Return the samples at `index` (int64 [B]) as a raw batch.

        The samples are under the name of their kind, with "label" and "index".

        Images: ``{"image": uint8 [B, H, W, C], or a list of uint8 [H, W, C] if sizes differ, "label": int64 [B] (-1 =
        unknown), "index": int64 [B]}``. The same index always gives the same bytes, from any thread or process. Raises
        IndexError for a position outside [0, N).
        """

    @property
    def labels(self) -> Labels:
        """int64 [N], -1 = unknown. Computed without reading the samples."""
        return np.full(len(self), -1, dtype=np.int64)

    @property
    def labelled(self) -> bool:
        """Whether at least one sample has a label."""
        return bool((self.labels >= 0).any())

    @property
    def groups(self) -> Labels | None:
        """int64 [N]: samples of one group (frames of one video) must stay on one side of a split.

        None = each is its own group.
        """
        return None

    def names(self, index: Index) -> list[str]:
        """Return what the samples at `index` are called: a path, a row; by default the position."""
        return [str(i) for i in checked(index, len(self)).tolist()]

    @property
    def digests(self) -> NDArray[np.uint8]:
        """uint8 [N, 32]: SHA-256 of the content of each sample. Equal digests are exact duplicates.

        By default every sample is fetched once.
        """
        return self._hashed

    @property
    def fingerprint(self) -> str:
        """A short digest of the content. A run refuses to resume on other data.

        By default it uses the number of samples, the labels and the content of 64 evenly spaced samples.
        """
        return self._looked_at

    @property
    def whole(self) -> Source:
        """The source with the labels that are hidden from training (see `data/hidden`); itself if none are hidden."""
        return self

    def relabelled(self, labels: Labels) -> Source | None:
        """Return the same samples with other labels, int64 [N], and the same `whole`.

        None = a wrapper does it (`data/hidden`).
        """
        return None

    @cached_property
    def _hashed(self) -> NDArray[np.uint8]:
        parts = (np.arange(i, min(i + TOGETHER, len(self))) for i in range(0, len(self), TOGETHER))
        rows = [digest for part in parts for digest in content_digests(self.fetch(part))]
        return np.frombuffer(b"".join(rows), np.uint8).reshape(len(self), 32)

    @cached_property
    def _looked_at(self) -> str:
        index = evenly(len(self), LOOKED_AT)
        looked = content_digests(self.fetch(index)) if len(index) else []
        return digest_of(type(self).__name__, str(len(self)), self.labels.tobytes(), *looked)


class Wrapped(Source):
    """The samples of another source. Subclasses say what differs."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self.samples, self.classes = source.samples, source.classes
        self.traits, self.skipped, self.notes = source.traits, source.skipped, source.notes

    def __len__(self) -> int:
        return len(self._source)

    @property
    def labels(self) -> Labels:
        """int64 [N], -1 = unknown."""
        return self._source.labels

    @property
    def groups(self) -> Labels | None:
        """int64 [N] or None."""
        return self._source.groups

    def names(self, index: Index) -> list[str]:
        """Return the names in the other source."""
        return self._source.names(index)

    @property
    def digests(self) -> NDArray[np.uint8]:
        """uint8 [N, 32], those of the other source."""
        return self._source.digests

    @property
    def fingerprint(self) -> str:
        """That of the other source."""
        return self._source.fingerprint


class Environments(Protocol):
    """N environments side by side, in which an agent acts. The next episode begins by itself.

    A source whose samples come from environments has in its traits, as "environments", what opens more of them: a
    function of their number and a seed. Under the same seed and the same actions they show the same.
    """

    key: str
    """The name of observations in raw batches."""
    actions: int
    """The number of actions."""
    observation: NDArray[Any]
    """What is seen now, [N, ...]."""

    def act(self, actions: NDArray[np.integer[Any]], /) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """Act in each, int [N]. Returns the rewards, and where the action ended the episode. Raises UserError."""

    def state(self) -> dict[str, NDArray[Any]]:
        """Return all that is needed to go on from here, as arrays by name."""

    def restore(self, state: Mapping[str, NDArray[Any]], /) -> None:
        """Go back to a `state`. Raises UserError if they cannot."""


def evenly(n: int, most: int) -> Index:
    """Return at most `most` evenly spaced positions in [0, n), int64, increasing; all of them if n is smaller."""
    return np.unique(np.linspace(0, n - 1, min(most, n)).astype(np.int64))


def content_digests(batch: Raw) -> list[bytes]:
    """Return the SHA-256 of each sample of a raw batch: of shape and bytes of all entries except label and index."""
    found = []
    for sample in zip(*(values for key, values in sorted(batch.items()) if key not in BESIDE), strict=True):
        arrays = [np.ascontiguousarray(value) for value in sample]
        found.append(hashlib.sha256(b"".join(repr(a.shape).encode() + a.tobytes() for a in arrays)).digest())
    return found


def checked(index: Index, n: int) -> Index:
    """Return `index` as int64 [B]. Raises IndexError outside [0, n)."""
    index = np.asarray(index, dtype=np.int64).reshape(-1)
    if index.size and (index.min() < 0 or index.max() >= n):
        raise IndexError(f"sample {index.min() if index.min() < 0 else index.max()} is outside [0, {n})")
    return index


def digest_of(*parts: bytes | str) -> str:
    """Return a short hexadecimal digest of `parts`, each with its length, so that their borders matter."""
    whole = hashlib.sha256()
    for part in parts:
        data = part.encode("utf-8", "surrogateescape") if isinstance(part, str) else part
        whole.update(len(data).to_bytes(8, "little"))
        whole.update(data)
    return whole.hexdigest()[:32]
