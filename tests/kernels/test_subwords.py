"""Character n-grams and their hashes, against a slow reference and against what the fastText tool gives."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from selftaught.kernels.subwords import buckets, first_seen, hashes, marked

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=9)


def ngrams(word: str, minn: int, maxn: int) -> list[str]:
    """By slicing, in the tool's order. A single mark is no n-gram."""
    if word == "</s>":
        return []
    word = f"<{word}>"
    found = [(i, n) for i in range(len(word)) for n in range(max(minn, 1), maxn + 1) if i + n <= len(word)]
    return [word[i : i + n] for i, n in found if n > 1 or 0 < i < len(word) - 1]


def fnv1a(ngram: str) -> int:
    """With Python's integers; a byte from 128 on is negative, so that its upper 24 bits are ones."""
    h = 2166136261
    for byte in ngram.encode():
        h ^= byte if byte < 128 else byte | 0xFFFFFF00
        h = h * 16777619 % 2**32
    return h


def found_of(word: str, minn: int = 3, maxn: int = 6, bucket: int = 2_000_000) -> list[int]:
    starts, found = buckets([word], minn, maxn, bucket)
    assert list(starts) == [0, len(found)]
    return list(found)


def test_the_trigrams_of_where_are_those_of_the_paper():
    trigrams = ["<wh", "whe", "her", "ere", "re>"]
    assert found_of("where", 3, 3) == [fnv1a(ngram) % 2_000_000 for ngram in trigrams]
    assert ngrams("where", 3, 3) == trigrams


def test_known_buckets_of_the_fasttext_tool():
    """What `get_subwords` of fasttext-wheel 0.9.2 gave, less the number of words in its vocabulary (9) and the word itself."""
    known = {
        "where": [
            167661,
            989724,
            1526716,
            1071595,
            420950,
            312630,
            969185,
            121243,
            1473429,
            1540820,
            115000,
            1529042,
            1568478,
            867507,
        ],
        "naïve": [
            1806899,
            1907701,
            878199,
            933210,
            1590555,
            1719413,
            832052,
            156696,
            356841,
            1223016,
            1505340,
            1711579,
            1788557,
            1088663,
        ],
        "日本語": [758596, 4590, 524618, 35568, 928932, 1674364],
        "банк": [518729, 1160576, 676886, 197586, 1790642, 93916, 1250080, 561865, 606051, 1113147],
        "🙂": [1851430],
        "a": [1087609],
        "</s>": [],
    }
    for word, expected in known.items():
        assert found_of(word) == [bucket - 9 for bucket in expected], word


def test_bytes_beyond_ascii_count_as_negative_numbers():
    """Unsigned, the same FNV-1a gives another value: the quirk is there."""
    h = 2166136261
    for byte in "<é>".encode():
        h = (h ^ byte) * 16777619 % 2**32
    assert found_of("é", 3, 3, 2**31 - 1) == [fnv1a("<é>") % (2**31 - 1)] != [h % (2**31 - 1)]


@settings(deadline=None, max_examples=200)
@given(
    words=st.lists(TEXT, max_size=5), minn=st.integers(1, 4), more=st.integers(-1, 3), bucket=st.integers(1, 2**31 - 1)
)
def test_buckets_are_those_of_the_slow_reference(words, minn, more, bucket):
    starts, found = buckets(words, minn, minn + more, bucket)
    slow = [[fnv1a(ngram) % bucket for ngram in ngrams(word, minn, minn + more)] for word in words]
    assert list(starts) == [0, *np.cumsum([len(each) for each in slow], dtype=np.int64)]
    assert list(found) == [each for word in slow for each in word]


def test_single_characters_are_ngrams_but_single_marks_are_not():
    assert found_of("ab", 1, 1) == [fnv1a(ngram) % 2_000_000 for ngram in "ab"]


def test_a_repeated_ngram_is_repeated():
    assert found_of("nana", 2, 2).count(fnv1a("na") % 2_000_000) == 2


def test_words_lie_between_marks():
    text, offsets = marked(["où", "</s>", "b", "\ud800"])
    assert bytes(text) == "<où><b><?>".encode()
    assert list(offsets) == [0, 5, 5, 8, 11]


@settings(deadline=None)
@given(st.lists(TEXT, max_size=5))
def test_hashes_of_words_are_signed(words):
    assert [int(h) % 2**32 for h in hashes(words)] == [fnv1a(word) for word in words]


def test_buckets_are_numbered_by_first_sight():
    row = np.full(10, -1, np.int32)
    assert first_seen(np.array([7, 2, 7, 9, 2], np.int32), row) == 3
    assert {b: r for b, r in enumerate(row) if r >= 0} == {7: 0, 2: 1, 9: 2}
