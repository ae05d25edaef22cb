"""The verbs that ask word vectors: neighbours, analogy."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from selftaught.cli.judge import Json
from selftaught.cli.output import show_json, table
from selftaught.errors import UserError


def neighbours(run: Path, /, *words: str, k: int = 10, json_: Json = False) -> None:
    """Show the nearest words of each word, with their cosines.

    Args:
        run: A run folder, an encoder.safetensors, or a file of word vectors (word2vec text or binary, fastText .vec, GloVe).
        words: Words to look up.
        k: How many neighbours of each.
    """
    from selftaught.evaluate.words import nearest
    from selftaught.pretraining.words import word_vectors

    if not words:
        raise UserError(f"no word is given: 'selftaught neighbours {run} bank'")
    vectors = word_vectors(run)
    found = {word: nearest(vectors, word, k) for word in words}
    if json_:
        show_json({word: [{"word": w, "cosine": cosine} for w, cosine in near] for word, near in found.items()})
        return
    lines = [{word: f"{near[i][1]:.3f} {near[i][0]}" for word, near in found.items() if i < len(near)} for i in range(k)]
    table([line for line in lines if line], left=words)


def analogy(run: Path, a: str, b: str, c: str, /, *, k: int = 10, method: Literal["add", "mul"] = "add", json_: Json = False) -> None:
    """Answer "a is to b as c is to ?": 'selftaught analogy RUN paris france rome' asks what Rome is the Paris of.

    Args:
        run: A run folder, an encoder.safetensors, or a file of word vectors (word2vec text or binary, fastText .vec, GloVe).
        a: The first word.
        b: What it leads to.
        c: Where the same step starts.
        k: How many answers.
        method: add: nearest to b - a + c; mul: near b and c and far from a, as a product, which no single large cosine decides.
    """
    from selftaught.evaluate.words import answers
    from selftaught.pretraining.words import word_vectors

    found = answers(word_vectors(run), a, b, c, k, method=method)
    if json_:
        show_json([{"word": word, "score": score} for word, score in found])
        return
    table([{f"{a} : {b} :: {c} : ?": word, "score": f"{score:.3f}"} for word, score in found], left=(f"{a} : {b} :: {c} : ?",))
