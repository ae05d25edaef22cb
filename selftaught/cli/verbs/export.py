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
    format: Literal["text", "vec", "glove", "binary", "bin", "floret", "safetensors"] | None = None,
    limit: int | None = None,
    errors: Literal["strict", "replace"] = "strict",
) -> None:
    """Write word vectors to a file that other tools read, or from one format to another.

    text, vec and binary are word2vec's and fastText's (gensim: KeyedVectors.load_word2vec_format), glove is text
    without the first line, safetensors holds any word and the counts. bin is a complete model of the fastText tool
    (fasttext.load_model; gensim: load_facebook_model), whose n-grams give vectors to unseen words; a classifier becomes
    a supervised one. floret is a table for spaCy (spacy init vectors --mode floret).

    Args:
        run: A run folder, an encoder.safetensors, or a file of word vectors in any of these formats.
        out: FILE.txt, .vec, .bin (binary), .floret or .safetensors; .gz, .bz2 or .xz after it compresses. FILE.arpa or
            .arpa.gz for a model of n-grams.
        format: Where it is not what the file's ending says.
        limit: Only the N most frequent words.
        errors: What to do with words of a file that are not UTF-8: refuse it, or replace the bytes.
    """
    from selftaught import ask
    from selftaught.errors import UserError
    from selftaught.export import arpa, floret
    from selftaught.export import vectors as files
    from selftaught.pretraining.weights import subword_rows

    if arpa.is_arpa(out) and format is None:
        _language_model(run, out)
        return
    found = files.check(out, format)
    if limit is not None and limit < 1:
        raise UserError(f"--limit must be at least 1, not {limit}")
    if found == "bin":
        model = ask.fasttext_model(run, limit, errors)
        files.write_model(out, model)
        size, dim = model.table.shape
        grams = f" and {size - len(model.words):,} hash buckets" if size > len(model.words) else ""
        labels = f" with {len(model.labels):,} labels" if model.labels else ""
        show(f"a fastText model of {len(model.words):,} x {dim} word vectors{grams}{labels} is in {out}")
        return
    vectors = ask.vectors(run, errors)
    rows = subword_rows(run, errors) if found == "floret" else None
    files.write(out, vectors, format=format, limit=limit, rows=rows)
    if found == "floret":
        size = floret.size(min(limit or len(vectors), len(vectors)))
        show(f"a floret table of {size:,} x {vectors.dim} is in {out}")
        return
    if vectors.unseen is not None:
        remark(
            f"{out} holds the words of the training text; vectors of other words are made of their parts, which only "
            "--format bin (a model of the fastText tool) keeps"
        )
    show(f"{min(limit or len(vectors), len(vectors)):,} x {vectors.dim} word vectors are in {out}")


def _language_model(run: Path, out: Path) -> None:
    from selftaught import ask
    from selftaught.errors import UserError
    from selftaught.export import arpa
    from selftaught.method import BacksOff
    from selftaught.run import check_writable

    check_writable(out)
    model = ask.language_model(run)
    if not isinstance(model, BacksOff):
        raise UserError(f"{run} is no model of n-grams, which is what an ARPA file holds: use a run of ngram")
    sizes = arpa.write(out, model)
    show(f"{sum(sizes):,} n-grams of 1 to {len(sizes)} words are in {out}")
