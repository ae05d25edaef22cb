"""ELMo: its two losses, what each direction sees, scores, and words in context."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from selftaught import encoders
from selftaught.data.text.corpus import Corpus
from selftaught.errors import UserError
from selftaught.evaluate.pretext import pretext
from selftaught.method import Clock, Scores, ScoresCorpus
from selftaught.methods.language.elmo import ELMo
from selftaught.report.page import Page
from selftaught.report.sections import senses as section
from selftaught.run import RunFolder

SMALL: dict[str, Any] = {}
TOY: dict[str, Any] = {"ordered": True}
OTHERS: dict[str, Any] = {}
TEXT = Corpus.of(["a b c d\nb a d c\na c", "d d b a e\nc a"])
TOKENS = torch.tensor([[7, 0, 1, 2, 6, 3, 4], [1, 1, 0, 6, 7, 2, 5]])


def build(corpus: Corpus = TEXT, seed: int = 0, scale: float = 0.0, **arguments: Any) -> ELMo:
    torch.manual_seed(seed)
    small = {"width": 12, "units": 16, "depth": 2, "context": 6, "min_count": 1, "filters": 0.02}
    method = ELMo(encoders.build("lstm", corpus.input(), **{**small, **arguments}))
    if scale:
        for parameter in method.parameters():
            torch.nn.init.normal_(parameter, std=scale)
    return method.eval()


def train(method: ELMo, corpus: Corpus, steps: int, lr: float = 0.01) -> dict[str, Any]:
    """Train on all windows; return the last outputs."""
    bound, optimiser = method.views.bind(corpus), torch.optim.AdamW(method.parameters(), lr=lr)
    method.prepare(bound)
    index = np.arange(min(len(bound), 64))
    raw, outputs = bound.fetch(index), dict[str, Any]()
    for step in range(steps):
        batch = method.views.apply(raw, method.views.sample(index, step, 0), torch.device("cpu"))
        optimiser.zero_grad()
        outputs = method.train()(player="main", clock=Clock(), **batch)
        outputs["loss"].backward()
        optimiser.step()
    method.eval()
    return outputs


def test_it_is_what_the_verbs_ask_for() -> None:
    assert isinstance(build(), Scores) and isinstance(build(), ScoresCorpus)


def test_the_loss_is_that_of_both_directions_with_one_softmax() -> None:
    method = build(scale=0.3)
    h = method.encoder.hidden(TOKENS)[-1]
    after = F.cross_entropy(method.softmax(h[:, :-1, :12]).flatten(0, 1), TOKENS[:, 1:].flatten())
    before = F.cross_entropy(method.softmax(h[:, 1:, 12:]).flatten(0, 1), TOKENS[:, :-1].flatten())
    found = method(player="main", clock=Clock(), tokens=TOKENS)
    torch.testing.assert_close(found["loss"], (after + before) / 2)
    torch.testing.assert_close((found["forwards"], found["backwards"]), (after.detach(), before.detach()))
    found["loss"].backward()
    assert [name for name, p in method.named_parameters() if p.grad is None or not p.grad.any()] == []


def test_no_prediction_sees_its_target() -> None:
    method = build(scale=0.5)
    h = method.encoder.hidden(TOKENS)[-1]
    for place in range(7):
        other = TOKENS.clone()
        other[:, place] = (other[:, place] + 1) % 8
        changed = method.encoder.hidden(other)[-1]
        torch.testing.assert_close(changed[:, :place, :12], h[:, :place, :12])  # those that predict it and those before
        torch.testing.assert_close(changed[:, place + 1 :, 12:], h[:, place + 1 :, 12:])


def test_scores_are_the_chain_rule_of_the_forward_direction() -> None:
    method = build(scale=0.3, context=64)
    scores = method.score_ids(TEXT.ids, TEXT.sentences)
    assert scores.shape == (len(TEXT.ids) + len(TEXT.sentences) - 1,)
    stream = [7]
    for first, last in zip(TEXT.sentences[:-1], TEXT.sentences[1:], strict=True):
        stream += [*TEXT.ids[first:last].tolist(), 6]
    y = method.softmax(method.encoder.hidden(torch.tensor([stream]))[-1][0, :, :12]).log_softmax(1)
    wanted = y[torch.arange(len(stream) - 1), torch.tensor(stream[1:])].double().detach().numpy()
    np.testing.assert_allclose(scores, wanted, atol=1e-5)
    found = method.score("a zebra b")
    assert [token for token, _ in found] == ["a", "zebra", "b", "</s>"] and method.unknown("a zebra b") == ["zebra"]


MONEY = (["broker", "loan"], ["pays", "lends", "owes"], ["savings", "wages"])
WATER = (["river", "boat"], ["floods", "cools", "meets"], ["grass", "mud"])


def senses(n: int = 400) -> Corpus:
    """Sentences in which "bank" is with money, or with water; every other word is with one of them."""
    rng = np.random.default_rng(0)
    lines = []
    for _ in range(n):
        who, does, what = (rng.choice(words) for words in (MONEY if rng.random() < 0.5 else WATER))
        lines.append(f"the {who} {does} the bank the {what}")
    return Corpus.of(["\n".join(lines)])


@pytest.fixture(scope="module")
def learned() -> tuple[ELMo, dict[str, Any]]:
    corpus = senses()
    method = build(corpus, width=16, units=24, context=16)
    return method, train(method, corpus, 200)


def test_both_directions_learn_about_equally(learned: tuple[ELMo, dict[str, Any]]) -> None:
    _, outputs = learned
    forwards, backwards = (float(outputs[key].exp()) for key in ("forwards", "backwards"))
    assert max(forwards, backwards) < 5 and 0.8 < forwards / backwards < 1.25
    assert float(outputs["accuracy"]) > outputs["chance"] + 0.2


def test_two_senses_of_a_word_have_different_vectors(learned: tuple[ELMo, dict[str, Any]]) -> None:
    method, _ = learned
    rows = [f"the {who[k]} {does[k]} the bank the {what[k]}".split()
            for who, does, what in (MONEY, WATER) for k in (0, 1)]  # fmt: skip
    with torch.no_grad():
        first, last = (method.encoder.layers(rows)[layer][:, :, 5] for layer in (0, -1))
    torch.testing.assert_close(first, first[:1].expand_as(first))  # h_0 knows nothing of the context
    unit = F.normalize(last - last.mean(0), dim=1)
    cosines = unit @ unit.T
    assert min(cosines[0, 1], cosines[2, 3]) > 0.5 and float(cosines[:2, 2:].max()) < 0


def test_the_report_shows_both_senses(learned: tuple[ELMo, dict[str, Any]], tmp_path: Path) -> None:
    method, _ = learned
    page = Page(RunFolder.create(tmp_path / "run", {}), method.encoder, method, source_train=senses())
    (table,) = (section.data(page) or pytest.fail("the words occur often"))["rows"]
    assert len(table["columns"]) == 4
    rows = table["rows"][:2]  # "bank" comes first
    assert all("[bank]" in row[0] for row in rows)

    def money(text: str) -> bool:
        before = text.partition(" the [bank]")[0].split()[-1]
        return before in MONEY[1]

    first, second = ([money(str(cell)) for cell in row] for row in rows)
    assert {*first} == {first[0]} and {*second} == {second[0]} and first[0] != second[0]
    assert float(str(rows[0][1]).split()[0]) >= float(str(rows[0][3]).split()[0])


def test_a_held_out_pretext_beats_chance_and_the_untrained_encoder(learned: tuple[ELMo, dict[str, Any]]) -> None:
    method, _ = learned
    corpus = senses(60)
    found, untrained = pretext(method, corpus), pretext(build(senses(), width=16, units=24, context=16), corpus)
    assert found is not None and untrained is not None
    assert found["accuracy"] > 1.5 * found["chance"] and found["accuracy"] > untrained["accuracy"] + 0.1


def test_another_encoder_is_refused() -> None:
    for name in ("lookup", "transformer", "causal_lstm"):
        with pytest.raises(UserError, match=f"elmo needs the encoder lstm, not {name}"):
            ELMo(encoders.build(name, TEXT.input()))
