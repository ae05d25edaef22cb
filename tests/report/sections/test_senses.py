from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from selftaught import encoders
from selftaught.data.image import toy as images
from selftaught.data.text.corpus import Corpus
from selftaught.data.text.opening import open_text
from selftaught.report.page import Page
from selftaught.report.sections import senses
from selftaught.report.sections.senses import Words
from selftaught.run import RunFolder
from selftaught.views.stream import Stream, StreamViews

TOKENS = {"width": 8, "depth": 1, "context": 12, "min_count": 1}
ENCODERS: dict[str, dict[str, Any]] = {
    "transformer": TOKENS | {"heads": 2}, "causal_transformer": TOKENS | {"heads": 2},
    "lstm": TOKENS | {"units": 8, "filters": 0.02}, "causal_lstm": TOKENS | {"units": 8},
}  # fmt: skip
NAMES = ["sea", "tree", "play", "road", "hill", "cart", "moon", "wind", "rope", "lamp", "door", "salt", "wages"]


def lines(n: int = 200) -> list[str]:
    rng = np.random.default_rng(0)
    return [" ".join(["the", *rng.permutation(NAMES), "the"]) for _ in range(n)]


def page(tmp_path: Path, name: str, source: Any, **arguments: Any) -> Page:
    torch.manual_seed(0)
    encoder = encoders.build(name, source.input(), **(ENCODERS[name] | arguments))
    return Page(RunFolder.create(tmp_path / name, {}), encoder, None, source_train=source)


@pytest.mark.parametrize("name", ENCODERS)
def test_every_encoder_of_words_in_context_shows_them(tmp_path: Path, name: str) -> None:
    one = page(tmp_path, name, Corpus.of(["\n".join(lines())]))
    assert senses.suits(one)
    (table,) = (senses.data(one) or pytest.fail("the words occur often"))["rows"]
    rows = table["rows"]
    assert len(rows) == 2 * (1 + senses.TOLD) and "[play]" in rows[0][0] and "[play]" in rows[1][0]
    for row in rows:
        word = row[0].partition("[")[2].partition("]")[0]
        assert all(f"[{word}]" in cell for cell in row)
        cosines = [float(cell.split()[0]) for cell in row[1:]]
        assert cosines == sorted(cosines, reverse=True) and max(cosines) <= 1


def test_words_whose_vectors_are_spread_most_come_after_the_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = page(tmp_path, "transformer", Corpus.of(["\n".join(lines())]))
    encoder: Any = one.encoder

    def in_context(given: Any, windows: Any, at: Any) -> torch.Tensor:
        assert given is encoder
        word = int(windows[0, at[0]])
        still = torch.full((len(at), 3), float(word % 5)) + torch.tensor([0.0, word % 3, word % 2])
        turned = torch.randn(len(at), 3, generator=torch.Generator().manual_seed(0))
        return 20 * turned if word == encoder.index["wages"] else still + 0.01 * turned

    monkeypatch.setattr(senses, "in_context", in_context)
    monkeypatch.setattr(senses, "TOLD", 1)
    (table,) = (senses.data(one) or pytest.fail("the words occur often"))["rows"]
    assert [row[0].partition("[")[2].partition("]")[0] for row in table["rows"]] == ["play", "play", "wages", "wages"]


@pytest.mark.parametrize("name", ENCODERS)
def test_the_vectors_are_those_of_the_word_in_a_text_that_begins(tmp_path: Path, name: str) -> None:
    one = page(tmp_path, name, Corpus.of(["\n".join(lines(20))]))
    encoder: Any = one.encoder.eval() if one.encoder is not None else None
    ids = np.array([[0, 1, 2, 3, 4], [5, 4, 3, 2, 1]])
    with torch.no_grad():
        found = senses.in_context(encoder, ids, np.array([3, 0]))
        own = encoder.hidden(torch.tensor([[len(encoder.words) + 2, 1, 2, 3, 4], [5, 4, 3, 2, 1]]))[-1]
    torch.testing.assert_close(found, torch.stack([own[0, 3], own[1, 0]]))
    assert ids[0, 0] == 0  # what is shown of the window is not changed


def test_pieces_that_are_part_of_a_longer_word_are_no_occurrences(tmp_path: Path) -> None:
    pytest.importorskip("tokenizers")
    text = tmp_path / "text.txt"
    text.write_text("\n".join(line.replace("play", "play played").replace("sea", "seaing") for line in lines()))
    source = open_text(text, "all", tokens="bpe:300")
    one = page(tmp_path, "transformer", source)
    encoder: Any = one.encoder
    words = Words(encoder.words, encoder.spec["input"]["tokens"])
    known = {words.word(i) for i in range(len(encoder.words))}
    assert {"play", "tree"} <= known and not any("Ġ" in word for word in known)
    rows = (senses.data(one) or pytest.fail("the words occur often"))["rows"][0]["rows"]
    assert rows and all("Ġ" not in cell for row in rows for cell in row)
    assert not any("[sea]ing" in cell or "[sea] ing" in cell for row in rows for cell in row)
    stream = StreamViews(encoder.index, encoder.context).bind(source)
    assert isinstance(stream, Stream) and any("[play]" in row[0] for row in rows)
    assert not any("[play] ed" in cell for row in rows for cell in row)


def test_other_encoders_and_rare_words_have_none(tmp_path: Path) -> None:
    picture = encoders.build("conv", images.seen(), width=4, depth=2)
    assert not senses.suits(Page(RunFolder.create(tmp_path / "a", {}), picture, source_train=images.source(8)))
    corpus = Corpus.of(["\n".join(lines(4))])
    table = encoders.build("lookup", corpus.input(), dim=4, min_count=1)
    assert not senses.suits(Page(RunFolder.create(tmp_path / "b", {}), table, source_train=corpus))
    rare = page(tmp_path, "transformer", corpus)
    assert senses.suits(rare) and senses.data(rare) is None
