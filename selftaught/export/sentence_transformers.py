"""A folder that sentence-transformers opens: texts to the features that `embed` gives.

Two forms, written without that package::

    a transformer            its Hugging Face folder, weights of symbols (marks count nothing in the mean), pooling
    a vector for each word   a tokenizer of whole words without any other, and a table: the mean of the known words

`SentenceTransformer(folder)` opens both.
"""

from __future__ import annotations

import json
from typing import Any

import safetensors.torch
import torch
from safetensors.numpy import save

from selftaught.encoders.transformer import Transformer
from selftaught.errors import UserError
from selftaught.export import hf, tokenizer_json
from selftaught.export.folder import Files
from selftaught.method import Encoder
from selftaught.parts.symbols import OTHER
from selftaught.parts.tokens import model_of
from selftaught.parts.word_vectors import Worded

MODULES = "sentence_transformers.models."
"""Where their classes are, by the names that all their releases since the second know."""
POOLS = {"mean": "pooling_mode_mean_tokens", "last": "pooling_mode_lasttoken", "first": "pooling_mode_cls_token"}
BEGIN, INSIDE = "\u2581", "\x01"
"""Before each word, and before each character inside an unknown one: no symbol begins with it, so none is found."""


def check(encoder: Encoder, where: str) -> None:
    """Raises UserError if the encoder of the run `where` cannot be written. Call it before the work."""
    if isinstance(encoder, Transformer):
        hf.check(encoder, where)
    elif isinstance(encoder, Worded):
        tokenizer_json.symbols(encoder.spec["input"], (), ())
        if model_of(encoder.spec["input"]["tokens"]) is not None:
            raise UserError(
                f"{where} has vectors of pieces of words, which sentence-transformers cannot leave out where they are "
                "not known: train with --tokens words"
            )
    else:
        raise UserError(
            f"{where} has the encoder {encoder.spec['name']}, which sentence-transformers does not know: runs with a "
            "transformer (simcse, bert, gpt) or with word vectors (word2vec, glove, fasttext) can be written"
        )


def files(encoder: Encoder, where: str = "this run") -> Files:
    """Return the files of the folder. Raises UserError if it cannot hold the encoder."""
    check(encoder, where)
    if isinstance(encoder, Transformer):
        parts = _transformer(encoder, where)
        names = ["Transformer", *(["WordWeights"] if encoder.pool == "mean" else []), "Pooling"]
    else:
        assert isinstance(encoder, Worded)
        parts, names = _words(encoder), ["StaticEmbedding"]
    # the first one of a transformer is in the folder itself
    paths = [f"{i}_{name}" if i or name != "Transformer" else "" for i, name in enumerate(names)]
    modules = [
        {"idx": i, "name": str(i), "path": path, "type": f"{MODULES}{name}"}
        for i, (name, path) in enumerate(zip(names, paths, strict=True))
    ]
    settings: dict[str, Any] = {"prompts": {}, "default_prompt_name": None, "similarity_fn_name": "cosine"}
    return {
        **{f"{paths[int(key[0])]}/{key[2:]}".lstrip("/"): content for key, content in parts.items()},
        "modules.json": _json(modules), "config_sentence_transformers.json": _json(settings),
    }  # fmt: skip


def _transformer(encoder: Transformer, where: str) -> Files:
    """Return the files by "NUMBER/NAME", with the number of the module."""
    found = {f"0/{name}": content for name, content in hf.files(encoder, None, where).items()}
    found["0/sentence_bert_config.json"] = _json({"max_seq_length": encoder.context, "do_lower_case": False})
    pooling = {"word_embedding_dimension": encoder.dim} | {name: pool == encoder.pool for pool, name in POOLS.items()}
    last = 1
    if encoder.pool == "mean":
        settings = json.loads(bytes(found["0/tokenizer.json"]))  # type: ignore[arg-type]
        numbers = settings["model"]["vocab"]
        vocab = sorted(numbers, key=numbers.__getitem__)
        marks = [token["content"] for token in settings["added_tokens"]]
        weights = {mark: 0.0 for i, mark in enumerate(marks) if i != OTHER}
        rows = torch.tensor([[weights.get(symbol, 1.0)] for symbol in vocab])
        given = {"vocab": vocab, "word_weights": weights, "unknown_word_weight": 1.0}
        found |= {
            "1/config.json": _json(given),
            "1/model.safetensors": safetensors.torch.save({"emb_layer.weight": rows}),
        }
        last = 2
    return found | {f"{last}/config.json": _json(pooling)}


def _words(encoder: Any) -> Files:
    vectors, seen = encoder.word_vectors(), encoder.spec["input"]
    given = tokenizer_json.Symbols(vectors.words, ["[UNK]"], ())
    made = tokenizer_json.tokenizer(seen, given, ("$A", "$A $B"))
    # A whole word is a symbol. Of another one no part is, and what is no symbol is left out, as it should be.
    start = ""
    if seen["tokens"] != "exact":  # single characters have no parts, and may be spaces
        start = BEGIN
        begin = {"type": "Metaspace", "replacement": BEGIN, "prepend_scheme": "always", "split": False}
        made["pre_tokenizer"] = {"type": "Sequence", "pretokenizers": [made["pre_tokenizer"], begin]}
    vocab = {f"{start}{word}": number for number, word in enumerate(vectors.words)}
    made |= {"added_tokens": [], "post_processor": None, "decoder": None}
    made["model"] = {
        "type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": INSIDE,
        "end_of_word_suffix": None, "fuse_unk": False, "byte_fallback": False, "ignore_merges": True, "vocab": vocab,
        "merges": [],
    }  # fmt: skip
    return {"0/tokenizer.json": _json(made), "0/model.safetensors": save({"embedding.weight": vectors.matrix.copy()})}


def _json(value: Any) -> bytes:
    return (json.dumps(value, indent=2, ensure_ascii=False) + "\n").encode()
