"""Word vectors in a file: what is read back is what was written, gensim reads it too, and no damage goes unsaid."""

from __future__ import annotations

import bz2
import errno
import gc
import gzip
import lzma
import os
import pickle
import time
import tracemalloc
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import load_file, save_file

from selftaught.errors import UserError
from selftaught.export import reading
from selftaught.export import vectors as files
from selftaught.parts.word_vectors import WordVectors

RNG = np.random.default_rng(0)
WORDS = ("the", "cat", "Ödön", "中文", "don't", "\u00a0", "1999", "12", "{", "#", '"', "-0.5")
MATRIX = RNG.normal(size=(len(WORDS), 6)).astype(np.float32)
COUNTS = np.arange(len(WORDS), 0, -1)
VECTORS = WordVectors(WORDS, MATRIX, COUNTS)
NAMES = {
    "a.txt": None, "a.vec": None, "a.bin": None, "a.safetensors": None, "a.txt.gz": None, "a.bin.gz": None,
    "g.txt": "glove", "g.gz": "glove",
}  # fmt: skip


def written(
    path: Path, vectors: WordVectors = VECTORS, format: files.Format | None = None, limit: int | None = None
) -> Path:
    files.write(path, vectors, format=format, limit=limit)
    return path


def same(found: WordVectors, words: tuple[str, ...] = WORDS, matrix: np.ndarray = MATRIX) -> None:
    assert found.words == words
    assert found.matrix.dtype == np.float32
    np.testing.assert_array_equal(found.matrix, matrix)


