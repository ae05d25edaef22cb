"""Byte pair encoding: the package against a readable reference, and what every such encoding promises."""

from __future__ import annotations

import json
import random
import sys
from collections import Counter
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from selftaught.data.text import open_text
from selftaught.data.text.bpe import BytePairs
from selftaught.data.text.corpus import Corpus
from selftaught.errors import UserError
from selftaught.parts.tokens import joined, located, splitter, tokenise

pytest.importorskip("tokenizers")

Pair = tuple[str, str]
SOME = "low low low low low lower lower newest newest newest newest newest newest widest widest widest"


def spelt(byte: int) -> str:
    """The letter that stands for a byte: itself where it can be seen, else the next one from U+0100 on."""
    seen = [*range(33, 127), *range(161, 173), *range(174, 256)]
    hidden = [b for b in range(256) if b not in seen]
    return chr(byte) if byte in seen else chr(256 + hidden.index(byte))


LETTERS = [spelt(byte) for byte in range(256)]


def merged(word: tuple[str, ...], pair: Pair) -> tuple[str, ...]:
    """`pair` becomes one symbol wherever it stands, from the left."""
    made: list[str] = []
    i = 0
    while i < len(word):
        if word[i : i + 2] == pair:
            made.append(pair[0] + pair[1])
            i += 2
        else:
            made.append(word[i])
            i += 1
    return tuple(made)


def learn(words: Counter[str], size: int, min_frequency: int = 2) -> list[Pair]:
    """Merges: each time the pair of neighbours with the largest count, ties to the pair whose symbols are older."""
    left = {tuple(LETTERS[byte] for byte in word.encode()): 0 for word in words}
    for word, count in words.items():
        left[tuple(LETTERS[byte] for byte in word.encode())] += count
    age = {symbol: i for i, symbol in enumerate(sorted(LETTERS))}
    merges: list[Pair] = []
    while len(age) < size:
        pairs: Counter[Pair] = Counter()
        for word, count in left.items():
            for pair in pairwise(word):
                pairs[pair] += count
        best = min(pairs, key=lambda pair: (-pairs[pair], age[pair[0]], age[pair[1]]), default=None)
        if best is None or pairs[best] < min_frequency:
            break
        merges.append(best)
        age.setdefault(best[0] + best[1], len(age))
        left = {merged(word, best): count for word, count in left.items()}
    return merges


def encode(word: str, merges: list[Pair]) -> list[str]:
    """The pair that was learnt first is merged, again and again."""
    rank = {pair: i for i, pair in enumerate(merges)}
    symbols = tuple(LETTERS[byte] for byte in word.encode())
    while len(symbols) > 1:
        best = min(pairwise(symbols), key=lambda pair: rank.get(pair, len(rank)))
        if best not in rank:
            break
        symbols = merged(symbols, best)
    return list(symbols)


def merges_of(pairs: BytePairs) -> list[Pair]:
    return [(a, b) for a, b in json.loads(pairs.model)["model"]["merges"]]


def words_of(seed: int) -> Counter[str]:
    rng = random.Random(seed)
    words = [
        " " + "".join(rng.choices("abcdeé中", weights=[9, 7, 5, 3, 2, 2, 1], k=rng.randrange(1, 8))) for _ in range(150)
    ]
    return Counter({word: rng.randrange(1, 30) for word in words})


def repeated(words: Counter[str]) -> list[str]:
    return [word * count for word, count in words.items()]


@pytest.mark.parametrize("seed", range(5))
def test_the_merges_are_those_of_the_reference(seed: int) -> None:
    words = words_of(seed)
    pairs = BytePairs.train(repeated(words), 256 + 120)
    expected = learn(words, 256 + 120)
    assert merges_of(pairs) == expected
    assert len(expected) == 120
    for word in words_of(seed + 100):
        assert [pairs.tokens[i] for i in pairs.encode(word)] == encode(word, expected)


def test_the_first_merge_is_the_most_frequent_pair_and_ranks_decide() -> None:
    pairs = BytePairs.train([SOME], 300)
    counts: Counter[Pair] = Counter()
    for word in (" " + SOME).split(" ")[1:]:
        letters = "Ġ" + word
        counts.update(pairwise(letters))
    counts[("Ġ", "l")] -= 1  # the text begins without a space
    assert counts[merges_of(pairs)[0]] == max(counts.values())
    # "abc" with the merge b+c older than a+b: ranks give a bc, the longest match from the left would give ab c
    trained = BytePairs.train(["bc bc bc bc bc bc ab ab ab"], 258, 2)
    assert merges_of(trained)[0] == ("b", "c")
    assert [trained.tokens[i] for i in trained.encode("abc")] == ["a", "bc"]


def test_sizes_and_early_stop() -> None:
    pairs = BytePairs.train([SOME], 270)
    assert len(pairs.tokens) == 270 and len(merges_of(pairs)) == 14
    assert set(pairs.tokens[:256]) == set(LETTERS)
    ended = BytePairs.train([SOME], 5000)
    assert len(ended.tokens) == 256 + len(merges_of(ended)) < 300
    assert len(BytePairs.train([SOME], 5000, min_frequency=4).tokens) < len(ended.tokens)
    assert BytePairs.train([SOME], 270).model == pairs.model  # the same again


