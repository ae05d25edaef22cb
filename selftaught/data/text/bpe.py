"""Byte pair encoding: frequent words are one token, rare ones several, and no text is without tokens.

Needs the extra [bpe].

Sennrich, Haddow and Birch 2016, "Neural Machine Translation of Rare Words with Subword Units"; on bytes, as Radford et
al. 2019, "Language Models are Unsupervised Multitask Learners", have it. The merging is done by the package
`tokenizers`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Self, final

from selftaught.data import cache
from selftaught.errors import UserError
from selftaught.parts.tokens import byte_pairs

BYTES = 256
MOST = 1 << 24  # tokens; more is a slip of the finger


@final
class BytePairs:
    """Merges that were learnt from text. `model` is all of it, as JSON: what `parts/tokens.byte_pairs` reads.

    A word is split into single bytes first, and then the pair of neighbours that was learnt first is merged wherever it
    stands, until no learnt pair is left. Text is first cut into runs of letters, of digits and of other characters,
    each with the space before it.
    """

    def __init__(self, model: str) -> None:
        self.model = model
        self._tokenizer = byte_pairs(model)

    @classmethod
    def train(cls, texts: Iterable[str], size: int = 8000, min_frequency: int = 2) -> Self:
        """Learn merges until there are `size` tokens, the 256 bytes among them, or no pair occurs `min_frequency` times.

        Each step merges the pair that occurs most often; the same texts give the same merges. Raises UserError for a
        size that leaves no merges.
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
        """Read what `save` wrote. Raises UserError when it is not there, or damaged."""
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
        """Write it as JSON, which the package `tokenizers` reads too. Raises UserError when there is no room."""
        with cache.replacing(path) as file:
            file.write(self.model.encode())

    @property
    def tokens(self) -> tuple[str, ...]:
        """Every token by its number, bytes spelt as letters: a space is Ġ."""
        known = self._tokenizer.get_vocab()
        return tuple(sorted(known, key=known.__getitem__))

    def encode(self, text: str) -> list[int]:
        """The tokens' numbers. Raises UserError for half a character (a lone surrogate)."""
        return self.encode_all([text])[0]

    def encode_all(self, texts: Sequence[str]) -> list[list[int]]:
        """`encode` of many texts, by several threads."""
        try:
            return [found.ids for found in self._tokenizer.encode_batch(list(texts))]
        except (UnicodeEncodeError, TypeError):
            raise UserError("half a character (a lone surrogate) cannot be encoded: replace it") from None

    def decode(self, ids: Sequence[int]) -> str:
        """The text, exactly as it was given to `encode`; bytes that are not UTF-8 by themselves become U+FFFD."""
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
