"""The neural model's formula, its arguments, and what it learns that counts cannot."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from selftaught import encoders
from selftaught.data.text.corpus import Corpus
from selftaught.errors import UserError
from selftaught.method import Clock, Method, Scores, ScoresCorpus
from selftaught.methods.language import nnlm
from selftaught.methods.language.nnlm import NNLM
from selftaught.parts.symbols import START

OTHERS = {"order": 3, "hidden": 7, "direct": False}
TEXT = Corpus.of(["a b c d\nb a d c\na c", "d d b a e"])


def build(corpus: Corpus = TEXT, dim: int = 6, min_count: int = 1, seed: int = 0, **arguments: Any) -> NNLM:
    torch.manual_seed(seed)
    return NNLM(encoders.build("lookup", corpus.input(), dim=dim, min_count=min_count), **arguments)


def batch(method: NNLM, corpus: Corpus = TEXT) -> dict[str, Any]:
    bound = method.views.bind(corpus)
    return method.views.apply(bound.fetch(np.arange(len(bound))), {}, torch.device("cpu"))


def loss(method: NNLM, corpus: Corpus = TEXT) -> torch.Tensor:
    found: torch.Tensor = method(player="main", clock=Clock(), **batch(method, corpus))["loss"]
    return found


def train(method: NNLM, corpus: Corpus, steps: int, lr: float = 0.02) -> NNLM:
    optimiser, given = torch.optim.Adam(method.parameters(), lr=lr), batch(method, corpus)
    for _ in range(steps):
        optimiser.zero_grad()
        method(player="main", clock=Clock(), **given)["loss"].backward()
        optimiser.step()
    return method


def test_it_is_what_the_verbs_ask_for() -> None:
    assert isinstance(build(), Scores) and isinstance(build(), ScoresCorpus)


def test_the_scores_are_the_papers_formula() -> None:
    method = build(order=3, hidden=5)
    context = torch.tensor([[0, 2], [method.words + START, 1], [method.words, method.words + START]])
    table = torch.cat([method.encoder.table, method.special])  # the words, another word, and, one row on, the start
    rows = torch.where(context == method.words + START, method.words + 1, context)
    x = torch.stack([torch.cat([table[i] for i in row]) for row in rows])
    assert method.W is not None
    y = method.U.bias + x @ method.W.weight.T + torch.tanh(method.H.bias + x @ method.H.weight.T) @ method.U.weight.T
    torch.testing.assert_close(method.logits(*method.read(context)), y)
    target = torch.tensor([1, 0, 3])
    found = method(player="main", clock=Clock(), context=context, target=target)["loss"]
    torch.testing.assert_close(found, -F.log_softmax(y, 1)[torch.arange(3), target].mean())


def test_without_w_the_straight_path_is_gone() -> None:
    straight, without = build(direct=True), build(direct=False)
    assert without.W is None and not any(name.startswith("W") for name, _ in without.named_parameters())
    context = torch.zeros(1, straight.length, dtype=torch.int64)
    for method, reads in ((straight, True), (without, False)):
        with torch.no_grad():
            method.U.weight.zero_()  # nothing comes through the hidden layer
        x, hidden = method.read(context)
        moved = not torch.equal(method.logits(x, hidden), method.logits(2 * x, hidden))
        assert moved is reads


def test_the_order_of_the_context_matters() -> None:
    method = build(order=3)
    one, other = (method.logits(*method.read(torch.tensor([pair]))) for pair in ([0, 1], [1, 0]))
    assert not torch.allclose(one, other)


def test_only_the_vectors_of_words_in_the_context_get_a_gradient() -> None:
    method = build(order=3)
    out = method(
        player="main",
        clock=Clock(),
        context=torch.tensor([[0, 2], [2, method.words + START]]),
        target=torch.tensor([1, 1]),
    )
    out["loss"].backward()
    assert method.encoder.table.grad.abs().sum(1).nonzero()[:, 0].tolist() == [0, 2]
    assert method.special.grad.abs().sum(1).nonzero()[:, 0].tolist() == [1]  # no unknown word, one start


def test_at_first_every_outcome_is_about_as_likely() -> None:
    method = build(dim=30)
    assert float(loss(method).detach()) == pytest.approx(math.log(method.words + 2), abs=0.1)


def test_probabilities_sum_to_one_and_a_score_is_their_product() -> None:
    method = build(order=3)
    scored = method.score("a zebra b")
    assert [token for token, _ in scored] == ["a", "zebra", "b", "</s>"] and method.unknown("a zebra b") == ["zebra"]
    start, other, end = method.words + START, method.words, method.words + 1
    a, b = method.encoder.index["a"], method.encoder.index["b"]
    for i, (context, target) in enumerate(
        [([start, start], a), ([start, a], other), ([a, other], b), ([other, b], end)]
    ):
        p = method.logits(*method.read(torch.tensor([context]))).double().softmax(1)[0].detach()
        assert float(p.sum()) == pytest.approx(1, abs=1e-9)
        assert math.exp(scored[i][1]) == pytest.approx(float(p[target]), rel=1e-5)


def test_vectors_from_elsewhere_keep_their_geometry() -> None:
    encoder = encoders.build("lookup", TEXT.input(), dim=6, min_count=1)
    with torch.no_grad():
        encoder.table.copy_(torch.arange(30).reshape(5, 6))
    before = encoder.table.detach().clone()
    after = NNLM(encoder).encoder.table.detach()
    torch.testing.assert_close(after / after.norm(), before / before.norm())
    assert float(after.square().sum(1).mean()) == pytest.approx(1)


def test_many_outcomes_are_scored_in_parts_with_the_same_gradient(monkeypatch: pytest.MonkeyPatch) -> None:
    whole, parts = build(), build()
    loss(whole).backward()
    monkeypatch.setattr(nnlm, "CELLS", 3 * (whole.words + 2))
    assert len(parts._parts(17)) == 6
    found = loss(parts)
    found.backward()
    torch.testing.assert_close(found, loss(whole))
    for (name, p), q in zip(whole.named_parameters(), parts.parameters(), strict=True):
        torch.testing.assert_close(p.grad, q.grad, msg=name)
    many = "a b c d e " * 20
    monkeypatch.undo()
    at_once = whole.score(many)
    monkeypatch.setattr(nnlm, "CELLS", 3 * (whole.words + 2))
    assert [p for _, p in whole.score(many)] == pytest.approx([p for _, p in at_once])


def test_all_but_the_vectors_decays() -> None:
    (player,) = build().players()
    vectors, rest = player.groups
    assert vectors["weight_decay"] == 0 and len(vectors["params"]) == 2 and "weight_decay" not in rest
    assert len(vectors["params"]) + len(rest["params"]) == len(list(build().parameters()))


@pytest.mark.parametrize("argument", OTHERS)
def test_each_argument_matters(argument: str) -> None:
    assert not torch.equal(loss(build()).detach(), loss(build(**{argument: OTHERS[argument]})).detach())


def test_order_and_hidden_are_the_shapes() -> None:
    assert build(order=5).H.in_features == 4 * 6 and build(hidden=7).U.in_features == 7
    assert build(order=5).views.length == 4


def test_it_learns_more_than_counts_know() -> None:
    """Two sentences that it never saw resemble those that it saw."""
    numbers = ["two", "three", "four", "five", "six", "seven", "eight"]
    lines = [
        f"{n} {what} {does}" for n in numbers for what, does in (("birds", "sing"), ("dogs", "bark"), ("cats", "purr"))
    ]
    lines = [line for line in lines if line not in ("eight birds sing", "three dogs bark")]
    corpus = Corpus.of(["\n".join(lines)])
    method = train(build(corpus, dim=8, order=3), corpus, 150)
    assert float(loss(method, corpus).detach()) < 1.2

    def log_p(text: str) -> float:
        return sum(p for _, p in method.score(text))

    assert log_p("eight birds sing") > log_p("eight birds bark") + 1
    assert log_p("three dogs bark") > log_p("bark dogs three") + 3
    vectors = F.normalize(method.encoder.table.detach(), dim=1)
    near = float(vectors[method.encoder.index["four"]] @ vectors[method.encoder.index["five"]])
    assert near > float(vectors[method.encoder.index["four"]] @ vectors[method.encoder.index["bark"]])


@pytest.mark.parametrize(
    ("arguments", "said"),
    [({"order": 1}, "order of nnlm must be at least 2, not 1"), ({"hidden": 0}, "hidden of nnlm must be at least 1")],
)
def test_bad_values_get_a_sentence(arguments: dict[str, int], said: str) -> None:
    with pytest.raises(UserError, match=said):
        build(**arguments)


def test_an_encoder_without_a_vector_for_each_word_is_refused() -> None:
    with pytest.raises(UserError, match="the encoder bag does not have: use lookup"):
        NNLM(encoders.build("bag", TEXT.input()))
    assert issubclass(NNLM, Method)
