"""Texts for texts: the loss on targets alone, what is cut, what is written and how it is measured."""

from __future__ import annotations

import math
import sys
from collections import Counter
from unittest.mock import patch

import numpy as np
import pytest
import torch
from evaluate.texts import made
from torch.nn import functional as F

from selftaught.data.text.labelled.example import Paired
from selftaught.errors import UserError
from selftaught.evaluate.finetune import summary
from selftaught.evaluate.finetune import table as tabled
from selftaught.evaluate.metrics.bleu import bleu, signature
from selftaught.evaluate.tasks.seq2seq import COPIED, OTHER, Seq2seq, _exchanged, _of
from selftaught.evaluate.texts.rows import LEFT_OUT, Rows
from selftaught.evaluate.texts.writing import Lines

V = len(made.WORDS)
END, START, DELIMITER = V + 1, V + 2, V + 3
NAMES = ["causal_transformer", "causal_lstm"]


def item(scalar):
    return scalar.detach().item()


def task(**own):
    how = {key: own.pop(key) for key in ("lm", "r_drop", "dropout") if key in own}
    return Seq2seq(
        made.training(**{"dropout": 0.0, **how}), **{"source": "aa", "target": "bb", "longest": 6, "bleu": 2} | own
    )


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return made.translated(tmp_path_factory.mktemp("translated"))


@pytest.fixture(scope="module")
def trained(data):
    made_ = task()
    return made_, *made.learned(made_, made.Start("causal_transformer"), data, steps=150, lr=5e-3)


def fresh(data, name="causal_transformer", frozen=False, **own):
    start, one = made.Start(name), task(**own)
    parts = one.open(start, data)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        return one.method(start.encoder, frozen), parts, one


def test_a_simple_mapping_is_learned_to_the_letter(trained):
    one, line, method, parts = trained
    pairs = [pair for source in (parts.test,) for pair in source.fetch(np.arange(len(source)))["example"]]
    said = [method.text(found[0].symbols) for found in method.write([pair.source for pair in pairs], one.search)]
    assert np.mean([text == pair.targets[0] for text, pair in zip(said, pairs, strict=True)]) > 0.95
    assert line["BLEU-2"] > 95 and line["perplexity"] < 1.1 < 10 * line["perplexity"] < line[OTHER]
    assert one.beside(parts) == {COPIED: {"BLEU-2": 0.0}}
    rows = one.examples(method, parts.test)["rows"]
    assert len(rows) == 20 and all(row[1] == row[2] for row in rows) and all(-0.5 < row[3] <= 0 for row in rows)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("frozen", [False, True])
def test_the_loss_is_that_of_the_target_alone(data, name, frozen):
    method, parts, _ = fresh(data, name, frozen)
    batch = made.batch(method.eval(), parts.train, range(5))
    h = method.body(batch["ids"], batch["there"], batch["segment"], None)
    total, count, each = 0.0, 0, []
    for n, example in enumerate(parts.train.fetch(np.arange(5))["example"]):
        words = [made.WORDS.index(word) for word in example.targets[0].split()]
        ids, begin, own = batch["ids"][n].tolist(), 5, 0.0
        assert ids == [START, *(made.WORDS.index(word) for word in example.source.split()), DELIMITER, *words, END]
        for place, symbol in enumerate([*words, END]):
            own += item(F.log_softmax(h[n, begin - 1 + place] @ method.encoder.table.T, 0)[symbol])
        total, count, each = total - own, count + len(words) + 1, [*each, own]
    assert item(method(**batch)["loss"]) == pytest.approx(total / count, rel=1e-4)
    said = method.say(**batch)
    assert said[:, 0].tolist() == pytest.approx(each, rel=1e-4) and said[:, 1].tolist() == [4] * 5


def test_sources_and_padding_have_no_loss(data):
    method, _parts, _ = fresh(data)
    pairs = [Paired("w1 w2 w3", ("w9",), "", ""), Paired("w1", ("w9 w10 w11 w12",), "", "")]
    batch = made.batch(method, _of(pairs), [0, 1])
    assert (batch["target"] != LEFT_OUT).sum(1).tolist() == [2, 5]
    assert batch["target"][0].tolist() == [LEFT_OUT] * 4 + [9, END] + [LEFT_OUT] * 2
    alone = [made.batch(method, _of(pairs), [i]) for i in (0, 1)]
    whole = sum(item(method(**one)["loss"]) * count for one, count in zip(alone, (2, 5), strict=True)) / 7
    assert item(method(**batch)["loss"]) == pytest.approx(whole, rel=1e-5)


