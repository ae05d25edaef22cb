"""BERT: its two losses, what they reach, and that it learns from both sides."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from selftaught import encoders
from selftaught.data.text.corpus import Corpus
from selftaught.errors import UserError
from selftaught.evaluate.pretext import pretext
from selftaught.method import Clock, Method, Shows
from selftaught.methods.language.bert import BERT

SMALL: dict[str, Any] = {}
TOY: dict[str, Any] = {"ordered": True}
OTHERS: dict[str, Any] = {"share": 0.3, "whole_words": True, "nsp": False}
WORDS = ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"]
TEXT = Corpus.of([[[*WORDS[k:], *WORDS[:k]][:8] for k in range(j, 10, 2)] for j in (0, 1)] * 6)


def build(corpus: Corpus = TEXT, seed: int = 0, encoder: dict[str, Any] | None = None, **arguments: Any) -> BERT:
    torch.manual_seed(seed)
    small = {"width": 32, "depth": 2, "heads": 2, "context": 24, "min_count": 1, **(encoder or {})}
    return BERT(encoders.build("transformer", corpus.input(), **small), **arguments).eval()


def batch(method: BERT, epoch: int = 0, corpus: Corpus = TEXT) -> dict[str, Any]:
    bound = method.views.bind(corpus)
    index = np.arange(len(bound))
    return method.views.apply(bound.fetch(index), method.views.sample(index, epoch, 0), torch.device("cpu"))


def given(method: BERT, **batch_: Any) -> dict[str, Any]:
    outputs: dict[str, Any] = method(player="main", clock=Clock(), **batch_)
    return outputs


def test_the_loss_is_that_of_hidden_tokens_and_of_the_pairs() -> None:
    method, made = build(), batch(build())
    h = method.encoder.hidden(made["seen"], None, made["segment"], mask=made["there"])[-1]
    scores = F.linear(method.transform(h), method.encoder.token.weight, method.bias)
    wanted = F.cross_entropy(scores[made["hidden"]], made["tokens"][made["hidden"]])
    assert method.pooler is not None
    pairs = F.cross_entropy(method.pooler(h[:, 0]), made["follows"])
    found = given(method, **made)
    torch.testing.assert_close(found["loss"], wanted + pairs)
    torch.testing.assert_close(found["mlm"], wanted)
    torch.testing.assert_close(found["nsp"], pairs)
    assert "nsp" not in given(build(nsp=False), **batch(build(nsp=False)))


def test_tokens_that_are_not_hidden_have_no_loss() -> None:
    method, made = build(nsp=False), batch(build(nsp=False))
    other = made["tokens"].masked_fill(~made["hidden"], 3)
    assert torch.equal(given(method, **made)["loss"], given(method, **{**made, "tokens": other})["loss"])


def test_each_term_reaches_its_own_parameters() -> None:
    method = build()
    found = given(method, **batch(method))
    found["loss"].backward()
    assert [name for name, p in method.named_parameters() if p.grad is None] == []
    alone = build(nsp=False)
    assert not any(name.startswith("pooler") for name, _ in alone.named_parameters())


def test_a_token_sees_what_is_after_it() -> None:
    method, made = build(), batch(build())
    other = made["seen"].clone()
    other[:, 8:] = 2
    one, two = (method.encoder.hidden(ids, mask=made["there"])[-1][:, 1] for ids in (made["seen"], other))
    assert float((one - two).detach().abs().max()) > 1e-3


@pytest.mark.parametrize("argument", [{"share": 0.3}, {"nsp": False}])
def test_each_argument_matters(argument: dict[str, Any]) -> None:
    one, two = build(), build(**argument)
    assert not torch.equal(given(one, **batch(one))["loss"], given(two, **batch(two))["loss"])


def test_it_learns_hidden_tokens_and_pairs_better_than_chance() -> None:
    method = build(share=0.2)
    before = pretext(method, TEXT, 64, epochs=range(40, 44))
    optimiser = torch.optim.AdamW(method.parameters(), lr=3e-3)
    for step in range(200):
        optimiser.zero_grad()
        given(method, **batch(method, step % 30))["loss"].backward()
        optimiser.step()
    after = pretext(method, TEXT, 64, epochs=range(40, 44))
    assert after["accuracy"] > 0.6 > 2 * max(after["chance"], before["accuracy"])
    real, shuffled = (
        sum(p for _, p in method.pseudo_score(text))
        for text in ("two three four five six seven", "five two seven three six four")
    )
    assert real > shuffled + 3
    table, looks, *maps = method.show(**batch(method, 41))
    assert looks.name == "where each token looks" and len(maps) == len(looks.columns) - 1
    right = [row[1] == str(row[2]).split()[0] for row in table.rows]
    assert np.mean(right) > 0.5 and all(0 <= int(str(row[2]).split()[1][:-1]) <= 100 for row in table.rows)
    assert isinstance(method, Shows)


def test_bad_values_get_a_sentence() -> None:
    for share in (0.0, 1.0):
        with pytest.raises(UserError, match="share of bert must be between 0 and 1"):
            build(share=share)
    with pytest.raises(UserError, match="whole_words of bert needs words of several tokens"):
        build(whole_words=True)
    with pytest.raises(UserError, match="bert needs the encoder transformer, not causal_transformer"):
        BERT(encoders.build("causal_transformer", TEXT.input()))
    assert issubclass(BERT, Method)


def test_each_token_is_scored_given_all_others() -> None:
    method = build(encoder={"context": 8})
    for parameter in method.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    text = "one two three zebra five six seven eight"
    found = method.pseudo_score(text)
    assert [token for token, _ in found] == text.split() and method.unknown(text) == ["zebra"]
    known, mask = len(method.encoder.words), len(method.encoder.words) + 3
    for begin in (0, 6):  # longer than the context: two pieces
        tokens = text.split()[begin : begin + 6]
        ids = method.encoder.numbers(tokens)
        for place, (token, p) in enumerate(found[begin : begin + 6], 1):
            seen = torch.tensor([[mask if k == place else number for k, number in enumerate(ids)]])
            with torch.no_grad():
                h = method.encoder.hidden(seen)[-1][:, place]
                wanted = method.scores(method.transform(h)).log_softmax(1)[0, method.encoder.index.get(token, known)]
            assert p == pytest.approx(float(wanted), abs=1e-5)
    assert method.pseudo_score("") == []
