"""Files of text: find them, tell their type, and read their bytes in blocks, decompressed."""

from __future__ import annotations

import bz2
import codecs
import gzip
import hashlib
import lzma
import os
import re
import unicodedata
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import IO, Any, Literal, final

from selftaught.data import groups, layout, tables
from selftaught.data.folders import shown
from selftaught.data.subset import Draw
from selftaught.errors import UserError
from selftaught.kind import Progress, silent
from selftaught.parts.tokens import Form, Tokens
from selftaught.source import Skipped, digest_of

Kind = Literal["text", "lines", "table", "rows"]
Errors = Literal["skip", "replace", "strict"]
"""What becomes of what cannot be read. skip: lines, records and files are left out, counted and named; replace: bytes
that are not UTF-8 become U+FFFD, the rest is skipped; strict: the first one is an error."""

TEXTS = frozenset((".txt", ".text", ".md", ".rst", ".tok", ".tokens", ".tex", ".en", ".de", ".fr", ".zh"))
LINES = frozenset((".jsonl", ".ndjson"))
ROWS = {".csv": ",;\t", ".tsv": "\t"}
"""Files of rows, and what may separate their columns."""
ABOUT = re.compile(r"(readme|licen[cs]e|about|notice|changelog)\b", re.IGNORECASE)
"""The start of the names of files that tell about the others."""
PACKED = {".gz": "gzip", ".bz2": "bzip2", ".xz": "xz", ".zst": "zstandard"}
"""Endings of compressed files that can be read, and what each is called."""
BLOCK = 1 << 19
LOOK = 4096  # bytes that are inspected to tell whether a file with an unknown extension is text
SQUEEZED = 1 << 13  # compressed bytes per step, so that even the output of a decompression bomb stays small
BOM = codecs.BOM_UTF8
WIDE = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
NUL = "a NUL byte"


@final
class NotText(UserError):
    """A file or a part of it cannot be read as text; the rest may be."""


@final
@dataclass(frozen=True)
class How:
    """The options of reading text, see `open_text`.

    With `careful`, what cannot be read is left out; otherwise it raises NotText.
    """

    tokens: Tokens
    lower: bool
    form: Form
    errors: Errors
    column: str
    encoding: str = "utf-8"
    label: str | None = None
    draw: Draw = field(default_factory=Draw)
    groups: Any = None
    progress: Progress = field(default=silent, compare=False)
    careful: bool = field(default=False, compare=False)

    def key(self, *content: object) -> str:
        """Return the cache key of `content`, which includes the version of Python's Unicode tables."""
        how = (
            unicodedata.unidata_version, self.tokens, self.lower, self.form, self.errors, self.column, self.encoding,
            self.label, None if self.draw.limit is None else (self.draw.limit, self.draw.seed),
        )  # fmt: skip
        return digest_of(repr(how), repr(content), *(() if self.groups is None else (str(self.groups),)))

    @cached_property  # every record asks for it, and the file system has to be asked whether it is a file
    def group(self) -> str | None:
        """The column of groups that was asked for, if it is one."""
        return str(self.groups) if groups.is_column(self.groups) else None


def checked_encoding(name: str) -> str:
    """Return the standard name of an encoding of text. Raises UserError if there is none of this name."""
    try:
        found = codecs.lookup(name)
        "".encode(name)  # not of text: base64 and others
    except (LookupError, ValueError):
        raise UserError(f"unknown encoding '{name}': give one that Python knows, such as latin-1 or utf-16") from None
    return found.name


def hexadecimal(data: bytes) -> str:
    """Return the first four bytes of `data` as a reader sees them in messages."""
    return " ".join(f"{byte:02x}" for byte in data[:4])


@final
@dataclass(frozen=True)
class File:
    """One file: its path, its name below the given folder, its type, and the class it belongs to."""

    path: Path
    name: str
    kind: Kind
    label: str | None = None

    def digest(self) -> bytes:
        """Return the SHA-256 of the file. Raises UserError if it cannot be read."""
        try:
            with self.path.open("rb") as file:
                return hashlib.file_digest(file, "sha256").digest()
        except OSError as error:
            raise unreadable(self.path, error) from None

    @property
    def size(self) -> int:
        """Return the size in bytes, or 0 if it is unknown."""
        try:
            return self.path.stat().st_size
        except OSError:
            return 0


