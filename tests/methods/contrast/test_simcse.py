"""SimCSE: two passes that differ by dropout, the loss, and what it makes of the vectors."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from selftaught import encoders
from selftaught.data.text.corpus import Corpus
from selftaught.errors import UserError
from selftaught.method import Clock, Planned
from selftaught.methods.contrast.simcse import SimCSE
from selftaught.parts.attended import MOST
from selftaught.parts.shown import Pictures, Table

SMALL: dict[str, Any] = {}
OTHERS: dict[str, Any] = {"temperature": 0.5, "dropout": 0.3, "length": 4}
ANIMALS, WEATHER = ("cat dog cow hen pig fox", "rain snow wind sun fog ice")
GENERATOR = np.random.default_rng(0)
TEXT = Corpus.of([
    "\n".join(" ".join(GENERATOR.choice(words.split(), 5)) for _ in range(24)) for words in (ANIMALS, WEATHER)
])  # fmt: skip


def build(seed: int = 0, **arguments: Any) -> SimCSE:
    torch.manual_seed(seed)
    small = {"width": 16, "depth": 1, "heads": 2, "context": 12, "min_count": 1}
    return SimCSE(encoders.build("transformer", TEXT.input(), **small), **arguments).train()


def batch(method: SimCSE, index: Any = range(48)) -> dict[str, Any]:
    bound, rows = method.views.bind(TEXT), np.asarray(index)
    return method.views.apply(bound.fetch(rows), method.views.sample(rows, 0, 0), torch.device("cpu"))


def given(method: SimCSE, seed: int = 0, **batch_: Any) -> dict[str, Any]:
    torch.manual_seed(seed)
    outputs: dict[str, Any] = method(player="main", clock=Clock(), **batch_)
    return outputs


def test_the_loss_is_the_cross_entropy_of_the_matrix_of_cosines_with_the_diagonal_as_label() -> None:
    method, made = build(), batch(build())
    torch.manual_seed(0)
    both = [torch.cat([made[key], made[key]]) for key in ("tokens", "there")]
    h, other = method.head(method.encoder.texts(*both)).chunk(2)
    cosines = F.cosine_similarity(h[:, None], other[None], dim=2)
    wanted = F.cross_entropy(cosines / 0.05, torch.arange(48))
    found = given(method, **made)
    torch.testing.assert_close(found["loss"], wanted)
    assert float(found["chance"]) == pytest.approx(1 / 48)
    cooler = given(build(temperature=0.5), **made)["loss"]
    torch.testing.assert_close(cooler, F.cross_entropy(cosines / 0.5, torch.arange(48)))


def test_each_pass_of_a_sentence_has_a_dropout_of_its_own() -> None:
    method, made = build(), batch(build(), [3, 3, 3])
    both = [torch.cat([made[key], made[key]]) for key in ("tokens", "there")]
    h = method.encoder.texts(*both)
    assert len({tuple(row) for row in h.tolist()}) == 6
    method.eval()
    assert torch.equal(method.encoder.texts(*both)[0], method.encoder.texts(*both)[5])
    assert set(given(method, **made)) == {"loss"}  # what is alike is found without having learned


def test_without_dropout_both_passes_would_be_alike() -> None:
    method = build()
    for layer in (m for m in method.modules() if isinstance(m, torch.nn.Dropout)):
        assert layer.p == 0.1
        layer.p = 0.0
    made = batch(method, [0, 30])
    h = method.encoder.texts(*(torch.cat([made[key], made[key]]) for key in ("tokens", "there")))
    torch.testing.assert_close(h[:2], h[2:])
    with pytest.raises(UserError, match=r"dropout in \(0, 1\), without which both passes are alike"):
        build(dropout=0.0)


def test_a_sample_is_a_line_and_long_lines_are_cut() -> None:
    method = build(length=5)
    bound = method.views.bind(TEXT)
    assert len(bound) == 48 * 2  # five words in pieces of three
    made, marks = batch(method, [0, 1]), len(TEXT.words)
    lines = [TEXT.words[int(i)] for i in TEXT.ids[:5]]
    for row, words in zip(made["tokens"].tolist(), (lines[:3], lines[3:]), strict=True):
        assert row[: len(words) + 2] == [marks + 2, *(method.encoder.index[word] for word in words), marks + 1]
    assert made["there"].sum(1).tolist() == [5, 4]


def cosines(method: SimCSE) -> tuple[float, float]:
    """The mean cosine of sentences, and by how much it is greater within a topic."""
    method.eval()
    made = batch(method)
    with torch.no_grad():
        z = F.normalize(method.encoder.texts(made["tokens"], made["there"]), dim=1)
    table, apart = z @ z.T, ~torch.eye(48, dtype=torch.bool)
    same = torch.arange(48) // 24
    alike = same[:, None] == same[None]
    return float(table[apart].mean()), float(table[alike & apart].mean() - table[~alike].mean())


def test_training_spreads_the_vectors() -> None:
    method = build()
    optimiser, (before, _) = torch.optim.AdamW(method.parameters(), lr=2e-3), cosines(build())
    made = batch(method)
    method.train()
    for step in range(40):
        loss = given(method, seed=step, **made)["loss"]
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    after, within = cosines(method)
    assert after < before - 0.2 and within > 0.05


@pytest.mark.parametrize("argument", OTHERS)
def test_every_argument_matters(argument: str) -> None:
    usual, other = build(), build(**{argument: OTHERS[argument]})
    assert not torch.equal(given(usual, **batch(usual))["loss"], given(other, **batch(other))["loss"])


def test_the_dropout_of_the_encoder_goes_first() -> None:
    small = {"width": 16, "depth": 1, "heads": 2, "context": 12, "min_count": 1}
    method = SimCSE(encoders.build("transformer", TEXT.input(), dropout=0.4, **small))
    assert {m.p for m in method.modules() if isinstance(m, torch.nn.Dropout)} == {0.4}
    assert "use --encoder.dropout" in method.unused(Planned(1, 1.0, 1))["dropout"]
    assert build().unused(Planned(1, 1.0, 1)) == {}


def test_what_it_cannot_do_gets_a_sentence() -> None:
    with pytest.raises(UserError, match="temperature of simcse must be greater than 0"):
        build(temperature=0.0)
    with pytest.raises(UserError, match="length of simcse must be at least 3"):
        build(length=2)
    causal = encoders.build("causal_transformer", TEXT.input(), width=8, depth=1, heads=1, context=8, min_count=1)
    with pytest.raises(UserError, match="simcse needs the encoder transformer, not causal_transformer"):
        SimCSE(causal)


def test_the_report_shows_where_the_longest_sentence_looks() -> None:
    method = build().eval()
    made = batch(method)
    table, *maps = method.show(**made)
    longest = int(made["there"].sum(1).max())
    assert isinstance(table, Table) and len(table.rows) == min(longest, MOST)
    assert table.rows[0][0] == "start" and len(table.columns) == 1 + len(maps)
    assert all(isinstance(one, Pictures) for one in maps)
