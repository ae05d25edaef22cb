"""One door to the text that users have."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from selftaught.data.corpus import Corpus
from selftaught.data.progress import Progress, silent
from selftaught.errors import UserError
from selftaught.parts.tokens import Tokens


def open_text(
    data: Any, split: Literal["train", "test", "all"] = "train", limit: int | None = None, *, tokens: Tokens = "words",
    lower: bool = True, errors: Literal["strict", "replace"] = "strict", progress: Progress = silent,
) -> Corpus:  # fmt: skip
    """A corpus over what a user has: a file of text, or any sequence of strings."""
    if isinstance(data, Corpus):
        return data
    if isinstance(data, str | Path):
        try:
            return Corpus.of([Path(data).read_text(errors=errors)][:limit], tokens=tokens, lower=lower)
        except OSError as error:
            raise UserError(f"{data}: cannot be read: {error.strerror}") from None
    return Corpus.of(data[:limit], tokens=tokens, lower=lower)
