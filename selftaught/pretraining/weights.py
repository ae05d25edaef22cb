"""Weights from a run, an encoder file or a file of another tool.

A run, an encoder.safetensors, a file of torchvision's or timm's, or word vectors that any tool wrote.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, final

from safetensors import SafetensorError, safe_open

from selftaught import encoders
from selftaught.config import Layer
from selftaught.errors import UserError
from selftaught.evaluate.words import vectors_of
from selftaught.export import vectors as files
from selftaught.method import Encoder
from selftaught.parts.word_vectors import WordVectors
from selftaught.run import RunFolder

UNREADABLE = (OSError, SafetensorError, ValueError, KeyError, TypeError)
"""Errors that a foreign file can lead to."""


@final
class Weights:
    """What ``--init`` names. Obeys `method.Start`, which an encoder asks for what it can start from."""

    def __init__(self, path: str | Path, say: Callable[[str], None] | None = None) -> None:
        self.path, self.say = file_of(path), say

    def load_into(self, encoder: Encoder) -> None:
        """Copy the tensors of the file into `encoder`, by name. Raises UserError when they do not fit."""
        self.tell(encoders.load_weights(encoder, self.path, strict=True).sentence())

    def tell(self, what: str) -> None:
        """Pass it on to who asked for it."""
        if self.say is not None:
            self.say(f"{self.path}: {what}")

    def encoder(self) -> Encoder | None:
        """The whole encoder, for a file that selftaught wrote."""
        return encoders.load(self.path) if _is_encoder(self.path) else None

    def vectors(self) -> WordVectors:
        """The word vectors in the file, or of the encoder in it. Raises UserError when there are none."""
        return word_vectors(self.path)


def file_of(path: str | Path) -> Path:
    """A file of weights as it is; the encoder of a run.

    Raises UserError for a run without one, and a folder that is no run.
    """
    path = Path(path)
    if not path.is_dir():
        return path
    file = path / "encoder.safetensors"
    if not file.exists():
        RunFolder.open(path)
        raise UserError(f"the run {path} is not finished: continue it with 'selftaught resume {path}'")
    return file


def word_vectors(path: str | Path) -> WordVectors:
    """The word vectors of a run folder, of an encoder.safetensors, or of a file that `export.vectors.read` reads.

    Raises UserError, one sentence, when there are none.
    """
    if not Path(path).exists():
        raise UserError(f"{path} does not exist: name a run folder, an encoder.safetensors or a file of word vectors")
    file = file_of(path)
    return vectors_of(encoders.load(file)) if _is_encoder(file) else files.read(file)


def inherited(init: str) -> Layer:
    """The encoder's name and arguments that a run or a weights file of ours was made with; empty for other files."""
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
