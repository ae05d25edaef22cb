"""The verb that shows the words around a word: neighbours."""

from __future__ import annotations

from pathlib import Path

from selftaught.cli.output import Json, show_json, table
from selftaught.errors import UserError


def neighbours(run: Path, /, *words: str, k: int = 10, json_: Json = False) -> None:
    """Show the nearest words of each word, with their cosines.

    Args:
        run: A run folder, an encoder.safetensors, or a file of word vectors (word2vec text or binary, fastText .vec,
            GloVe).
        words: Words to look up.
        k: How many neighbours of each.
    """
    from selftaught import ask
    from selftaught.evaluate.words import nearest

    if not words:
        raise UserError(f"no word is given: 'selftaught neighbours {run} bank'")
    vectors = ask.vectors(run)
    found = {word: nearest(vectors, word, k) for word in words}
    if json_:
        show_json({word: [{"word": w, "cosine": cosine} for w, cosine in near] for word, near in found.items()})
        return
    lines = [
        {word: f"{near[i][1]:.3f} {near[i][0]}" for word, near in found.items() if i < len(near)} for i in range(k)
    ]
    table([line for line in lines if line], left=words)
