"""A public data set of recordings in the cache, from packages of Debian."""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, final

from selftaught.data import cache, remote
from selftaught.data.audio.decode import SUFFIXES
from selftaught.data.entry import Entry
from selftaught.kind import Progress, Split, silent

INSTEAD = "run it where apt-get can download Debian packages, or give a folder of recordings of your own"
HELD_OUT = 5
"""One of so many names of recordings is of the test part, whatever class it is of."""


@final
@dataclass(frozen=True)
class Voice:
    """One class of recordings.

    Args:
        package: The Debian package that holds them.
        inside: The folder in it.
    """

    package: str
    inside: str


@final
class AudioSet:
    """One data set of the catalog. The recordings of one name are in the same part, in every class.

    Args:
        entry: Its description in the catalog; of the kind "audio".
        voices: The classes.
        without: The names of what is no sample of its class, the same for all; a name with "/" at its end is a folder.
        languages: The language of each class. Recordings of one name say the same in the classes of one language.
    """

    parts: ClassVar[tuple[Split, ...]] = ("train", "test")
    options: ClassVar[Mapping[str, Any]] = {}

    def __init__(
        self,
        entry: Entry,
        voices: Mapping[str, Voice],
        without: Sequence[str] = (),
        languages: Mapping[str, str] = {},
    ) -> None:
        self.ENTRY, self.voices, self.without, self.languages = entry, voices, tuple(without), dict(languages)

    @property
    def place(self) -> Path:
        """The folder of all recordings."""
        return cache.folder() / "recordings" / self.ENTRY.name

    def cached(self) -> bool:
        """Return whether nothing has to be downloaded."""
        return all(self._list(voice).is_file() for voice in self.voices)

    def owner(self, name: str) -> str:
        """Return the class of a recording."""
        return name.partition("/")[0]

    def files(self, progress: Progress = silent) -> tuple[Path, dict[str, list[str]]]:
        """Return the folder, and the paths of the recordings of each part in it, the training part first.

        Downloads what is missing. Raises UserError if it cannot be downloaded.
        """
        for done, (voice, of) in enumerate(self.voices.items()):
            if not self._whole(voice):
                progress(done, len(self.voices))
                self._fetch(voice, of)
        names = [f"{voice}/{name}" for voice in self.voices for name in self._names(voice)]
        found: dict[str, list[str]] = {"train": [], "test": []}
        for name in names:
            found["test" if held_out(called(name)) else "train"].append(name)
        return self.place, found

    def _list(self, voice: str) -> Path:
        return self.place / f"{voice}.json"

    def _names(self, voice: str) -> list[str]:
        names = sorted(json.loads(self._list(voice).read_bytes()))
        return [name for name in names if not f"{name.rpartition('.')[0]}".startswith(self.without)]

    def _whole(self, voice: str) -> bool:
        """Return whether all files of a class are there, of their sizes."""
        try:
            sizes = json.loads(self._list(voice).read_bytes())
            return all((self.place / voice / name).stat().st_size == size for name, size in sizes.items())
        except (OSError, ValueError, AttributeError):
            return False

    def _fetch(self, voice: str, of: Voice) -> None:
        """Copy the recordings of a class; the list of their sizes is written last."""
        cache.make(self.place)
        try:
            with remote.debian(of.package) as files:
                inside = files / of.inside
                names = [path.relative_to(inside).as_posix() for path in sorted(inside.rglob("*"))]
                names = [name for name in names if name.lower().endswith(SUFFIXES)]
                if not names:
                    raise remote.Unavailable(f"Debian's package {of.package} has no recordings in {of.inside}")
                with tempfile.TemporaryDirectory(prefix=".new-", dir=self.place) as new:
                    shutil.copytree(inside, Path(new) / voice)
                    shutil.rmtree(self.place / voice, ignore_errors=True)
                    (Path(new) / voice).rename(self.place / voice)
        except remote.Unavailable as reason:
            raise remote.nowhere(self.ENTRY.name, [str(reason)], INSTEAD) from None
        with cache.replacing(self._list(voice)) as out:
            out.write(json.dumps({name: (self.place / voice / name).stat().st_size for name in names}).encode())


def called(path: str) -> str:
    """Return what a recording is called in every class: its path below the class, without its ending."""
    return path.partition("/")[2].rpartition(".")[0]


def held_out(name: str) -> bool:
    """Return whether the recordings of this name are of the test part: by a hash of the name."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8]) % HELD_OUT == 0