def unreadable(path: Path, error: Exception) -> NotText:
    """Return the error for a file that cannot be read."""
    return NotText(f"{shown(str(path))}: cannot be read: {getattr(error, 'strerror', None) or error}")


def suffix_of(path: Path) -> str:
    """Return the file name extension in small letters, without that of a compressed file."""
    return (path.with_suffix("") if path.suffix.lower() in PACKED else path).suffix.lower()


def kind_of(path: Path) -> Kind | None:
    """Return the type by the file name extension, or None if it is unknown."""
    suffix = suffix_of(path)
    if suffix in TEXTS or (not suffix and path.suffix):
        return "text"
    return "lines" if suffix in LINES else "rows" if suffix in ROWS else "table" if suffix in tables.SUFFIXES else None


def one(path: Path) -> File:
    """Return a file that the user named. It is text unless its extension says otherwise."""
    return File(path, path.name, kind_of(path) or "text")


@final
@dataclass(frozen=True)
class Found:
    """The files of a folder.

    Args:
        parts: The files of "train" and "test", or of "all"; files of text with their classes.
        called: What each part is called in the folder; "" = it has no name.
        aside: How many files or rows are in what is left aside; None = unknown.
        skipped: The files that are not read, with reasons.
        why: Why there are no classes, "" if there are, or if the files have labels of their own.
    """

    parts: dict[str, list[File]]
    called: dict[str, str]
    aside: dict[str, int | None]
    skipped: list[Skipped]
    why: str = ""


def below(root: Path, labelled: Callable[[File], bool] = lambda _: True) -> Found:
    """Return the files of a folder, of one type, at any depth, sorted by path.

    If there are tables or JSON Lines, other files are skipped, and the names of the files tell the parts. So it is with
    .csv and .tsv, but beside files of text they are skipped, because they tell about these. Else folders are parts and
    classes by the rule of `data/layout`, and so are single files if each of them is called like a part.

    A test part judges only if it is `labelled`, where there is validation too (see `layout.chosen`).

    Raises UserError if there is nothing to read.
    """
    files, skipped = list[File](), list[Skipped]()
    for path in sorted(_walk(root), key=os.fsencode):
        name = shown(os.path.relpath(path, root))
        kind = kind_of(path) or ("text" if _is_text(path) else None)
        if kind is None:
            skipped.append({"path": name, "reason": "not text"})
        else:
            files.append(File(path, name, kind))
    for kind in ("table", "lines"):
        if any(file.kind == kind for file in files):
            skipped += [
                {"path": file.name, "reason": "the folder has tables of text"} for file in files if file.kind != kind
            ]
            return _named(root, {file.name: file for file in files if file.kind == kind}, skipped, labelled)
    rows = {file.name: file for file in files if file.kind == "rows"}
    texts = [file for file in files if file.kind == "text"]
    if rows and all(ABOUT.match(Path(file.name).name) for file in texts):
        skipped += [{"path": file.name, "reason": "the folder has tables of text"} for file in texts]
        return _named(root, rows, skipped, labelled)
    skipped += [{"path": name, "reason": "a table beside files of text"} for name in rows]
    files = texts
    if not files:
        raise UserError(
            f"{shown(str(root))}: there is no text in this folder or its subfolders (.txt, .jsonl, .csv, .parquet, ...)"
        )
    loose = {file.name: file for file in files if not ABOUT.match(file.name)}
    if all("/" not in name and layout.side_of_file(name) for name in loose):
        parts = _named(root, loose, skipped, labelled)
        if "all" not in parts.parts:
            return parts
    named = layout.arrange([file.name for file in files], root.resolve().name)
    return Found(
        {part: [replace(files[row], label=named.owners[row]) for row in rows] for part, rows in named.parts.items()},
        named.called,
        dict(named.aside),
        skipped,
        named.why,
    )


def _named(root: Path, files: dict[str, File], skipped: list[Skipped], labelled: Callable[[File], bool]) -> Found:
    """Return files whose names tell the parts. What labels they have is not known before they are read."""
    kept = tables.of_one_set(root, list(files))
    parts, left = layout.named(kept, lambda names: any(labelled(files[name]) for name in names))
    return Found(
        {part: [files[name] for name in names] for part, names in parts.items()},
        {part: " and ".join(names[:3]) if "all" not in parts or left else "" for part, names in parts.items()},
        dict.fromkeys(left, 1),
        skipped,
    )


