"""The verb that takes word vectors and models away: export."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, cast

from selftaught.cli.output import remark, show


def export(
    run: Path,
    /,
    *,
    out: Path,
    format: Literal[
        "text", "vec", "glove", "binary", "bin", "floret", "safetensors", "hf", "sentence-transformers", "onnx"
    ]
    | None = None,
    limit: int | None = None,
    errors: Literal["strict", "replace"] = "strict",
) -> None:
    """Write a run for other tools: word vectors to a file, or from one format to another; a model to a folder.

    text, vec and binary are word2vec's and fastText's (gensim: KeyedVectors.load_word2vec_format), glove is text
    without the first line, safetensors holds any word and the counts. bin is a complete model of the fastText tool
    (fasttext.load_model; gensim: load_facebook_model), whose n-grams give vectors to unseen words; a classifier becomes
    a supervised one. floret is a table for spaCy (spacy init vectors --mode floret).

    hf is a folder that Hugging Face's transformers open (AutoModel, AutoTokenizer), of a run with a transformer; gpt
    and bert have in it what they predict with (AutoModelForCausalLM, AutoModelForMaskedLM). sentence-transformers is a
    folder for SentenceTransformer(folder), of a transformer or of averaged word vectors. onnx is a file with the
    encoder of images or of text, for onnxruntime.

    Args:
        run: A run folder, an encoder.safetensors, or a file of word vectors in any of these formats.
        out: FILE.txt, .vec, .bin (binary), .floret or .safetensors; .gz, .bz2 or .xz after it compresses. FILE.arpa or
            .arpa.gz for a model of n-grams, FILE.onnx. For hf and sentence-transformers a new folder.
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
    if format in ("hf", "sentence-transformers", "onnx") or (format is None and out.suffix == ".onnx"):
        if limit is not None:
            raise UserError(f"--limit has no effect on {format or 'onnx'}, which holds the whole model: remove it")
        _model(run, out, format or "onnx")
        return
    kind = cast("files.Format | None", format)
    found = files.check(out, kind)
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
    files.write(out, vectors, format=kind, limit=limit, rows=rows)
    if found == "floret":
        size = floret.size(min(limit or len(vectors), len(vectors)))
        show(f"a floret table of {size:,} x {vectors.dim} is in {out}")
        return
    _tell_of_parts(out, vectors.unseen is not None)
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


def _model(run: Path, out: Path, format: str) -> None:
    from selftaught import pretraining
    from selftaught.export import folder, hf, onnx, sentence_transformers
    from selftaught.parts.word_vectors import Worded

    loaded = pretraining.load(run)
    encoder, where = loaded.encoder, str(run)
    name = encoder.spec["name"]
    if format == "onnx":
        onnx.write(out, encoder, where)
        show(f"{name} is in {out}" + (f", its tokenizer in {onnx.beside(out)}" if onnx.beside(out).exists() else ""))
        return
    folder.check(out)
    if format == "hf":
        hf.check(encoder, where)
        heads = loaded.learned().state_dict() if loaded.is_run else None
        folder.write(out, hf.files(encoder, heads, where))
        show(f"{name} with its tokenizer is in {out}: AutoModel.from_pretrained('{out}')")
        return
    folder.write(out, sentence_transformers.files(encoder, where))
    show(f"{name} with its tokenizer is in {out}: SentenceTransformer('{out}')")
    _tell_of_parts(out, isinstance(encoder, Worded) and encoder.word_vectors().unseen is not None)


def _tell_of_parts(out: Path, are_lost: bool) -> None:
    if are_lost:
        remark(
            f"{out} holds the words of the training text; vectors of other words are made of their parts, which only "
            "--format bin (a model of the fastText tool) keeps"
        )
