"""word2vec as a method: steps, threads, resume, what it learns, and what each argument does."""

from __future__ import annotations

import itertools
from functools import partial
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
from selftaught.kernels import word2vec as kernel
from selftaught.method import Clock, Compiled
from selftaught.methods.words import word2vec
from selftaught.methods.words.word2vec import Word2Vec

SMALL = {"threads": 1}
"""Arguments that fit the method to the toys of the contract."""

# One other value for every argument
OTHERS = {
    "model": "cbow",
    "loss": "hierarchical",
    "window": 2,
    "negatives": 3,
    "negatives_per": "pair",
    "power": 2.0,
    "sample": 1e-2,
    "share_error": True,
    "shuffle": 20,
    "threads": 2,
}
RECIPE: dict[str, Any] = {**Word2Vec.recipe, "epochs": None, "steps": 20}
ALL = [
    {"model": model, "loss": loss, "negatives_per": per}
    for model in ("skipgram", "cbow") for loss in ("negative", "hierarchical") for per in ("window", "pair")
]  # fmt: skip


def build(corpus: Corpus | None = None, seed: int = 0, min_count: int = 1, **arguments: Any) -> Word2Vec:
    torch.manual_seed(seed)
    made = encoders.build("lookup", (corpus or toys.text()).input(), dim=8, min_count=min_count)
    return Word2Vec(made, **({"threads": 1, "sample": 0.0} | arguments))


def trained(corpus: Corpus | None = None, steps: int = 2, rate: float = 0.1, **arguments: Any) -> dict[str, Any]:
    """State after the first steps on the toy."""
    method = build(corpus, **arguments)
    method.prepare(corpus or toys.text())
    for start in range(steps):
        method.advance(Clock(0, 10), rate, start)
    return state(method)


@pytest.mark.parametrize(
    "arguments", [a for a in ALL if a["negatives_per"] == "window"], ids=lambda a: f"{a['model']}-{a['loss']}"
)
def test_words_of_one_subject_come_together(arguments: dict[str, Any], tmp_path: Path) -> None:
    corpus = toys.text(400)
    recipe = RECIPE | {"steps": None, "epochs": 15, "lr": 0.05}
    method, result = train(lambda: build(corpus, **arguments), tmp_path / "run", corpus, **recipe)
    vectors = method.encoder.word_vectors()
    unit = {word: vectors.unit[i] for word, i in vectors.index.items()}
    assert result.samples_per_second > 0
    same = np.mean([unit["sea1"] @ unit[f"sea{i}"] for i in (0, 2, 3, 4)])
    other = np.mean([unit["sea1"] @ unit[f"sky{i}"] for i in (0, 2, 3, 4)])
    assert same > other + 0.3


@pytest.mark.parametrize("negatives_per", ["window", "pair"])
def test_planted_analogies_are_solved(negatives_per: str) -> None:
    """Country i and its capital share words of their place; all countries share words, and all capitals others."""
    rng = np.random.default_rng(0)
    places = 6
    lines = []
    for _ in range(6000):
        i, kind = int(rng.integers(places)), str(rng.choice(["country", "capital"]))
        around = [f"place{i}_{rng.integers(3)}" for _ in range(2)] + [f"{kind}_{rng.integers(3)}" for _ in range(2)]
        rng.shuffle(around)
        lines.append([*around[:2], f"{kind}{i}", *around[2:]])
    corpus = Corpus.of([lines])
    method = build(corpus, negatives_per=negatives_per)
    method.prepare(corpus)
    steps = method.steps_in_epoch()
    for epoch, start in itertools.product(range(12), range(steps)):
        clock = Clock(0, 1)
        clock.epoch = epoch
        method.advance(clock, 0.05 * (1 - epoch / 12), start)
    vectors = method.encoder.word_vectors()
    names = [f"{kind}{i}" for kind in ("country", "capital") for i in range(places)]
    unit = {name: vectors.unit[vectors.index[name]] for name in names}
    right = 0
    for i, j in itertools.permutations(range(places), 2):
        wanted = unit[f"capital{i}"] - unit[f"country{i}"] + unit[f"country{j}"]
        asked = {f"capital{i}", f"country{i}", f"country{j}"}
        right += (
            max((name for name in names if name not in asked), key=lambda name: float(unit[name] @ wanted))
            == f"capital{j}"
        )
    assert right >= 27  # of 30; by chance 3


