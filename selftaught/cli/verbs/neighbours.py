"""The verb that shows the words around a word: neighbours."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from selftaught.cli.output import Json, remark, show_json, table
from selftaught.errors import UserError


def neighbours(
    run: Path,
    /,
    *words: str,
    k: int = 10,
    errors: Literal["strict", "replace"] = "strict",
    json_: Json = False,
) -> int:
    """Show the nearest words of each word, with their cosines.

    Words without a vector are named, and the exit code is then 2.

    Args:
        run: A run folder, an encoder.safetensors, or a file of word vectors (word2vec text or binary, fastText .vec and
            .bin, GloVe).
        words: Words to look up.
        k: How many neighbours of each.
        errors: What to do with words of a file that are not UTF-8: refuse it, or replace the bytes.
    """
    from selftaught import ask
    from selftaught.evaluate.words import Unknown, nearest

    if not words:
        raise UserError(f"no word is given: 'selftaught neighbours {run} bank'")
    vectors = ask.vectors(run, errors)
    found, unknown = {}, []
    for word in words:
        try:
            found[word] = nearest(vectors, word, k)
        except Unknown as error:
            unknown.append(error)
    if unknown and not found and not json_:
        raise Unknown.all(unknown)
    for one in unknown:
        remark(f"selftaught: {one}")
    code = 2 if unknown else 0
    if json_:
        show_json({word: [{"word": w, "cosine": cosine} for w, cosine in near] for word, near in found.items()})
        return code
    lines = [
        {word: f"{near[i][1]:.3f} {near[i][0]}" for word, near in found.items() if i < len(near)} for i in range(k)
    ]
    table([line for line in lines if line], left=list(found))
    return code
