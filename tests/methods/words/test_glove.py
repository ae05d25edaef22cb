"""GloVe as a method: steps, threads, resume, what it learns, and what each argument does."""

from __future__ import annotations

from itertools import pairwise
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
from selftaught.method import Clock, Compiled
from selftaught.methods.words import glove
from selftaught.methods.words.glove import GloVe

SMALL = {"threads": 1}
"""Arguments that fit the method to the toys of the contract."""

# One other value for every argument; the last three change where and when things happen, not what is learned
OTHERS: dict[str, Any] = {
    "window": 2, "symmetric": False, "x_max": 100.0, "power": 0.5, "clip": 0.01, "vectors": "word",
    "memory": 7, "scratch": "somewhere", "threads": 2,
}  # fmt: skip
RECIPE: dict[str, Any] = {"lr": 0.05, "schedule": "constant", "warmup": 0.0}


def build(corpus: Corpus | None = None, seed: int = 0, dim: int = 8, **arguments: Any) -> GloVe:
    torch.manual_seed(seed)
    encoder = encoders.build("lookup", (corpus or toys.text()).input(), dim=dim, min_count=1)
    return GloVe(encoder, **({"threads": 1} | arguments))


def prepared(corpus: Corpus | None = None, **arguments: Any) -> GloVe:
    corpus = corpus or toys.text()
    method = build(corpus, **arguments)
    method.prepare(corpus)
    return method


def trained(steps: int = 3, **arguments: Any) -> dict[str, Any]:
    """State after a few steps on the toy."""
    method = prepared(**arguments)
    for step in range(steps):
        method.advance(Clock(0, 10), 0.05, step % method.steps_in_epoch())
    return state(method)


def same(a: dict[str, Any], b: dict[str, Any]) -> bool:
    return all(torch.equal(a[name], b[name]) for name in a)


def sliced(monkeypatch: pytest.MonkeyPatch) -> None:
    """Several slices in the toy's epoch."""
    monkeypatch.setattr(glove, "_WORK", 400)


def cosine(a: Any, b: Any) -> float:
    return float(a @ b / np.linalg.norm(a) / np.linalg.norm(b))


def test_it_is_compiled_and_says_why_it_has_no_forward() -> None:
    method = build()
    assert isinstance(method, Compiled) and isinstance(GloVe.gradient, str) and isinstance(GloVe.distributed, str)
    with pytest.raises(RuntimeError, match="advance"):
        method.forward()


def test_words_of_one_subject_come_together(tmp_path: Path) -> None:
    corpus = toys.text(400)
    method, result = train(lambda: build(corpus), tmp_path / "run", corpus, **(RECIPE | {"steps": None, "epochs": 60}))
    vectors = method.encoder.word_vectors()
    assert result.samples_per_second > 0
    same_, other = (
        cosine(vectors.vector("sea1"), vectors.vector("sea5")),
        cosine(vectors.vector("sea1"), vectors.vector("sky5")),
    )
    assert same_ > other + 0.3


def test_the_loss_falls_and_is_the_mean_over_pairs_both_ways() -> None:
    method = prepared()
    words, contexts, pairs = (
        method.words.numpy().astype(np.float64),
        method.contexts.numpy().astype(np.float64),
        method.pairs,
    )
    losses = []
    for i, j, x in zip(pairs.first, pairs.second, pairs.count, strict=True):
        for a, b in {(i, j), (j, i)}:
            error = words[a, 0, :-1] @ contexts[b, 0, :-1] + words[a, 0, -1] + contexts[b, 0, -1] - np.log(x)
            losses.append(min((x / 10) ** 0.75, 1) * error**2 / 2)
    first = method.advance(Clock(), 1e-12, 0)
    assert first["pairs"] == len(losses) and first["loss"] == pytest.approx(np.mean(losses), rel=1e-4)
    for _ in range(20):
        last = method.advance(Clock(), 0.05, 0)
    assert last["loss"] < first["loss"] / 3


def test_the_table_is_the_sum_of_both_vectors_after_every_step() -> None:
    method = prepared()
    for step in range(3):
        assert torch.allclose(method.encoder.table, method.words[:, 0, :-1] + method.contexts[:, 0, :-1], atol=1e-6), (
            step
        )
        method.advance(Clock(), 0.05, 0)
    alone = prepared(vectors="word")
    alone.advance(Clock(), 0.05, 0)
    assert torch.equal(alone.encoder.table, alone.words[:, 0, :-1])