def text(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


@pytest.mark.parametrize(("name", "format"), NAMES.items())
def test_round_trip(tmp_path, name, format):
    path = written(tmp_path / name, format=format)
    same(files.read(path))
    same(files.read(path, limit=5), WORDS[:5], MATRIX[:5])
    same(files.read(written(tmp_path / name, format=format, limit=3)), WORDS[:3], MATRIX[:3])
    assert [p.name for p in tmp_path.iterdir()] == [name]  # no temporary name is left


def test_what_is_inside_decides_not_the_name(tmp_path):
    for name, kind in NAMES.items():
        same(files.read(written(tmp_path / name, format=kind).rename(tmp_path / "anything")))


def test_only_safetensors_keep_counts_and_words_with_spaces(tmp_path):
    odd = WordVectors(("new york", "a\nb", "x"), MATRIX[:3], COUNTS[:3])
    found = files.read(written(tmp_path / "a.safetensors", odd))
    assert found.words == odd.words and found.counts is not None and found.counts.tolist() == COUNTS[:3].tolist()
    assert isinstance(found.matrix, np.memmap)
    # the format's own reader agrees
    assert load_file(tmp_path / "a.safetensors").keys() == {"matrix", "words", "ends", "counts"}
    assert files.read(written(tmp_path / "a.txt")).counts is None


@pytest.mark.parametrize("word", ["new york", "a\tb", "a\nb", "a\0b", "", "\ud800"])
@pytest.mark.parametrize("name", ["a.txt", "a.bin", "a.vec"])
def test_a_word_that_a_format_cannot_hold(tmp_path, word, name):
    with pytest.raises(UserError, match="the word") as error:
        files.write(tmp_path / name, WordVectors(("x", word), MATRIX[:2]))
    assert repr(word) in str(error.value) and "\n" not in str(error.value)
    assert not list(tmp_path.iterdir())


def test_what_is_not_written(tmp_path):
    for name in ("a.csv", "a", "no/a.txt", "a.safetensors.gz", "a.gz"):
        with pytest.raises(UserError, match=r"must end in|there is no folder|remove the \.gz"):
            files.write(tmp_path / name, VECTORS)
    with pytest.raises(UserError, match="did you mean 'glove'"):
        files.check(tmp_path / "a.txt", "glov")  # type: ignore[arg-type]
    with pytest.raises(UserError, match="no word"):
        files.write(tmp_path / "a.txt", WordVectors((), MATRIX[:0]))
    with pytest.raises(UserError, match="'cat' is not finite"):
        files.write(tmp_path / "a.txt", WordVectors(("the", "cat"), np.array([[1.0], [np.nan]], np.float32)))
    with pytest.raises(UserError, match="'cat' occurs twice"):
        files.write(tmp_path / "a.txt", WordVectors(("cat", "cat"), MATRIX[:2]))


def test_a_full_disk_leaves_what_was_there(tmp_path, monkeypatch):
    for name in ("a.txt", "a.safetensors", "a.txt.gz"):
        path = written(tmp_path / name)

        def full(descriptor):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        with monkeypatch.context() as patched:
            patched.setattr("os.fsync", full)
            with pytest.raises(UserError, match="No space left on device"):
                files.write(path, WordVectors(WORDS, MATRIX * 2))
        same(files.read(path))
    assert len(list(tmp_path.iterdir())) == 3


# gensim leaves files without a header open
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("name", ["a.txt", "a.vec", "a.bin", "a.txt.gz", "a.bin.gz", "g.txt"])
def test_gensim_reads_what_we_write_and_we_read_what_it_writes(tmp_path, name):
    models = pytest.importorskip("gensim.models")
    path = written(tmp_path / name, format="glove" if name == "g.txt" else None)
    binary = ".bin" in name
    loaded = models.KeyedVectors.load_word2vec_format(str(path), binary=binary, no_header=name == "g.txt")
    same(WordVectors(tuple(loaded.index_to_key), loaded.vectors))
    gc.collect()
    loaded.save_word2vec_format(str(tmp_path / "theirs"), binary=binary)
    found = files.read(tmp_path / "theirs")
    assert found.words == WORDS
    np.testing.assert_allclose(found.matrix, MATRIX, rtol=0 if binary else 1e-6)


def test_a_file_of_the_fasttext_tool(tmp_path):
    """It ends its lines with a space, and has a word of its own for the end of a line."""
    path = text(tmp_path / "x.vec", "3 2\n</s> 0.1 -0.25 \nthe 1e-3 4 \ncat +5. -.5 \n")
    same(files.read(path), ("</s>", "the", "cat"), np.array([[0.1, -0.25], [1e-3, 4], [5, -0.5]], np.float32))


def test_foreign_line_ends_tabs_and_byte_order_marks(tmp_path):
    path = text(tmp_path / "x", b"\xef\xbb\xbf2 2\r\nthe\t1\t2\r\ncat  3  4\r\n\r\n")
    same(files.read(path), ("the", "cat"), np.array([[1, 2], [3, 4]], np.float32))


def test_a_few_of_gloves_words_have_spaces(tmp_path):
    path = text(tmp_path / "x", "the 1 2 3\nat name@domain.com 4 5 6\n. . . 7 8 9\ncat 0 1 2")
    found = files.read(path)
    assert found.words == ("the", "at name@domain.com", ". . .", "cat")
    np.testing.assert_array_equal(found.matrix.reshape(-1)[3:9], [4, 5, 6, 7, 8, 9])
    with pytest.raises(UserError, match="line 2 continues after the 3 expected numbers"):
        files.read(text(tmp_path / "x", "the 1 2 3\ncat 0.5 4 5 6\n"))


def test_blocks_are_joined_wherever_they_are_cut(tmp_path, monkeypatch):
    for block in (64, 100, 200):
        monkeypatch.setattr(files, "BLOCK", block)
        monkeypatch.setattr(reading, "BLOCK", block)
        for name, kind in NAMES.items():
            if block >= 200 or kind != "glove":  # the first line must be whole
                same(files.read(written(tmp_path / name, format=kind)))


def test_numbers_round_to_the_nearest_float32():
    cases = [
        "0.1",
        "16777217",
        "16777219",
        "1.00000005960464477539062500000000001",
        "1.000000059604644775390625",
        "1e-45",
        "7e-46",
        "6e-46",
        "3.4028235e38",
        "3.4028235e+38",
        "1.1754943508222875e-38",
        "1.17549429e-38",
        "123456789012345678901234567890e-20",
        "0." + "0" * 30 + "1" * 5000,
        "9" * 30,
        "-0.0",
        "1e-400",
        "0e999999",
    ]
    for case in cases:
        wanted = min(
            (np.float32(s) for s in around(float(case))),
            key=lambda x: (abs(Fraction(float(x)) - exact(case)), int(x.view(np.uint32)) & 1),
        )
        assert reading._rounded(case) == wanted, case


def exact(number: str) -> Fraction:
    mantissa, _, power = number.partition("e")
    whole, _, part = mantissa.partition(".")
    digits = 0
    for begin in range(0, len(whole + part), 1000):  # int() refuses longer strings
        piece = (whole + part)[begin : begin + 1000]
        digits = digits * 10 ** len(piece) + int(piece) if not piece.startswith("-") else int(piece)
    shift = int(power or 0) - len(part)
    return Fraction(digits) * (Fraction(10) ** shift if abs(shift) < 10_000 else 0)


def around(x: float) -> list[np.float32]:
    near = np.float32(min(max(x, -3.4028234663852886e38), 3.4028234663852886e38))
    with np.errstate(over="ignore"):
        both = [near, np.nextafter(near, np.float32(-np.inf)), np.nextafter(near, np.float32(np.inf))]
    return [value for value in both if np.isfinite(value)]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=1, max_size=40))
