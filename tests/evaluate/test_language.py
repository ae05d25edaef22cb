"""Language models judged, by models whose answers are known."""

from __future__ import annotations

import math

import numpy as np
import pytest

from selftaught import encoders
from selftaught.data.text.corpus import Corpus
from selftaught.errors import UserError
from selftaught.evaluate import language
from selftaught.evaluate.language import cloze, perplexity, ranked
from selftaught.method import Clock
from selftaught.methods.language.ngram import NGram

TEXT = Corpus.of(["a b\nb c a\nc"])


class Uniform:
    """All of seven outcomes are as likely."""

    def score(self, text: str) -> list[tuple[str, float]]:
        return [(token, -math.log(7)) for token in [*text.split(), "</s>"]]

    def unknown(self, text: str) -> list[str]:
        return [token for token in text.split() if token == "c"]


class Alphabet(Uniform):
    """Expects letters in alphabetical order."""

    def score(self, text: str) -> list[tuple[str, float]]:
        tokens = text.split()
        return [(t, -0.1 if i == 0 or tokens[i - 1] <= t else -9.0) for i, t in enumerate(tokens)] + [("</s>", -0.1)]


def ngram(corpus: Corpus, min_count: int = 1, order: int = 3) -> NGram:
    method = NGram(encoders.build("bag", corpus.input(), min_count=min_count), order=order)
    method.prepare(corpus)
    method.advance(Clock(0, 1), 0.0, 0)
    return method


def test_sentences_are_ranked_by_their_sums_or_by_token() -> None:
    texts = ["c a", "a b c", "a b", "b a"]
    found = ranked(Alphabet(), texts)
    assert [s.text for s in found] == ["a b", "a b c", "c a", "b a"]  # equal ones as given
    assert found[0].log_probability == pytest.approx(-0.3) and found[0].per_token == pytest.approx(-0.1)
    assert found[1].unknown == ("c",) and [t for t, _ in found[1].tokens] == ["a", "b", "c", "</s>"]
    assert ranked(Uniform(), ["a a", "a"])[0].text == "a"
    long, short = ranked(Alphabet(), ["b a", "c b a b c d e f g h"], per_token=True)
    assert len(long.text) > len(short.text) and long.log_probability < short.log_probability


def test_a_text_without_a_word_is_refused() -> None:
    with pytest.raises(UserError, match="'  ' has no words"):
        ranked(Uniform(), ["a", "  "])


def test_a_uniform_model_is_as_perplexed_as_there_are_outcomes() -> None:
    found = perplexity(Uniform(), TEXT)
    assert found == {
        "perplexity": pytest.approx(7), "perplexity_known": pytest.approx(7), "tokens": 9, "sentences": 3,
        "unknown": pytest.approx(2 / 9), "unknown_tokens": 2,
    }  # fmt: skip


@pytest.mark.parametrize("portion", [2, 1 << 20])
def test_a_corpus_at_once_is_the_corpus_sentence_by_sentence(portion: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(language, "PORTION", portion)
    model = ngram(Corpus.of(["a b c\na b\nc a b\nb b d"]), min_count=2)
    for held_out in (TEXT, Corpus.of(["z a b\nb d c", "d d d d d d\na"])):
        lines = [line for i in range(len(held_out)) for line in held_out.text(i).split("\n")]
        scores = [p for line in lines for _, p in model.score(line)]
        found = perplexity(model, held_out)
        assert found["perplexity"] == pytest.approx(math.exp(-np.mean(scores))) and found["tokens"] == len(scores)
        known = [p for line in lines for token, p in model.score(line) if token not in model.unknown(line)]
        assert found["perplexity_known"] == pytest.approx(math.exp(-np.mean(known)))
        assert found["unknown_tokens"] == len(scores) - len(known) and found["sentences"] == len(lines)
        assert found["unknown"] == pytest.approx(sum(len(model.unknown(line)) for line in lines) / len(scores))


def test_a_corpus_that_was_split_otherwise_is_refused() -> None:
    with pytest.raises(UserError, match=r"reads text as whitespace .* was split into characters"):
        perplexity(ngram(TEXT), Corpus.of(["abc"], tokens="characters"))


def test_who_knows_the_order_fills_the_blank() -> None:
    rng = np.random.default_rng(0)
    lines = ["a b c d e f", "d e f g h i", "b c d e"]
    corpus = Corpus.of(["\n".join(rng.permuted(lines * 20).tolist())])
    knows, chance = cloze(ngram(corpus), corpus, blanks=50, choices=5), cloze(Uniform(), corpus, blanks=50, choices=5)
    assert knows["blanks"] == 50 and knows["chance"] == 0.2
    assert knows["accuracy"] > 0.9 and chance["accuracy"] < 0.2  # a tie is no answer; the right word may be drawn alone


def test_the_arguments_of_a_cloze_matter() -> None:
    lines = "\n".join(f"w{i % 7} x{i % 5} y{i % 3}" for i in range(60))
    corpus = Corpus.of([lines])
    model = ngram(corpus, order=2)
    few, many = cloze(model, corpus, choices=2, blanks=60), cloze(model, corpus, choices=15, blanks=60)
    assert few["accuracy"] > many["accuracy"] and many["chance"] == pytest.approx(1 / 15)
    assert cloze(model, corpus, blanks=10**6)["blanks"] == 60
    assert len({cloze(model, corpus, blanks=20, seed=seed)["accuracy"] for seed in range(6)}) > 1
    assert cloze(model, corpus, seed=1) == cloze(model, corpus, seed=1)


def test_a_cloze_of_characters_joins_them_without_spaces() -> None:
    corpus = Corpus.of(["學而時習之\n不亦說乎\n" * 5], tokens="characters")
    assert cloze(ngram(corpus), corpus, choices=5, blanks=10)["accuracy"] > 0.8


@pytest.mark.parametrize(("corpus", "choices"), [(TEXT, 1), (Corpus.of(["a a"]), 2), (Corpus.of(["a\nb"]), 2)])
def test_nothing_to_choose_from_is_refused(corpus: Corpus, choices: int) -> None:
    with pytest.raises(UserError, match="a cloze test needs"):
        cloze(Uniform(), corpus, choices=choices)
