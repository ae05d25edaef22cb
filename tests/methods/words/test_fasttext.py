"""fastText as a method: steps, threads, resume, what it learns, and what each argument does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import toys
from training import state, stopped_and_resumed, train

from selftaught import encoders
from selftaught.data.text.corpus import Corpus
from selftaught.errors import UserError
from selftaught.fit import NonFiniteLoss
from selftaught.method import Clock, Compiled
from selftaught.methods.words import fasttext
from selftaught.methods.words.fasttext import FastText

SMALL = {"threads": 1}
"""Arguments that fit the method to the toys of the contract."""

# One other value for every argument
OTHERS = {
    "model": "cbow",
    "window": 2,
    "negatives": 3,
    "negatives_per": "window",
    "sample": 1e-3,
    "power": 2.0,
    "shuffle": 20,
    "threads": 2,
}
RECIPE: dict[str, Any] = {"lr": 0.05, "schedule": "linear", "warmup": 0.0, "final_lr": 0.0, "steps": 20}


def build(
    corpus: Corpus | None = None, seed: int = 0, encoder: dict[str, Any] | None = None, **arguments: Any
) -> FastText:
    torch.manual_seed(seed)
    given = (corpus or toys.text()).input()
    made = encoders.build("subwords", given, **({"dim": 8, "min_count": 1, "bucket": 5000} | (encoder or {})))
    return FastText(made, **({"threads": 1, "sample": 0.0} | arguments))


def trained(**arguments: Any) -> dict[str, Any]:
    """State after one step on the toy."""
    method = build(**arguments)
    method.prepare(toys.text())
    method.advance(Clock(0, 10), 0.1, 0)
    return state(method)


def cosine(a: Any, b: Any) -> float:
    return float(a @ b / np.linalg.norm(a) / np.linalg.norm(b))


def test_words_of_one_subject_come_together_and_unseen_ones_with_them(tmp_path: Path) -> None:
    corpus = toys.text(400)
    method, result = train(lambda: build(corpus), tmp_path / "run", corpus, **(RECIPE | {"steps": None, "epochs": 20}))
    vector = method.encoder.vector
    assert result.samples_per_second > 0
    same, other = cosine(vector("sea1"), vector("sea5")), cosine(vector("sea1"), vector("sky5"))
    assert same > other + 0.3
    assert cosine(vector("sea99"), vector("sea5")) > cosine(vector("sea99"), vector("wood5")) + 0.3


def test_it_is_a_compiled_method() -> None:
    method = build()
    assert isinstance(method, Compiled)
    with pytest.raises(RuntimeError, match="advance"):
        method()


def test_an_epoch_is_all_of_the_text_in_whole_sentences(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fasttext, "SLICE", 100)
    corpus = toys.text()
    method = build()
    method.prepare(corpus)
    assert method.steps_in_epoch() == 10  # of 960 words
    seen = [method.advance(Clock(0, 10), 0.01, start)["words"] for start in range(10)]
    assert sum(seen) == 960 and all(80 <= words <= 110 and words % 10 == 0 for words in seen)


def test_a_text_without_line_ends_has_many_steps_and_the_same_vectors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fasttext, "LEAST", 1)
    corpus = Corpus.of([" ".join(f"w{i * i % 97}" for i in range(5000))])
    results = []
    for size in (1 << 20, 1500):
        monkeypatch.setattr(fasttext, "SLICE", size)
        method = build(corpus, sample=0.0)
        method.prepare(corpus)
        clock, words = Clock(0, method.steps_in_epoch()), 0.0
        for start in range(clock.steps):
            words += method.advance(clock, 0.05, start)["words"]
            clock.step += 1
        assert words == 5000
        results.append((clock.steps, method.encoder.table.detach().clone()))
    assert results[0][0] == 1 and results[1][0] == 4
    assert torch.equal(results[0][1], results[1][1])


def test_threads_share_the_work(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[list[int]] = []
    monkeypatch.setattr(fasttext, "learn", lambda ids, sentences, order, *_: seen.append(order.tolist()))
    monkeypatch.setattr(fasttext, "LEAST", 1)
    method = build(threads=3)
    method.prepare(toys.text())
    method.advance(Clock(0, 10), 0.05, 0)
    assert sorted(seen) == [[*range(i, i + 8)] for i in range(0, 96, 8)]  # four runs for each thread


def test_several_threads_learn_what_one_does() -> None:
    method, alone = build(threads=3), build()
    totals = []
    for each in (method, alone):
        each.prepare(toys.text())
        totals.append(each.advance(Clock(0, 10), 0.05, 0))
    assert totals[0]["words"] == totals[1]["words"]
    torch.testing.assert_close(method.out, alone.out, atol=0.05, rtol=0)  # the same sentences, perhaps in another order


def test_the_same_seed_gives_the_same_bytes_and_another_does_not() -> None:
    one, two = trained(), trained()
    assert all(torch.equal(one[k], two[k]) for k in one)
    method = build()
    method.prepare(toys.text())
    method.advance(Clock(1, 10), 0.1, 0)
    assert not torch.equal(one["out"], state(method)["out"])


def test_resuming_inside_an_epoch_gives_the_same_bytes(tmp_path: Path) -> None:
    """20 steps are two epochs; the run stops in the second."""
    stopped_and_resumed(build, tmp_path, toys.text(), 13, **RECIPE)


def test_the_loss_starts_at_log_two_for_each_score() -> None:
    method = build(negatives=4)
    method.prepare(toys.text())
    # less the negatives passed over
    assert method.advance(Clock(0, 10), 1e-6, 0)["loss"] == pytest.approx(5 * np.log(2), rel=0.05)


@pytest.mark.parametrize("argument", [name for name in OTHERS if name != "threads"])
def test_each_argument_matters(argument: str) -> None:
    assert not torch.equal(trained()["out"], trained(**{argument: OTHERS[argument]})["out"])


def test_negatives_per_means_nothing_to_cbow() -> None:
    one, two = (trained(model="cbow", negatives_per=per) for per in ("window", "pair"))
    assert all(torch.equal(one[k], two[k]) for k in one)


def test_rare_words_are_left_out() -> None:
    """Words below min_count are passed over, as if the text did not have them."""
    corpus = toys.text()
    size = corpus.size(30)
    cut = [
        " ".join(w for w in corpus.text(i).split() if corpus.counts[list(corpus.words).index(w)] >= 30)
        for i in range(len(corpus))
    ]
    assert 2 < size < len(corpus.words)
    method = build(encoder={"min_count": 30})
    method.prepare(corpus)
    assert len(method.out) == size
    method.advance(Clock(0, 10), 0.1, 0)
    assert np.isfinite(state(method)["out"].numpy()).all() and cut


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"shuffle": 400_001}, r"shuffle of fasttext must be in \[0, 400000\] words, not 400001"),
        ({"window": 0}, r"window of fasttext must be in \[1, 1000\] and negatives at least 1, not 0 and 5"),
        ({"negatives": 0}, "not 5 and 0"),
        ({"sample": -1.0}, "sample of fasttext"), ({"power": float("nan")}, "power a finite number"),
        ({"threads": -1}, "threads must be at least 0"),
        ({"model": "glove"}, "skipgram or cbow"), ({"negatives_per": "word"}, "window or pair"),
    ],
)  # fmt: skip
def test_values_that_cannot_be_are_refused(wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(UserError, match=said):
        build(**wrong)


def test_another_encoder_is_refused() -> None:
    with pytest.raises(UserError, match="fasttext needs encoder subwords, not lookup"):
        FastText(encoders.build("lookup", toys.text().input()))


@pytest.mark.parametrize(
    ("documents", "said"),
    [
        (["a a a"], "the text has only one different word, 'a'"),
        (["a", "b"], "every sentence of the text is a single word"),
    ],
)
def test_texts_that_teach_nothing_are_refused(documents: list[str], said: str) -> None:
    corpus = Corpus.of(documents)
    with pytest.raises(UserError, match=said):
        build(corpus).prepare(corpus)


def test_another_text_is_refused() -> None:
    with pytest.raises(UserError, match="the text whose words its encoder has"):
        build().prepare(Corpus.of(["another text"]))


def test_a_rate_that_destroys_the_vectors_is_noticed(tmp_path: Path) -> None:
    with pytest.raises(NonFiniteLoss, match="lower --lr"):
        train(build, tmp_path / "run", toys.text(), **(RECIPE | {"lr": 1e30, "steps": 20}))