def test_every_float32_survives_text(tmp_path_factory, numbers):
    path = tmp_path_factory.mktemp("text") / "x.txt"
    row = np.array([numbers], np.float32)
    found = files.read(written(path, WordVectors(("w",), row))).matrix
    assert found.tobytes() == row.tobytes()  # the sign of zero as well


def test_random_bits_survive_text_in_no_more_digits_than_needed(tmp_path):
    bits = RNG.integers(0, 1 << 32, 40_000, dtype=np.uint32).view(np.float32)
    bits = bits[np.isfinite(bits) & (np.abs(bits) > 1.2e-38)][:39_000].reshape(-1, 30)
    path = written(tmp_path / "x.txt", WordVectors(tuple(map(str, range(len(bits)))), bits))
    assert files.read(path).matrix.tobytes() == bits.tobytes()
    printed = [field for line in path.read_text().splitlines()[1:] for field in line.split()[1:]]

    def digits(number: str) -> int:
        return len(number.partition("e")[0].replace("-", "").replace(".", "").strip("0"))

    longer = [str(x) for ours, x in zip(printed, bits.reshape(-1), strict=True) if digits(ours) > digits(str(x))]
    middles = [int(np.float64(number).view(np.uint64)) & ((1 << 29) - 1) for number in longer]
    assert set(middles) <= {1 << 28}  # just between two float32: that is left to no reader's rounding


def test_a_file_full_of_the_smallest_numbers(tmp_path):
    """Each of them is settled exactly, and there are more than the parser keeps at a time."""
    matrix = (RNG.integers(1, 1 << 23, (100, 60), dtype=np.uint32)).view(np.float32)
    found = files.read(written(tmp_path / "x.txt", WordVectors(tuple(map(str, range(100))), matrix)))
    assert found.matrix.tobytes() == matrix.tobytes()


def test_numbers_as_people_read_them(tmp_path):
    row = np.array([[0, -0.0, 1, -1.5, 1e-4, 1.5e-5, 123456, 1e9, 100, 0.1, -3.4028235e38]], np.float32)
    path = written(tmp_path / "x.txt", WordVectors(("w",), row), format="glove")
    assert path.read_text() == "w 0.0 -0.0 1.0 -1.5 0.0001 1.5e-05 123456.0 1.0e+09 100.0 0.1 -3.4028235e+38\n"


