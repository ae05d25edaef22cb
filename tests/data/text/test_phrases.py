"""Phrases: against a naive loop, against gensim, and what becomes of documents, words, queries and other texts."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from selftaught.data.text import open_text, phrases
from selftaught.data.text.corpus import Corpus
from selftaught.errors import UserError
from selftaught.parts.phrases import joined as together
from selftaught.parts.phrases import packed, unpacked
from selftaught.parts.tokens import spellings, tokenise


def sentences(n: int = 400, seed: int = 0) -> list[list[str]]:
    """Words of very different frequencies, among which some pairs and a triple occur together."""
    draws = np.random.default_rng(seed)
    fixed = [["new", "york"], ["new", "york", "city"], ["los", "angeles"], ["a", "a", "a"], ["rare", "pair"]]
    found = []
    for _ in range(n):
        line: list[str] = []
        for _ in range(int(draws.integers(1, 6))):
            if draws.random() < 0.3:
                line += fixed[int(draws.choice(5, p=[0.3, 0.2, 0.2, 0.28, 0.02]))]
            line += [f"w{int(draws.zipf(1.4)) % 60}"]
        found.append(line)
    return found


def naive(lines: list[list[str]], thresholds: list[float], discount: int) -> list[list[str]]:
    """The tool's passes, written down: greedy from left to right, a joined word is not joined again."""
    for threshold in thresholds:
        words = Counter(word for line in lines for word in line)
        pairs = Counter(pair for line in lines for pair in pairwise(line))
        total = words.total()
        scores = {(a, b): (n - discount) / words[a] / words[b] * total for (a, b), n in pairs.items()}
        made = []
        for line in lines:
            out, last = [line[0]], line[0]
            for word in line[1:]:
                if last and scores[last, word] > threshold:
                    out[-1] += f"_{word}"
                    last = ""
                else:
                    out.append(word)
                    last = word
            made.append(out)
        lines = made
    return lines


def opened(lines: list[list[str]], **options: object) -> Corpus:
    text = [" ".join(line) for line in lines]
    return open_text(["\n".join(text[:150]), "\n".join(text[150:])], "all", tokens="whitespace", **options)  # type: ignore[arg-type]


def text_of(corpus: Corpus) -> list[str]:
    return "\n".join(corpus.text(i) for i in range(len(corpus))).split("\n")


@pytest.mark.parametrize(("thresholds", "discount"), [([10], 5), ([3, 1], 0), ([0], 2), ([1e9], 5), ([5, 5, 2], 1)])
@pytest.mark.parametrize("room", [phrases.ROOM, 40])
def test_passes_are_those_of_a_naive_loop(
    thresholds: list[float], discount: int, room: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("SELFTAUGHT_CACHE", str(tmp_path))  # nothing that the other room kept
    monkeypatch.setattr(phrases, "ROOM", room)
    monkeypatch.setattr(phrases, "TOGETHER", 17)  # parts of the text end within sentences and phrases
    lines = sentences()
    expected = naive(lines, thresholds, discount)
    corpus = opened(lines, phrases=thresholds, phrase_count=discount)
    assert text_of(corpus) == [" ".join(line) for line in expected]
    counts = Counter(word for line in expected for word in line)
    assert dict(zip(corpus.words, corpus.counts.tolist(), strict=True)) == dict(counts)
    assert len(corpus) == 2
    assert any("_" in word for word in counts) == (thresholds != [1e9])


def test_pairs_are_those_that_gensim_finds() -> None:
    models = pytest.importorskip("gensim.models.phrases")
    lines = sentences()
    total = sum(map(len, lines))
    # gensim's own scorer counts different words and pairs where the authors' tool counts all words
    model = models.Phrases(
        lines, min_count=5, threshold=10, scoring=_score, connector_words=frozenset(), max_vocab_size=10**7
    )
    assert model.corpus_word_count == total
    expected = [" ".join(model[line]) for line in lines]
    assert text_of(opened(lines, phrases=[10])) == expected
    assert any("new_york" in line for line in expected)


def _score(
    worda_count: int, wordb_count: int, bigram_count: int, len_vocab: int, min_count: float, corpus_word_count: int
) -> float:
    return (bigram_count - min_count) / worda_count / wordb_count * corpus_word_count


def test_words_that_two_pairs_or_the_text_have_in_common_are_one_word() -> None:
    lines = [["new", "york"], ["new_york"], ["x"]] * 20
    corpus = opened(lines, phrases=[1])
    assert dict(zip(corpus.words, corpus.counts.tolist(), strict=True)) == {"new_york": 40, "x": 20}
    lines = [["a_b", "c"], ["a", "b_c"], ["x", "y", "z"]] * 20
    corpus = opened(lines, phrases=[2])
    assert corpus.words[0] == "a_b_c"
    assert corpus.counts[0] == 40


def test_other_text_is_joined_as_the_text_that_phrases_were_learned_from() -> None:
    corpus = opened(sentences(), phrases=[10, 5])
    assert corpus.tokens["split"] == "whitespace"  # type: ignore[index]
    text = "in new york city and los angeles"
    assert tokenise(text, corpus.tokens) == ["in", "new_york_city", "and", "los_angeles"]
    again = open_text([text], "all", tokens=corpus.tokens)
    assert again.text(0) == "in new_york_city and los_angeles"
    assert again.tokens == corpus.tokens
    assert [tokenise(line, corpus.tokens) for line in text_of(corpus)] == [line.split() for line in text_of(corpus)]


def test_the_test_side_has_the_phrases_of_the_training_side(tmp_path: Path) -> None:
    (tmp_path / "train.txt").write_text("new york is big\n" * 30 + "los is not angeles\n" * 30)
    (tmp_path / "test.txt").write_text("los angeles and new york\n" * 30)
    test = open_text(tmp_path, "test", phrases=[3])
    assert test.text(0).split("\n")[0] == "los angeles and new_york"


def test_they_are_said_kept_and_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = sentences()
    assert any("phrases (" in note and "new_york" in note for note in opened(lines, phrases=[10]).notes)
    monkeypatch.delattr(phrases.kernel, "count")  # counting again would fail
    assert "new_york" in opened(lines, phrases=[10]).words
    for options, what in (
        ({"phrases": [-1.0]}, "at least 0"),
        ({"phrases": [float("nan")]}, "at least 0"),
        ({"phrases": [1.0], "phrase_count": -1}, "phrase_count"),
    ):
        with pytest.raises(UserError, match=what):
            opened(lines, **options)
    with pytest.raises(UserError, match="--tokens bpe"):
        open_text(["a b"], "all", tokens="bpe:300", phrases=[1.0])


def test_packed_pairs_are_unpacked_again() -> None:
    passes = [[("a", "b"), ("c", "d")], [], [("a_b", "c")]]
    assert unpacked(packed(passes)) == tuple(map(frozenset, passes))
    assert unpacked(packed([[]])) == (frozenset(),)
    with pytest.raises(ValueError, match="two words"):
        unpacked("a b c")


def test_a_phrase_is_found_however_it_is_typed() -> None:
    assert "new_york" in spellings("New York")
    assert together(["a", "b", "c"], {("b", "c")}) == ["a", "b_c"]
