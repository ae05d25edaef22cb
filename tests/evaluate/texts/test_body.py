"""The body of a task: what is frozen, what learns how fast, what a head sees, and the loss of a language model."""

from __future__ import annotations

import pytest
import torch
import untouched
from evaluate.texts import made
from torch.nn import functional as F

from selftaught.errors import UserError
from selftaught.evaluate.tasks.sentence import Sentence
from selftaught.evaluate.texts.body import apart, averages
from selftaught.evaluate.texts.training import Training

ENCODERS = list(made.SIZES)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return made.sentences(tmp_path_factory.mktemp("sentences"))


def method_of(data, name, frozen=False, **own):
    start, task = made.Start(name), Sentence(made.training(**own))
    parts = task.open(start, data)
    torch.manual_seed(0)
    return task.method(start.encoder, frozen), parts.train


@pytest.mark.parametrize("name", ENCODERS)
def test_padding_changes_nothing(data, name):
    method, train = method_of(data, name)
    method.eval()
    lengths = [len(example.texts[0].split()) for example in train.examples]
    short, long = lengths.index(min(lengths)), lengths.index(max(lengths))
    alone, both = (method.say(**made.batch(method, train, rows)) for rows in ([short], [short, long]))
    assert torch.allclose(alone[0], both[0], atol=1e-5)


@pytest.mark.parametrize("name", ENCODERS)
def test_frozen_encoders_learn_nothing_and_drop_nothing(data, name):
    start = made.Start(name)
    before = {key: value.clone() for key, value in start.encoder.state_dict().items()}
    line, method, _ = made.learned(Sentence(made.training()), start, data, steps=4, side="frozen")
    assert line["steps"] == (4 if name == "lstm" else 0)  # what has a solution needs no steps
    assert line["accuracy"] > 50
    assert all(torch.equal(value, before[key]) for key, value in method.encoder.state_dict().items())
    method.train()
    assert (
        not method.encoder.training
        and method.head.training
        and not any(p.requires_grad for p in method.encoder.parameters())
    )


@pytest.mark.parametrize("name", ENCODERS)
def test_the_encoder_of_the_caller_is_not_frozen(data, name):
    start, task = made.Start(name), Sentence(made.training(dropout=0.3))
    task.open(start, data)
    start.encoder.train()
    before = untouched.told(start.encoder)
    method = task.method(start.encoder, True)
    method.train()
    assert untouched.told(start.encoder) == before
    assert not any(p.requires_grad for p in method.encoder.parameters())
    assert method.encoder is method.body.encoder


@pytest.mark.parametrize("name", ENCODERS)
def test_the_encoder_learns_otherwise(data, name):
    start = made.Start(name)
    before = {key: value.clone() for key, value in start.encoder.state_dict().items()}
    _, method, _ = made.learned(Sentence(made.training()), start, data, steps=2)
    changed = [key for key, value in method.encoder.state_dict().items() if not torch.equal(value, before[key])]
    assert len(changed) > len(before) / 2
    assert all(torch.equal(value, before[key]) for key, value in start.encoder.state_dict().items())


def test_in_the_warm_up_only_the_head_has_gradients(data):
    method, train = method_of(data, "transformer", head_warmup=0.5)
    batch = made.batch(method, train, range(8))
    method(**batch)["loss"].backward()
    assert all(p.grad is None for p in method.encoder.parameters()) and method.head.weight.grad is not None
    batch["clock"].steps, batch["clock"].step = 10, 5
    method(**batch)["loss"].backward()
    assert method.encoder.token.weight.grad.abs().sum() > 0


@pytest.mark.parametrize("name", ENCODERS)
def test_each_layer_learns_at_a_share_of_the_rate_above(data, name):
    method, _ = method_of(data, name, layer_decay=0.5)
    (player,) = method.players()
    scale = {id(p): group["lr_scale"] for group in player.groups for p in group["params"]}
    assert len(scale) == len([p for p in method.parameters() if p.requires_grad])
    assert scale[id(method.head.weight)] == 1
    layers = "blocks.{}." if "transformer" in name else "stacks.0.layers.{}."
    for level, wanted in ((0, 0.25), (1, 0.5)):
        mine = [p for key, p in method.encoder.named_parameters() if key.startswith(layers.format(level))]
        assert mine and {scale[id(p)] for p in mine} == {wanted}
    lowest = next(p for key, p in method.encoder.named_parameters() if key.startswith(("token", "characters")))
    assert scale[id(lowest)] == 0.125


@pytest.mark.parametrize("name", ["causal_transformer", "causal_lstm"])
def test_the_loss_of_a_language_model_is_added_with_its_weight(data, name):
    losses = {}
    for weight in (0.0, 0.5, 2.0):
        method, train = method_of(data, name, lm=weight, dropout=0.0)
        batch = made.batch(method, train, range(6))
        losses[weight] = method(**batch)
    assert "lm" not in losses[0.0] and losses[0.0]["loss"] == losses[0.0]["task"]
    ids, there = batch["ids"], batch["there"]
    h = method.body(ids, there, batch["segment"], None)
    logits, wanted, count = (h @ method.encoder.table.T).detach(), 0.0, 0
    for n in range(len(ids)):
        for t in range(int(there[n].sum()) - 2):  # the extract, which is last, is not predicted
            wanted, count = wanted - float(F.log_softmax(logits[n, t], 0)[ids[n, t + 1]]), count + 1
    assert losses[0.5]["lm"].item() == pytest.approx(wanted / count, rel=1e-4)
    for weight in (0.5, 2.0):
        total = losses[weight]["task"] + weight * losses[weight]["lm"]
        assert losses[weight]["loss"].item() == pytest.approx(total.item(), rel=1e-5)


