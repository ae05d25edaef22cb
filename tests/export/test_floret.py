"""floret's tables: its hashes, its file, and the vectors that its rule makes of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from selftaught import encoders
from selftaught.errors import UserError
from selftaught.export import floret
from selftaught.export import vectors as files
from selftaught.kernels.floret import murmur, rows
from selftaught.kernels.subwords import marked
from selftaught.parts.word_vectors import WordVectors

WORDS = [f"{a}{b}{c}" for a in ("where", "in", "Ödön") for b in ("by", "from", "") for c in ("s", "ever", "ed", "1")]


def made(words: list[str], minn: int, maxn: int, bucket: int) -> list[list[int]]:
    starts, found = rows(*marked(words), minn, maxn, 2, bucket)
    return [part.tolist() for part in np.split(found, starts[1:-1])]


def test_the_hashes_are_those_of_the_package() -> None:
    """From the package floret 0.10: get_subwords("where"), less its 6 words, with minn 2, maxn 3 and 50 buckets."""
    expected = [9, 7, 16, 43, 21, 22, 6, 35, 8, 34, 53, 55, 10, 55, 54, 15, 24, 42, 34, 47, 32, 15, 50, 10]
    assert made(["where"], 2, 3, 50) == [[row - 6 for row in expected]]


@pytest.mark.parametrize(("text", "seed", "expected"), [
    (b"", 0, (0, 0)),
    (b"The quick brown fox jumps over the lazy dog", 0, (0xE34BBC7BBC071B6C, 0x7A433CA9C49A9347)),
])  # fmt: skip
def test_murmurhash(text: bytes, seed: int, expected: tuple[int, int]) -> None:
    data = np.frombuffer(text or b" ", np.uint8)
    assert murmur(data, 0, len(text), np.uint64(seed)) == expected


@pytest.fixture
def encoder() -> Any:
    torch.manual_seed(0)
    seen = {"kind": "text", "tokens": "words", "lower": False, "words": WORDS, "counts": [9] * len(WORDS)}
    encoder = encoders.build("subwords", seen, dim=5, minn=2, maxn=4, bucket=5000)
    torch.nn.init.normal_(encoder.table)
    return encoder


def test_the_file_gives_words_their_vectors(tmp_path: Path, encoder: Any) -> None:
    path, vectors = tmp_path / "x.floret", encoder.word_vectors()
    files.write(path, vectors, rows=encoder.subword_rows())
    first, *lines = path.read_text().splitlines()
    bucket = floret.size(len(WORDS))
    assert first.split() == [str(bucket), "5", "2", "4", "2", "2166136261", "<", ">"]
    assert [line.split()[0] for line in lines] == list(map(str, range(bucket)))
    table = np.array([line.split()[1:] for line in lines], np.float32)
    found = np.array([table[part].mean(0) for part in made(WORDS, 2, 4, bucket)])
    cosines = (found * vectors.matrix).sum(1) / np.linalg.norm(found, axis=1) / np.linalg.norm(vectors.matrix, axis=1)
    assert cosines.min() > 0.99
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), np.linalg.norm(vectors.matrix, axis=1), rtol=0.1)


def test_what_has_no_ngrams_is_no_floret_table(tmp_path: Path, encoder: Any) -> None:
    with pytest.raises(UserError, match="made of character n-grams, which only fasttext learns"):
        files.write(tmp_path / "x.floret", WordVectors(("a",), np.ones((1, 2), np.float32)))
    assert not list(tmp_path.iterdir())
    files.write(tmp_path / "x.floret", encoder.word_vectors(), rows=encoder.subword_rows())
    with pytest.raises(UserError, match="is a floret table"):
        files.read(tmp_path / "x.floret")
