"""What only some runs can be asked: the words around a word, analogies, how probable a sentence is.

A run can do it when its encoder or its method obeys a protocol: `Worded` (a vector for each word; word2vec, fasttext,
glove, nnlm) or `Scores` (a probability for each sentence; ngram, nnlm). Every function raises UserError, one sentence,
when it does not.

>>> from selftaught import ask
>>> ask.neighbours("runs/words", "bank", 3)              # doctest: +SKIP
[('banks', 0.81), ('banking', 0.79), ('treasury', 0.7)]
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from selftaught.errors import UserError
from selftaught.method import Scores

if TYPE_CHECKING:
    from selftaught.evaluate.language import Scored
    from selftaught.parts.word_vectors import WordVectors
    from selftaught.pretraining.result import Run


def vectors(run: Run | str | Path) -> WordVectors:
    """The words and their vectors, of a run, of an encoder.safetensors or of a file that any tool wrote."""
    from selftaught.evaluate.words import vectors_of
    from selftaught.pretraining.weights import word_vectors

    return word_vectors(run) if isinstance(run, str | Path) else vectors_of(run.encoder)


def neighbours(run: Run | str | Path, word: str, k: int = 10) -> list[tuple[str, float]]:
    """The k nearest words of `word`, each with its cosine.

    Raises UserError, with near spellings, for a word without a vector.
    """
    from selftaught.evaluate.words import nearest

    return nearest(vectors(run), word, k)


def analogy(
    run: Run | str | Path, a: str, b: str, c: str, k: int = 10, *, method: Literal["add", "mul"] = "add"
) -> list[tuple[str, float]]:
    """The k best words for a : b :: c : ?, each with its score, see `evaluate.words.answers`.

    Raises UserError as `neighbours`.
    """
    from selftaught.evaluate.words import answers

    return answers(vectors(run), a, b, c, k, method=method)


def score(run: Run | str | Path, texts: Sequence[str], *, per_token: bool = False) -> list[Scored]:
    """How probable a language model finds sentences, the most probable first (or per token).

    See `evaluate.language.Scored`.

    Needs the run folder alone, not the text that was learned from. Raises UserError for no sentence, and for one
    without a word.
    """
    from selftaught.evaluate.language import ranked

    run = _run(run)
    if not texts:
        raise UserError(f"no sentence is given: 'selftaught score {run.path} \"a sentence\"'")
    return ranked(language_model(run), texts, per_token)


def language_model(run: Run | str | Path) -> Scores:
    """The method of a run that gives sentences a probability, in eval mode."""
    from selftaught import methods
    from selftaught.pretraining.build import type_of

    run = _run(run)
    config = run.config
    if not issubclass(type_of(config), Scores):
        able = [name for name in methods.names() if issubclass(methods.load(name), Scores)]
        raise UserError(f"{config.method} gives sentences no probability: score a run of {' or '.join(able)}")
    model = run.model()
    assert isinstance(model, Scores)
    return model


def _run(run: Run | str | Path) -> Run:
    from selftaught.pretraining.result import load

    return load(run) if isinstance(run, str | Path) else run
