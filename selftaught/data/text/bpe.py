"""Byte pair encoding: frequent words are one token, rare ones several, and every text can be encoded.

Needs the extra [bpe].

Sennrich, Haddow and Birch 2016, "Neural Machine Translation of Rare Words with Subword Units"; on bytes, as in Radford
et al. 2019, "Language Models are Unsupervised Multitask Learners". The package `tokenizers` does the merging.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Self, final

from selftaught.data import cache
from selftaught.errors import UserError
from selftaught.parts.tokens import splitter

BYTES = 256
MOST = 1 << 24  # tokens; a larger number is a typing error


@final
class BytePairs:
    """Merges learned from text. `model` is the complete encoding as JSON, which `parts/tokens.splitter` reads.

    Text is first split into runs of letters, of digits and of other characters, each with the space before it. A word
    is then split into single bytes, and the pair of neighbours that was learned first is merged wherever it occurs,
    until no learned pair is left.
    """

    def __init__(self, model: str) -> None:
        self.model = model
        self._tokenizer = splitter(model)

    @classmethod
    def train(cls, texts: Iterable[str], size: int = 8000, min_frequency: int = 2) -> Self:
        """Learn merges until there are `size` tokens, including the 256 bytes.

        Stops earlier if no pair occurs `min_frequency` times. Each step merges the most frequent pair; the same texts
        give the same merges. Raises UserError if `size` leaves no merges.
        """
        if not BYTES < size <= MOST:
            raise UserError(
                f"byte pair encoding must have more than {BYTES} tokens (one for each byte) and at most {MOST:,}, "
                f"not {size}"
            )
        if min_frequency < 1:
            raise UserError(f"min_frequency of byte pair encoding must be at least 1, not {min_frequency}")
        tokenizers = _package()
        made = tokenizers.Tokenizer(tokenizers.models.BPE())
        made.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
        made.decoder = tokenizers.decoders.ByteLevel()
        alphabet = sorted(tokenizers.pre_tokenizers.ByteLevel.alphabet())
        trainer = tokenizers.trainers.BpeTrainer(
            vocab_size=size,
            min_frequency=min_frequency,
            initial_alphabet=alphabet,
            show_progress=False,
            special_tokens=[],
        )
        made.train_from_iterator(texts, trainer)
        return cls(made.to_str())

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read a file that `save` wrote. Raises UserError if it is missing or damaged."""
        _package()
        try:
            return cls(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise UserError(f"{path}: cannot be read: {error.strerror}") from None
        except UnicodeDecodeError as error:
            raise UserError(f"{path}: not UTF-8 (byte {error.start})") from None
        except UserError as error:
            raise UserError(f"{path}: {error}") from None

    def save(self, path: Path) -> None:
        """Write JSON, which the package `tokenizers` can also read. Raises UserError if there is no space."""
        with cache.replacing(path) as file:
            file.write(self.model.encode())

    @property
    def tokens(self) -> tuple[str, ...]:
        """Every token by its number. Bytes are spelt as letters: a space is Ġ."""
        known = self._tokenizer.get_vocab()
        return tuple(sorted(known, key=known.__getitem__))

    def encode(self, text: str) -> list[int]:
        """Return the numbers of the tokens. Raises UserError for half a character (a lone surrogate)."""
        return self.encode_all([text])[0]

    def encode_all(self, texts: Sequence[str]) -> list[list[int]]:
        """Return `encode` of many texts, computed by several threads."""
        try:
            return [found.ids for found in self._tokenizer.encode_batch(list(texts))]
        except (UnicodeEncodeError, TypeError):
            raise UserError("half a character (a lone surrogate) cannot be encoded: replace it") from None

    def decode(self, ids: Sequence[int]) -> str:
        """Return the exact text that `encode` was given. Bytes that are not UTF-8 by themselves become U+FFFD."""
        text: str = self._tokenizer.decode(list(ids), skip_special_tokens=False)
        return text


def _package() -> Any:
    try:
        import tokenizers
        import tokenizers.decoders
        import tokenizers.models
        import tokenizers.pre_tokenizers
        import tokenizers.trainers
    except ImportError:
        raise UserError("byte pair encoding needs the package tokenizers: pip install 'selftaught[bpe]'") from None
    return tokenizers
