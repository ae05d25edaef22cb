"""The verb that answers a : b :: c : ?: analogy."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from selftaught.cli.output import Json, show_json, table


def analogy(
    run: Path,
    a: str,
    b: str,
    c: str,
    /,
    *,
    k: int = 10,
    method: Literal["add", "mul"] = "add",
    errors: Literal["strict", "replace"] = "strict",
    json_: Json = False,
) -> None:
    """Answer "a is to b as c is to ?": 'selftaught analogy RUN paris france rome' asks what Rome is the Paris of.

    Args:
        run: A run folder, an encoder.safetensors, or a file of word vectors (word2vec text or binary, fastText .vec and
            .bin, GloVe).
        a: The first word.
        b: What it leads to.
        c: Where the same step starts.
        k: How many answers.
        method: add: nearest to b - a + c; mul: near b and c and far from a, as a product, which no single large cosine
            decides.
        errors: What to do with words of a file that are not UTF-8: refuse it, or replace the bytes.
    """
    from selftaught import ask

    found = ask.analogy(run, a, b, c, k, method=method, errors=errors)
    if json_:
        show_json([{"word": word, "score": score} for word, score in found])
        return
    table(
        [{f"{a} : {b} :: {c} : ?": word, "score": f"{score:.3f}"} for word, score in found],
        left=(f"{a} : {b} :: {c} : ?",),
    )