def test_the_loss_on_sources_is_added_only_when_asked_for(data):
    losses = {weight: fresh(data, lm=weight) for weight in (None, 0.5, 2.0)}
    found = {
        weight: method(**made.batch(method, parts.train, range(4))) for weight, (method, parts, _) in losses.items()
    }
    assert "lm" not in found[None] and found[None]["loss"] == found[None]["task"]
    for weight in (0.5, 2.0):
        assert item(found[weight]["loss"]) == pytest.approx(item(found[None]["loss"] + weight * found[weight]["lm"]))
    method, parts, _ = losses[2.0]
    batch = made.batch(method, parts.train, range(4))
    h = method.body(batch["ids"], batch["there"], batch["segment"], None)[:, :3]
    wanted = F.cross_entropy((h @ method.encoder.table.T).flatten(0, 1), batch["ids"][:, 1:4].flatten())
    assert item(found[2.0]["lm"]) == pytest.approx(item(wanted), rel=1e-5)


def test_two_passes_are_kept_together(data):
    method, parts, _ = fresh(data, r_drop=3.0, dropout=0.3)
    found = method(**made.batch(method, parts.train, range(4)))
    assert found["apart"] > 0 and item(found["loss"]) == pytest.approx(
        item(found["task"] + 3 * found["apart"]), rel=1e-5
    )


@pytest.mark.parametrize("name", NAMES)
def test_frozen_learns_the_table_of_what_is_written_alone(data, name):
    method, parts, _ = fresh(data, name, frozen=True)
    method.train()
    method(**made.batch(method, parts.train, range(4)))["loss"].backward()
    assert [key for key, value in method.named_parameters() if value.grad is not None] == ["head"]
    assert torch.equal(method.head, method.encoder.table) and method.head is not method.encoder.table


def test_what_is_too_long_is_cut_and_counted(tmp_path):
    rows = Rows(made.encoder("causal_transformer", context=10))
    words = [f"w{i}" for i in range(8)]
    for ends, kept in ((False, (0, 1, 2)), (True, (5, 6, 7))):
        lines = Lines(rows, None, ends)
        assert (lines.longest, lines.room) == (5, 3)
        (row,) = lines(Paired(" ".join(words), (" ".join(words),), "", ""))
        assert row.ids == (START, *kept, DELIMITER, 0, 1, 2, 3, 4) and (lines.cut_sources, lines.cut_targets) == (1, 1)
        lines(Paired("w1 w2 w3", ("w1 w2 w3 w4",), "", ""))
        assert (lines.cut_sources, lines.cut_targets) == (1, 1)
    assert Lines(Rows(made.encoder("causal_transformer", context=400)), None, False).longest == 64
    with pytest.raises(UserError, match="leave room for a source in the 10 symbols that the encoder reads, at most 7"):
        Lines(rows, 8, False)
    (tmp_path / "all.tsv").write_text(
        "source\ttarget\n" + "".join(f"{' '.join(words)} w{i}\tw1 zebra\n" for i in range(20))
    )
    one = task(source=None, target=None, longest=4)
    notes = "; ".join(one.open(made.Start("causal_transformer", context=10), tmp_path / "all.tsv").train.notes)
    assert "of 16 training sources longer than 4 symbols only the beginning is read" in notes
    assert "33.3% of the symbols of test targets are unknown to the encoder and never written" in notes


def test_turns_before_a_reply_have_ends(tmp_path):
    lines = Lines(Rows(made.encoder("causal_transformer")), None, True)
    assert lines.source("w1 w2\nw3") == [START, 1, 2, END, 3, DELIMITER]


