"""Beam search against all texts that there are, with and without a cache, and what is drawn."""

from __future__ import annotations

import itertools
import math

import pytest
import torch

from selftaught import encoders
from selftaught.parts.beam import beam, sampled

INPUT = {"kind": "text", "tokens": "words", "lower": True, "words": ["a", "b"], "counts": [2, 1]}
V, END, LONGEST = 5, 3, 4


@pytest.fixture(scope="module", params=["causal_transformer", "causal_lstm"])
def body(request):
    torch.manual_seed(0)
    made = encoders.build(request.param, INPUT, width=8, depth=2, min_count=1, **(
        {"heads": 2, "context": 8} if request.param == "causal_transformer" else {"units": 8}
    ))  # fmt: skip
    for weight in made.parameters():
        torch.nn.init.normal_(weight, std=0.7)
    return made.eval()


PROMPTS = torch.tensor([[4, 0, 1], [4, 1, 1]])


@torch.no_grad()
def cached(body, prompts):
    """What goes on from prompts, with the keys and values of what is before."""
    cache = body.empty(len(prompts))

    def log_p(ids):
        return (body.hidden(ids, cache)[-1][:, -1] @ body.table.T).double().log_softmax(1)

    def after(rows, symbols):
        with torch.no_grad():
            cache.select(rows)
            return log_p(symbols[:, None])

    return log_p(prompts), after


@torch.no_grad()
def every(body, prompt, penalty):
    """All texts of at most LONGEST symbols, scored one by one, without a cache: {symbols with the end: score}."""
    found = {}
    for length in range(1, LONGEST + 1):
        for symbols in itertools.product(range(V), repeat=length):
            if END in symbols[:-1] or (symbols[-1] != END and length < LONGEST):
                continue
            ids = torch.tensor([[*prompt, *symbols]])
            y = (body.hidden(ids)[-1][0, len(prompt) - 1 : -1] @ body.table.T).double().log_softmax(1)
            log_p = float(y.gather(1, torch.tensor(symbols)[:, None]).sum())
            found[symbols] = log_p, log_p / length**penalty
    return found


def whole(one):
    return (*one.symbols, END) if one.ended else one.symbols


@pytest.mark.parametrize("penalty", [0.0, 1.0])
def test_a_wide_beam_finds_the_best_of_all_texts(body, penalty):
    for row, found in enumerate(beam(*cached(body, PROMPTS), 2000, LONGEST, END, penalty)):
        wanted = every(body, PROMPTS[row].tolist(), penalty)
        assert len(found) == len(wanted) == sum(4**k for k in range(LONGEST)) + 4**LONGEST
        assert sum(math.exp(one.log_p) for one in found) == pytest.approx(1)
        for one in found:
            assert (one.log_p, one.score) == pytest.approx(wanted[whole(one)], abs=1e-5)
        assert found[0].score == pytest.approx(max(score for _, score in wanted.values()), abs=1e-6)
        assert [one.score for one in found] == sorted((one.score for one in found), reverse=True)


def test_one_place_takes_the_most_probable_symbol(body):
    for row, (one,) in enumerate(beam(*cached(body, PROMPTS), 1, LONGEST, END)):
        ids = PROMPTS[row].tolist()
        with torch.no_grad():
            for _ in range(LONGEST):
                ids.append(int((body.hidden(torch.tensor([ids]))[-1][0, -1] @ body.table.T).argmax()))
                if ids[-1] == END:
                    break
        assert list(whole(one)) == ids[3:]


def test_a_wider_beam_finds_no_less_here_and_sources_do_not_mix(body):
    best = [beam(*cached(body, PROMPTS), width, LONGEST, END)[0][0].score for width in (1, 3, 2000)]
    assert best[0] <= best[1] + 1e-6 and best[1] <= best[2] + 1e-6
    together = beam(*cached(body, PROMPTS), 3, LONGEST, END)
    for row in range(2):
        (alone,) = beam(*cached(body, PROMPTS[row : row + 1]), 3, LONGEST, END)
        assert [one.symbols for one in alone] == [one.symbols for one in together[row]] and len(alone) == 3


def test_what_is_never_written_is_not_found(body):
    first, after = cached(body, PROMPTS[:1])
    ban = torch.zeros(V).index_fill_(0, torch.tensor([0, 2]), -torch.inf)
    (found,) = beam(first + ban, lambda rows, symbols: after(rows, symbols) + ban, 2000, 2, END)
    assert {symbol for one in found for symbol in one.symbols} == {1, 4} and len(found) == 1 + 2 * 3


def test_the_best_of_several_draws_is_first_with_the_models_probability(body):
    def drawn(seed, **how):
        first, after = cached(body, PROMPTS[:1])
        return sampled(first[0], after, 6, LONGEST, END, torch.Generator().manual_seed(seed), **how)

    wanted = every(body, PROMPTS[0].tolist(), 0.0)
    found = drawn(1, penalty=0.0, temperature=1.5)
    assert found == drawn(1, penalty=0.0, temperature=1.5) != drawn(2, penalty=0.0, temperature=1.5)
    assert len(found) == 6 and len({one.symbols for one in found}) > 1
    for one in found:
        assert one.log_p == pytest.approx(wanted[whole(one)][0], abs=1e-5)
    assert found[0].log_p == max(one.log_p for one in found)
    greedy = beam(*cached(body, PROMPTS[:1]), 1, LONGEST, END)[0][0]
    assert {whole(one) for one in drawn(3, top_k=1)} == {whole(greedy)}


def test_drawn_texts_have_the_probabilities_of_the_model(body):
    first, after = cached(body, PROMPTS[:1])
    found = sampled(first[0], after, 3000, 2, END, torch.Generator().manual_seed(0))
    share = sum(whole(one) == (END,) for one in found) / len(found)
    assert share == pytest.approx(float(first[0, END].exp()), abs=0.03)
