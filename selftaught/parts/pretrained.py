"""The tokenizer in a Hugging Face folder on disk: how it splits text, and which of its symbols are which of ours.

Read are ``tokenizer.json`` and ``tokenizer_config.json``. Byte pairs (GPT-2) and word pieces (BERT) are split by the
package `tokenizers`, as the file says, word by word; marks that it puts around a text are left to our encoders. A
folder that `export/hf` wrote says in config.json how it splits words, so that these too are read.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, cast, final, get_args

from selftaught.errors import UserError, expanded
from selftaught.parts.tokens import PIECES, Tokens, Way

PREFIX = "hf/"
"""Before the folder where it is named among other things."""
OWN = "selftaught"
"""The entry of config.json that `export/hf` writes: "lower" and "form" of an encoder's input; "tokens", or of pieces
"rare", those that stand for other words, and "normalizer", the tokenizer's own."""
MARKS = (("unk_token",), ("sep_token", "eos_token"), ("cls_token", "bos_token"), ("mask_token",))
"""Their names of other words, the end, the start and a hidden token, in the order of `parts.symbols`."""
LINE = "Ċ"
"""The end of a line in byte pairs, which a model without an end of sentences has read instead."""


def folder_of(name: str | Path) -> Path | None:
    """Return the Hugging Face folder that ``hf/FOLDER`` or its path names, or None if there is none."""
    text = str(name)
    tried = [Path(text)]
    if text.startswith(PREFIX):
        rest = text.removeprefix(PREFIX)
        tried += [expanded(rest), Path(f"/{rest.lstrip('/')}")]  # a path may have lost a slash: hf//tmp is hf/tmp
    return next((path for path in tried if (path / "config.json").is_file() and not _is_run(path)), None)


def _is_run(path: Path) -> bool:
    return (path / "config.yaml").exists()


def read_json(path: Path) -> dict[str, Any]:
    """Return the dictionary in a file. Raises UserError if it cannot be read."""
    try:
        found = json.loads(path.read_bytes())
    except FileNotFoundError:
        raise UserError(f"{path} does not exist: save model and tokenizer there with save_pretrained") from None
    except (OSError, ValueError) as error:
        raise UserError(f"{path} cannot be read ({error}): save it again with save_pretrained") from None
    if not isinstance(found, dict):
        raise UserError(f"{path} holds no settings: save it again with save_pretrained")
    return found


@final
class Pretrained:
    """The tokenizer of a folder.

    Args:
        folder: A folder with tokenizer.json.

    Raises UserError, when it is read, if a file is missing or broken, or the tokenizer is of another type.
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self.path = folder, folder / "tokenizer.json"

    @cached_property
    def content(self) -> dict[str, Any]:
        """The content of tokenizer.json."""
        found = read_json(self.path)
        model = found.get("model")
        if not isinstance(model, dict) or not isinstance(model.get("vocab"), dict):
            kind = model.get("type", "unknown") if isinstance(model, dict) else "unknown"
            raise UserError(f"{self.path} is of the type {kind}: byte pairs (BPE) and word pieces are read")
        return found

    @cached_property
    def numbers(self) -> dict[str, int]:
        """The number of each symbol."""
        added = {str(token["content"]): int(token["id"]) for token in self.content.get("added_tokens") or []}
        return {str(symbol): int(number) for symbol, number in self.content["model"]["vocab"].items()} | added

    @cached_property
    def special(self) -> set[str]:
        """The symbols that are no text: marks, padding, what a user added."""
        added = {str(token["content"]) for token in self.content.get("added_tokens") or []}
        return added | {mark for mark in self._named.values() if mark}

    @cached_property
    def _named(self) -> dict[str, str]:
        """The marks by their names."""
        found: dict[str, str] = {}
        for name in ("special_tokens_map.json", "tokenizer_config.json"):
            if (self.folder / name).is_file():
                for key, value in read_json(self.folder / name).items():
                    if key.endswith("_token"):
                        found[key] = str(value["content"] if isinstance(value, dict) else value or "")
        return found

    @cached_property
    def marks(self) -> list[int | None]:
        """The numbers of the symbols of `parts.symbols`, None for those that it does not have."""
        found = []
        for names in MARKS:
            mark = next((self._named[name] for name in names if self._named.get(name) in self.numbers), None)
            found.append(None if mark is None else self.numbers[mark])
        if found[1] is None or found[1] == found[2]:  # GPT-2 has one mark alone, between documents
            found[1] = self.numbers.get(LINE, found[1])
        return found

    @cached_property
    def words(self) -> tuple[str, ...]:
        """The symbols that are text, by their numbers."""
        own = self.content["model"]["vocab"]
        extra = set(self.own.get("rare", ()))
        return tuple(word for word in sorted(own, key=own.__getitem__) if word not in self.special | extra)

    @cached_property
    def own(self) -> Mapping[str, Any]:
        """What `export/hf` says in config.json, if it wrote the folder."""
        found = read_json(self.folder / "config.json").get(OWN)
        return found if isinstance(found, dict) else {}

    @cached_property
    def tokens(self) -> Way:
        """How text is split. Raises UserError for another type of tokenizer."""
        kind = self.content["model"].get("type", "BPE" if "merges" in self.content["model"] else "WordPiece")
        name = next((name for name, (model, _) in PIECES.items() if model == kind), None)
        if name is None and self.own.get("tokens") in get_args(Tokens):
            return cast(Tokens, self.own["tokens"])
        decoder = (self.content.get("decoder") or {}).get("type")
        if name is None or decoder != PIECES[name][1]:
            raise UserError(
                f"{self.path} is of the type {kind} with the decoder {decoder}: byte pairs as of GPT-2 (BPE, "
                "ByteLevel) and word pieces as of BERT are read"
            )
        plain = dict(self.content, added_tokens=[], post_processor=None, truncation=None, padding=None)
        if self.own:  # which is in the file behind lower case and normal form, that are ours to make
            plain["normalizer"] = self.own.get("normalizer")
        # numbered without gaps, as `data/text/bpe` wants it
        vocab = self.content["model"]["vocab"]
        ordered = {word: number for number, word in enumerate(sorted(vocab, key=vocab.__getitem__))}
        plain["model"] = dict(self.content["model"], vocab=ordered)
        return {name: json.dumps(plain, ensure_ascii=False)}

    @property
    def split(self) -> dict[str, Any]:
        """The "tokens", "lower" and "form" of an encoder's input; the tokenizer itself does what a foreign one does."""
        return {
            "tokens": self.tokens, "lower": bool(self.own.get("lower", False)), "form": self.own.get("form", "none"),
        }  # fmt: skip


def pretrained(tokens: Any) -> Pretrained | None:
    """Return the tokenizer that a way to split text names, ``hf/FOLDER``; None for other ways.

    Raises UserError if there is none.
    """
    if not isinstance(tokens, str) or not tokens.startswith(PREFIX):
        return None
    folder = folder_of(tokens)
    if folder is None:
        raise UserError(f"tokens '{tokens}': there is no Hugging Face folder with a config.json at this path")
    return Pretrained(folder)
