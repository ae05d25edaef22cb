"""GPT: its loss, what it sees, scores, and what it writes."""

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
from selftaught.method import Clock, Generates, Method, Scores, ScoresCorpus
from selftaught.methods.language.gpt import GPT

SMALL: dict[str, Any] = {}
OTHERS: dict[str, Any] = {}
TEXT = Corpus.of(["a b c d\nb a d c\na c", "d d b a e\nc a"])


LSTM = "causal_lstm"
BODIES = ["causal_transformer", LSTM]


def build(
    corpus: Corpus = TEXT, seed: int = 0, scale: float = 0.0, body: str = "causal_transformer", **arguments: Any
) -> GPT:
    torch.manual_seed(seed)
    small = {"width": 16, "depth": 2, "context": 6, "min_count": 1} | ({"units": 24} if body == LSTM else {"heads": 2})
    method = GPT(encoders.build(body, corpus.input(), **{**small, **arguments}))
    if scale:
        for parameter in method.parameters():
            torch.nn.init.normal_(parameter, std=scale)
    return method.eval()


def log_p(method: GPT, ids: list[int]) -> torch.Tensor:
    """log P of each symbol after `ids`."""
    with torch.no_grad():
        return method.logits(method.encoder.hidden(torch.tensor([ids]))[-1][0, -1]).log_softmax(0)


def train(method: GPT, corpus: Corpus, steps: int, lr: float = 0.01) -> GPT:
    bound, optimiser = method.views.bind(corpus), torch.optim.AdamW(method.parameters(), lr=lr)
    index = np.arange(len(bound))
    raw = bound.fetch(index)
    method.train()
    for step in range(steps):
        batch = method.views.apply(raw, method.views.sample(index, step, 0), torch.device("cpu"))
        optimiser.zero_grad()
        method(player="main", clock=Clock(), **batch)["loss"].backward()
        optimiser.step()
    return method.eval()


def test_it_is_what_the_verbs_ask_for() -> None:
    assert isinstance(build(), Scores) and isinstance(build(), ScoresCorpus) and isinstance(build(), Generates)


@pytest.mark.parametrize("body", BODIES)
def test_the_loss_is_that_of_the_next_symbol_with_tied_weights(body: str) -> None:
    method, tokens = build(scale=0.3, body=body), torch.tensor([[7, 0, 1, 2, 6, 3, 4], [1, 1, 0, 6, 7, 2, 5]])
    h = method.encoder.hidden(tokens[:, :-1])[-1]
    wanted = F.cross_entropy((h @ method.body.table.T).flatten(0, 1), tokens[:, 1:].flatten())
    found = method(player="main", clock=Clock(), tokens=tokens)["loss"]
    torch.testing.assert_close(found, wanted)
    found.backward()
    assert [name for name, p in method.named_parameters() if p.grad is None or not p.grad.any()] == []


@pytest.mark.parametrize("body", BODIES)
def test_scores_are_the_chain_rule_over_the_whole_text(body: str) -> None:
    method = build(scale=0.3, context=64, body=body)
    scores = method.score_ids(TEXT.ids, TEXT.sentences)
    assert scores.shape == (len(TEXT.ids) + len(TEXT.sentences) - 1,)
    stream = [7]
    for first, last in zip(TEXT.sentences[:-1], TEXT.sentences[1:], strict=True):
        stream += [*TEXT.ids[first:last].tolist(), 6]
    y = method.logits(method.encoder.hidden(torch.tensor([stream[:-1]]))[-1])[0].log_softmax(1)
    wanted = y[torch.arange(len(stream) - 1), torch.tensor(stream[1:])].double().detach().numpy()
    np.testing.assert_allclose(scores, wanted, atol=1e-5)
    found = method.score("a zebra b")
    assert [token for token, _ in found] == ["a", "zebra", "b", "</s>"] and method.unknown("a zebra b") == ["zebra"]


def test_a_symbol_of_a_long_text_sees_at_least_half_of_the_context() -> None:
    method = build(scale=0.3)
    ids = np.tile(TEXT.ids, 2)
    scores = method.score_ids(ids, np.array([0, len(ids)]))
    stream = [7, *ids.tolist(), 6]
    for place in range(1, len(stream)):
        sizes = {min(place, size) for size in range(3, 7)}
        possible = [float(log_p(method, stream[place - size : place])[stream[place]]) for size in sizes]
        assert min(abs(scores[place - 1] - p) for p in possible) < 1e-4, place