def test_without_it_words_that_are_not_read_do_not_change(data):
    for weight, changed in ((0.0, False), (0.5, True)):
        method, train = method_of(data, "causal_transformer", lm=weight)
        method(**made.batch(method, train, range(6)))["loss"].backward()
        assert bool(method.encoder.token.weight.grad[made.WORDS.index("because")].any()) == changed


def test_the_head_of_gpt_reads_the_extract_and_bert_the_start(data):
    for name, place in (("causal_transformer", -1), ("transformer", 0)):
        method, train = method_of(data, name)
        method.eval()
        batch = made.batch(method, train, [0, 1, 2])
        h = method.body(batch["ids"], batch["there"], batch["segment"], None)
        rows = torch.stack([row[mask][place] for row, mask in zip(h, batch["there"], strict=True)])
        x = torch.tanh(method.pooler(rows)) if method.pooler is not None else rows
        assert torch.allclose(method.head(x).softmax(1), method.say(**batch), atol=1e-6)
        assert (method.pooler is None) == (name == "causal_transformer")


def test_new_symbols_are_learned_and_a_frozen_encoder_has_none(data):
    method, train = method_of(data, "causal_transformer")
    method(**made.batch(method, train, range(4)))["loss"].backward()
    assert method.body.marks.grad[1].any() and not method.body.marks.grad[0].any()  # one text has no delimiter
    assert method_of(data, "causal_transformer", frozen=True)[0].body.marks is None


def test_elmo_learns_its_mix(data):
    method, train = method_of(data, "lstm")
    method(**made.batch(method, train, range(4)))["loss"].backward()
    assert method.body.mix.s.grad.any() and method.body.mix.gamma.grad != 0
    assert method.body.dim == 32 and method_of(data, "lstm", units=5)[0].body.dim == 10


def test_two_passes_are_kept_together(data):
    method, train = method_of(data, "transformer", r_drop=3.0, dropout=0.3)
    found = method(**made.batch(method, train, range(8)))
    assert found["apart"] > 0
    assert found["loss"].item() == pytest.approx((found["task"] + 3 * found["apart"]).item(), rel=1e-5)
    a, b = torch.tensor([[1.0, 0.0, 2.0]]), torch.tensor([[0.0, 0.5, 1.0]])
    p, q = a.softmax(1), b.softmax(1)
    assert apart(a, b).item() == pytest.approx((0.5 * ((p - q) * (p.log() - q.log())).sum()).item(), rel=1e-5)
    assert apart(a, a).item() == pytest.approx(0, abs=1e-7)


def test_dropout_is_that_of_the_task(data):
    method, train = method_of(data, "transformer", dropout=0.4)
    assert {m.p for m in method.modules() if isinstance(m, torch.nn.Dropout)} == {0.4}
    batch = made.batch(method, train, range(4))
    assert method(**batch)["loss"] != method(**batch)["loss"]


def test_the_mean_of_each_text_leaves_out_marks_and_padding():
    h = torch.arange(10.0).reshape(1, 5, 2)
    a, b = averages(h, torch.tensor([[[1, 3], [0, 0]]]))
    assert a.tolist() == [[3.0, 4.0]] and b.tolist() == [[0.0, 0.0]]


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"lrs": (-1.0,)}, "lrs must be finite numbers of at least 0, not -1.0"),
        ({"lm": -1.0}, "lm must be a finite number of at least 0"),
        ({"r_drop": float("inf")}, "r_drop must be a finite number of at least 0"),
        ({"epochs": 0.0}, "epochs must be greater than 0"),
        ({"units": 0}, "units at least 1"),
        ({"dropout": 1.0}, r"dropout must be in \[0, 1\), not 1.0"),
        ({"head_warmup": 1.0}, r"head_warmup must be in \[0, 1\), not 1.0"),
        ({"layer_decay": 0.0}, r"layer_decay must be in \(0, 1\], not 0.0"),
        ({"r_drop": 1.0, "dropout": 0.0}, "r_drop has no effect without dropout"),
    ],
)
def test_options_out_of_range_are_refused(wrong, said):
    with pytest.raises(UserError, match=said):
        Training(**wrong)


def test_rates_and_lengths_are_arguments():
    assert Training(lrs=(0.1, 0.2)).settings == Training(lrs=(0.1, 0.2)).head == ({"lr": 0.1}, {"lr": 0.2})
    assert len(Training().settings) == len(Training().head) == 3
    assert Training(epochs=2).steps(100, 32) == 6 and Training(epochs=3).steps(10, 32) == 3
