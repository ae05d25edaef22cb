"""Weights from a run, an encoder file or a file of another tool.

A run, an encoder.safetensors, a file of torchvision's or timm's, word vectors that any tool wrote, or a Hugging Face
folder with a model of text.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from typing import Any, final

import numpy as np
from safetensors import SafetensorError, safe_open
from torch import Tensor

from selftaught import encoders
from selftaught.config import Layer
from selftaught.errors import UserError
from selftaught.evaluate.words import vectors_of
from selftaught.export import fasttext_bin
from selftaught.export import vectors as files
from selftaught.export.reading import Errors
from selftaught.method import Encoder
from selftaught.parts.subword_rows import SubwordRows
from selftaught.parts.word_vectors import Subworded, WordVectors
from selftaught.pretraining.foreign import foreign
from selftaught.run import RunFolder

UNREADABLE = (OSError, SafetensorError, ValueError, KeyError, TypeError)
"""Errors that a foreign file can lead to."""


@final
class Weights:
    """What ``--init`` names. Obeys `method.Start`, which an encoder asks for what it can start from."""

    def __init__(self, path: str | Path, errors: Errors = "strict", say: Callable[[str], None] | None = None) -> None:
        self.path, self.say = file_of(path), say
        self._vectors = cache(partial(word_vectors, self.path, errors))  # both may be asked for more than once
        self._rows = cache(partial(subword_rows, self.path, errors))

    def symbols(self) -> tuple[Sequence[str], Mapping[str, Tensor]] | None:
        """The words of an encoder that numbers them, and its tensors; None for other files."""
        if (found := foreign(self.path)) is not None:
            return found.symbols()
        if not _is_encoder(self.path):
            return None
        encoder = encoders.load(self.path)
        words = encoder.spec["input"].get("words")
        return None if words is None else (words, encoder.state_dict())

    def load_into(self, encoder: Encoder) -> None:
        """Copy the tensors of the file into `encoder`, by name. Raises UserError when they do not fit."""
        self.tell(encoders.load_weights(encoder, self.path, strict=True).sentence())

    def vectors(self) -> WordVectors:
        """The word vectors in the file, or of the encoder in it. Raises UserError when there are none."""
        return self._vectors()

    def subwords(self) -> SubwordRows | None:
        """The rows of words and n-grams in them, if they have any."""
        rows = self._rows()
        return rows if rows is not None and rows.maxn else None

    def tell(self, what: str) -> None:
        """Pass it on to who asked for it."""
        if self.say is not None:
            self.say(f"{self.path}: {what}")


def file_of(path: str | Path) -> Path:
    """A file of weights, or a Hugging Face folder, as it is; the encoder of a run.

    Raises UserError for a run without one, and a folder that is neither.
    """
    if (found := foreign(path)) is not None:
        return found.folder
    path = Path(path)
    if not path.is_dir():
        return path
    file = path / "encoder.safetensors"
    if not file.exists():
        RunFolder.open(path)
        raise UserError(f"the run {path} is not finished: continue it with 'selftaught resume {path}'")
    return file


def encoder_of(path: str | Path, errors: Errors = "strict") -> Encoder:
    """The encoder of a run or in a file of ours, or one made of the word vectors in a file of another tool.

    Such vectors read a text in lower case if none of the words has a capital. Without counts, words are taken to be as
    frequent as their order says (Zipf). `errors` as in `word_vectors`.
    """
    if (found := foreign(path)) is not None:
        return found.encoder()
    file = file_of(path)
    if not file.exists() or _is_encoder(file):
        return encoders.load(file)
    weights = Weights(file, errors)
    vectors, rows = weights.vectors(), weights.subwords()
    counts = vectors.counts
    if counts is None or (np.diff(counts) > 0).any():
        counts = np.maximum(10_000_000 // np.arange(1, len(vectors) + 1), 1)
    lower = not any(word != word.lower() for word in vectors.words)
    words, seen = list(vectors.words), {"kind": "text", "tokens": "words", "lower": lower}
    given = seen | {"words": words, "counts": counts.tolist()}
    if rows is not None:
        settings = {name: getattr(rows, name) for name in ("minn", "maxn", "bucket")}
        encoder = encoders.build("subwords", given, dim=vectors.dim, min_count=0, **settings)
    else:
        encoder = encoders.build("lookup", given, dim=vectors.dim, min_count=0)
    encoder.start(weights)
    return encoder.eval()


def word_vectors(path: str | Path, errors: Errors = "strict") -> WordVectors:
    """The word vectors of a run folder, of an encoder.safetensors, or of a file that `export.vectors.read` reads.

    `errors` says what to do with words that are not UTF-8, "strict" or "replace".

    Raises UserError, one sentence, when there are none.
    """
    if foreign(path) is None and not Path(path).exists():
        raise UserError(f"{path} does not exist: name a run folder, an encoder.safetensors or a file of word vectors")
    file = file_of(path)
    if _is_encoder(file) or file.is_dir():
        return vectors_of(encoder_of(file))
    return files.read(file, errors=errors)


def subword_rows(path: str | Path, errors: Errors = "strict") -> SubwordRows | None:
    """The rows of words and n-grams of a run or an encoder that has them, or of a model of the fastText tool."""
    file = file_of(path)
    if file.is_dir():
        return None
    if _is_encoder(file):
        encoder = encoders.load(file)
        return encoder.subword_rows() if isinstance(encoder, Subworded) else None
    return fasttext_bin.rows(file, errors) if fasttext_bin.is_one(file) else None


def inherited(init: str) -> Layer:
    """The encoder's name and arguments that a run or a weights file of ours was made with; empty for other files."""
    if (found := foreign(init)) is not None:
        return replace(Layer.of(found.settings(), str(found.folder)), said=False)
    path = file_of(init)
    try:
        spec = described(path)
        if "name" not in spec:  # word vectors
            return Layer({}, {})
        inherited = Layer.of({"encoder": {key: value for key, value in spec.items() if key != "input"}}, str(path))
        return replace(inherited, said=False)
    except UNREADABLE:
        return Layer({}, {})  # loading will say what is wrong with it


def described(path: Path) -> dict[str, Any]:
    """What a safetensors file of ours says it holds: an encoder's spec, or ``{"kind": "word vectors"}``.

    No tensor is read.

    Raises OSError, SafetensorError, ValueError, KeyError and TypeError for other files.
    """
    with safe_open(path, "numpy") as file:
        spec: dict[str, Any] = json.loads(file.metadata()["selftaught"])
    return spec


def _is_encoder(path: Path) -> bool:
    """Whether a file holds an encoder of ours: its spec has a name."""
    with suppress(*UNREADABLE):
        return "name" in described(path)
    return False
