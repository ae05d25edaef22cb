"""Analogies between words: a is to b as c is to d."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from selftaught.errors import UserError
from selftaught.evaluate.words.known import MOST, Known, find_all
from selftaught.parts.word_vectors import WordVectors

Question = tuple[str, str, str, str]
By = Literal["add", "mul"]
CELLS = 1 << 22
"""Number of cosines between question words and vocabulary words that are in memory at a time."""
ROWS = 64
"""Number of questions that are answered at a time; their scores fit into a processor's cache."""


def analogies(
    vectors: WordVectors,
    sections: Mapping[str, Sequence[Question]],
    *,
    method: By = "add",
    fold: bool = True,
    most: int = MOST,
    epsilon: float = 1e-3,
) -> dict[str, Any]:
    """Measure how often d is the best word for a : b :: c : ?, excluding the three given words (Mikolov et al. 2013).

    On vectors of length 1, "add" (3CosAdd) takes argmax cos(d, b - a + c), and "mul" (3CosMul; Levy and Goldberg, CoNLL
    2014) takes argmax cos(d, b) cos(d, c) / (cos(d, a) + epsilon), with each cosine shifted to [0, 1] first.

    Questions with an unknown word are skipped and counted. Time: one pass over the vocabulary per question; memory:
    tens of MB.

    Args:
        vectors: The vectors to evaluate.
        sections: Questions (a, b, c, d) by the name of their section; a section whose name begins with "gram" is
            syntactic, all others are semantic.
        method: "add" or "mul".
        fold: Ignore case: no spelling of a, b or c is an answer, every spelling of d is.
        most: Use only the first N words of the vocabulary.
        epsilon: Avoids a division by 0 in "mul"; greater than 0.

    Returns:
        "total", "semantic", "syntactic" and "sections", by name: each {"accuracy": percent of the questions asked (None
        if there are none), "right", "asked", "of": all questions, "coverage": percent}.
    """
    if method not in ("add", "mul") or not epsilon > 0:
        raise UserError(f"method must be 'add' or 'mul' and epsilon greater than 0, not '{method}' and {epsilon}")
    known = Known(vectors, fold, most)
    questions = [question for section in sections.values() for question in section]
    numbers = np.asarray([[known.number(word) for word in question] for question in questions], np.int64).reshape(-1, 4)
    asked = np.flatnonzero((numbers >= 0).all(1))
    given = numbers[asked]  # [Q, 4]
    which, hidden = known.rows(given[:, :3].reshape(-1))
    best = solve(vectors.unit[: len(known.words)], known.first[given[:, :3]], which // 3, hidden, method, epsilon)
    right = np.zeros(len(questions), bool)
    right[asked] = known.same[best] == given[:, 3]
    there = np.zeros(len(questions), bool)
    there[asked] = True
    names = np.repeat(np.asarray(list(sections), object), [len(section) for section in sections.values()])
    syntactic = np.asarray([str(name).startswith("gram") for name in names], bool)
    parts = {"total": np.ones(len(questions), bool), "semantic": ~syntactic, "syntactic": syntactic}
    return {
        **{name: _score(right, there, part) for name, part in parts.items()},
        "sections": {name: _score(right, there, names == name) for name in sections},
    }


def _score(right: NDArray[np.bool_], there: NDArray[np.bool_], part: NDArray[np.bool_]) -> dict[str, Any]:
    asked, of, won = int(there[part].sum()), int(part.sum()), int(right[part].sum())
    accuracy = 100 * won / asked if asked else None
    return {"accuracy": accuracy, "right": won, "asked": asked, "of": of, "coverage": 100 * asked / max(of, 1)}


def solve(
    unit: NDArray[np.float32],
    questions: NDArray[np.int64],
    which: NDArray[np.int64],
    hidden: NDArray[np.int64],
    method: By = "add",
    epsilon: float = 1e-3,
) -> NDArray[np.int64]:
    """Return int64 [Q]: the best row for each question; of equally good rows the first.

    Both scores are sums over the three words, for "mul" after a logarithm. There are far fewer distinct words than
    questions, so their cosines with a part of the vocabulary are one matrix product, and each question adds three of
    its rows.

    Args:
        unit: Rows of length 1, float32 [V, D].
        questions: Rows a, b, c, int64 [Q, 3].
        which: int64 [M], positions of questions.
        hidden: int64 [M], for each of these a row that cannot be the answer.
        method: See `analogies`.
        epsilon: See `analogies`.
    """
    used, place = np.unique(questions, return_inverse=True)
    place = place.reshape(questions.shape)
    words = unit[used]  # [U, D]
    best, score = np.zeros(len(questions), np.int64), np.full(len(questions), -np.inf, np.float32)
    order = np.argsort(which, kind="stable")
    which, hidden = which[order], hidden[order]
    wide = max(CELLS // max(len(used), 1), 64)
    for begin in range(0, len(unit), wide):
        plus, minus = _terms(words @ unit[begin : begin + wide].T, method, epsilon)  # [U, B]
        for start in range(0, len(questions), ROWS):
            a, b, c = place[start : start + ROWS].T
            sums = plus[b]  # [R, B]
            sums += plus[c]
            sums -= minus[a]
            some = slice(*np.searchsorted(which, (start, start + ROWS)))
            inside = (hidden[some] >= begin) & (hidden[some] < begin + wide)
            sums[which[some][inside] - start, hidden[some][inside] - begin] = -np.inf
            column = sums.argmax(1)
            found = sums[np.arange(len(sums)), column]
            better = np.flatnonzero(found > score[start : start + ROWS])
            best[start + better], score[start + better] = column[better] + begin, found[better]
    return best


def _terms(cosine: NDArray[np.float32], method: By, epsilon: float) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The terms that b and c add to a score, and the term that a subtracts."""
    if method == "add":
        return cosine, cosine
    shifted = np.maximum((1 + cosine) / 2, np.float32(1e-30))  # a cosine of -1 may be slightly lower after rounding
    return np.log(shifted), np.log(shifted + np.float32(epsilon))


def answers(
    vectors: WordVectors, a: str, b: str, c: str, k: int = 10, *, method: By = "add", epsilon: float = 1e-3
) -> list[tuple[str, float]]:
    """Return the k best words for a : b :: c : ?, with their scores.

    >>> import numpy as np
    >>> matrix = np.array([[1, 0, 0], [1, 1, 0], [0, 0, 1], [0, 1, 1]], np.float32)
    >>> vectors = WordVectors(("man", "woman", "king", "queen"), matrix)
    >>> [word for word, score in answers(vectors, "man", "woman", "king", 1)]
    ['queen']

    The score is the cosine with the target for "add" and the quotient for "mul". Words are looked up as written, then
    in lower case; vectors built from n-grams accept any word. The three given words are excluded. Raises
    `Unknown`, which names them, if words have no vector.
    """
    if method not in ("add", "mul"):
        raise UserError(f"method must be 'add' or 'mul', not '{method}'")
    rows, made = zip(*find_all(vectors, (a, b, c)), strict=True)
    x, y, z = (vector.astype(np.float64) / max(float(np.linalg.norm(vector)), 1e-12) for vector in made)
    unit = vectors.unit
    if method == "add":
        target = y - x + z
        score = unit @ (target / max(float(np.linalg.norm(target)), 1e-12)).astype(np.float32)
    else:
        p, q, r = ((1 + unit @ v.astype(np.float32)) / 2 for v in (x, y, z))
        score = q * r / (np.maximum(p, 0) + np.float32(epsilon))
    return best(vectors, score, k, [row for row in rows if row is not None])


def best(vectors: WordVectors, score: NDArray[np.float32], k: int, without: Sequence[int]) -> list[tuple[str, float]]:
    """Return the k words with the largest scores [V], except the rows `without`; ties by frequency."""
    if k < 1:
        raise UserError(f"k, the number of words to show, must be at least 1, not {k}")
    values = np.array(score, np.float64)
    values[list(without)] = -np.inf
    k = min(k, len(values) - len(set(without)))
    if k <= 0:
        return []
    least = np.partition(values, len(values) - k)[len(values) - k]
    some = np.flatnonzero(values >= least)
    order = some[np.argsort(-values[some], kind="stable")][:k]
    return [(vectors.words[int(row)], float(values[row])) for row in order]