BAD = {
    "empty": (b"", "is empty"),
    "blank": (b"\n \n", "is empty"),
    "prose": (b"It was the best of times\nIt was the worst\n", "line 1 has 'was' for number 1, which is no number"),
    "one field": (b"word\n", "line 1 is neither"),
    "short line": (b"2 3\nthe 1 2 3\ncat 1 2\n", "line 3 has 2 numbers where 3 are expected"),
    "long line": (b"2 2\nthe 1 2\ncat 1 2 3\n", "line 3 continues after the 2 expected numbers"),
    "no number": (b"the 1 2\ncat 1 2x\n", "line 2 has '2x' for number 2, which is no number"),
    "nan": (b"2 2\nthe 1 2\ncat nan 2\n", "line 3 has 'nan' for number 1, which is not finite"),
    "too large": (b"the 1 2\ncat 1 4e38\n", "line 2 has '4e38' for number 2, which is not finite"),
    "infinite": (b"the 1 2\ncat 1 -inf\n", "line 2 has '-inf' for number 2, which is not finite"),
    "too few words": (b"3 2\nthe 1 2\ncat 1 2\n", "line 1 says 3 words, but there are 2"),
    "too many words": (b"1 2\nthe 1 2\ncat 1 2\n", "line 3 continues after the 1 words"),
    "wrong dimension": (b"2 3\nthe 1 2\ncat 1 2\n", "line 2 has 2 numbers where 3 are expected"),
    "no dimension": (b"2 0\nthe\ncat\n", "line 1 says 2 words of 0 numbers"),
    "no words": (b"0 5\n", "line 1 says 0 words"),
    "header only": (b"5 5\n", "line 1 says 5 words, but there are 0"),
    "no word": (b"the 1 2\n 1 2 3\n", "line 2 begins with a space"),
    "blank line inside": (b"the 1 2\n\ncat 1 2\n", "line 3 continues after a blank line"),
    "byte 0": (b"the 1 2\nc\0t 1 2\n", "line 2 has a byte 0"),
    "latin-1": (b"the 1 2\nd\xe9j\xe0 1 2\n", "line 2: the word is not UTF-8"),
    "pickle": (pickle.dumps({"a": 1}), "is a pickle, which is not opened"),
    "zip": (b"PK\x03\x04" + b"\0" * 50, "is a zip archive"),
    "fastText model": ((793712314).to_bytes(4, "little") + b"\0" * 50, "is a damaged fastText model"),
    "bad gzip": (gzip.compress(b"the 1 2\n" * 50)[:-12], "damaged compressed file"),
    "cut binary": (b"2 2\nthe \0\0\x80\x3f\0\0\x80\x3f\ncat \0\0", "it is truncated"),
    "binary of another width": (
        b"2 1\nthe \0\0\x80\x3f\0\0\x80\x3f\ncat \0\0\x80\x3f\0\0\x80\x3f\n",
        "word 2 contains a byte 0",
    ),
    "binary nan": (b"1 1\nthe \0\0\xc0\x7f\n", "word 1 has a number that is not finite"),
    "binary continues": (b"1 1\nthe \0\0\x80\x3f\ncat \0\0\x80\x3f\n", "continues after the 1 words"),
    "binary latin-1": (b"1 1\nd\xe9 \0\0\x80\x3f\n", "word 1: the word is not UTF-8"),
}


@pytest.mark.parametrize("case", BAD)
def test_one_sentence_says_what_is_wrong_and_where(tmp_path, case):
    content, says = BAD[case]
    with pytest.raises(UserError) as error:
        files.read(text(tmp_path / "x", content))
    message = str(error.value)
    assert says in message and message.startswith(str(tmp_path / "x")) and "\n" not in message


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(UserError, match="No such file"):
        files.read(tmp_path / "no")
    with pytest.raises(UserError, match="Is a directory"):
        files.read(tmp_path)
    with pytest.raises(UserError, match="limit must be at least 1"):
        files.read(tmp_path, limit=0)


def test_words_that_are_not_utf8_can_be_replaced(tmp_path):
    path = text(tmp_path / "x", b"the 1 2\nd\xe9 3 4\nd\xe8 5 6\ncat 7 8\n")
    with pytest.warns(UserWarning, match="1 vectors of words that came before"):
        found = files.read(path, errors="replace")
    same(found, ("the", "d\ufffd", "cat"), np.array([[1, 2], [3, 4], [7, 8]], np.float32))


