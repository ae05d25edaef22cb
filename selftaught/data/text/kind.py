"""The kind "text": documents of sentences of words, characters or byte pairs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, ClassVar, Literal, Self, final

import numpy as np

from selftaught.data import hub, tables
from selftaught.data.folders import LOOKED_AT
from selftaught.errors import UserError, expanded
from selftaught.kind import Kind, Progress, Split, silent
from selftaught.source import Source

FREQUENT = 20
"""Number of words that `tell` lists."""


@final
class Text(Kind):
    """Documents, each a string.

    Args:
        tokens: How text is split: words, whitespace (already tokenised), characters, exact (each character, also white
            space; a document is then one sentence), bpe:8000 (byte pairs), or hf/FOLDER (as the tokenizer in a Hugging
            Face folder splits words).
        lower: Convert the text to lower case.
        form: The Unicode normal form of the tokens: nfc, or none to leave them as they are.
        errors: Bytes that are not UTF-8 and broken records: skip the line or record and name it; replace the bytes; or
            refuse the first (strict).
        encoding: The encoding of the files, such as latin-1 or utf-16.
        column: The text field of JSON Lines, or the text column of Parquet, .csv and .tsv; a number counts the columns
            of .csv and .tsv without names.
        label_column: The field or column of labels there. By default one with a usual name, if it has classes.
        phrases: Join words that occur together much more often than apart ("new york" is new_york): a threshold for
            each pass over the text, such as 100, or 200 100 for phrases of up to four words. Higher makes fewer.
        phrase_count: What is taken off the count of each pair of words, so that rare pairs are no phrases.
    """

    effects: ClassVar[Mapping[str, Any]] = {"phrase_count": {"phrases": True}}

    samples = "documents"
    network = "lookup"
    watched = False

    def __init__(
        self,
        tokens: str = "words",
        lower: bool = True,
        form: Literal["nfc", "none"] = "nfc",
        errors: Literal["skip", "replace", "strict"] = "skip",
        encoding: str = "utf-8",
        column: str = "text",
        label_column: str | None = None,
        phrases: tuple[float, ...] = (),
        phrase_count: int = 5,
    ) -> None:
        self.tokens: Any = tokens  # or {"bpe": model}, as in the input of an encoder
        self.lower, self.form, self.errors, self.encoding = lower, form, errors, encoding
        self.column, self.label_column = column, label_column
        self.phrases, self.phrase_count = phrases, phrase_count

    @classmethod
    def accepts(cls, data: Any) -> bool:
        """Accept lists of strings, of lists of words or of mappings with a text; files of text.

        A folder is accepted if most of its files are of these types.
        """
        if isinstance(data, str | Path):
            return _holds_text(expanded(data))
        if hub.is_hub(data):
            columns = hub.features(data).values()
            return any(getattr(feature, "dtype", "") in ("string", "large_string") for feature in columns)
        first = data[0] if isinstance(data, Sequence) and not isinstance(data, str) and len(data) else None
        if isinstance(first, Mapping):
            return any(isinstance(value, str) for value in first.values())
        return isinstance(first, str) or (
            isinstance(first, list | tuple) and all(isinstance(word, str) for word in first)
        )

    def open(
        self, data: Any, split: Split, limit: int | None = None, progress: Progress = silent, labels: Any = None
    ) -> Source:
        """See `data.text.opening.open_text`."""
        from selftaught.data.text.opening import open_text

        if labels is not None:
            raise UserError("labels of texts must be given with the texts: a list of mappings with 'text' and 'label'")
        return open_text(
            data,
            split,
            limit,
            tokens=self.tokens,
            lower=self.lower,
            form=self.form,
            errors=self.errors,
            encoding=self.encoding,
            column=self.column,
            label_column=self.label_column,
            phrases=self.phrases,
            phrase_count=self.phrase_count,
            seed=self.seed,
            groups=self.groups,
            progress=progress,
        )

    def asked(self, data: Any) -> Source:
        """Return every line or row of a file or of standard input as a text; other data as they are opened."""
        from selftaught.data.text import lines

        return (
            lines.read(data, self.column, self.errors, self.label_column)
            if lines.reads(data)
            else self.open(data, "all")
        )

    def input(self, source: Source) -> dict[str, Any]:
        """Return how to split text, and all words with their counts, of which an encoder takes the frequent ones."""
        from selftaught.data.text.corpus import Corpus
        from selftaught.parts.pretrained import pretrained

        if not isinstance(source, Corpus):
            raise UserError("an encoder of text needs the words of a corpus: open the text with data.open_source")
        given, known = source.whole_input(), pretrained(self.tokens)
        if known is None:
            return given
        there = set(source.words)  # the pieces that do not occur here have vectors, too
        more = [word for word in known.words if word not in there]
        counts = np.concatenate([source.counts, np.zeros(len(more), np.int64)])
        return given | {"words": [*source.words, *more], "counts": counts}

    @classmethod
    def reading(cls, input: Mapping[str, Any], options: Mapping[str, Any]) -> Self:
        """Return the options that split text like the words of the encoder."""
        own = {key: options[key] for key in ("errors", "encoding", "column", "label_column") if key in options}
        return cls(input["tokens"], input["lower"], input.get("form", "nfc"), **own)

    @classmethod
    def fits(cls, input: Mapping[str, Any], source: Source, where: str) -> None:
        """Any text fits, because unknown words are skipped."""

    @classmethod
    def tell(cls, source: Source) -> dict[str, Any]:
        """Return documents, sentences (lines), words, distinct words, the most frequent words and the fingerprint.

        Also documents per class, if there are labels.
        """
        from selftaught.data.text.corpus import Corpus

        assert isinstance(source, Corpus)
        return {
            "documents": len(source),
            "sentences": len(source.sentences) - 1,
            "words": len(source.ids),
            "distinct": len(source.words),
            "frequent": [source.words[i] for i in range(min(FREQUENT, len(source.words)))],
            "per_class": {c: int((source.labels == i).sum()) for i, c in enumerate(source.classes)},
            "fingerprint": source.fingerprint,
        }


def _holds_text(path: Path) -> bool:
    from selftaught.data.text import delimited, files, records

    try:
        if path.is_dir():
            found = [
                file for file in islice(path.rglob("*"), LOOKED_AT) if file.is_file() and not file.name.startswith(".")
            ]
            if any(map(tables.is_table, found)):  # what stands beside tables tells about them
                return all(map(records.holds_text, filter(tables.is_table, found)))
            return sum(_holds_text(file) for file in found) > len(found) / 2
        kind = files.kind_of(path)
        if kind == "rows":
            return delimited.has_text(path)
        return records.holds_text(path) if kind == "table" else kind is not None and path.is_file()
    except OSError:
        return False
