"""The complete evaluation of word vectors: rated pairs and analogies, for the trained and the untrained encoder."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

from selftaught.errors import UserError
from selftaught.evaluate.words.analogy import Question, analogies
from selftaught.evaluate.words.known import MOST
from selftaught.evaluate.words.similarity import similarity
from selftaught.method import Encoder
from selftaught.parts.word_vectors import Worded, WordVectors

PAIRS = {"wordsim353": "WordSim-353", "simlex999": "SimLex-999"}
"""Lists of rated pairs, and their titles."""
ROWS = {
    "wordsim353": "WordSim-353, rank correlation x 100", "wordsim353_unseen": "WordSim-353, unseen words by their "
                                                                              "parts",
    "simlex999": "SimLex-999, rank correlation x 100", "simlex999_unseen": "SimLex-999, unseen words by their parts",
    "analogies": "analogies, % right", "semantic": "analogies of meaning", "syntactic": "analogies of grammar",
    "analogies_mul": "analogies by 3CosMul",
}  # fmt: skip
"""The rows of the result, in order, and their titles."""
BESIDE = ("sections", "protocol")
"""What a result holds beside its rows."""


def ordered(result: Mapping[str, Any]) -> list[str]:
    """Return the keys of the rows of a result: of lists of pairs of one's own first, then as in `ROWS`."""
    own = [key for key in result if key not in ROWS and key not in BESIDE]
    return own + [key for key in ROWS if key in result]


def title(key: str) -> str:
    """Return the title of a row."""
    name = key.removesuffix("_unseen")
    what = "unseen words by their parts" if name != key else "rank correlation x 100"
    return ROWS.get(key) or f"{name}, {what}"


def vectors_of(encoder: Encoder) -> WordVectors:
    """Return the word vectors of an encoder. Raises UserError if it has none."""
    if not isinstance(encoder, Worded):
        raise UserError(
            f"the encoder {encoder.spec['name']} has no word vectors: train one with word2vec, fasttext or glove"
        )
    return encoder.word_vectors()


@final
@dataclass(frozen=True)
class Tests:
    """Tests based on human judgements of words.

    Args:
        pairs: Rated pairs (word, word, rating) by the name of their list.
        analogies: Questions by the name of their section.
    """

    __test__ = False  # not a test class of pytest
    pairs: Mapping[str, Sequence[tuple[str, str, float]]]
    analogies: Mapping[str, Sequence[Question]]

    @classmethod
    def standard(cls) -> Tests:
        """Return WordSim-353, SimLex-999 and the analogies of word2vec, in English.

        Raises UserError if they cannot be downloaded.
        """
        from selftaught.data.text import word_tests

        return cls({name: word_tests.similarity(name) for name in PAIRS}, word_tests.analogies())

    @classmethod
    def of_files(cls, pairs: Sequence[Path] = (), analogies: Path | None = None) -> Tests:
        """Return the tests in files of one's own; a list of pairs is called as its file.

        Raises UserError, with file and line, for what cannot be read.
        """
        from selftaught.data.text import word_tests

        lists = {Path(path).name: word_tests.pairs_of(Path(path)) for path in pairs}
        return cls(lists, {} if analogies is None else word_tests.questions_of(Path(analogies)))


def judge(
    trained: WordVectors,
    untrained: WordVectors | None = None,
    tests: Tests | None = None,
    *,
    most: int = MOST,
    fold: bool = True,
    say: Callable[[str], None] | None = None,
) -> dict[str, Any]:
    """Evaluate word vectors by human judgements, and the same encoder untrained.

    Args:
        trained: The vectors to evaluate.
        untrained: The same encoder before training.
        tests: By default the standard ones.
        most: Use only the first N words of the vocabulary.
        fold: Ignore case.
        say: Called with a message at each stage.

    Returns: A row for each key of `ROWS` ("..._unseen" only for vectors built from n-grams): {"trained", "untrained":
        rank correlation x 100, or percent of analogies, None if nothing could be asked; "used", "of": pairs or
        questions; "coverage": percent}. "sections": such rows by section of the analogies (3CosAdd). "protocol": how it
        was measured.

    Raises:
        UserError: If the tests cannot be downloaded.
    """
    began = time.perf_counter()
    tests = Tests.standard() if tests is None else tests
    sides = {"trained": trained} | ({} if untrained is None else {"untrained": untrained})
    found: dict[str, dict[str, dict[str, Any]]] = {}
    for side, vectors in sides.items():
        if say is not None:
            say(f"evaluating the {side} vectors of {len(vectors):,} words")
        found[side] = _one(vectors, tests, most, fold)
    names = [name for name in found["trained"] if name not in tests.analogies]
    row = {name: _beside({side: found[side][name] for side in sides}) for name in found["trained"]}
    return {
        **{name: row[name] for name in ordered(dict.fromkeys(names))},
        "sections": {name: row[name] for name in tests.analogies},
        "protocol": {
            "words": len(trained), "dim": trained.dim, "most": most, "fold": fold,
            "seconds": round(time.perf_counter() - began, 1),
        },
    }  # fmt: skip


def _one(vectors: WordVectors, tests: Tests, most: int, fold: bool) -> dict[str, dict[str, Any]]:
    """The results of one set of vectors: {"score", "used", "of", "coverage"} by row and by section."""
    found: dict[str, dict[str, Any]] = {}
    for name, pairs in tests.pairs.items():
        told = similarity(vectors, pairs, fold=fold, most=most)
        found[name] = _ranked(told)
        if "unseen" in told:
            found[f"{name}_unseen"] = _ranked(told["unseen"])
    if not tests.analogies:
        return found
    add = analogies(vectors, tests.analogies, fold=fold, most=most)
    mul = analogies(vectors, tests.analogies, method="mul", fold=fold, most=most)
    found |= {
        "analogies": _solved(add["total"]),
        "semantic": _solved(add["semantic"]),
        "syntactic": _solved(add["syntactic"]),
    }
    found["analogies_mul"] = _solved(mul["total"])
    return found | {name: _solved(section) for name, section in add["sections"].items()}


def _ranked(told: Mapping[str, Any]) -> dict[str, Any]:
    score = None if told["spearman"] is None else 100 * told["spearman"]
    return {"score": score, "used": told["rows"], "of": told["of"], "coverage": told["coverage"]}


def _solved(told: Mapping[str, Any]) -> dict[str, Any]:
    return {"score": told["accuracy"], "used": told["asked"], "of": told["of"], "coverage": told["coverage"]}


def _beside(sides: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Merge both sides, which have the same words and therefore the same questions."""
    return {side: row["score"] for side, row in sides.items()} | {
        key: sides["trained"][key] for key in ("used", "of", "coverage")
    }
