"""The verb that takes word vectors away: export."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from selftaught.cli.output import remark, show


def export(
    run: Path,
    /,
    *,
    out: Path,
    format: Literal["text", "vec", "glove", "binary", "safetensors"] | None = None,
    limit: int | None = None,
) -> None:
    """Write word vectors to a file that other tools read, or from one format to another.

    text, vec and binary are word2vec's and fastText's (gensim: KeyedVectors.load_word2vec_format), glove is text
    without the first line, safetensors holds any word and the counts.

    Args:
        run: A run folder, an encoder.safetensors, or a file of word vectors in any of these formats.
        out: FILE.txt, .vec, .bin or .safetensors; .arpa for a model of n-grams; .gz after it compresses.
        format: Where it is not what the file's ending says.
        limit: Only the N most frequent words.
    """
    from selftaught import ask
    from selftaught.errors import UserError
    from selftaught.export import arpa
    from selftaught.export import vectors as files

    if arpa.is_arpa(out) and format is None:
        _language_model(run, out)
        return
    files.check(out, format)
    if limit is not None and limit < 1:
        raise UserError(f"--limit must be at least 1, not {limit}")
    vectors = ask.vectors(run)
    files.write(out, vectors, format=format, limit=limit)
    if vectors.unseen is not None:
        remark(
            f"{out} holds the words of the training text; vectors of other words stay with the run, which makes "
            "them of their parts"
        )
    show(f"{min(limit or len(vectors), len(vectors)):,} x {vectors.dim} word vectors are in {out}")


def _language_model(run: Path, out: Path) -> None:
    from selftaught import ask
    from selftaught.errors import UserError
    from selftaught.export import arpa
    from selftaught.method import BacksOff

    model = ask.language_model(run)
    if not isinstance(model, BacksOff):
        raise UserError(f"{run} is no model of n-grams, which is what an ARPA file holds: use a run of ngram")
    sizes = arpa.write(out, model)
    show(f"{sum(sizes):,} n-grams of 1 to {len(sizes)} words are in {out}")