@pytest.mark.parametrize("name", NAMES)
def test_what_is_written_has_the_probability_that_is_said_of_it(data, name):
    method, _parts, one = fresh(data, name)
    method.eval()
    sources = ["w1 w2", "w3", "w5 w6", "w1 w2"]  # of several lengths: searched together where they are alike
    both = [one.search, task(samples=3, beam=None, temperature=1.3).search]
    for search in both:
        found = list(method.write(sources, search))
        assert found[0] == found[3] and len(found[0]) == (search.samples or search.beam)
        for source, some in zip(sources, found, strict=True):
            for text in [text for text in some if text.ended]:
                spelt = Paired(source, (method.text(text.symbols),), "", "")
                (said,) = method.say(**dict(made.batch(method, _of([spelt]), [0]).items()))
                assert item(said[0]) == pytest.approx(text.log_p, abs=1e-4)
            assert all(symbol < V for text in some for symbol in text.symbols)
    assert next(iter(method.write(sources, both[1], seed=1))) != found[0]


def test_pieces_of_a_draw_are_those_of_the_search(trained):
    _, _, method, _ = trained
    text = "".join(method.rewrite("w1 w2 w3", 9, 0, temperature=0.0))
    assert text == "w11 w10 w9" and "".join(method.rewrite("w1 w2 w3", 2, 0, 0.0)) == "w11 w10"
    drawn = {"".join(method.rewrite("w1 w2 w3", 9, seed, 5.0)) for seed in (0, 0, 1, 2)}
    assert 1 < len(drawn) <= 3 and method.unknown("w1 zebra") == ["zebra"]


def test_perplexity_counts_the_symbols_of_all_targets(data):
    method, _, one = fresh(data)
    pairs = [Paired("w1", ("w2 w3", "w4"), "", ""), Paired("w5", ("w6",), "", "")]
    said = method.eval().say(**made.batch(method, _of(pairs), [0, 1]))
    assert said.shape == (3, 2) and said[:, 1].tolist() == [3, 2, 2]
    found = one.tried(method, _of(pairs), _of(pairs))
    assert found == {"perplexity": pytest.approx(math.exp(-item(said[:, 0].sum()) / 7), rel=1e-5)}
    turned = _exchanged(_of([*pairs, pairs[0]])).fetch(np.arange(3))["example"]
    assert [one.source for one in turned] == ["w5", "w1", "w5"] and turned[0].targets == pairs[0].targets


def test_targets_of_one_source_are_samples_that_stay_together(tmp_path):
    lines = "".join(f"head {i} @@ {r}\ta{i}| b{i}| c\n" for i in range(20) for r in ("xNeed", "xWant"))
    (tmp_path / "all.tsv").write_text(lines)
    one = task(source=None, target=None, bleu=None)
    parts = one.open(made.Start("causal_transformer"), tmp_path / "all.tsv")
    assert (len(parts.train), len(parts.test)) == (16 * 6, 8) and one.metrics == ("BLEU-2", "perplexity", OTHER)
    fitted, held = one.halves(parts.train, 0)
    heads = [{pair.group for pair in source.fetch(np.arange(len(source)))["example"]} for source in (fitted, held)]
    assert heads[0].isdisjoint(heads[1]) and len(heads[1]) in (3, 4)


def test_rates_are_chosen_by_perplexity_and_the_table_has_what_stands_beside(trained):
    one, line, _, parts = trained
    assert one.better == {"perplexity": -1, OTHER: 0} and one.chooses == "perplexity"
    found = summary(one, [line], parts)
    assert found["beside"] == {COPIED: {"BLEU-2": 0.0}} and "version:" in found["signatures"]["BLEU-2"]
    rows, _ = tabled(found)
    assert list(rows[0])[2:5] == ["BLEU-2, %", "perplexity", OTHER] and rows[-1]["encoder"] == COPIED
    assert rows[-1]["BLEU-2, %"] == "0.0" and rows[-1]["perplexity"] == ""


