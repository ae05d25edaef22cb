"""The Transformer: the formula of attention, what sees what, positions, the cache, and long texts."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch.nn import functional as F

from selftaught import encoders
from selftaught.data.text.corpus import Corpus
from selftaught.encoders.transformer import Transformer, angles, rotated, sinusoids
from selftaught.errors import UserError

TEXT = Corpus.of(["a b c d e f g h a b c d e f g h a b c a b c d"])
SMALL: dict[str, Any] = {"width": 12, "depth": 2, "heads": 3, "context": 8, "min_count": 1}
IDS = torch.tensor([[10, 0, 1, 2, 3, 4], [10, 5, 3, 3, 0, 9]])


def build(causal: bool = True, seed: int = 0, **arguments: Any) -> Transformer:
    torch.manual_seed(seed)
    name = "causal_transformer" if causal else "transformer"
    made = encoders.build(name, TEXT.input(), **{**SMALL, **arguments})
    assert isinstance(made, Transformer)
    for parameter in made.parameters():  # far from the small initial values, so that everything shows
        torch.nn.init.normal_(parameter, std=0.5)
    return made.eval()


def last(encoder: Transformer, ids: torch.Tensor, **masks: torch.Tensor) -> torch.Tensor:
    return encoder.hidden(ids, **masks)[-1].detach()


@pytest.mark.parametrize("norm", ["pre", "post"])
@pytest.mark.parametrize("causal", [False, True])
def test_a_block_is_the_papers_formula(causal: bool, norm: str) -> None:
    encoder = build(causal, norm=norm, depth=1)
    block, x = encoder.blocks[0], encoder.token(IDS) + encoder.position(torch.arange(6))
    x = x if causal else x + encoder.segment.weight[0]
    x = encoder.begin(x) if norm == "post" and not causal else x
    y = block.norm1(x) if norm == "pre" else x
    qkv = block.attention.qkv(y)
    heads = []
    for head in range(3):
        q, k, v = (qkv[..., 12 * part + 4 * head : 12 * part + 4 * head + 4] for part in range(3))
        scores = q @ k.transpose(1, 2) / math.sqrt(4)
        if causal:
            scores = scores + torch.full((6, 6), -torch.inf).triu(1)
        heads.append(scores.softmax(2) @ v)
    x = x + block.attention.out(torch.cat(heads, 2))
    if norm == "pre":
        x = encoder.norm(x + block.mlp(block.norm2(x)))
    else:
        x = block.norm1(x)
        x = block.norm2(x + block.mlp(x))
    torch.testing.assert_close(last(encoder, IDS), x.detach())


@pytest.mark.parametrize("positions", ["learned", "sinusoidal", "rotary", "none"])
def test_a_causal_encoder_sees_nothing_after(positions: str) -> None:
    encoder, other = build(positions=positions), IDS.clone()
    other[:, 4:] = 7
    torch.testing.assert_close(last(encoder, IDS)[:, :4], last(encoder, other)[:, :4])
    both = build(False, positions=positions)
    assert (last(both, IDS)[:, 0] - last(both, other)[:, 0]).abs().max() > 1e-3


def test_without_positions_the_order_is_unknown() -> None:
    order = torch.tensor([3, 1, 5, 0, 2, 4])
    for positions, known in (("none", False), ("learned", True), ("sinusoidal", True), ("rotary", True)):
        encoder = build(False, positions=positions)
        same = torch.allclose(last(encoder, IDS)[:, order], last(encoder, IDS[:, order]), atol=1e-5)
        assert same is not known, positions


def test_products_of_sines_and_of_turned_vectors_depend_on_distances() -> None:
    where = torch.arange(40)
    table = sinusoids(where, 16)
    assert table.shape == (40, 16) and table[3, 4] == pytest.approx(math.sin(3 / 10000 ** (4 / 16)), abs=1e-6)
    products = table @ table.T
    torch.testing.assert_close(products[:30, :30], products[10:, 10:])
    q, k = torch.randn(2, 16, generator=torch.Generator().manual_seed(0))
    turn = angles(where, 16)
    products = rotated(q.expand(40, 16), turn) @ rotated(k.expand(40, 16), turn).T
    torch.testing.assert_close(products[:30, :30], products[10:, 10:], atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(rotated(q.expand(40, 16), turn)[0], q)
    assert float(rotated(q.expand(40, 16), turn)[7].norm()) == pytest.approx(float(q.norm()), rel=1e-5)


@pytest.mark.parametrize("causal", [False, True])
def test_padding_and_other_documents_change_nothing(causal: bool) -> None:
    encoder, there = build(causal), torch.tensor([[True] * 6, [True] * 4 + [False] * 2])
    alone = last(encoder, IDS[1:, :4])[0]
    torch.testing.assert_close(last(encoder, IDS, mask=there)[1, :4], alone)
    torch.testing.assert_close(encoder(IDS, mask=there)[1].detach(), alone.mean(0))
    documents = torch.tensor([[0] * 4 + [1] * 2] * 2)
    found = last(build(causal, positions="none"), IDS, document=documents)
    apart = last(build(causal, positions="none"), IDS[:, 4:])
    torch.testing.assert_close(found[:, 4:], apart)
    assert torch.isfinite(last(encoder, IDS, mask=torch.zeros(2, 6, dtype=torch.bool))).all()


@pytest.mark.parametrize("positions", ["learned", "sinusoidal", "rotary", "none"])
def test_a_cache_gives_what_the_whole_text_gives(positions: str) -> None:
    encoder = build(positions=positions)
    cache = encoder.empty(2)
    found = [last(encoder, IDS[:, :3]), *(None for _ in range(3))]
    parts = [encoder.hidden(IDS[:, :3], cache)[-1]]
    parts += [encoder.hidden(IDS[:, t : t + 1], cache)[-1] for t in range(3, 6)]
    torch.testing.assert_close(torch.cat(parts, 1).detach(), last(encoder, IDS), atol=1e-5, rtol=1e-5)
    assert cache.length == 6 and found[0] is not None


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize(("norm", "positions"), [("pre", "learned"), ("post", "rotary")])
def test_attention_is_what_the_blocks_use(causal: bool, norm: str, positions: str) -> None:
    encoder = build(causal, norm=norm, positions=positions)
    weights = encoder.attention(IDS)
    assert len(weights) == 2 and weights[0].shape == (2, 3, 6, 6)
    for found in weights:
        torch.testing.assert_close(found.sum(3), torch.ones(2, 3, 6))
        assert not causal or float(found.triu(1).abs().max()) == 0
    block, x = encoder.blocks[1], encoder.hidden(IDS)[0]
    _, _, v = block.attention.project(block.norm1(x) if norm == "pre" else x, None)
    a = block.attention.join(weights[1] @ v)
    x = x + a if norm == "pre" else block.norm1(x + a)
    x = encoder.norm(x + block.mlp(block.norm2(x))) if norm == "pre" else block.norm2(x + block.mlp(x))
    torch.testing.assert_close(last(encoder, IDS), x.detach(), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("causal", [False, True])
def test_lists_of_tokens_are_their_numbers(causal: bool) -> None:
    encoder = build(causal)
    texts = [["a", "c", "zebra"], [], ["b"] * 5]
    end = [] if causal else [9]
    assert encoder.numbers(texts[0]) == [10, encoder.index["a"], encoder.index["c"], 8, *end]
    alone = [last(encoder, torch.tensor([encoder.numbers(text)]))[0] for text in texts]
    wanted = torch.stack(
        [h[1 : 1 + len(text)].mean(0) if text else h.mean(0) for h, text in zip(alone, texts, strict=True)]
    )
    torch.testing.assert_close(encoder(texts).detach(), wanted, atol=1e-5, rtol=1e-5)
    local = encoder.local(texts).detach()
    assert local.shape == (3, 12, 6 + len(end))
    torch.testing.assert_close(local[2].T, alone[2], atol=1e-5, rtol=1e-5)
    assert not local[1, :, 1 + len(end) :].any()
    if not causal:
        first = build(pool="first", causal=False)
        torch.testing.assert_close(first(texts).detach(), torch.stack([h[0] for h in alone]), atol=1e-5, rtol=1e-5)
    for pool in ("mean", "last") if causal else ("mean", "last", "first"):
        other = build(causal, pool=pool)
        ids = [torch.tensor(other.numbers(text)) for text in texts]
        there = torch.arange(max(map(len, ids))) < torch.tensor([len(row) for row in ids])[:, None]
        found = other.texts(torch.nn.utils.rnn.pad_sequence(ids, batch_first=True), there)
        torch.testing.assert_close(found, other(texts), atol=1e-5, rtol=1e-5)
    pooled = build(causal, pool="last")
    torch.testing.assert_close(pooled(texts).detach(), torch.stack([h[-1] for h in alone]), atol=1e-5, rtol=1e-5)


def test_nothing_of_a_long_text_is_left_out() -> None:
    encoder, tokens = build(), ["a", "b", "c", "d", "e", "f", "g", "h", "a", "b"]
    ids = torch.tensor(encoder.numbers(tokens))
    pieces = [last(encoder, part[None])[0] for part in ids.split(8)]
    torch.testing.assert_close(encoder([tokens])[0].detach(), torch.cat(pieces)[1:].mean(0), atol=1e-5, rtol=1e-5)


def test_dropout_is_used_in_training_alone() -> None:
    encoder = build(dropout=0.5)
    assert torch.equal(last(encoder, IDS), last(encoder, IDS))
    encoder.train()
    assert not torch.equal(last(encoder, IDS), last(encoder, IDS))


@pytest.mark.parametrize(
    "argument", ["width", "depth", "heads", "context", "norm", "positions", "dropout", "min_count", "gelu", "eps"]
)
def test_the_spec_rebuilds_it(argument: str) -> None:
    others: dict[str, Any] = {
        "width": 24, "depth": 1, "heads": 2, "context": 9, "norm": "post", "positions": "rotary", "dropout": 0.1,
        "min_count": 3, "gelu": "tanh", "eps": 0.1,
    }  # fmt: skip
    made = build(**{argument: others[argument]})
    again = encoders.build(**made.spec)
    again.load_state_dict(made.state_dict())
    assert again.spec == made.spec and made.spec[argument] == others[argument]
    if argument in ("gelu", "eps", "norm", "positions"):  # the same weights, another function
        assert not torch.equal(build()([["a", "b"]]), made([["a", "b"]]))
    assert torch.equal(again.eval()([["a", "b"]]), made([["a", "b"]]))


def test_at_first_every_symbol_is_about_as_probable() -> None:
    torch.manual_seed(0)
    encoder = encoders.build("causal_transformer", TEXT.input(), **SMALL)
    assert isinstance(encoder, Transformer)
    scores = encoder.hidden(IDS)[-1] @ encoder.token.weight.T
    loss = F.cross_entropy(scores[:, :-1].flatten(0, 1), IDS[:, 1:].flatten())
    assert float(loss.detach()) == pytest.approx(math.log(11), abs=0.3)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"heads": 5}, "heads that divide width"),
        ({"context": 1}, "a context of at least 2, not 12, 2, 3 and 1"),
        ({"norm": "no"}, "norm of encoder causal_transformer must be pre or post"),
        ({"positions": "no"}, "positions learned, sinusoidal, rotary or none"),
        ({"positions": "rotary", "heads": 4}, "rotary positions .* need an even width in each head"),
        ({"dropout": 1.0}, "dropout of encoder causal_transformer must be in"),
        ({"pool": "no"}, "pool mean or last"),
        ({"pool": "first"}, "or first if it looks both ways"),
        ({"gelu": "no"}, "gelu of encoder causal_transformer must be exact or tanh"),
        ({"eps": 0.0}, "eps positive"),
    ],
)
def test_bad_values_get_a_sentence(arguments: dict[str, Any], said: str) -> None:
    with pytest.raises(UserError, match=said):
        build(**arguments)


def test_segments_and_the_hidden_symbol_are_for_those_that_look_both_ways() -> None:
    encoder, causal = build(False), build(True)
    one, two = (encoder.hidden(IDS, segment=torch.full_like(IDS, k))[-1] for k in (0, 1))
    torch.testing.assert_close(last(encoder, IDS), one.detach())
    assert float((one - two).detach().abs().max()) > 1e-3
    assert len(encoder.token.weight) == len(causal.token.weight) + 1 and causal.segment is None


def test_it_starts_from_the_tokens_that_another_has_too() -> None:
    told: list[str] = []

    class Given:
        def __init__(self, other: Transformer) -> None:
            self.other = other

        def symbols(self) -> Any:
            return self.other.words, self.other.state_dict()

        def tell(self, what: str) -> None:
            told.append(what)

    other, own = build(False, seed=1, context=12), build(False)
    torch.manual_seed(0)
    theirs = encoders.build("transformer", Corpus.of(["x h g f x"]).input(), **SMALL)
    assert isinstance(theirs, Transformer)
    before = own.token.weight.clone()
    own.start(Given(theirs))  # type: ignore[arg-type]
    assert told == ["3 of 8 tokens start from its vectors, and all blocks from its blocks"]
    for word in "abcdefgh":
        wanted = theirs.token.weight[theirs.index[word]] if word in "fgh" else before[own.index[word]]
        assert torch.equal(own.token.weight[own.index[word]], wanted)
    assert torch.equal(own.token.weight[-4:], theirs.token.weight[-4:])
    own.start(Given(other))  # type: ignore[arg-type]
    for name, tensor in own.state_dict().items():
        assert torch.equal(tensor, other.state_dict()[name][: len(tensor)]), name
    with pytest.raises(UserError, match=r"position.weight is \[8, 12\] there and \[9, 12\] in encoder transformer"):
        build(False, context=9).start(Given(own))  # type: ignore[arg-type]
    nothing = encoders.build("transformer", Corpus.of(["x y z"]).input(), **SMALL)
    with pytest.raises(UserError, match="know none of the tokens of this text"):
        own.start(Given(nothing))  # type: ignore[arg-type]
