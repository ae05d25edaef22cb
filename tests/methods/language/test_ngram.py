"""The n-gram model as a method.

Words and unknown words, stopping and resuming, clozes, and the classic of three sentences.
"""

from __future__ import annotations

import math
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from training import state, stopped_and_resumed, train

from selftaught import encoders, methods
from selftaught.data.text.corpus import Corpus
from selftaught.errors import UserError
from selftaught.method import Clock, Generates, Scores, ScoresCorpus
from selftaught.methods.language import ngram
from selftaught.methods.language.ngram import NGram
from selftaught.run import RunFolder

OTHERS = {"order": 2, "smoothing": "witten-bell", "discount": 0.3, "k": 2.0}
CATS = Corpus.of(["the cat sat on the mat\nthe cat ate\na dog sat on a cat\nthe dog ate the mat"])


def build(corpus: Corpus = CATS, min_count: int = 1, **arguments: Any) -> NGram:
    return NGram(encoders.build("bag", corpus.input(), min_count=min_count), **arguments)


def counted(corpus: Corpus = CATS, min_count: int = 1, **arguments: Any) -> NGram:
    method = build(corpus, min_count, **arguments)
    method.prepare(corpus)
    clock = Clock(0, method.steps_in_epoch())
    for start in range(method.steps_in_epoch()):
        method.advance(clock, 0.0, start)
        clock.step += 1
    return method


def log_p(method: NGram, text: str) -> float:
    return sum(p for _, p in method.score(text))


def test_it_is_what_the_verbs_ask_for() -> None:
    assert isinstance(build(), Scores | ScoresCorpus) and isinstance(build(), Generates)
    assert methods.describe("ngram").network == "bag" and methods.sees("ngram") == ("text",)


def test_a_sentence_is_scored_token_by_token_and_its_end_last() -> None:
    method = counted()
    scored = method.score("the cat ate")
    assert [token for token, _ in scored] == ["the", "cat", "ate", "</s>"]
    p = 1.0
    for i, word in enumerate(["the", "cat", "ate"]):
        p *= method.follow(" ".join(["the", "cat", "ate"][:i]))[method.encoder.index[word]]
    p *= method.follow("the cat ate")[-1]
    assert math.exp(sum(p for _, p in scored)) == pytest.approx(p)


@pytest.mark.parametrize("smoothing", ["kneser-ney", "modified-kneser-ney", "witten-bell", "add-k"])
@pytest.mark.parametrize("order", [2, 3, 5])
def test_probabilities_sum_to_one_after_any_history(smoothing: str, order: int) -> None:
    method = counted(order=order, smoothing=smoothing, min_count=2)
    for history in ("", "the", "the cat sat on", "never heard", "a dog sat on a cat ate mat"):
        p = method.follow(history)
        assert abs(p.sum() - 1) < 1e-9 and (p > 0).all()


def test_bigrams_by_hand() -> None:
    method = counted(order=2, smoothing="add-k", k=1.0)
    outcomes = len(CATS.words) + 2
    expected = [(3 + 1) / (4 + outcomes), (2 + 1) / (5 + outcomes), (1 + 1) / (3 + outcomes), (1 + 1) / (2 + outcomes)]
    assert np.exp([p for _, p in method.score("the cat ate")]) == pytest.approx(expected)


def test_rare_words_are_one_word_and_are_named() -> None:
    method = counted(min_count=2)
    assert method.words == tuple(w for w, c in zip(CATS.words, CATS.counts, strict=True) if c >= 2)
    once = Corpus.of(["a b\na b\na x\na y"])
    method = counted(once, min_count=2, order=2, smoothing="add-k", k=1e-9)
    assert method.unknown("a x b z") == ["x", "z"]
    assert math.exp(method.score("a z")[1][1]) == pytest.approx(0.5)  # x and y together, as often as b


@pytest.mark.parametrize("argument", OTHERS)
def test_each_argument_matters(argument: str) -> None:
    base: dict[str, Any] = {"smoothing": "add-k"} if argument == "k" else {}
    assert log_p(counted(**base), "the dog sat on") != log_p(
        counted(**base, **{argument: OTHERS[argument]}), "the dog sat on"
    )


def test_every_smoothing_is_another_model() -> None:
    lines = (Path(__file__).parent / "addresses.txt").read_text().splitlines()
    text = Corpus.of(["\n".join(lines[:200])], tokens="words", lower=True)
    kinds = (
        {},
        {"discount": 0.0},
        {"smoothing": "modified-kneser-ney"},
        {"smoothing": "witten-bell"},
        {"smoothing": "add-k"},
    )
    assert len({log_p(counted(text, **kind), "the state of the union") for kind in kinds}) == len(kinds)


