"""Plain views of text: what a trained encoder of words sees, and the bag of words that it is compared with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, final

import torch

from selftaught.method import Batch, Index, Params, Raw, Views
from selftaught.parts.tokens import tokenise

RAW = "how often a text has each frequent word"
COMMON = 2000
"""Words of the bag that stands for the raw text."""


@final
class TextViews(Views):
    """Each text as its list of tokens, split as the encoder's `input` says: ``{"text": [[str]] * B}``.

    Nothing is random.
    """

    def __init__(self, input: Mapping[str, Any]) -> None:
        self.input = dict(input)

    def sample(self, index: Index, epoch: int, seed: int) -> Params:
        """Nothing."""
        return {}

    def apply(self, raw: Raw, params: Params, device: torch.device) -> Batch:
        """Tokens; "label" and "index" pass through."""
        return {"text": [tokenise(text, self.input["tokens"], self.input["lower"]) for text in raw["text"]]} | passed(
            raw
        )


@final
class BagViews(Views):
    """Each text as log(1 + how often it holds each of the `COMMON` most frequent words): ``{"text".

    Float32 [B, min(V, COMMON)]}``.
    """

    def __init__(self, input: Mapping[str, Any]) -> None:
        self.input = dict(input)
        self.column = {word: i for i, word in enumerate(input["words"][:COMMON])}

    def sample(self, index: Index, epoch: int, seed: int) -> Params:
        """Nothing."""
        return {}

    def apply(self, raw: Raw, params: Params, device: torch.device) -> Batch:
        """Counts; "label" and "index" pass through."""
        counts = torch.zeros(len(raw["text"]), len(self.column))
        for row, text in zip(counts, raw["text"], strict=True):
            for token in tokenise(text, self.input["tokens"], self.input["lower"]):
                if token in self.column:
                    row[self.column[token]] += 1
        return {"text": counts.log1p().to(device)} | passed(raw)


def passed(raw: Raw) -> Batch:
    """What goes through every view unchanged."""
    return {key: torch.from_numpy(raw[key]) for key in ("label", "index") if key in raw}


def plain(input: Mapping[str, Any]) -> Views:
    """The views without augmentation for an encoder of text."""
    return TextViews(input)


def raw(input: Mapping[str, Any]) -> Views:
    """The raw text as numbers, for the baseline without an encoder."""
    return BagViews(input)


def show(name: str, values: Any, input: Mapping[str, Any]) -> None:
    """Nothing: texts are read, not looked at."""