@pytest.mark.parametrize("vectors", ["sum", "word"])
def test_it_starts_from_the_encoders_table(vectors: str) -> None:
    method = build(vectors=vectors)
    start = method.words[:, 0, :-1] + (method.contexts[:, 0, :-1] if vectors == "sum" else 0)
    assert torch.allclose(start, method.encoder.table, atol=1e-7)
    assert not torch.allclose(method.words[:, 0], method.contexts[:, 0])  # which would stay mirror images
    assert (method.words[:, 1] == 1).all() and (method.contexts[:, 1] == 1).all()


@pytest.mark.parametrize("name", [name for name in OTHERS if name not in ("memory", "scratch", "threads")])
def test_every_argument_changes_what_is_learned(name: str) -> None:
    assert not torch.allclose(trained()["encoder.table"], trained(**{name: OTHERS[name]})["encoder.table"], atol=1e-5)


def test_memory_scratch_and_threads_reach_the_counting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told: dict[str, Any] = {}
    counted = glove.cooccurrence
    monkeypatch.setattr(glove, "cooccurrence", lambda *given, **how: told.update(how) or counted(*given, **how))
    prepared(memory=7, scratch=str(tmp_path), threads=2, window=3, symmetric=False)
    assert told == {"memory": 7, "folder": str(tmp_path), "threads": 2, "window": 3, "symmetric": False}


def test_threads_train_every_pair_once(monkeypatch: pytest.MonkeyPatch) -> None:
    visits: list[tuple[int, int]] = []
    train_ = glove.kernel.train
    monkeypatch.setattr(glove.kernel, "train", lambda *given: visits.append(given[3:5]) or train_(*given))
    sliced(monkeypatch)
    method = prepared(threads=3)
    steps = method.steps_in_epoch()
    assert steps > 1
    seen = sum(method.advance(Clock(), 0.05, start)["pairs"] for start in range(steps))
    visits.sort()
    assert len(visits) == 3 * steps and visits[0][0] == 0 and visits[-1][1] == len(method.pairs)
    assert all(a[1] == b[0] for a, b in pairwise(visits))
    assert seen == 2 * len(method.pairs) - int((method.pairs.first == method.pairs.second).sum())


def test_threads_learn_what_one_does() -> None:
    one, three = (prepared(threads=threads) for threads in (1, 3))
    losses = [[method.advance(Clock(), 0.05, 0)["loss"] for _ in range(30)] for method in (one, three)]
    assert losses[1][-1] == pytest.approx(losses[0][-1], rel=0.2)


def test_one_thread_gives_the_same_bytes_and_the_seed_another_order(monkeypatch: pytest.MonkeyPatch) -> None:
    sliced(monkeypatch)
    assert same(trained(), trained())
    ends = []
    for seed in range(3):
        method = prepared()
        method.advance(Clock(seed), 0.05, 0)
        ends.append(state(method))
    assert not (same(ends[0], ends[1]) and same(ends[1], ends[2]))


def test_stopping_inside_an_epoch_and_between_epochs_gives_the_bytes_of_never_stopping(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sliced(monkeypatch)
    corpus = toys.text()
    per = prepared(corpus).steps_in_epoch()
    assert per > 3
    for stop in (2, per, per + 2):
        stopped_and_resumed(build, tmp_path / str(stop), corpus, stop, **(RECIPE | {"steps": 2 * per + 1}))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"window": 0}, "window of glove must be at least 1, not 0"),
        ({"memory": 0}, "memory of glove must be at least 1, not 0"),
        ({"x_max": 0.0}, "x_max of glove must be greater than 0, not 0.0"),
        ({"clip": float("nan")}, "clip of glove must be greater than 0, not nan"),
        ({"power": -0.1}, "power of glove must be at least 0, not -0.1"),
        ({"vectors": "both"}, "vectors of glove must be 'sum' or 'word', not 'both'"),
        ({"threads": -1}, "threads must be at least 0 .*, not -1"),
    ],
)
def test_values_out_of_range_are_one_sentence(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        build(**arguments)


def test_a_text_that_it_cannot_count_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="the text whose words its encoder has"):
        build().prepare(Corpus.of(["another text"]))
    alone = Corpus.of(["one", "word", "a", "line"])
    with pytest.raises(UserError, match="no two words of this text are within 15 words of each other in one sentence"):
        build(alone).prepare(alone)
    with pytest.raises(UserError, match="glove needs encoder lookup, not conv"):
        GloVe(encoders.build("conv", {"kind": "image", "size": 8, "channels": 1, "mean": [0.5], "std": [0.2]}))