def test_it_is_a_compiled_method() -> None:
    method = build()
    assert isinstance(method, Compiled)
    with pytest.raises(RuntimeError, match="advance"):
        method()


def test_an_epoch_is_all_of_the_text_in_whole_sentences(monkeypatch: pytest.MonkeyPatch) -> None:
    corpus = toys.text(400)
    method = build(corpus)
    method.prepare(corpus)
    assert method.steps_in_epoch() == 10
    seen = [method.advance(Clock(0, 10), 0.01, start)["words"] for start in range(10)]
    assert sum(seen) == 4000 and all(words % 10 == 0 for words in seen)
    monkeypatch.setattr(word2vec, "SLICE", 100)
    method.prepare(corpus)
    assert method.steps_in_epoch() == 40


def test_a_text_without_line_breaks_is_cut() -> None:
    words = " ".join(f"w{i % 7}" for i in range(5000))
    corpus = Corpus.of([words])
    method = build(corpus)
    method.prepare(corpus)
    assert method.steps_in_epoch() == 5000 // kernel.LONGEST
    assert method.advance(Clock(0, 10), 0.01, 2)["words"] == kernel.LONGEST


def test_threads_share_the_work(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[list[int]] = []

    def train(ids: Any, starts: Any, order: Any, *_: Any) -> tuple[float, int]:
        seen.append(order.tolist())
        return float(len(order)), 1

    monkeypatch.setattr(word2vec, "loop", lambda dim: train)
    monkeypatch.setattr(word2vec, "LEAST", 1)
    method = build(threads=3)
    method.prepare(toys.text())
    assert method.advance(Clock(0, 10), 0.05, 0) == {"loss": 8.0, "words": 960.0}
    assert sorted(seen) == [[*range(i, i + 8)] for i in range(0, 96, 8)]


def test_two_threads_learn_as_well_as_one() -> None:
    corpus = toys.text(2000)
    last = []
    for threads in (1, 2):
        method = build(corpus, threads=threads)
        method.prepare(corpus)
        losses = []
        for epoch, start in itertools.product(range(4), range(method.steps_in_epoch())):
            clock = Clock(0, 1)
            clock.epoch = epoch
            losses.append(method.advance(clock, 0.05, start)["loss"])
        last.append(np.mean(losses[-10:]))
        assert last[-1] < losses[0] - 0.2
    assert last[0] == pytest.approx(last[1], rel=0.2)  # of 36 words, which two threads change at once all the time


@pytest.mark.parametrize("arguments", ALL, ids=lambda a: "-".join(a.values()))
def test_the_same_seed_gives_the_same_bytes_and_another_does_not(arguments: dict[str, Any]) -> None:
    one, two = trained(**arguments), trained(**arguments)
    assert all(torch.equal(one[k], two[k]) for k in one)
    method = build(**arguments)
    method.prepare(toys.text())
    for start in range(2):
        method.advance(Clock(1, 10), 0.1, start)
    assert not torch.equal(one["output"], state(method)["output"])


@pytest.mark.parametrize("arguments", [{}, {"model": "cbow", "loss": "hierarchical"}], ids=["skipgram", "cbow"])
def test_resuming_inside_an_epoch_gives_the_same_bytes(arguments: dict[str, Any], tmp_path: Path) -> None:
    """20 steps are two epochs; the run stops in the second."""
    stopped_and_resumed(partial(build, **arguments), tmp_path, toys.text(), 13, **RECIPE)


def test_the_loss_starts_at_log_two_for_each_score() -> None:
    method = build(negatives=4)
    method.prepare(toys.text())
    # less the draws left out
    assert method.advance(Clock(0, 10), 1e-6, 0)["loss"] == pytest.approx(5 * np.log(2), rel=0.1)
    tree = build(loss="hierarchical")
    tree.prepare(toys.text())
    lengths = np.diff(tree.paths.ends)
    shares = tree.encoder.counts / tree.encoder.counts.sum()
    assert tree.advance(Clock(0, 10), 1e-6, 0)["loss"] == pytest.approx(float(lengths @ shares) * np.log(2), rel=0.2)


def test_a_slice_without_a_pair_repeats_the_last_loss() -> None:
    corpus = Corpus.of([["a", "b"]] * 9 + [["a"]])
    method = build(corpus)
    method.prepare(corpus)
    seen = [{"loss": 0.0}, *(method.advance(Clock(0, 10), 0.1, start) for start in range(10))]
    alone = next(place for place, found in enumerate(seen) if found.get("words") == 1.0)
    assert seen[alone]["loss"] == seen[alone - 1]["loss"]
    assert len({found["loss"] for found in seen}) == 10


@pytest.mark.parametrize("argument", [name for name in OTHERS if name != "threads"])
def test_each_argument_matters(argument: str) -> None:
    rest = {"model": "cbow"} if argument == "share_error" else {}
    one, other = trained(**rest), trained(**(rest | {argument: OTHERS[argument]}))
    assert one["output"].shape != other["output"].shape or not torch.equal(one["output"], other["output"])


def test_zero_threads_are_one_a_core(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {0, 1, 2})
    assert build(threads=0).threads == 3


def test_rare_words_get_no_vector_and_take_no_part() -> None:
    corpus = Corpus.of([["a", "rare", "b"]] + [["a", "b"]] * 20)
    method = build(corpus, min_count=5)
    assert method.encoder.words == ("a", "b")
    assert method.output.shape == (2, 8)
    method.prepare(corpus)
    method.advance(Clock(0, 10), 0.1, 0)
    assert torch.isfinite(method.output).all() and method.output.abs().sum() > 0


def test_the_tree_gives_probabilities() -> None:
    corpus = toys.text()
    method = build(corpus, loss="hierarchical")
    method.prepare(corpus)
    for start in range(method.steps_in_epoch()):
        method.advance(Clock(0, 10), 0.1, start)
    h, paths = np.random.default_rng(0).normal(size=8), method.paths
    turn = 1 / (1 + np.exp(-(method.output.numpy() @ h)))
    total = sum(
        np.prod(np.where(paths.left[a:b], turn[paths.nodes[a:b]], 1 - turn[paths.nodes[a:b]]))
        for a, b in zip(paths.ends[:-1], paths.ends[1:], strict=True)
    )
    assert method.output.abs().max() > 0.1
    assert total == pytest.approx(1, abs=1e-9)


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"window": 0}, "window"), ({"window": 1001}, "window"), ({"negatives": 0}, "negatives"), ({"sample": -1.0}, "sample"),
        ({"sample": float("nan")}, "sample"), ({"power": float("inf")}, "power"), ({"threads": -1}, "threads"), ({"model": "bag"}, "model"),
        ({"loss": "softmax"}, "loss"), ({"negatives_per": "text"}, "negatives_per"), ({"shuffle": -1}, "shuffle"),
    ],
)  # fmt: skip
def test_bad_values_are_refused(arguments: dict[str, Any], named: str) -> None:
    with pytest.raises(UserError, match=named):
        build(**arguments)


def test_bad_texts_are_refused() -> None:
    with pytest.raises(UserError, match="min-count"):
        build(min_count=10**6)
    with pytest.raises(UserError, match="build the encoder"):
        build().prepare(Corpus.of([["other", "words"]]))
    alone = Corpus.of([["a", "x"], ["b", "y"], ["a"], ["b"]])
    with pytest.raises(UserError, match="nothing to foretell"):
        build(alone, min_count=2).prepare(alone)


def test_another_encoder_is_refused() -> None:
    spec = {"kind": "image", "size": 16, "channels": 1, "mean": [0.5], "std": [0.5]}
    with pytest.raises(UserError, match="lookup"):
        Word2Vec(encoders.build("conv", spec, width=8, depth=2))