@given(text=st.text(st.characters(exclude_categories=("Cs",)), max_size=40))
@settings(max_examples=300, deadline=None)
def test_decoding_gives_the_text_back(text: str) -> None:
    pairs = trained()
    ids = pairs.encode(text)
    assert pairs.decode(ids) == text
    assert all(0 <= i < len(pairs.tokens) for i in ids)


@given(text=st.text(st.characters(exclude_categories=("Cs",)), max_size=40), lower=st.booleans())
@settings(max_examples=200, deadline=None)
def test_tokens_join_to_a_text_that_splits_alike(text: str, lower: bool) -> None:
    how = {"bpe": trained().model}
    tokens = tokenise(text, how, lower)
    assert joined(tokens, how) == " ".join(tokenise(text, "whitespace", lower))
    assert tokenise(joined(tokens, how), how, lower) == tokens


KEPT: list[BytePairs] = []


def trained() -> BytePairs:
    if not KEPT:
        KEPT.append(BytePairs.train([SOME, "don't 12 was it so? größer 中文"] * 3, 300))
    return KEPT[0]


def test_saved_and_loaded(tmp_path: Path) -> None:
    trained().save(tmp_path / "pairs.json")
    again = BytePairs.load(tmp_path / "pairs.json")
    assert again.encode(SOME) == trained().encode(SOME) and again.tokens == trained().tokens
    whole = (tmp_path / "pairs.json").read_bytes()
    for broken in (
        b"",
        whole[:300],
        b"\xff\xfe",
        b"{}",
        b'{"version":"1.0","model":{"type":"WordLevel","vocab":{"a":0},"unk_token":"a"}}',
    ):
        (tmp_path / "pairs.json").write_bytes(broken)
        with pytest.raises(UserError, match=r"pairs.json: not (a byte pair encoding model|UTF-8)"):
            BytePairs.load(tmp_path / "pairs.json")
    with pytest.raises(UserError, match="cannot be read"):
        BytePairs.load(tmp_path / "none.json")


def test_bad_values() -> None:
    for size, least in ((256, 2), (1 << 30, 2), (300, 0)):
        with pytest.raises(UserError):
            BytePairs.train([SOME], size, least)
    with pytest.raises(UserError, match="lone surrogate"):
        trained().encode("\ud800")
    for tokens in ("bpe:", "bpe:many", "bpe:-3", "bpe:99999999999"):
        with pytest.raises(UserError, match="such as bpe:8000"):
            open_text(["a"], "all", tokens=tokens)
    with pytest.raises(UserError, match="more than 256 tokens"):
        open_text(["a"], "all", tokens="bpe:20")


def test_without_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    splitter.cache_clear()
    with pytest.raises(UserError, match=r"pip install 'selftaught\[bpe\]'"):
        BytePairs.train([SOME])
    with pytest.raises(UserError, match=r"pip install 'selftaught\[bpe\]'"):
        splitter("{}")


def corpus_texts(corpus: Corpus) -> list[str]:
    return [corpus.text(i) for i in range(len(corpus))]


def test_a_corpus_of_byte_pairs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("selftaught.data.text.pieces.TOGETHER", 7)
    rows = [f"{SOME}\nA new,  line No {i}\n\nwider" for i in range(30)] + ["", "Ü中"]
    corpus = open_text(rows, "all", tokens="bpe:290")
    assert len(corpus.words) <= 290 and len(corpus) == 32
    assert corpus_texts(corpus)[3] == f"{SOME}\na new, line no 3\nwider"
    assert corpus_texts(corpus)[-2:] == ["", "ü中"]
    how = corpus.input()["tokens"]
    json.dumps(corpus.input())
    again = [[tokenise(line, how, True) for line in row.splitlines() if line.strip()] for row in rows]
    lines = [
        [corpus.words[int(i)] for i in corpus.ids[a:b]]
        for a, b in zip(corpus.sentences[:-1], corpus.sentences[1:], strict=True)
    ]
    assert lines == [line for row in again for line in row]
    assert dict(zip(corpus.words, corpus.counts.tolist(), strict=True)) == Counter(
        token for line in lines for token in line
    )
    assert sorted(corpus.counts, reverse=True) == corpus.counts.tolist()
    other = open_text(["a new lowest"], "all", tokens=how)
    assert [other.words[int(i)] for i in other.ids] == tokenise("a new lowest", how) and other.tokens == how


def test_the_test_side_is_split_as_the_training_side_was() -> None:
    rows = [f"{SOME} number {i}" for i in range(20)]
    train, test = open_text(rows, "train", tokens="bpe:290"), open_text(rows, "test", tokens="bpe:290")
    assert train.tokens == test.tokens and len(train) + len(test) == 20
    assert not set(corpus_texts(train)) & set(corpus_texts(test))
    cased = open_text(rows, "all", tokens="bpe:290", lower=False)
    assert cased.lower is False


def test_pieces_know_where_they_stand() -> None:
    model = BytePairs.train([SOME] * 9, 280).model
    seen = {"tokens": {"bpe": model}, "lower": False, "form": "nfc"}
    for text in ("lowest  newer\tlow", "naïve 猫 low", "low e\u0301low"):
        found = located(seen, text)
        assert [token for token, _, _ in found] == tokenise(text, {"bpe": model}, lower=False)
        assert all(0 <= begin <= end <= len(text) for _, begin, end in found)
    whole = {token: "lowest  newer"[begin:end] for token, begin, end in located(seen, "lowest  newer")}
    assert all(token.removeprefix(spelt(32)) == text for token, text in whole.items()) and len(whole) > 2