def test_the_method_comes_back_from_its_weights(trained, data, tmp_path):
    _one, line, method, _parts = trained
    again = task()
    restored = again.restored(made.encoder("causal_transformer"), method.state_dict(), line["setting"])
    restored.load_state_dict(method.state_dict())
    restored.eval()
    said = again.predicted(restored, data / "test.aa", (), k=2, threshold=0.0)
    rows = list(said.rows)
    assert said.count == len(rows) == 40 and set(rows[0]) == {
        "sample",
        "text",
        "probability",
        "text_2",
        "probability_2",
    }
    assert rows[0]["probability"] > 0.5 > rows[0]["probability_2"]
    numbers = said.measured()
    assert numbers == {
        "BLEU-2": pytest.approx(line["BLEU-2"], abs=0.01),
        "perplexity": pytest.approx(line["perplexity"], abs=0.01),
    }
    (tmp_path / "new.txt").write_text("w1 w2 w3\nw1 w1 w1\n")
    sure = again.predicted(restored, tmp_path / "new.txt", (), k=1, threshold=0.0)
    assert [row["text"] for row in sure.rows] == ["w11 w10 w9", "w9 w9 w9"] and sure.measured() == {}
    none = again.predicted(restored, tmp_path / "new.txt", (), k=1, threshold=1.0)
    assert [row["text"] for row in none.rows] == ["", ""]
    with pytest.raises(UserError, match="-k 5 asks for more texts than the 4"):
        again.predicted(restored, data / "test.aa", (), k=5, threshold=0.0)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"target": None}, "--source alone names one of two sides: name --target too"),
        ({"target": "aa"}, "are both aa: name two sides"),
        ({"beam": 0}, "beam must be at least 1, not 0"),
        ({"penalty": -1.0}, "penalty must be a finite number of at least 0"),
        ({"samples": 2, "beam": 3}, "beam has no effect with samples"),
        ({"top_k": 3}, "have no effect on beam search"),
        ({"samples": 2, "top_p": 0.0}, r"top_p in \(0, 1\]"),
        ({"turns": 0}, "turns must be at least 1"),
    ],
)
def test_options_that_make_no_sense_are_refused(options, said):
    with pytest.raises(UserError, match=said):
        task(**options)


def test_what_cannot_be_trained_is_refused(data):
    with pytest.raises(UserError, match=r"reads from left to right .* not transformer: pretrain gpt"):
        task().open(made.Start("transformer"), data)
    with pytest.raises(UserError, match=r"texts in lines, aa and bb: say which are read .* --source aa --target bb"):
        task(source=None, target=None).open(made.Start("causal_transformer"), data)
    with patch.dict(sys.modules, {"sacrebleu": None}):
        with pytest.raises(UserError, match=r"pip install 'selftaught\[bleu\]', or leave it out with --bleu 0"):
            task().open(made.Start("causal_transformer"), data)
        assert task(bleu=0).open(made.Start("causal_transformer"), data).test is not None


def by_hand(said, references, order):
    """BLEU of Papineni et al. 2002 over words, without smoothing: what it is counted from, in a few lines."""
    right, all_, length, nearest = Counter(), Counter(), 0, 0
    for text, some in zip(said, references, strict=True):
        words, others = text.split(), [one.split() for one in some]
        length += len(words)
        nearest += min((abs(len(one) - len(words)), len(one)) for one in others)[1]
        for n in range(1, order + 1):
            grams = [Counter(tuple(one[i : i + n]) for i in range(len(one) - n + 1)) for one in (words, *others)]
            most = Counter()
            for one in grams[1:]:
                most |= one
            right[n] += sum((grams[0] & most).values())
            all_[n] += sum(grams[0].values())
    mean = sum(math.log(right[n] / all_[n]) for n in range(1, order + 1)) / order
    return 100 * math.exp(mean + min(0.0, 1 - nearest / length))


@pytest.mark.parametrize("order", [2, 4])
def test_bleu_is_that_of_its_definition(order):
    said = ["the cat sat on the mat", "a dog ran to the park now", "it rains on the roof today"]
    references = [
        ["the cat sat on a mat", "a cat is on the mat"], ["a dog ran to the park", "the dog ran home"],
        ["today it rains on the roof of the house"],
    ]  # fmt: skip
    assert bleu(said, references, order) == pytest.approx(by_hand(said, references, order), abs=1e-6)
    assert bleu(["The Cat"], [["the cat"]], 2) < bleu(["The Cat"], [["the cat"]], 2, lower=True) == pytest.approx(100)
    assert bleu([one[0] for one in references], references, order) == pytest.approx(100)
    told = signature(references, order, True)
    assert "nrefs:var" in told and "case:lc" in told and told.endswith(f"order:{order}")
