"""Plain views of text: the tokens for an encoder of words, and the bag of words as a baseline."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, final

import torch

from selftaught.errors import UserError
from selftaught.method import Batch, Encoder, Index, Params, Raw, ReadsOn, Views
from selftaught.parts.tokens import tokenise_as

RAW = "how often a text has each frequent word"
COMMON = 2000
"""Number of words in the bag of words that represents the raw text."""


@final
class TextViews(Views):
    """Each text as a list of tokens, split as the encoder's `input` says: ``{"text": [[str]] * B}``. Not random."""

    def __init__(self, input: Mapping[str, Any]) -> None:
        self.input = dict(input)

    def sample(self, index: Index, epoch: int, seed: int) -> Params:
        """Return nothing: the view is not random."""
        return {}

    def apply(self, raw: Raw, params: Params, device: torch.device) -> Batch:
        """Return the tokens. "label" and "index" pass through."""
        return {"text": [tokenise_as(self.input, text) for text in raw["text"]]} | passed(raw)


@final
class HalfViews(Views):
    """The first and the second half of each text's tokens: ``{"first": [[str]] * B, "second": ...}``. Not random."""

    def __init__(self, input: Mapping[str, Any]) -> None:
        self.input = dict(input)

    def sample(self, index: Index, epoch: int, seed: int) -> Params:
        """Return nothing: the views are not random."""
        return {}

    def apply(self, raw: Raw, params: Params, device: torch.device) -> Batch:
        """Return the tokens; of an odd number the second half has one more. "label" and "index" pass through."""
        texts = [tokenise_as(self.input, text) for text in raw["text"]]
        halves = {"first": [t[: len(t) // 2] for t in texts], "second": [t[len(t) // 2 :] for t in texts]}
        return {**halves, **passed(raw)}


@final
class BagViews(Views):
    """Each text as log(1 + the count of each of the `COMMON` most frequent words).

    Returns ``{"text": float32 [B, min(V, COMMON)]}``.
    """

    def __init__(self, input: Mapping[str, Any]) -> None:
        self.input = dict(input)
        self.column = {word: i for i, word in enumerate(input["words"][:COMMON])}

    def sample(self, index: Index, epoch: int, seed: int) -> Params:
        """Return nothing: the view is not random."""
        return {}

    def apply(self, raw: Raw, params: Params, device: torch.device) -> Batch:
        """Return the counts. "label" and "index" pass through."""
        counts = torch.zeros(len(raw["text"]), len(self.column))
        for row, text in zip(counts, raw["text"], strict=True):
            for token in tokenise_as(self.input, text):
                if token in self.column:
                    row[self.column[token]] += 1
        return {"text": counts.log1p().to(device)} | passed(raw)


def passed(raw: Raw) -> Batch:
    """Return the entries that pass through every view unchanged."""
    return {key: torch.from_numpy(raw[key]) for key in ("label", "index") if key in raw}


def plain(input: Mapping[str, Any]) -> Views:
    """Return the views without augmentation for an encoder of text."""
    return TextViews(input)


def raw(input: Mapping[str, Any]) -> Views:
    """Return the views that give text as numbers, for the baseline without an encoder."""
    return BagViews(input)


def augment(input: Mapping[str, Any]) -> Views:
    """Return the views "first" and "second": the two halves of each text."""
    return HalfViews(input)


def halves(input: Mapping[str, Any]) -> Views:
    """Return the views "first" and "second": what is read first of each text, and what follows."""
    return HalfViews(input)


def crop(encoder: Encoder) -> Views:
    """Return the view "text", the symbols of a random passage as int64 [B, T], and its "mask", bool [B, T].

    T is the encoder's context. Raises UserError for an encoder that does not read symbols.
    """
    from selftaught.views.passages import PassageViews  # has loops to compile

    if not isinstance(encoder, ReadsOn) or encoder.causal:
        raise UserError(
            f"passages of symbols are read by the encoder transformer, not by {encoder.spec['name']}: use --encoder "
            "transformer"
        )
    return PassageViews(encoder.index, encoder.context)


def show(name: str, values: Any, input: Mapping[str, Any]) -> None:
    """Return None: there are no pictures of texts."""
