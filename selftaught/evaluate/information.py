"""How much of what one view says about another is kept in the features: lower bounds of their mutual information."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from selftaught.data.subset import drawn
from selftaught.errors import UserError
from selftaught.evaluate.embed import embed_pairs, frozen
from selftaught.evaluate.probe import fresh, unseen
from selftaught.method import Encoder, Source, Views
from selftaught.parts.information import estimates
from selftaught.views import augment

PAIRS, TESTED = 4000, 2048
"""Training pairs and held-out pairs, at most."""
AMONG = 512
"""Pairs that are told apart at a time: log of it caps the estimate."""
STEPS, EVERY, WIDTH, LR = 600, 50, 256, 1e-3
"""Steps of the critic, steps from one validation to the next, units of its layers, and learning rate."""
VALIDATED = 5
"""One of so many training pairs says when the critic was best."""
Pairs = tuple[Tensor, Tensor]
Said = Callable[[str], None]


def information(
    encoder: Encoder,
    train: Source,
    test: Source,
    *,
    untrained: Encoder | None = None,
    views: Views | None = None,
    seed: int = 0,
    pairs: int = PAIRS,
    say: Said | None = None,
) -> dict[str, Any]:
    """Estimate what the features of one view say about the other, in bits, beside those of the encoder untrained.

    A critic, two small networks whose outputs are multiplied, learns with InfoNCE to tell which views belong together.
    The estimates are those of held-out samples. All are lower bounds of I(f(x1), f(x2)) but for "jensen_shannon", and
    so of I(x1, x2): a low number says that the features, or the critic, lost something, and never that there is
    nothing. No estimate from N pairs can be much larger than log2 N: see "cap".

    Args:
        encoder: The encoder.
        train: Samples to fit the critic on.
        test: Other samples. Those that also occur in the training data are left out.
        untrained: The encoder before training; by default one built after ``torch.manual_seed(seed)``.
        views: Views "first" and "second"; by default the random views of the kind of sample (`views.augment`).
        seed: Seed of the draws, the views and the critics.
        pairs: Number of training pairs, at most all samples.
        say: Called with a line at each stage.

    Returns:
        "sides": {"trained", "untrained" and, if the views are numbers, "raw"}, each with "info_nce",
        "donsker_varadhan" and "nwj" in bits, "jensen_shannon" in bits (of 2 at most), and "found", the percentage of
        views whose partner has the highest score among all. "cap", "chance" in percent, "pairs" and "tested".

    Raises:
        UserError: There are too few samples, or the kind has no random views.
    """
    views = augment(encoder.spec["input"]) if views is None else views
    known = np.sort(drawn(train.labels, seed)[:pairs])
    asked = unseen(train, test)
    asked = np.sort(asked[drawn(test.labels[asked], seed)[:TESTED]])
    among = min(AMONG, len(asked), len(known) // VALIDATED)
    if among < 2:
        raise UserError(
            f"information is estimated by telling pairs apart and needs more of them: there are {len(known)} training "
            f"and {len(asked)} other samples"
        )
    sides: dict[str, Encoder | None] = {
        "trained": encoder, "untrained": fresh(encoder, seed) if untrained is None else untrained, "raw": None,
    }  # fmt: skip
    found: dict[str, dict[str, float]] = {}
    for side, network in sides.items():
        if say is not None:
            say(f"fitting a critic on {'the raw input' if side == 'raw' else f'the {side} encoder'}")
        told = _features(network, train, known, views), _features(network, test, asked, views)
        if told[0] is not None and told[1] is not None:
            found[side] = _estimated(told[0], told[1], among, seed)
    return {
        "sides": found, "cap": math.log2(among), "chance": 100 / among, "pairs": len(known), "tested": len(asked),
    }  # fmt: skip


def _features(encoder: Encoder | None, source: Source, index: NDArray[np.int64], views: Views) -> Pairs | None:
    """Features of both views, float32 [N, D] each. Without an encoder the views themselves, or None if no numbers."""
    if encoder is None:
        cpu = torch.device("cpu")
        one = views.apply(source.fetch(index[:1]), views.sample(index[:1], 0, 0), cpu)
        return embed_pairs(lambda x, **_: x, source, index, views, cpu) if isinstance(one["first"], Tensor) else None
    with frozen(encoder):
        first, second = embed_pairs(encoder, source, index, views, next(encoder.parameters()).device)
    return first.cpu(), second.cpu()


class _Critic(nn.Module):
    """score(x, y) = f(x) . g(y), both networks of two layers on features of mean 0 and variance 1."""

    def __init__(self, sides: Pairs) -> None:
        super().__init__()
        self.moments = [(side.mean(0), side.std(0).clamp(min=1e-6)) for side in sides]
        self.maps = nn.ModuleList(
            nn.Sequential(nn.Linear(side.shape[1], WIDTH), nn.ReLU(), nn.Linear(WIDTH, WIDTH // 4)) for side in sides
        )

    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        """Scores [N, N]."""
        x, y = (
            m((side - mean) / deviation)
            for m, side, (mean, deviation) in zip(self.maps, (first, second), self.moments, strict=True)
        )
        scores: Tensor = x @ y.T / WIDTH**0.5
        return scores


def _estimated(train: Pairs, test: Pairs, among: int, seed: int) -> dict[str, float]:
    """Fit a critic on training pairs, and return its estimates on the others, in bits."""
    with torch.random.fork_rng(devices=[]), torch.enable_grad():
        torch.manual_seed(seed)
        order = torch.randperm(len(train[0]))
        held, fitted = order[: len(order) // VALIDATED], order[len(order) // VALIDATED :]
        valid, own = (tuple(side[some] for side in train) for some in (held, fitted))
        critic = _Critic((own[0], own[1]))
        optimizer = torch.optim.AdamW(critic.parameters(), lr=LR, weight_decay=0.1)
        best, kept = -math.inf, {k: v.clone() for k, v in critic.state_dict().items()}
        for step in range(1, STEPS + 1):
            some = torch.randint(len(own[0]), (among,))
            optimizer.zero_grad()
            (-estimates(critic(own[0][some], own[1][some]))["info_nce"]).backward()
            optimizer.step()
            if step % EVERY == 0:
                value = _mean(critic, (valid[0], valid[1]), among)["info_nce"]
                if value > best:
                    best, kept = value, {k: v.clone() for k, v in critic.state_dict().items()}
        critic.load_state_dict(kept)
    return _mean(critic, test, among, valid[1])


@torch.no_grad()
def _mean(critic: _Critic, pairs: Pairs, among: int, others: Tensor | None = None) -> dict[str, float]:
    """The estimates in bits, averaged over groups of `among` pairs.

    InfoNCE leaves a constant of each x open, which the other estimates need: with `others`, second views of other
    samples, each x is scored so that the mean of exp(score) with them is 1, as that of p(y|x) / p(y) is.
    """
    rows: list[dict[str, float]] = []
    for first, second in _groups(pairs, among):
        scores = critic(first, second)
        if others is not None:
            scores = scores - (critic(first, others).logsumexp(1, keepdim=True) - math.log(len(others)))
        row = {name: value.item() / math.log(2) for name, value in estimates(scores).items()}
        wrong = scores.masked_fill(torch.eye(among, dtype=torch.bool), -torch.inf).amax(1)
        rows.append(row | {"found": 100 * (scores.diagonal() > wrong).double().mean().item()})
    return {name: float(np.mean([row[name] for row in rows])) for name in rows[0]}


def _groups(pairs: Pairs, among: int) -> Iterator[Pairs]:
    for begin in range(0, len(pairs[0]) - among + 1, among):
        yield pairs[0][begin : begin + among], pairs[1][begin : begin + among]
