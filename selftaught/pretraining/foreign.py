"""A Hugging Face folder on disk as an encoder of text: GPT-2 or BERT with its tokenizer."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, final

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from selftaught import encoders
from selftaught.encoders import hf_text
from selftaught.errors import UserError
from selftaught.method import Encoder
from selftaught.parts.pretrained import PREFIX, Pretrained, folder_of, read_json
from selftaught.parts.tokens import model_of

SPARE = 128
"""Most rows of a table of symbols without a symbol: tables are rounded up to a multiple of at most this."""
INDEX = "model.safetensors.index.json"
"""Says in which of several files a tensor is."""


@final
class Foreign:
    """A folder with config.json, safetensors and a tokenizer.

    Raises UserError, when it is read, for another architecture, and if tokenizer and model do not match.
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self.tokenizer = folder, Pretrained(folder)

    @cached_property
    def config(self) -> dict[str, Any]:
        """The content of config.json."""
        return read_json(self.folder / "config.json")

    @cached_property
    def arguments(self) -> dict[str, Any]:
        """The "name" and the arguments of the encoder that it becomes."""
        return hf_text.arguments(self.config, str(self.folder))

    def settings(self) -> dict[str, Any]:
        """Return what a run that starts from it inherits: "encoder", and "data", how text is split."""
        own, split = self.arguments, self.tokenizer.split
        if model_of(split["tokens"]) is not None:  # the pieces are those of any text, so all are kept
            own, split = own | {"min_count": 0}, split | {"tokens": f"{PREFIX}{self.folder.resolve()}"}
        return {"encoder": own, "data": split}

    def symbols(self) -> tuple[Sequence[str], dict[str, Tensor]]:
        """Return its words, and its tensors by our names, with the rows of the symbols in our order."""
        causal, tensors = self.arguments["name"] == "causal_transformer", self._tensors()
        table = tensors.get("token.weight")
        if table is None:
            raise UserError(f"{self.folder} has no table of symbols in its safetensors: save the model again")
        numbers, marks = self.tokenizer.numbers, self.tokenizer.marks[: 3 if causal else 4]
        size = max(numbers.values(), default=-1) + 1
        if size > len(table) or size < len(table) - SPARE:
            raise UserError(
                f"tokenizer and model in {self.folder} do not match: {size:,} symbols and {len(table):,} vectors; save "
                "the tokenizer that the model was trained with"
            )
        words = self.tokenizer.words
        rows = table[torch.tensor([numbers[word] for word in words], dtype=torch.int64)]
        # a symbol that it does not have begins as the mean of all
        mean = rows.mean(0)
        last = torch.stack([mean if mark is None else table[mark] for mark in marks])
        return words, tensors | {"token.weight": torch.cat([rows, last])}

    def encoder(self) -> Encoder:
        """Return the encoder."""
        words, tensors = self.symbols()
        # how often they occur is not known
        given = {"kind": "text", **self.tokenizer.split, "words": list(words), "counts": [1] * len(words)}
        made = encoders.build(**self.arguments, input=given, min_count=0)
        try:
            made.load_state_dict(tensors)
        except RuntimeError as error:
            raise UserError(
                f"the tensors in {self.folder} do not fit its config.json: save the model again with save_pretrained"
            ) from error
        return made.eval()

    def _tensors(self) -> dict[str, Tensor]:
        names = ["model.safetensors"]
        if (self.folder / INDEX).is_file():
            names = sorted(set(read_json(self.folder / INDEX).get("weight_map", {}).values()))
        found: dict[str, Tensor] = {}
        for name in names:
            path = self.folder / name
            if not path.is_file():
                raise UserError(f"{path} does not exist: save the model with save_pretrained(folder)")
            try:
                with safe_open(path, "pt") as file:
                    found |= {key: file.get_tensor(key).float() for key in file.keys()}  # noqa: SIM118
            except (SafetensorError, OSError) as error:
                raise UserError(f"{path} is not a readable safetensors file ({error}): save the model again") from error
        try:
            return hf_text.ours(self.config["model_type"], found)
        except KeyError as error:
            raise UserError(f"{self.folder} lacks the tensor {error}: save the model again") from error


def foreign(path: str | Path) -> Foreign | None:
    """Return what stands at ``hf/FOLDER``, or at the folder's own path, if it is a Hugging Face folder.

    Raises UserError if the name begins with ``hf/`` and there is none.
    """
    folder = folder_of(path)
    if folder is None and str(path).startswith(PREFIX) and not Path(path).exists():
        raise UserError(f"{path}: there is no folder with a config.json of Hugging Face at this path")
    return None if folder is None else Foreign(folder)
