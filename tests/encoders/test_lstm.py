"""The LSTMs: the recurrence beside torch's, what sees what, characters, and texts."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from selftaught import encoders
from selftaught.data.text.corpus import Corpus
from selftaught.encoders.characters import LONGEST, Characters, coded, marks
from selftaught.encoders.lstm import LSTM, MOST
from selftaught.encoders.recurrence import Recurrence
from selftaught.errors import UserError
from selftaught.method import ReadsOn

TEXT = Corpus.of(["a b c d e f g h a b c d e f g h a b c a b c d"])
SMALL: dict[str, Any] = {"width": 6, "units": 10, "depth": 3, "context": 8, "min_count": 1}
IDS = torch.tensor([[10, 0, 1, 2, 3, 4], [10, 5, 3, 3, 0, 9]])


def build(causal: bool = False, seed: int = 0, std: float = 0.5, **arguments: Any) -> LSTM:
    torch.manual_seed(seed)
    small = SMALL if causal else {**SMALL, "filters": 0.02}
    made = encoders.build("causal_lstm" if causal else "lstm", TEXT.input(), **{**small, **arguments})
    assert isinstance(made, LSTM)
    for parameter in made.parameters():
        nn.init.normal_(parameter, std=std)
    return made.eval()


def last(encoder: LSTM, ids: torch.Tensor, **masks: torch.Tensor) -> torch.Tensor:
    return encoder.hidden(ids, **masks)[-1].detach()


# --- the recurrence ---------------------------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore:LSTM with projections")
def test_without_clipping_it_is_torchs() -> None:
    torch.manual_seed(0)
    ours, theirs = Recurrence(5, 7, 0.0), nn.LSTM(5, 7, proj_size=5, batch_first=True)
    with torch.no_grad():
        theirs.bias_hh_l0.zero_()
        for name in ("weight_ih", "weight_hh", "weight_hr"):
            getattr(theirs, f"{name}_l0").copy_(getattr(ours, name))
        theirs.bias_ih_l0.copy_(ours.bias)
    x, h, c = torch.randn(3, 4, 5, requires_grad=True), torch.randn(3, 5), torch.randn(3, 7)
    found, state = ours(x, (h, c))
    wanted, (last_h, last_c) = theirs(x, (h[None], c[None]))
    torch.testing.assert_close(found, wanted)
    torch.testing.assert_close(state, (last_h[0].detach(), last_c[0].detach()))
    weight = torch.randn_like(found)
    own = torch.autograd.grad((found * weight).sum(), [x, ours.weight_hh, ours.weight_hr, ours.weight_ih, ours.bias])
    names = [theirs.weight_hh_l0, theirs.weight_hr_l0, theirs.weight_ih_l0, theirs.bias_ih_l0]
    other = torch.autograd.grad((wanted * weight).sum(), [x, *names])
    for one, two in zip(own, other, strict=True):
        torch.testing.assert_close(one, two, atol=1e-5, rtol=1e-5)


def test_memories_and_outputs_are_clipped_and_so_are_their_derivatives() -> None:
    torch.manual_seed(1)
    clip, layer = 0.4, Recurrence(4, 6, 0.4)
    for parameter in layer.parameters():
        nn.init.normal_(parameter)
    x = torch.randn(3, 9, 4, requires_grad=True)
    h, c, outputs, memories = torch.zeros(3, 4), torch.zeros(3, 6), [], []
    for t in range(9):
        i, f, g, o = (x[:, t] @ layer.weight_ih.T + layer.bias + h @ layer.weight_hh.T).chunk(4, 1)
        c = (f.sigmoid() * c + i.sigmoid() * g.tanh()).clamp(-clip, clip)
        h = ((o.sigmoid() * c.tanh()) @ layer.weight_hr.T).clamp(-clip, clip)
        outputs.append(h)
        memories.append(c)
    wanted, (found, state) = torch.stack(outputs, 1), layer(x)
    torch.testing.assert_close(found, wanted)
    torch.testing.assert_close(state[1], c.detach())
    for values in (wanted, torch.stack(memories)):  # both happen, and both do not
        assert 0.05 < float((values.abs() == clip).float().mean()) < 0.95
    weight = torch.randn_like(found)
    parameters = [x, *layer.parameters()]
    own = torch.autograd.grad((found * weight).sum(), parameters)
    for one, two in zip(own, torch.autograd.grad((wanted * weight).sum(), parameters), strict=True):
        torch.testing.assert_close(one, two, atol=1e-5, rtol=1e-5)


# --- directions -------------------------------------------------------------------------------------------------------


def test_the_forward_direction_sees_nothing_after_and_the_backward_one_nothing_before() -> None:
    encoder, after, before = build(), IDS.clone(), IDS.clone()
    after[:, 4:], before[:, :2] = 7, 7
    for here, changed, one, two in zip(*(encoder.hidden(ids) for ids in (IDS, after, before, IDS)), strict=True):
        torch.testing.assert_close(here[:, :4, :6], changed[:, :4, :6])
        torch.testing.assert_close(one[:, 2:, 6:], two[:, 2:, 6:])
    full, changed = last(encoder, IDS), last(encoder, after)
    assert (full - changed)[:, :4, 6:].abs().max() > 1e-3
    assert (full - last(encoder, before))[:, 2:, :6].abs().max() > 1e-3
    causal = build(True)
    torch.testing.assert_close(last(causal, IDS)[:, :4], last(causal, after)[:, :4])


def test_layers_are_h0_twice_then_the_stacks_with_skip_connections() -> None:
    encoder = build()
    layers, x = encoder.hidden(IDS), encoder.embedded(IDS)
    assert len(layers) == 4 and all(h.shape == (2, 6, 12) for h in layers) and encoder.dim == 12
    torch.testing.assert_close(layers[0], torch.cat([x, x], 2))
    first, second, third = encoder.stacks[0].layers
    y = first(x)[0]
    torch.testing.assert_close(layers[1][..., :6], y)
    y = y + second(y)[0]
    torch.testing.assert_close(layers[2][..., :6], y)
    torch.testing.assert_close(layers[3][..., :6], y + third(y)[0])
    turned = encoder.stacks[1].layers[0](x.flip(1))[0].flip(1)
    torch.testing.assert_close(layers[1][..., 6:], turned)


@pytest.mark.parametrize("causal", [False, True])
def test_padding_changes_nothing(causal: bool) -> None:
    encoder, there = build(causal), torch.tensor([[True] * 6, [True] * 4 + [False] * 2])
    alone = last(encoder, IDS[1:, :4])[0]
    torch.testing.assert_close(last(encoder, IDS, mask=there)[1, :4], alone)
    layers = encoder.hidden(IDS[1:, :4])
    mixed = layers[-1] if causal else torch.stack(layers).mean(0)
    torch.testing.assert_close(encoder(IDS, mask=there)[1], mixed[0].mean(0))


def test_nothing_is_carried_unless_a_memory_is_given() -> None:
    encoder = build(True)
    torch.testing.assert_close(last(encoder, IDS), last(encoder, IDS))
    memory = encoder.empty(2)
    parts = [encoder.hidden(IDS[:, :3], memory)[-1], *(encoder.hidden(IDS[:, t : t + 1], memory)[-1] for t in (3, 4))]
    torch.testing.assert_close(torch.cat(parts, 1).detach(), last(encoder, IDS)[:, :5])
    assert memory.length == 5
    assert (last(encoder, IDS[:, 3:4]) - parts[1].detach()).abs().max() > 1e-3
    assert isinstance(encoder, ReadsOn) and not isinstance(build(), ReadsOn)


# --- characters -------------------------------------------------------------------------------------------------------


def test_a_word_is_what_its_filters_find_then_highways_and_a_projection() -> None:
    torch.manual_seed(0)
    made = Characters(5, 0.05)
    assert [(f.kernel_size[0], f.out_channels) for f in made.filters] == [
        (1, 2), (2, 2), (3, 3), (4, 6), (5, 13), (6, 26), (7, 51)
    ]  # fmt: skip
    assert sum(f.out_channels for f in Characters(5, 1.0).filters) == 2048
    code = [259, *"né".encode(), 260]
    c = torch.cat([made.symbol(torch.tensor(code)), torch.zeros(6, 16)])
    found = []
    for layer in made.filters:
        size = layer.kernel_size[0]
        windows = torch.stack([c[t : t + size].T for t in range(len(code))])  # [T, 16, size]
        found.append((torch.einsum("tcs,ncs->tn", windows, layer.weight) + layer.bias).relu().amax(0))
    x = torch.cat(found)
    for layer in made.highways:
        y, gate = layer(x).chunk(2)
        x = gate.sigmoid() * y.relu() + (1 - gate.sigmoid()) * x
    torch.testing.assert_close(made(coded(["né"]))[0], made.out(x))


def test_the_vector_of_a_word_does_not_depend_on_the_words_beside_it() -> None:
    made = Characters(5, 0.05)
    torch.testing.assert_close(made(coded(["a", "internationalisation"]))[0], made(coded(["a"]))[0])


def test_bytes_beyond_the_longest_are_not_read_and_symbols_are_told_apart() -> None:
    assert torch.equal(coded(["x" * 48]), coded(["x" * 300])) and coded(["x" * 300]).shape == (1, LONGEST)
    assert not torch.equal(coded(["x" * 47]), coded(["x" * 48]))
    assert len({tuple(row) for row in [*marks().tolist(), *coded(["", "a"]).tolist()]}) == 5


def test_unknown_words_are_read_by_their_characters() -> None:
    encoder, plain = build(), build(read="words")
    assert (encoder([["a", "zebra"]]) - encoder([["a", "giraffe"]])).abs().max() > 1e-4
    torch.testing.assert_close(plain([["a", "zebra"]]), plain([["a", "giraffe"]]))
    with torch.no_grad():
        known, new = encoder.local([["a", "b"]]), encoder.embedded(torch.tensor([11]), coded(["q"] * 11 + ["b"]))
    torch.testing.assert_close(encoder.embedded(torch.tensor([encoder.index["b"]])), new)
    assert known.shape == (1, 12, 4)


# --- texts ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("causal", [False, True])
def test_lists_of_tokens_are_their_numbers(causal: bool) -> None:
    encoder, top = build(causal), build(causal, pool="last")
    texts, end = [["a", "c", "b"], [], ["b"] * 5], [] if causal else [9]
    assert encoder.numbers(["a", "zebra"]) == [10, encoder.index["a"], 8, *end]
    alone = [encoder.hidden(torch.tensor([encoder.numbers(text)])) for text in texts]
    mixed = [layers[-1][0] if causal else torch.stack(layers).mean(0)[0] for layers in alone]
    wanted = [h[1 : 1 + len(text)].mean(0) if text else h.mean(0) for h, text in zip(mixed, texts, strict=True)]
    torch.testing.assert_close(encoder(texts), torch.stack(wanted))
    local = encoder.local(texts)
    torch.testing.assert_close(local[2].T, alone[2][-1][0])
    assert not local[1, :, 1 + len(end) :].any()
    torch.testing.assert_close(top(texts), torch.stack([torch.cat([h[-1, :6], h[0, 6:]]) for h in mixed]))


def test_nothing_of_a_long_text_is_left_out() -> None:
    encoder = build(True)
    tokens = ["a", "b", "c"] * (MOST // 3 + 2)
    pieces = [last(encoder, part[None])[0] for part in torch.tensor(encoder.numbers(tokens)).split(MOST)]
    assert len(pieces) == 2
    torch.testing.assert_close(encoder([tokens])[0].detach(), torch.cat(pieces)[1:].mean(0), atol=1e-5, rtol=1e-5)


OTHERS: dict[str, Any] = {
    "width": 8, "units": 12, "depth": 1, "context": 9, "read": "words", "filters": 0.03, "clip": 0.05, "dropout": 0.4,
    "min_count": 3, "mix": "top", "pool": "last",
}  # fmt: skip


@pytest.mark.parametrize("argument", OTHERS)
def test_each_argument_matters_and_the_spec_rebuilds_it(argument: str) -> None:
    made, usual = build(**{argument: OTHERS[argument]}), build()
    again = encoders.build(**made.spec)
    again.load_state_dict(made.state_dict())
    assert again.spec == made.spec and made.spec[argument] == OTHERS[argument]
    assert torch.equal(again.eval()([["a", "b"]]), made([["a", "b"]]))
    one, two = (made, usual) if argument != "dropout" else (made.train(), usual.train())
    if argument == "context":
        assert one.context == 9
    elif argument in ("width", "depth"):
        assert (one.dim, len(one.hidden(IDS))) != (two.dim, len(two.hidden(IDS)))
    elif argument == "min_count":
        assert len(one.words) < len(two.words)
    else:
        assert not torch.allclose(one([["a", "b"]]), two([["a", "b"]]), atol=1e-5)


def test_a_causal_one_reads_words_and_its_spec_says_no_more() -> None:
    made = build(True)
    assert not {"read", "filters", "mix"} & {*made.spec} and made.table is made.token.weight
    assert {a.name for a in encoders.arguments("causal_lstm")} == {*made.spec} - {"name", "input"}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"units": 0}, "encoder lstm needs width, units and depth of at least 1 .* not 6, 0, 3 and 8"),
        ({"context": 1}, "a context of at least 2"),
        ({"dropout": 1.0}, "dropout of encoder lstm must be in"),
        ({"clip": -1.0}, "clip at least 0"),
        ({"filters": 0.0}, "filters in .0, 1."),
        ({"read": "no"}, "read of encoder lstm must be characters or words"),
        ({"mix": "no"}, "mix mean or top"),
        ({"pool": "no"}, "pool mean or last"),
    ],
)
def test_bad_values_get_a_sentence(arguments: dict[str, Any], said: str) -> None:
    with pytest.raises(UserError, match=said):
        build(**arguments)
