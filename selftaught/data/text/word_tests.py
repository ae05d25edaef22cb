"""Tests of word vectors based on human judgements: two lists of rated pairs, and analogies.

    wordsim353   353 pairs rated by how related they are, 0-10 (Finkelstein et al. 2002, "Placing Search in Context:
                 The Concept Revisited"); no licence stated in the file
    simlex999    999 pairs rated by how similar (not only related) they are, 0-10 (Hill, Reichart and Korhonen 2015,
                 "SimLex-999: Evaluating Semantic Models with (Genuine) Similarity Estimation"); no licence stated in
                 the file
    analogies    19,544 questions "a is to b as c is to d" in 14 sections (Mikolov et al. 2013, arXiv 1301.3781,
                 questions-words.txt of word2vec); Apache-2.0

All three are part of the test data of gensim: they are read from the installed package, else from its wheel on PyPI,
which is opened and not installed. Every file is checked by SHA-256 and kept in the cache.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

from selftaught.data import cache, remote
from selftaught.errors import UserError, unknown

FILES = {
    "wordsim353": ("wordsim353.tsv", "f92a022fc2537793a15bc3a8c162ebcd74990e033a228bb6388cb71e4c0b1e1d"),
    "simlex999": ("simlex999.txt", "d5e0501971478a511430ee880bd0121e94ac701ba86d90544d83e6d2ba3db05d"),
    "analogies": ("questions-words.txt", "8c29b3332afc46f3fb8be04cb5297bf96f39aa7131272dff57869b4485b22a36"),
}
PAIRS = ("wordsim353", "simlex999")
INSIDE = "test/test_data"
WHEEL = ("gensim", "4.4.0", "manylinux_2_28_x86_64", "manylinux_2_24_x86_64")


def similarity(name: str) -> list[tuple[str, str, float]]:
    """Return the pairs of "wordsim353" or "simlex999" in the order of the file.

    Each has two words as written there, and the mean rating, 0-10.

    Raises UserError for another name, and if the file cannot be downloaded.
    """
    if name not in PAIRS:
        raise unknown("list of rated pairs", name, PAIRS)
    rows = [line.split("\t") for line in _text(name).splitlines() if line and not line.startswith("#")]
    return [(first, second, float(rating)) for first, second, rating in rows]


def analogies() -> dict[str, list[tuple[str, str, str, str]]]:
    """Return the questions of each section in the order of the file, with words as written: "a is to b as c is to d".

    Sections are named as in the file ("capital-common-countries", ..., "gram9-plural-verbs"): those that begin with
    "gram" are about grammar, the others about meaning. Raises UserError if the file cannot be downloaded.
    """
    sections: dict[str, list[tuple[str, str, str, str]]] = {}
    for line in _text("analogies").splitlines():
        words = line.split()
        if words[0] == ":":
            questions = sections.setdefault(words[1], [])
        else:
            a, b, c, d = words
            questions.append((a, b, c, d))
    return sections


def pairs_of(path: Path) -> list[tuple[str, str, float]]:
    """Return the rated pairs of a file: two words and a number a line.

    They are separated by tabs, semicolons or commas, else by spaces. Further columns are ignored, and so are empty
    lines, lines that begin with # and a first line without a number.

    Raises UserError, with the line, for a line without two words and a number, and for a file without pairs.
    """
    found: list[tuple[str, str, float]] = []
    for place, (number, line) in enumerate(_lines(path)):
        mark = next((mark for mark in "\t;," if mark in line), None)
        fields = [field.strip() for field in line.split(mark)]
        try:
            first, second, rating = fields[0], fields[1], float(fields[2])
            if not (first and second and math.isfinite(rating)):
                raise ValueError
        except (ValueError, IndexError):
            if place == 0:  # the names of the columns
                continue
            raise UserError(
                f"{path}, line {number}: a pair must be two words and a number, not {line[:80]!r}"
            ) from None
        found.append((first, second, rating))
    if not found:
        raise UserError(f"{path} has no pair of words: write two words and a number a line")
    return found


def questions_of(path: Path) -> dict[str, list[tuple[str, str, str, str]]]:
    """Return the analogies of a file, as `analogies`: four words a line, and ``: NAME`` before each section.

    Raises UserError, with the line, for a line without four words, and for a file without questions.
    """
    sections: dict[str, list[tuple[str, str, str, str]]] = {}
    name = path.stem
    for number, line in _lines(path):
        words = line.split()
        if words[0].startswith(":"):
            name = " ".join(line[1:].split()) or path.stem
            continue
        if len(words) != 4:
            raise UserError(f"{path}, line {number}: an analogy must be four words, not {line[:80]!r}")
        a, b, c, d = words
        sections.setdefault(name, []).append((a, b, c, d))
    if not sections:
        raise UserError(f"{path} has no analogy: write four words a line")
    return sections


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the lines with their numbers, except empty ones and comments."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is not UTF-8 text: convert it") from error
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip() and not line.startswith("#"):
            yield number, line.strip()


def cached() -> bool:
    """Return whether nothing has to be downloaded."""
    return all(cache.holds(_place(name), digest) for name, (_, digest) in FILES.items())


def _place(name: str) -> Path:
    return cache.folder() / "word-tests" / FILES[name][0]


def _text(name: str) -> str:
    path, digest = _place(name), FILES[name][1]
    if not cache.holds(path, digest):
        _fetch()
    return path.read_text(encoding="utf-8")


def _fetch() -> None:
    """Read all three files at once, because they are in one package."""
    tried = []
    for way in (_from_installed, _from_wheel):
        try:
            return way()
        except remote.Unavailable as reason:
            tried.append(str(reason))
    raise remote.nowhere("word tests", tried, "pip install gensim, which includes them, or use your own files")


def _from_installed() -> None:
    spec = find_spec(WHEEL[0])  # finds the package without importing it
    if spec is None or not spec.submodule_search_locations:
        raise remote.Unavailable("gensim is not installed")
    folder = Path(next(iter(spec.submodule_search_locations))) / INSIDE
    for name, (file, digest) in FILES.items():
        try:
            with (folder / file).open("rb") as stream:
                remote.keep(stream, _place(name), digest)
        except FileNotFoundError:
            raise remote.Unavailable(f"the installed gensim has no {file}") from None


def _from_wheel() -> None:
    with remote.wheel(*WHEEL) as archive:
        for name, (file, digest) in FILES.items():
            try:
                with archive.open(f"gensim/{INSIDE}/{file}") as stream:
                    remote.keep(stream, _place(name), digest)
            except KeyError:
                raise remote.Unavailable(f"the wheel of gensim has no {file}") from None