def test_other_safetensors(tmp_path):
    path = tmp_path / "x.safetensors"
    good = {"matrix": MATRIX, "words": np.frombuffer(b"abcdefghijkl", np.uint8), "ends": np.arange(1, 13)}
    save_file(good, path)
    same(files.read(path), tuple("abcdefghijkl"))
    changes: list[tuple[str, np.ndarray, str]] = [
        ("ends", np.arange(2, 14), "do not match"),
        ("ends", np.arange(1, 12), "do not match"),
        ("ends", np.arange(12, 0, -1), "do not match"),
        ("matrix", MATRIX.astype(np.float64), "do not match"),
        ("words", np.frombuffer(b"\xffbcdefghijkl", np.uint8), "word 1 is not"),
        (
            "matrix",
            np.where(np.arange(12)[:, None] == 2, np.float32("nan"), MATRIX),
            "word 3 has a number that is not finite",
        ),
        ("counts", np.arange(3), "counts do not match"),
    ]
    for name, value, says in changes:
        save_file(good | {name: value}, path)
        with pytest.raises(UserError, match=says):
            files.read(path)
    save_file({"table": MATRIX}, path)
    with pytest.raises(UserError, match="contains an encoder"):
        files.read(path)
    path.write_bytes(gzip.compress(written(tmp_path / "y.safetensors").read_bytes()))
    with pytest.raises(UserError, match="gunzip"):
        files.read(path)


@pytest.mark.parametrize(
    "first", [b"999999999 1000000\n", b"1000000000000 5\n", b"5 999999999\n", b"99999999999999999999999 5\n"]
)
@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("rest", [b"the 1 2 3 4 5\n", b"the \0\0\x80\x3f\0\0\x80\x3f" * 10])
def test_a_first_line_that_lies_allocates_nothing(tmp_path, first, packed, rest):
    path = text(tmp_path / "x", gzip.compress(first + rest) if packed else first + rest)
    tracemalloc.start()
    try:
        with pytest.raises(UserError):
            files.read(path)
        assert tracemalloc.get_traced_memory()[1] < 64 << 20
    finally:
        tracemalloc.stop()


def mutated(data: bytes, rng: np.random.Generator) -> bytes:
    """One to three of: flip a bit, cut, insert, swap two pieces, repeat one."""
    found = bytearray(data)
    for _ in range(rng.integers(1, 4)):
        a, b = sorted(int(x) for x in rng.integers(0, len(found) + 1, 2))
        match rng.integers(5):
            case 0 if found:
                found[a - 1] ^= 1 << int(rng.integers(8))
            case 1:
                del found[a : min(b, a + 20)]
            case 2:
                found[a:a] = rng.choice(
                    [b"\0", b"\n", b" ", b"9", b"\xff\xfe", b"nan", b"1 2\n", b"-", b"e99", b"\r", b"{"]
                )
            case 3:
                found[a : a + 8], found[b : b + 8] = found[b : b + 8], found[a : a + 8]
            case _:
                found[a:a] = found[b : b + 30]
        if not found:
            break
    return bytes(found)


@pytest.mark.filterwarnings("ignore:.* vectors of words that came before:UserWarning")
@pytest.mark.parametrize(("name", "format"), NAMES.items())
def test_a_thousand_damaged_files(tmp_path, name, format):
    rng = np.random.default_rng(len(name))
    whole = written(tmp_path / name, format=format).read_bytes()
    if name.endswith(".gz"):  # half of them are damaged before they are packed
        inner = gzip.decompress(whole)
    said, began = [], time.monotonic()
    path = tmp_path / "damaged"
    for lap in range(1000):
        path.write_bytes(
            gzip.compress(mutated(inner, rng), 1) if name.endswith(".gz") and lap % 2 else mutated(whole, rng)
        )
        try:
            found = files.read(path, errors="replace" if lap % 3 == 0 else "strict")
        except UserError as error:
            said.append(str(error))
        else:
            assert len(found) == len(found.matrix) == len(set(found.words)) >= 1
            assert np.isfinite(found.matrix).all()
    assert all(str(path) in sentence and "\n" not in sentence for sentence in said)
    assert len(said) > 200
    assert time.monotonic() - began < 60


