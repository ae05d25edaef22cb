"""The classifier as a method: what it learns, resume, and what each argument does."""

from __future__ import annotations

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
from selftaught.fit import NonFiniteLoss
from selftaught.method import Classifies, Clock, Compiled
from selftaught.methods.words.fasttext_classifier import FastTextClassifier

SMALL = {"threads": 1}
"""Arguments that fit the method to the toys of the contract."""

# One other value for every argument
OTHERS = {"loss": "one_vs_all", "negatives": 3, "word_ngrams": 2, "bucket": 3, "threads": 2}
LOSSES = ("softmax", "hierarchical", "negative", "one_vs_all")
RECIPE: dict[str, Any] = {"lr": 0.5, "schedule": "linear", "warmup": 0.0, "final_lr": 0.0}


def build(corpus: Corpus | None = None, seed: int = 0, network: str = "lookup", **arguments: Any) -> FastTextClassifier:
    torch.manual_seed(seed)
    made = encoders.build(network, (corpus or toys.text()).input(), dim=8, min_count=1)
    return FastTextClassifier(made, **({"threads": 1} | arguments))


def prepared(**arguments: Any) -> FastTextClassifier:
    method = build(**arguments)
    torch.manual_seed(0)
    method.prepare(toys.text())
    return method


def ordered(n: int = 200, seed: int = 0) -> Corpus:
    """The class is which of two words comes first: single words cannot tell."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 2, n)
    return Corpus.of(
        [["x y", "y x"][label] + " " + " ".join(rng.choice(list("abc"), 2)) for label in labels], labels.tolist()
    )


def accuracy(method: FastTextClassifier, corpus: Corpus) -> float:
    said = method.classify([corpus.text(i).split() for i in range(len(corpus))]).argmax(1).numpy()
    return float((said == corpus.labels).mean())


@pytest.mark.parametrize("network", ["lookup", "subwords"])
def test_it_names_texts_it_never_saw(network: str, tmp_path: Path) -> None:
    recipe = RECIPE | {"steps": None, "epochs": 10}
    method, _ = train(lambda: build(network=network), tmp_path / "run", toys.text(), **recipe)
    assert accuracy(method, toys.text(64, seed=1)) > 0.9
    if network == "subwords":  # words that the training texts do not have
        assert method.classify([["sea77", "seas"], ["town55"]]).argmax(1).tolist() == [0, 3]


def test_runs_of_words_know_their_order(tmp_path: Path) -> None:
    corpus = ordered()
    recipe = RECIPE | {"steps": None, "epochs": 15}
    words, _ = train(lambda: build(corpus), tmp_path / "words", corpus, **recipe)
    runs, _ = train(lambda: build(corpus, word_ngrams=2), tmp_path / "runs", corpus, **recipe)
    assert accuracy(words, ordered(seed=1)) < 0.7 and accuracy(runs, ordered(seed=1)) > 0.9


def test_it_is_compiled_and_classifies() -> None:
    method = build()
    assert isinstance(method, Compiled) and isinstance(method, Classifies)
    with pytest.raises(RuntimeError, match="advance"):
        method()


@pytest.mark.parametrize("loss", LOSSES)
def test_scores_are_what_the_loss_says_of_the_mean(loss: str) -> None:
    method = prepared(loss=loss)
    torch.nn.init.normal_(method.out)
    texts = [["sea1", "the", "unknown"], ["unknown"], []]
    products = (method.encoder(texts) @ method.out.T).detach()
    found = method.classify(texts)
    assert found.shape == (3, 4)
    if loss in ("softmax", "hierarchical"):
        torch.testing.assert_close(found.exp().sum(1), torch.ones(3))
    if loss == "softmax":
        torch.testing.assert_close(found, products.log_softmax(1))
    elif loss == "hierarchical":
        paths = method.paths
        for k in range(4):
            turns = [(int(paths.nodes[j]), 1 if paths.left[j] else -1) for j in range(paths.ends[k], paths.ends[k + 1])]
            torch.testing.assert_close(
                found[:, k], sum(torch.nn.functional.logsigmoid(sign * products[:, n]) for n, sign in turns)
            )
    else:
        torch.testing.assert_close(found, products)


@pytest.mark.parametrize("loss", LOSSES)
def test_the_logged_loss_is_that_of_the_scores(loss: str) -> None:
    method = prepared(loss=loss)
    torch.nn.init.normal_(method.out)
    method.steps = 1
    texts = toys.text()
    scores = method.classify([texts.text(i).split() for i in range(len(texts))]).double()
    own = scores.gather(1, torch.from_numpy(texts.labels)[:, None])[:, 0]
    said = method.advance(Clock(0, 10), 0.0, 0)["loss"]
    softplus = torch.nn.functional.softplus
    if loss in ("softmax", "hierarchical"):
        assert said == pytest.approx(-own.mean().item(), rel=1e-4)
    elif loss == "one_vs_all":
        assert said == pytest.approx((softplus(scores).sum(1) - softplus(own) + softplus(-own)).mean().item(), rel=1e-4)
    else:
        share = np.sqrt(np.bincount(texts.labels))
        among = torch.from_numpy(share[None] * (np.arange(4) != texts.labels[:, None]))
        expected = softplus(-own) + 5 * (softplus(scores) * among / among.sum(1, keepdim=True)).sum(1)
        assert said == pytest.approx(expected.mean().item(), rel=0.05)  # the draws are a sample of 480


@pytest.mark.parametrize("loss", LOSSES[1:])
def test_every_loss_learns_and_resumes_to_the_same_bytes(loss: str, tmp_path: Path) -> None:
    whole, _ = stopped_and_resumed(partial(build, loss=loss), tmp_path, toys.text(), 33, **(RECIPE | {"steps": 100}))
    assert accuracy(whole, toys.text(64, seed=1)) > 0.9


def test_a_class_without_texts_has_a_leaf_and_is_drawn() -> None:
    corpus = Corpus.of(["a b", "b c", "c d"], [0, 0, 0], classes=("only", "never"))
    for loss in LOSSES:
        method = build(corpus, loss=loss)
        method.prepare(corpus)
        assert np.isfinite(method.advance(Clock(0, 10), 0.5, 0)["loss"])
        assert method.classify([["a"]]).argmax(1).tolist() == [0] and method.classify([["a"]]).shape == (1, 2)


def test_negatives_depend_on_the_seed_and_the_epoch() -> None:
    corpus = Corpus.of(["a b"], [0], classes=tuple("abcdefgh"))  # one text, so that its place in the order does not

    def moved(seed: int, epoch: int) -> torch.Tensor:
        method = build(corpus, loss="negative")
        torch.manual_seed(0)
        method.prepare(corpus)
        clock = Clock(seed, 10)
        clock.epoch = epoch
        method.advance(clock, 0.5, 0)
        return state(method)["out"]

    assert torch.equal(moved(0, 0), moved(0, 0))
    assert (
        len({tuple(moved(seed, epoch).flatten().tolist()) for seed, epoch in ((0, 0), (1, 0), (0, 1), (2, 1), (1, 2))})
        == 5
    )


def test_frequent_classes_have_short_paths() -> None:
    corpus = Corpus.of(["a"] * 20, [0, 1, 1, *[2] * 5, *[3] * 12])
    method = build(corpus, loss="hierarchical")
    method.prepare(corpus)
    assert np.diff(method.paths.ends).tolist() == [3, 3, 2, 1]
    assert method.out.shape == (3, 8)


def test_an_epoch_visits_each_labelled_text_once_in_a_new_order() -> None:
    corpus = toys.text()
    hidden = Corpus.of(
        [corpus.text(i) for i in range(len(corpus))], [-1 if i % 3 else int(y) for i, y in enumerate(corpus.labels)]
    )
    method = build(hidden)
    method.prepare(hidden)
    steps = method.steps_in_epoch()
    assert steps == 20
    assert sum(method.advance(Clock(0, 10), 0.1, step)["words"] for step in range(steps)) == 10 * sum(
        hidden.labels >= 0
    )
    first, second = state(prepared()), prepared()
    second.advance(Clock(0, 10), 0.1, 0)
    clock = Clock(0, 10)
    clock.epoch = 1
    third = prepared()
    third.advance(clock, 0.1, 0)
    assert not torch.equal(state(second)["out"], state(third)["out"]) and not torch.equal(
        first["out"], state(second)["out"]
    )


def test_the_loss_starts_at_the_logarithm_of_the_classes() -> None:
    told = prepared().advance(Clock(0, 10), 0.0, 0)
    assert told["loss"] == pytest.approx(np.log(4), rel=1e-4)
    assert told["chance"] == 0.25 and 0 <= told["accuracy"] <= 1
    begun = {loss: prepared(loss=loss).advance(Clock(0, 10), 0.0, 0) for loss in LOSSES}
    assert begun["one_vs_all"]["loss"] == pytest.approx(4 * np.log(2)) and "accuracy" in begun["one_vs_all"]
    assert begun["negative"]["loss"] == pytest.approx(6 * np.log(2)) and begun["negative"].keys() == {"loss", "words"}
    assert begun["hierarchical"]["loss"] == pytest.approx(2 * np.log(2), rel=0.2)


def test_resuming_inside_an_epoch_gives_the_same_bytes(tmp_path: Path) -> None:
    stopped_and_resumed(partial(build, word_ngrams=2), tmp_path, toys.text(), 13, **(RECIPE | {"steps": 30}))


def test_each_argument_matters() -> None:
    sizes = {name: len(prepared(**arguments).runs) for name, arguments in {
        "plain": {}, "word_ngrams": {"word_ngrams": 2}, "bucket": {"word_ngrams": 2, "bucket": 3},
    }.items()}  # fmt: skip
    assert sizes["plain"] == 0 and sizes["word_ngrams"] > 100 and sizes["bucket"] == 3
    assert build(threads=2).threads == 2

    def moved(**arguments: Any) -> torch.Tensor:
        method = prepared(**arguments)
        for step in range(4):
            method.advance(Clock(0, 10), 0.5, step)
        return state(method)["encoder.table"]

    tables = [moved(loss=loss) for loss in LOSSES] + [moved(loss="negative", negatives=3)]
    assert not any(torch.equal(a, b) for i, a in enumerate(tables) for b in tables[:i])
    assert torch.equal(moved(negatives=3), tables[0])  # none are drawn


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (
            {"loss": "hinge"},
            "loss of fasttext_classifier must be softmax or hierarchical or negative or one_vs_all, not hinge",
        ),
        ({"negatives": 0}, "negatives of fasttext_classifier must be at least 1, not 0"),
        ({"word_ngrams": 0}, "word_ngrams of fasttext_classifier must be at least 1, not 0"),
        ({"bucket": 0}, "bucket of fasttext_classifier must be from 1"),
        ({"threads": -1}, "threads must be at least 0"),
    ],
)
def test_values_that_cannot_be_are_refused(wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(UserError, match=said):
        build(**wrong)


def test_data_that_cannot_serve_are_refused() -> None:
    with pytest.raises(UserError, match="needs labels"):
        build().prepare(toys.text(labelled=False))
    with pytest.raises(UserError, match="needs text with labels"):
        build().prepare(toys.Blobs(8))
    pixels = encoders.build("mlp", {"kind": "image", "size": 4, "channels": 1, "mean": [0.5], "std": [0.2]})
    with pytest.raises(UserError, match="needs encoder lookup or subwords, not mlp"):
        FastTextClassifier(pixels)


def test_a_rate_that_destroys_the_vectors_is_noticed(tmp_path: Path) -> None:
    with pytest.raises(NonFiniteLoss, match="lower --lr"):
        train(build, tmp_path / "run", toys.text(), **(RECIPE | {"lr": 1e30, "steps": 20}))


@pytest.mark.parametrize("loss", LOSSES)
def test_its_weights_are_enough_to_classify(loss: str) -> None:
    """Without the text that it learned from."""
    method = prepared(loss=loss, word_ngrams=2, bucket=1000)
    with torch.no_grad():
        for parameter in method.parameters():
            parameter.normal_()
    again = build(loss=loss, word_ngrams=2, bucket=1000, seed=1)
    again.load_state_dict(method.state_dict())
    texts = [toys.text().text(i).split() for i in range(5)]
    assert torch.equal(again.classify(texts), method.classify(texts))


def test_weights_from_before_the_classes_were_kept_need_the_data() -> None:
    method, again = prepared(word_ngrams=2, bucket=1000), prepared(word_ngrams=2, bucket=1000)
    before = {name: value for name, value in method.state_dict().items() if name not in ("texts", "seen")}
    again.load_state_dict(before)
    with pytest.raises(RuntimeError, match="size mismatch"):
        build(word_ngrams=2, bucket=1000).load_state_dict(before)