def test_all_probabilities_of_a_next_symbol_sum_to_one() -> None:
    method = build(scale=0.3)
    p = log_p(method, [7, 0, 1]).exp()
    assert len(p) == len(method.encoder.words) + 3 and float(p.sum()) == pytest.approx(1, abs=1e-6)


LINES = "\n".join(["one two three four five six seven"] * 30)


@pytest.mark.parametrize("body", BODIES)
def test_it_learns_an_order_and_writes_it(body: str) -> None:
    corpus = Corpus.of([LINES] * 2)
    method = train(build(corpus, context=8, body=body), corpus, 120)
    assert sum(p for _, p in method.score("one two three four five six seven")) > -1.5
    assert sum(p for _, p in method.score("seven six five four three two one")) < -15
    assert "".join(method.generate("one two", 5, 0, temperature=0.0)) == " three four five six seven"
    text = "".join(method.generate("one", 30, 0, temperature=0.0))  # beyond the context
    assert text.startswith(" two three four five six seven\none two three four five six seven\n")


def test_what_it_writes_has_the_probabilities_that_it_scores() -> None:
    method = build(scale=0.2)
    drawn = [next(method.generate("a b", 1, seed), None) for seed in range(400)]
    p = log_p(method, [7, *method.reader.ids("a b").tolist()]).exp()
    p[method.words] = 0
    p /= p.sum()
    for word, row in method.encoder.index.items():
        assert abs(drawn.count(f" {word}") / 400 - float(p[row])) < 0.08
    assert abs(drawn.count(None) / 400 - float(p[method.words + 2])) < 0.08  # the document ends
    assert list(method.generate("a", 9, 5)) == list(method.generate("a", 9, 5))
    assert not list(method.generate("a", 0, 0))


def test_a_prompt_of_lines_has_their_ends() -> None:
    method = build()
    index = method.encoder.index
    assert method._prompt("a b\nc") == [7, index["a"], index["b"], 6, index["c"]]
    assert method._prompt("") == [7] and method._prompt("a\n") == [7, index["a"], 6]


def test_exact_text_is_written_as_it_stands() -> None:
    corpus = Corpus.of(["To be,\n or  not\n" * 20], tokens="exact")
    method = train(build(corpus, context=16, width=32), corpus, 100)
    assert "".join(method.generate("To be", 12, 0, temperature=0.0)) == ",\n or  not\nT"
    assert math.exp(-np.mean(method.score_ids(corpus.ids, corpus.sentences))) < 1.5


def test_another_encoder_is_refused() -> None:
    for name in ("lookup", "transformer", "lstm"):
        with pytest.raises(UserError, match=f"gpt needs the encoder causal_transformer or causal_lstm, not {name}"):
            GPT(encoders.build(name, TEXT.input()))
    assert issubclass(GPT, Method)


@pytest.mark.parametrize("body", BODIES)
def test_the_report_shows_samples_and_where_tokens_look(body: str) -> None:
    method = build(scale=0.3, body=body)
    tokens = torch.tensor([[7, 0, 1, 6, 2, 3, 1], [2, 2, 6, 0, 1, 5, 3]])
    samples, *looks = method.show(tokens=tokens, index=torch.arange(2))
    words = [[method.encoder.words[i] for i in row if i < 5] for row in tokens.tolist()]
    assert [row[0] for row in samples.rows] == [" ".join(row) for row in words]
    for number, (prompt, drawn, best) in enumerate(samples.rows):
        assert drawn == "".join(method.generate(prompt, 30, number, 0.8))
        assert best == "".join(method.generate(prompt, 30, 0, 0.0))
    if body == LSTM:
        assert not looks
        return
    table, *maps = looks
    assert [row[0] for row in table.rows] == ["start", *words[0][:2], "|", *words[0][2:4]]
    assert len(maps) == len(table.columns) - 1 == 2
    weights = method.encoder.attention(tokens[:1, :-1])[0][0, 1]
    picture = maps[0].images[1][..., 0]
    assert picture.shape == (6, 6) and not np.triu(picture, 1).any()  # nothing looks ahead
    assert np.allclose(picture / 255, (weights / weights.amax(1, keepdim=True)).numpy(), atol=0.01)
