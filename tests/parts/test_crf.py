"""A linear chain against all sequences of tags that there are."""

from __future__ import annotations

import itertools

import pytest
import torch

from selftaught.parts.crf import LinearChain

K, LENGTHS = 3, (4, 1, 3)


@pytest.fixture
def made():
    torch.manual_seed(0)
    chain = LinearChain(K).double()
    for weight in chain.parameters():
        torch.nn.init.normal_(weight)
    there = torch.arange(max(LENGTHS)) < torch.tensor(LENGTHS)[:, None]
    return chain, torch.randn(len(LENGTHS), max(LENGTHS), K, dtype=torch.float64), there


def every(chain, scores, length):
    """The score of each sequence of tags of one row, by the definition."""
    found = {}
    for tags in itertools.product(range(K), repeat=length):
        total = chain.first[tags[0]] + chain.last[tags[-1]] + sum(scores[t, tag] for t, tag in enumerate(tags))
        found[tags] = (total + sum(chain.transitions[pair] for pair in itertools.pairwise(tags))).item()
    return found


def test_the_forward_algorithm_sums_over_all_sequences(made):
    chain, scores, there = made
    for row, length in enumerate(LENGTHS):
        whole = every(chain, scores[row], length)
        log_z = torch.tensor(list(whole.values()), dtype=torch.float64).logsumexp(0)
        for tags, score in whole.items():
            asked = torch.full((1, max(LENGTHS)), -102).index_put(
                (torch.tensor(0), torch.arange(length)), torch.tensor(tags)
            )
            said = chain(scores[row : row + 1], there[row : row + 1], asked)
            assert said.item() == pytest.approx((score - log_z).item(), abs=1e-9)


def test_viterbi_finds_the_best_sequence(made):
    chain, scores, there = made
    found = chain.best(scores, there)
    for row, length in enumerate(LENGTHS):
        whole = every(chain, scores[row], length)
        assert tuple(found[row, :length].tolist()) == max(whole, key=whole.get)
    apart = scores.argmax(2)
    assert not torch.equal(found[there], apart[there])  # which tag follows which decides
    assert torch.equal(LinearChain(K).best(scores.float(), there)[there], apart[there])


def test_probabilities_of_tags_are_sums_over_sequences(made):
    chain, scores, there = made
    p = chain.log_marginals(scores, there).exp()
    for row, length in enumerate(LENGTHS):
        whole = every(chain, scores[row], length)
        share = torch.tensor(list(whole.values()), dtype=torch.float64).softmax(0).tolist()
        for t, tag in itertools.product(range(length), range(K)):
            wanted = sum(one for tags, one in zip(whole, share, strict=True) if tags[t] == tag)
            assert p[row, t, tag].item() == pytest.approx(wanted, abs=1e-9)


def test_gradients_are_those_of_the_loss(made):
    chain, scores, there = made
    tags = torch.randint(K, there.shape)
    assert torch.autograd.gradcheck(lambda s: chain(s, there, tags), scores.requires_grad_())
    chain(scores, there, tags).sum().backward()
    assert all(weight.grad.any() for weight in chain.parameters())