def test_a_corpus_in_slices_is_the_corpus_in_one(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = counted()
    monkeypatch.setattr(ngram, "SLICE", 7)
    method = counted()
    assert method.steps_in_epoch() == 3
    assert all(
        torch.equal(a, b)
        for (k, a), (_, b) in zip(state(whole).items(), state(method).items(), strict=True)
        if k != "last_loss"
    )


def test_a_text_without_line_ends_has_many_steps_and_the_same_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    words = np.random.default_rng(0).integers(0, 9, 500)
    corpus = Corpus.of([" ".join(f"w{word}" for word in words) + "\nw1 w2\nw3"])
    whole = counted(corpus, 2, order=4)
    monkeypatch.setattr(ngram, "SLICE", 64)
    method = build(corpus, 2, order=4)
    method.prepare(corpus)
    assert method.steps_in_epoch() == 8
    clock, counts = Clock(0, 8), []
    for start in range(8):
        counts.append(method.advance(clock, 0.0, start)["words"])
        clock.step += 1
    assert counts == [64] * 7 + [len(corpus.ids) - 7 * 64]
    for name in ("unigrams", "begin", "word", "count"):
        assert torch.equal(getattr(method, name), getattr(whole, name)), name
    assert float(method.last_loss) > 0


def test_a_text_without_line_ends_resumes_inside_its_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ngram, "SLICE", 64)
    corpus = Corpus.of([" ".join(f"w{i * i % 17}" for i in range(500))])
    make = partial(build, corpus)
    stopped_and_resumed(make, tmp_path, corpus, 3, seeded=False, steps=None, epochs=1)
    part, _ = train(make, tmp_path / "part", corpus, steps=3)
    assert 0.9 < sum(math.exp(part.score(word)[0][1]) for word in part.words) < 1  # the rest is for what is unknown


def test_stopping_between_slices_and_resuming_gives_the_bits_of_never_stopping(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ngram, "SLICE", 3)
    whole, stopped = stopped_and_resumed(build, tmp_path, CATS, 3, seeded=False, steps=None, epochs=1)
    assert whole.steps_in_epoch() == 7
    with pytest.raises(UserError, match="has not finished counting"):
        stopped.score("the cat")


def test_what_was_counted_is_not_counted_again(tmp_path: Path) -> None:
    once, _ = train(build, tmp_path / "once", CATS, steps=1)
    thrice, result = train(build, tmp_path / "thrice", CATS, steps=3)
    assert result.step == 3
    assert all(torch.equal(a, b) for a, b in zip(state(once).values(), state(thrice).values(), strict=True))
    lines = RunFolder.open(tmp_path / "thrice").metrics()
    assert [line["loss"] for line in lines] == [lines[0]["loss"]] * 3 and math.isfinite(lines[0]["loss"])
    assert lines[0]["ngrams"] > 10 and 0 < lines[0]["new"] <= 1


def test_a_part_of_an_epoch_is_a_model_of_that_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ngram, "SLICE", 3)
    method, _ = train(build, tmp_path / "run", CATS, steps=2)
    assert math.isfinite(log_p(method, "the cat"))


def test_it_is_loaded_without_its_text(tmp_path: Path) -> None:
    method, _ = train(partial(build, min_count=2), tmp_path / "run", CATS, steps=1)
    again = build(min_count=2)
    again.load_state_dict(load_file(tmp_path / "run" / "method.safetensors"))
    assert again.score("the cat sat") == method.score("the cat sat")


def test_another_corpus_is_renumbered_to_its_words() -> None:
    other = Corpus.of(["mat the on sat cat the zebra"])
    method = build(CATS)
    method.prepare(other)
    method.advance(Clock(0, 1), 0.0, 0)
    assert log_p(method, "mat the on sat") > log_p(method, "the mat sat on")


def test_a_blank_is_filled_from_both_sides() -> None:
    method = counted(order=3)
    filled = dict(method.fill("the", "sat on the mat"))
    assert set(filled) == set(CATS.words)
    assert next(iter(filled)) == "cat"
    scores = {word: log_p(method, f"the {word} sat on the mat") for word in CATS.words}
    for (a, p), (b, q) in pairwise(filled.items()):
        assert scores[a] - scores[b] == pytest.approx(p - q)
    assert [word for word, _ in method.fill("the", "sat on the mat", ["ate", "cat"])] == ["cat", "ate"]


def test_it_continues_a_prompt_and_the_seed_decides() -> None:
    method = counted(order=3)
    drawn = {"".join(method.generate("the cat", 6, seed)) for seed in range(20)}
    assert len(drawn) > 3 and all(text == "" or text.startswith(" ") for text in drawn)
    assert list(method.generate("the cat", 6, 3)) == list(method.generate("the cat", 6, 3))
    assert not list(method.generate("the", 0, 0))
    assert all(len(text.split()) <= 6 and set(text.split()) <= set(CATS.words) for text in drawn)
    likely = method.words[int(method.follow("the cat")[: len(method.words)].argmax())]
    assert next(method.generate("the cat", 1, 0, temperature=0.0)) == f" {likely}"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"order": 1}, "order of ngram must be 2 to 5, not 1"),
        ({"order": 6}, "order of ngram must be 2 to 5, not 6"),
        ({"smoothing": "kneser"}, "did you mean 'kneser-ney'"),
        ({"discount": 1.5}, r"discount of ngram must be in \[0, 1\]"),
        ({"k": 0.0}, "k finite and greater than 0"),
    ],
)
def test_bad_values_get_a_sentence(arguments: dict[str, Any], said: str) -> None:
    with pytest.raises(UserError, match=said):
        build(**arguments)


def test_an_encoder_of_vectors_is_refused() -> None:
    with pytest.raises(UserError, match="learns no vectors, so it cannot use encoder lookup: use bag"):
        NGram(encoders.build("lookup", CATS.input(), min_count=1))
