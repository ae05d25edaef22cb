"""Word vectors from wherever they are: a run, an encoder.safetensors, or a file that any tool wrote."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from safetensors import SafetensorError

from selftaught.errors import UserError
from selftaught.export import vectors as files
from selftaught.parts.word_vectors import WordVectors
from selftaught.pretraining.build import described
from selftaught.pretraining.result import load


def word_vectors(path: str | Path) -> WordVectors:
    """The word vectors of a run folder, of an encoder.safetensors, or of a file that `export.vectors.read` reads.

    Raises UserError, one sentence, when there are none.
    """
    path = Path(path)
    if not path.exists():
        raise UserError(f"{path} does not exist: name a run folder, an encoder.safetensors or a file of word vectors")
    return load(path).vectors if path.is_dir() or _is_encoder(path) else files.read(path)


def _is_encoder(path: Path) -> bool:
    """Whether a file holds an encoder of ours: its spec has a name."""
    with suppress(OSError, SafetensorError, ValueError, KeyError, TypeError):
        return "name" in described(path)
    return False
