"""N-gram language models in the ARPA format, which KenLM, SRILM and speech recognisers read and write.

A file lists the n-grams of each length with log10 P(last word | the others) and, if they can be continued, log10 of
the back-off weight: "\\data\\", "ngram 1=N", then "\\1-grams:", a line for each, and "\\end\\".
"""

from __future__ import annotations

import gzip
import math
import re
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any, ClassVar, final

import numpy as np

from selftaught.errors import UserError
from selftaught.method import BacksOff, Level
from selftaught.parts.vocabulary import END
from selftaught.run import write_atomically

UNKNOWN, START = "<unk>", "<s>"
CAPITAL = "<UNK>"
"""How some tools write the unknown word."""
NEVER = -99.0
"""log10 of the probability of what is never predicted, as is usual: the start of a sentence."""
LN10 = math.log(10)
TOGETHER = 1 << 16  # n-grams that are written together


def is_arpa(path: Path) -> bool:
    """Return whether the name of a file is that of an ARPA file, plain or compressed."""
    return path.name.endswith((".arpa", ".arpa.gz"))


def write(path: Path, model: BacksOff) -> list[int]:
    """Write a model; a name that ends in .gz is compressed. Returns the number of n-grams of each length.

    Raises UserError if the file cannot be written, or words of the model have a meaning in the format.
    """
    names = [*model.words, UNKNOWN, END, START]
    taken = {UNKNOWN, END, START} & set(model.words)
    if taken:
        raise UserError(f"the word '{taken.pop()}' means something else in an ARPA file: it cannot be written")
    levels = list(model.levels())
    sizes = [len(level.tokens) for level in levels]

    def parts() -> Iterator[bytes]:
        head = "".join(f"ngram {k}={n}\n" for k, n in enumerate(sizes, 1))
        yield f"\\data\\\n{head}".encode()
        for k, level in enumerate(levels, 1):
            yield f"\n\\{k}-grams:\n".encode()
            with np.errstate(divide="ignore"):
                p, rest = np.log10(level.probability), np.log10(level.rest)
            p, rest = np.maximum(p, NEVER), np.maximum(rest, NEVER)
            for first in range(0, len(p), TOGETHER):
                part = slice(first, first + TOGETHER)
                rows = zip(p[part].tolist(), level.tokens[part].tolist(), rest[part].tolist(), strict=True)
                yield "".join(
                    f"{a:.9g}\t{' '.join(names[w] for w in words)}"
                    + ("\n" if k == len(levels) or names[words[-1]] == END else f"\t{b:.9g}\n")
                    for a, words, b in rows
                ).encode()
        yield b"\n\\end\\\n"

    write_atomically(path, _compressed(parts()) if path.suffix == ".gz" else parts())
    return sizes


def _compressed(parts: Iterator[bytes]) -> Iterator[bytes]:
    for part in parts:
        yield gzip.compress(part, 6)  # members of one file


@final
class Arpa:
    """A back-off model that was read from a file; words are split at white space, as they are.

    Args:
        grams: log10 P and log10 of the back-off weight of each n-gram.
        order: Length of the longest.
    """

    input: ClassVar[dict[str, Any]] = {"kind": "text", "tokens": "whitespace", "lower": False, "form": "none"}
    """How text is read for it, as in the spec of an encoder."""

    def __init__(self, grams: dict[tuple[str, ...], tuple[float, float]], order: int) -> None:
        self.grams, self.order = grams, order
        # without those that mean something else in the format
        self.words = [gram[0] for gram in grams if len(gram) == 1 and gram[0] not in (UNKNOWN, START, END)]

    def levels(self) -> Iterator[Level]:
        """See `method.BacksOff`."""
        number = {word: i for i, word in enumerate([*self.words, UNKNOWN, END, START])}
        for length in range(1, self.order + 1):
            found = [(gram, values) for gram, values in self.grams.items() if len(gram) == length]
            tokens = np.array([[number[word] for word in gram] for gram, _ in found], np.int32).reshape(-1, length)
            p, rest = np.array([values for _, values in found], np.float64).reshape(-1, 2).T
            yield Level(tokens, 10**p, 10**rest)

    def log10(self, word: str, history: tuple[str, ...]) -> float:
        """Return log10 P(word | history), which may be of any length."""
        history = history[-(self.order - 1) :] if self.order > 1 else ()
        weight = 0.0
        while True:
            found = self.grams.get((*history, word))
            if found is not None:
                return weight + found[0]
            if not history:
                return weight + NEVER
            weight += self.grams.get(history, (0.0, 0.0))[1]
            history = history[1:]

    def score(self, text: str) -> list[tuple[str, float]]:
        """See `method.Scores`."""
        history: tuple[str, ...] = (START,)
        found: list[tuple[str, float]] = []
        for token in [*text.split(), END]:
            known = token if (token,) in self.grams else UNKNOWN
            found.append((token, LN10 * self.log10(known, history)))
            history = (*history, known)[-max(self.order - 1, 1) :]
        return found

    def unknown(self, text: str) -> list[str]:
        """Return the words that the file does not have."""
        return [token for token in text.split() if (token,) not in self.grams]


def read(path: Path) -> Arpa:
    """Read a file. Raises UserError, with the line, if it is damaged or no ARPA file."""
    try:
        with gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb") as file:
            return _read(path, file)
    except (OSError, EOFError) as error:
        raise UserError(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}") from error


def _read(path: Path, file: Iterable[bytes]) -> Arpa:
    lines = ((number, line.decode("utf-8", "replace").strip()) for number, line in enumerate(file, 1))

    def wrong(number: int, what: str) -> UserError:
        return UserError(f"{path}: line {number}: {what}: this is no whole ARPA file")

    full = ((number, line) for number, line in lines if line)
    number, line = next(((number, line) for number, line in full if line == "\\data\\"), (0, ""))
    if not line:
        raise UserError(f"{path}: there is no \\data\\ in it: this is no ARPA file")
    sizes: list[int] = []
    grams: dict[tuple[str, ...], tuple[float, float]] = {}
    number, line = next(full, (number, "the end of the file"))
    while size := re.fullmatch(rf"ngram +{len(sizes) + 1} *= *(\d+)", line):
        sizes.append(int(size[1]))
        number, line = next(full, (number, "the end of the file"))
    for k, expected in enumerate(sizes, 1):
        if line != f"\\{k}-grams:":
            raise wrong(number, f"expected \\{k}-grams:, not '{line[:40]}'")
        for at, line in islice(full, expected):
            number = at
            fields = line.split()
            try:
                p, rest = float(fields[0]), float(fields[k + 1]) if len(fields) == k + 2 else 0.0
            except (ValueError, IndexError):
                raise wrong(number, f"not a number, {k} words and a number, but '{line[:40]}'") from None
            if len(fields) not in (k + 1, k + 2) or math.isnan(p) or math.isnan(rest):
                raise wrong(number, f"not a number, {k} words and a number, but '{line[:40]}'")
            grams[tuple(fields[1 : k + 1])] = p, rest
        number, line = next(full, (number, "the end of the file"))
    if line != "\\end\\" or not sizes:
        raise wrong(number, f"expected \\end\\, not '{line[:40]}'")
    if (UNKNOWN,) not in grams and (CAPITAL,) in grams:
        grams = {tuple(UNKNOWN if word == CAPITAL else word for word in gram): found for gram, found in grams.items()}
    return Arpa(grams, len(sizes))