def _walk(root: Path) -> Iterator[Path]:
    seen: set[tuple[int, int]] = set()
    for folder, inside, names in os.walk(root, followlinks=True):
        at = os.stat(folder)
        if (at.st_dev, at.st_ino) in seen:
            inside.clear()
            continue
        seen.add((at.st_dev, at.st_ino))
        inside[:] = sorted(name for name in inside if not name.startswith("."))
        for name in names:
            path = Path(folder, name)
            if not name.startswith(".") and path.is_file():
                yield path


def _is_text(path: Path) -> bool:
    try:
        start = next(iter(unpacked(path)), b"")[:LOOK]
        codecs.getincrementaldecoder("utf-8")().decode(start)
    except (UserError, UnicodeDecodeError):
        return False
    return bool(start) and b"\0" not in start


def blocks(path: Path, errors: Errors, encoding: str = "utf-8") -> Iterator[bytes]:
    """Yield the bytes of a file, decompressed according to its extension, without a byte order mark, as UTF-8.

    Text of another encoding is converted; bytes that are not of it are an error if `errors` is "strict", otherwise they
    become U+FFFD. Bytes that are not UTF-8 stay, unless `errors` is "replace".

    Raises NotText if the file cannot be read, is a damaged archive, or is UTF-16 and that is not the encoding.
    """
    convert = encoding != "utf-8" or errors == "replace"
    decode = codecs.getincrementaldecoder(encoding)("strict" if errors == "strict" else "replace").decode
    first = True
    try:
        for block in unpacked(path):
            if first and block.startswith(WIDE) and encoding == "utf-8":
                raise NotText(f"{shown(str(path))}: line 1: UTF-16, not UTF-8: read it with --encoding utf-16")
            block = block.removeprefix(BOM) if first and encoding == "utf-8" else block
            first = False
            yield decode(block).encode("utf-8", "replace") if convert else block
        if convert:
            yield decode(b"", True).encode("utf-8", "replace")
    except UnicodeDecodeError as error:
        raise NotText(
            f"{shown(str(path))}: not {encoding} (bytes {hexadecimal(error.object[error.start :])}): name another "
            "--encoding, or replace the bytes with --errors replace"
        ) from None


_OPENERS: dict[str, Callable[[IO[bytes]], Any]] = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}


def unpacked(path: Path) -> Iterator[bytes]:
    """Yield the bytes of a file, decompressed according to its extension. Raises NotText if that cannot be done."""
    suffix = path.suffix.lower()
    try:
        with path.open("rb") as file:
            if suffix == ".zst":
                yield from _zstandard(path, file)
                return
            stream = _OPENERS[suffix](file) if suffix in _OPENERS else file
            while block := stream.read(BLOCK):
                yield block
    except (EOFError, gzip.BadGzipFile, zlib.error, lzma.LZMAError) as error:
        raise _damaged(path, suffix, error) from None
    except OSError as error:
        if suffix == ".bz2" and error.errno is None:
            raise _damaged(path, suffix, error) from None
        raise unreadable(path, error) from None


def _damaged(path: Path, suffix: str, error: Exception | str) -> NotText:
    return NotText(f"{shown(str(path))}: a damaged {PACKED[suffix]} file ({error})")


def _zstandard(path: Path, file: IO[bytes]) -> Iterator[bytes]:
    try:
        import zstandard
    except ImportError:
        raise UserError(f"{shown(str(path))}: reading .zst needs zstandard: pip install 'selftaught[zst]'") from None
    whole = True
    try:
        while data := file.read(SQUEEZED):
            while data:
                if whole:
                    frame, whole = zstandard.ZstdDecompressor(max_window_size=1 << 31).decompressobj(), False
                if out := frame.decompress(data):
                    yield out
                whole, data = frame.eof, frame.unused_data if frame.eof else b""
    except zstandard.ZstdError as error:
        raise _damaged(path, ".zst", error) from None
    if not whole:
        raise _damaged(path, ".zst", "truncated")
