"""Questions that only some runs can answer: the nearest words, analogies, the probability of a sentence.

A run can answer when its encoder or its method obeys a protocol: `Worded` (a vector for each word; word2vec, fasttext,
glove, nnlm) or `Scores` (a probability for each sentence; ngram, nnlm). Every function raises UserError, one sentence,
when it does not.

>>> import selftaught
>>> from selftaught import ask
>>> texts = ["red paint covers walls", "blue paint covers walls", "cats chase mice", "dogs chase mice"] * 500
>>> options = {"dim": 8, "min_count": 1, "sample": 0, "threads": 1}
>>> run = selftaught.pretrain("word2vec", texts, out="words", epochs=20, progress=False, **options)
>>> [word for word, cosine in ask.neighbours(run, "cats", 1)]
['dogs']
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from selftaught.errors import UserError
from selftaught.kind import Split
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
    """The log-probability of sentences by a language model, the most probable first; see `evaluate.language.Scored`.

    Needs the run folder alone, not the text that was learned from. Raises UserError for no sentence, and for one
    without a word.
    """
    from selftaught.evaluate.language import ranked

    if not texts:
        path = run if isinstance(run, str | Path) else run.path
        raise UserError(f"no sentence is given: 'selftaught score {path} \"a sentence\"'")
    return ranked(language_model(run), texts, per_token)


def perplexity(run: Run | str | Path, data: Any, *, split: Split = "all") -> dict[str, Any]:
    """How well a language model predicts text: a file, a data set or anything that `pretrain` takes.

    The text is split as the model's was. See `evaluate.language.perplexity` for what is returned, and the errors;
    "skipped" is the number of lines, records and files that could not be read.
    """
    from selftaught.evaluate import language
    from selftaught.kind import find

    model: Any = language_model(run)
    seen = model.encoder.spec["input"] if hasattr(model, "encoder") else model.input
    corpus: Any = find(seen["kind"]).reading(seen, {}).open(data, split)
    return language.perplexity(model, corpus) | {"skipped": len(corpus.skipped)}


def language_model(run: Run | str | Path) -> Scores:
    """The method of a run that gives sentences a probability, in eval mode, or the model in an ARPA file."""
    from selftaught import methods
    from selftaught.export import arpa
    from selftaught.pretraining.build import type_of

    if isinstance(run, str | Path) and Path(run).is_file() and Path(run).suffix != ".safetensors":
        return arpa.read(Path(run))
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