REPEATED = {
    "text": (b"4 2\nthe 1 2\ncat 3 4\nthe 5 6\nthe 7 8\n", "line 4 after line 2"),
    "glove": (b"the 1 2\ncat 3 4\nthe 5 6\nthe 7 8\n", "line 3 after line 1"),
    "binary": (b"4 2\n" + b"".join(w + b" " + np.array([i, i + 1], "<f4").tobytes() + b"\n" for i, w in (
        (1, b"the"), (3, b"cat"), (5, b"the"), (7, b"the"))), "word 3 after word 1"),
}  # fmt: skip


@pytest.mark.parametrize("case", REPEATED)
def test_the_first_of_repeated_words_is_kept_and_the_others_are_counted(tmp_path, case):
    content, places = REPEATED[case]
    path = text(tmp_path / "x", content)
    with pytest.warns(UserWarning, match=rf"2 vectors of words that came before .* \(the first: 'the', {places}\)"):
        same(files.read(path), ("the", "cat"), np.array([[1, 2], [3, 4]], np.float32))


def test_repeated_words_of_safetensors(tmp_path):
    path, words = tmp_path / "x.safetensors", np.frombuffer(b"aacdefghijkl", np.uint8)
    save_file({"matrix": MATRIX, "words": words, "ends": np.arange(1, 13), "counts": COUNTS}, path)
    with pytest.warns(UserWarning, match="1 vectors of words .* word 2 after word 1"):
        found = files.read(path)
    same(found, tuple("acdefghijkl"), np.delete(MATRIX, 1, 0))
    assert found.counts.tolist() == np.delete(COUNTS, 1).tolist()


def test_words_with_spaces_where_the_first_line_gives_the_width(tmp_path):
    content = "5 2\nnew york 1 2\nthe 3 4\n10 000 5 6\nof\tthe day 7 8 \ncat 9 10\n"
    found = files.read(text(tmp_path / "x", content))
    same(found, ("new york", "the", "10 000", "of\tthe day", "cat"), np.arange(1, 11, dtype=np.float32).reshape(5, 2))
    for content, line in (("2 2\nthe 1 2 3\ncat 1 2 3\n", 2), ("3 2\nthe 1 2\nxx 1 2 3\nyy 1 2 3\n", 3)):
        with pytest.raises(UserError, match=f"line {line} continues after the 2 expected numbers"):
            files.read(text(tmp_path / "x", content))


@pytest.mark.parametrize("ending", ["gz", "bz2", "xz"])
def test_compressed_files(tmp_path, ending):
    for name in ("a.txt", "a.bin", "a.vec"):
        path = written(tmp_path / f"{name}.{ending}")
        same(files.read(path.rename(tmp_path / "anything")))
    whole = written(tmp_path / f"b.txt.{ending}").read_bytes()
    unpacked = {"gz": gzip, "bz2": bz2, "xz": lzma}[ending].decompress(whole)
    same(files.read(text(tmp_path / "plain", unpacked)))
    for damaged in (whole[:-9], whole[:40] + b"\xff\xff" + whole[42:]):
        with pytest.raises(UserError, match="is a damaged compressed file"):
            files.read(text(tmp_path / "x", damaged))
    for kind in ("safetensors", "bin"):
        with pytest.raises(UserError, match=f"{kind} files cannot be compressed; remove the .{ending}"):
            files.check(tmp_path / f"x.{ending}", kind)


def test_a_word_that_looks_like_a_bzip2_file(tmp_path):
    same(
        files.read(text(tmp_path / "x", "BZh 1 2\nBZh9 3 4\n")), ("BZh", "BZh9"), np.array([[1, 2], [3, 4]], np.float32)
    )
