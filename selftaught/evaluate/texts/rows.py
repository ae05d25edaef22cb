"""Texts as rows of symbols, in the forms of GPT and of BERT, and batches of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, final

import numpy as np
import torch
from torch import Tensor

from selftaught.encoders.characters import coded
from selftaught.encoders.lstm import LSTM
from selftaught.encoders.lstm import MOST as LONG
from selftaught.encoders.transformer import Transformer
from selftaught.errors import UserError
from selftaught.method import Batch, Encoder, Index, Params, Raw, Views
from selftaught.parts.symbols import END, START
from selftaught.parts.tokens import tokenise_as

Body = Transformer | LSTM
"""The encoders that tasks of text are trained with: those that have a vector for each symbol."""
LEFT_OUT = -100
"""The target of symbols that are not asked about."""


def body_of(encoder: Encoder, task: str) -> Body:
    """Return the encoder as one that has a vector for each symbol. Raises UserError if it has none."""
    if not isinstance(encoder, Transformer | LSTM):
        raise UserError(
            f"{task} needs an encoder with a vector for each token in its context (transformer, causal_transformer, "
            f"lstm, causal_lstm), not {encoder.spec['name']}: pretrain gpt, bert or elmo"
        )
    return encoder


@final
class Row(NamedTuple):
    """Numbers of symbols; where each text begins and ends among them; where the second segment begins."""

    ids: tuple[int, ...]
    texts: tuple[tuple[int, int], ...]
    second: int


@final
class Rows:
    """Makes rows of symbols for an encoder.

    A causal encoder reads: start, text, [delimiter, text], extract; the delimiter and the extract are new symbols,
    which have the two numbers after the encoder's own. Others read: start, text, end, [text, end], and the second text
    is the second segment.

    Args:
        encoder: The encoder.

    Attributes:
        size: Number of symbols of the encoder.
        limit: Number of symbols of the longest row.
        cut: How many rows were too long and lost symbols at the end of their longest text.
    """

    def __init__(self, encoder: Body) -> None:
        self.input, self.index, self.causal = encoder.spec["input"], encoder.index, encoder.causal
        self.words = len(encoder.words)
        long = isinstance(encoder, LSTM)
        self.size = self.words + START + 1 if long else len(encoder.table)
        self.limit = LONG if long else encoder.context
        self.new: dict[str, int] | None = {} if long and encoder.characters is not None else None
        self.cut = 0

    def numbers(self, text: str) -> list[int]:
        """Return the numbers of the tokens of a text."""
        return self.numbered(tokenise_as(self.input, text))

    def numbered(self, tokens: Sequence[str]) -> list[int]:
        """Return the numbers of tokens. An encoder that reads characters knows every word; others have one for all."""
        if self.new is None:
            return [self.index.get(token, self.words) for token in tokens]
        new, first = self.new, self.size
        return [
            number if (number := self.index.get(token)) is not None else first + new.setdefault(token, len(new))
            for token in tokens
        ]

    def row(self, *texts: Sequence[int]) -> Row:
        """Return one text or two as a row; `cut` counts those that are too long."""
        lengths, room = [len(text) for text in texts], self.limit - len(texts) - 1
        self.cut += sum(lengths) > room
        while sum(lengths) > room and max(lengths) > 1:
            lengths[lengths.index(max(lengths))] -= 1
        kept = [text[:length] for text, length in zip(texts, lengths, strict=True)]
        ids, places = [self.words + START], list[tuple[int, int]]()
        between, last = (self.size, self.size + 1) if self.causal else (self.words + END,) * 2
        second = 0
        for number, text in enumerate(kept):
            second = len(ids) if number else 0
            places.append((len(ids), len(ids) + len(text)))
            ids += [*text, last if number == len(kept) - 1 else between]
        return Row(tuple(ids), tuple(places), second or len(ids))

    def codes(self, numbers: Sequence[int]) -> Tensor:
        """Return the characters of words that only their characters tell, int16 [N, 50]."""
        words = list(self.new or {})
        return coded([words[number - self.size] for number in numbers])


@final
class RowViews(Views):
    """Examples as a batch of rows. Not random.

    Returns ``{"ids": int64 [N, T], "there": bool [N, T], "segment": int64 [N, T], "texts": int64 [N, 2, 2], "counts":
    int64 [B], the rows of each sample, "codes": int16 [W, 50] or absent, "target", see `targets`}``.

    Args:
        rows: Makes rows.
        encode: Returns the rows of an example.
        targets: Returns the target of a batch, given the raw batch, the rows of each sample and T.
    """

    def __init__(
        self,
        rows: Rows,
        encode: Callable[[Any], list[Row]],
        targets: Callable[[Raw, list[list[Row]], int], Tensor],
    ) -> None:
        self.rows, self.encode, self.targets = rows, encode, targets

    def sample(self, index: Index, epoch: int, seed: int) -> Params:
        """Return nothing: the views are not random."""
        return {}

    def apply(self, raw: Raw, params: Params, device: torch.device) -> Batch:
        """See the class."""
        of_each = [self.encode(example) for example in raw["example"]]
        rows = [row for some in of_each for row in some]
        length = max(len(row.ids) for row in rows)
        ids, segment = np.zeros((2, len(rows), length), np.int64)
        there, texts = np.zeros((len(rows), length), np.bool_), np.zeros((len(rows), 2, 2), np.int64)
        for number, row in enumerate(rows):
            ids[number, : len(row.ids)], there[number, : len(row.ids)] = row.ids, True
            segment[number, row.second : len(row.ids)] = 1
            texts[number, : len(row.texts)] = row.texts
        batch: Batch = {}
        if self.rows.new is not None and (ids >= self.rows.size).any():
            used, where = np.unique(ids[ids >= self.rows.size], return_inverse=True)
            ids[ids >= self.rows.size] = self.rows.size + where.reshape(-1)
            batch["codes"] = self.rows.codes(used.tolist()).to(device)
        found = {"ids": ids, "there": there, "segment": segment, "texts": texts, "index": raw["index"]}
        batch |= {name: torch.from_numpy(value).to(device) for name, value in found.items()}
        batch["counts"] = torch.tensor([len(some) for some in of_each], device=device)
        return batch | {"target": self.targets(raw, of_each, length).to(device)}
