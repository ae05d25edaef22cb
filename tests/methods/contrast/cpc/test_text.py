"""CPC of text: what it sees, what it is compared with, and that the order of sentences matters."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from selftaught import encoders
from selftaught.data.text.corpus import Corpus
from selftaught.errors import UserError
from selftaught.method import Clock
from selftaught.methods.contrast.cpc.text import CPC

SMALL: dict[str, Any] = {"length": 4, "steps": 2}
TOY: dict[str, Any] = {"lines": 4}
OTHERS: dict[str, Any] = {"steps": 1, "length": 4, "hidden": 5, "most": 2}

CHAIN = Corpus.of(["\n".join(f"w{(k + j) % 12} w{(k + j) % 12}x also" for j in range(12)) for k in range(12)])
"""Each sentence tells which one is next; all documents have the same sentences."""


def build(seed: int = 0, corpus: Corpus = CHAIN, **arguments: Any) -> CPC:
    torch.manual_seed(seed)
    return CPC(encoders.build("sentence_conv", corpus.input(), width=12, dim=16, min_count=1), **arguments)


def batch(method: CPC, corpus: Corpus = CHAIN, epoch: int = 0) -> dict[str, Any]:
    bound = method.views.bind(corpus)
    rows = np.arange(len(bound))
    return method.views.apply(bound.fetch(rows), method.views.sample(rows, epoch, 0), torch.device("cpu"))


def given(method: CPC, **batch_: Any) -> dict[str, Any]:
    outputs: dict[str, Any] = method(player="main", clock=Clock(), **batch_)
    return outputs


def test_a_sample_is_what_follows_in_one_document() -> None:
    method = build(length=5)
    first = [batch(method, epoch=epoch)["tokens"][:, 0, 0].tolist() for epoch in range(3)]
    assert first[0] != first[1]
    made = batch(method)
    assert made["tokens"].shape == (24, 5, 3) and made["there"].all()
    words = [[CHAIN.words[int(i)] for i in row] for row in made["tokens"][:, :, 0]]
    for row in words:
        places = [int(word[1:]) for word in row]
        assert [(b - a) % 12 for a, b in pairwise(places)] == [1] * 4


def test_short_documents_are_padded_and_long_sentences_are_several() -> None:
    text = Corpus.of(["a b c d e\nb a", "a\nb", "c"])
    method = build(corpus=text, length=4, steps=2, most=2)
    made = batch(method, text)
    assert made["there"].any(2).tolist() == [[True] * 4, [True, True, False, False]]  # the last has no next one
    assert made["there"].sum(2).tolist() == [[2, 2, 1, 2], [1, 1, 0, 0]]
    assert torch.isfinite(given(method, **made)["loss"])
    with pytest.raises(UserError, match=r"no document has 2 sentences \(lines\) that follow each other"):
        build().views.bind(Corpus.of(["a b", "c d"]))


def test_the_loss_is_that_of_a_loop() -> None:
    torch.manual_seed(1)
    method = build(length=4, steps=2)
    z, c, real = torch.randn(3, 4, 16), torch.randn(3, 4, 16), torch.ones(3, 4, dtype=torch.bool)
    real[1, 3] = real[2, 2] = real[2, 3] = False
    losses = []
    for k, w in enumerate(method.maps, 1):
        for b in range(3):
            for s in range(4 - k):
                if not (real[b, s] and real[b, s + k]):
                    continue
                others = [z[i, j] for i in range(3) for j in range(4) if real[i, j] and not (i == b and j <= s)]
                others = [z_ for z_ in others if z_ is not None and not torch.equal(z_, z[b, s + k])]
                scores = torch.stack([z[b, s + k], *others]) @ w(c[b, s])
                losses.append(F.cross_entropy(scores[None], torch.zeros(1, dtype=torch.long)))
    found = method.predict(z, c, real)
    torch.testing.assert_close(found["loss"], torch.stack(losses).mean())


def test_contexts_see_no_later_sentence_and_codes_no_padding() -> None:
    method, made = build(), batch(build())
    z = torch.randn(2, 8, 16)
    later = z.clone()
    later[:, 5:] += 1
    torch.testing.assert_close(method.context(z)[0][:, :5], method.context(later)[0][:, :5])
    tokens, there = made["tokens"][:, 0], made["there"][:, 0]
    wider = F.pad(tokens, (0, 4), value=3), F.pad(there, (0, 4))
    torch.testing.assert_close(method.encoder.codes(*wider), method.encoder.codes(tokens, there))


def trained(steps: int = 60) -> CPC:
    method = build(length=6, steps=2)
    optimiser = torch.optim.AdamW(method.parameters(), lr=1e-2)
    for step in range(steps):
        loss = given(method, **batch(method, epoch=step))["loss"]
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return method.eval()


def test_it_learns_what_follows_so_that_another_order_costs_more() -> None:
    method = trained()
    made = batch(method, epoch=1000)
    untrained = given(build(length=6, steps=2), **made)
    found = given(method, **made)
    assert found["loss"] < untrained["loss"] - 1
    # sentences of other documents are the same, so that the first guess is right when none of them is
    order = torch.tensor([3, 0, 5, 1, 4, 2])
    shuffled = {key: made[key][:, order] if key != "index" else made[key] for key in made}
    assert given(method, **shuffled)["loss"] > found["loss"] + 1


def test_at_first_the_loss_is_that_of_guessing() -> None:
    method, made = build(length=6, steps=1), batch(build(length=6, steps=1))
    with torch.no_grad():
        for w in method.maps:
            w.weight.zero_()
    found = given(method, **made)
    counts = torch.tensor([float(24 * 6 - s - 1) for s in range(5)])  # all but the context
    torch.testing.assert_close(found["loss"], counts.log().mean())


@pytest.mark.parametrize("argument", OTHERS)
def test_every_argument_matters(argument: str) -> None:
    def first(**arguments: Any) -> float:
        method = build(**arguments)
        return float(given(method, **batch(method))["loss"].detach())

    assert first() != first(**{argument: OTHERS[argument]})


@pytest.mark.parametrize(
    ("arguments", "said"),
    [({"steps": 0}, "steps and most of cpc must be at least 1"), ({"steps": 8}, "length greater than steps")],
)
def test_bad_values_get_a_sentence(arguments: dict[str, Any], said: str) -> None:
    with pytest.raises(UserError, match=said):
        build(**arguments)
    with pytest.raises(UserError, match="cpc of text needs the encoder sentence_conv, not lookup"):
        CPC(encoders.build("lookup", CHAIN.input(), min_count=1))
