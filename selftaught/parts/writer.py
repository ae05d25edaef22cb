"""Write the tokens that a model draws as text, piece by piece."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, final

from selftaught.parts.tokens import model_of, splitter

BROKEN = "\ufffd"


@final
class Writer:
    """Turns one token after the other into text that the tokeniser would split into them again.

    >>> write = Writer({"tokens": "words"}, "the")
    >>> write("cat"), write("\\n"), write("a")
    (' cat', '\\n', 'a')

    Args:
        input: The input of the encoder's spec, whose "tokens" say how text was split.
        prompt: The text before the first token.
    """

    def __init__(self, input: Mapping[str, Any], prompt: str) -> None:
        how = input["tokens"]
        self.model = model_of(how)
        self.close = how in ("exact", "characters")  # no space between tokens
        self.begins = not prompt or prompt.endswith("\n")  # at the beginning of a line there is no space
        self.waiting: list[str] = []  # byte pairs that are not whole characters yet

    def __call__(self, token: str) -> str:
        """Return the text of the next token; "" if it is part of a character. A line's end is a newline."""
        if self.model is not None and token != "\n":
            self.waiting.append(token)
            text: str = splitter(self.model).decoder.decode(self.waiting)
            if text.endswith(BROKEN) and len(self.waiting) < 4:
                return ""
            text = text.removeprefix(" ") if self.begins else text
        elif self.close or token == "\n" or self.begins:
            text = token
        else:
            text = f" {token}"
        self.waiting = []
        self.begins = text.endswith("\n")
        return text
