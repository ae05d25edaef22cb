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

from importlib.util import find_spec
from pathlib import Path

from selftaught.data import cache, remote
from selftaught.errors import unknown

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
