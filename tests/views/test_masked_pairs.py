"""The samples of BERT: what the two texts are, and what is hidden in them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from selftaught.data.text.corpus import Corpus
from selftaught.errors import UserError
from selftaught.views.masked_pairs import KEPT, REPLACED, MaskedPairs
from selftaught.views.passages import Passages

V = 60
OTHER, END, START, MASK = range(V, V + 4)


def corpus(documents: int = 12, lines: int = 6, words: int = 5) -> Corpus:
    """Every token says where it is from: document d, line l, word w has a number of its own."""
    names = [[[f"{d}.{line}.{w}" for w in range(words)] for line in range(lines)] for d in range(documents)]
    return Corpus.of(names)


TEXT = corpus()
INDEX = {word: row for row, word in enumerate(TEXT.words)}


def built(text: Corpus = TEXT, epochs: int = 6, length: int = 24, **arguments: Any) -> dict[str, np.ndarray]:
    given = {"share": 0.15, "both": True, "whole": None} | arguments
    views = MaskedPairs(list(text.words), {word: row for row, word in enumerate(text.words)}, length, **given)
    bound = views.bind(text)
    index = np.arange(len(bound))
    found = [
        views.apply(bound.fetch(index), views.sample(index, epoch, 0), torch.device("cpu")) for epoch in range(epochs)
    ]
    return {key: torch.cat([batch[key] for batch in found]).numpy() for key in found[0]}


def texts(text: Corpus, batch: dict[str, np.ndarray]) -> list[tuple[list[str], list[str]]]:
    found = []
    for tokens, segment, there in zip(batch["tokens"], batch["segment"], batch["there"], strict=True):
        sides = [[text.words[t] for t in tokens[there & (segment == side)] if t < len(text.words)] for side in (0, 1)]
        found.append((sides[0], sides[1]))
    return found


def test_the_second_text_follows_or_is_from_another_document() -> None:
    batch = built(epochs=20)
    flat = [TEXT.words[i] for i in TEXT.ids]
    place = {word: i for i, word in enumerate(flat)}
    for (a, b), follows in zip(texts(TEXT, batch), batch["follows"], strict=True):
        for side in (a, b):
            assert side == flat[place[side[0]] : place[side[0]] + len(side)]  # a piece of the text as it stands
            assert len({word.split(".")[0] for word in side}) == 1
        same = a[0].split(".")[0] == b[0].split(".")[0]
        assert same is bool(follows)
        if follows:
            assert place[b[0]] > place[a[-1]]  # with a gap where they were too long
    assert batch["follows"].mean() == pytest.approx(0.5 * (1 - 1 / 6), abs=0.08)  # a last line has none that follows


def test_a_sample_is_start_a_end_b_end() -> None:
    batch, v = built(), len(TEXT.words)
    for tokens, segment, there in zip(batch["tokens"], batch["segment"], batch["there"], strict=True):
        n = int(there.sum())
        assert there[:n].all() and tokens[0] == v + 2 and tokens[n - 1] == v + 1 and (tokens[:n] == v + 1).sum() == 2
        middle = int(np.flatnonzero(tokens == v + 1)[0])
        assert (segment[: middle + 1] == 0).all() and (segment[middle + 1 : n] == 1).all()
    lengths = batch["there"].sum(1)
    assert lengths.max() == 24 and 0.02 < (lengths < 18).mean() < 0.35


def test_every_part_of_the_text_is_seen() -> None:
    batch = built(epochs=30)
    assert {word for sides in texts(TEXT, batch) for side in sides for word in side} == set(TEXT.words)


def test_without_pairs_there_is_one_text() -> None:
    batch = built(both=False)
    assert not batch["follows"].any() and not batch["segment"][batch["there"]].any()
    assert all(not b for _, b in texts(TEXT, batch))
    assert (batch["tokens"] == len(TEXT.words) + 1).sum() == len(batch["tokens"])


def test_the_share_of_the_words_is_hidden_in_three_ways() -> None:
    batch, v = built(epochs=60), len(TEXT.words)
    tokens, seen, hidden = batch["tokens"], batch["seen"], batch["hidden"]
    words = batch["there"] & (tokens < v)
    assert not hidden[~words].any() and (seen == tokens)[~hidden].all()
    wanted = np.maximum(1, np.floor(0.15 * words.sum(1) + 0.5))
    assert (hidden.sum(1) == wanted).all()
    now, was = seen[hidden], tokens[hidden]
    n = len(now)
    assert abs((now == v + 3).mean() - REPLACED) < 4 * np.sqrt(0.16 / n)
    assert abs((now == was).mean() - KEPT - 0.1 / v) < 4 * np.sqrt(0.09 / n)
    others = now[(now != v + 3) & (now != was)]
    assert (others < v).all() and len(set(others.tolist())) > 0.9 * min(v, len(others) / 3)
    assert (built(epochs=1)["hidden"] != built(epochs=2)["hidden"][len(built(epochs=1)["hidden"]) :]).any()
    half = built(share=0.5)
    assert half["hidden"].sum() / (half["tokens"] < v)[half["there"]].sum() == pytest.approx(0.5, abs=0.03)


def test_whole_words_are_hidden_or_not_at_all() -> None:
    text = Corpus.of([[["Ġun", "believ", "able", "Ġcat", "Ġdo", "g"] * 4] * 3] * 3)
    own = {True: 0, False: 0}
    for whole in own:
        batch = built(text, epochs=40, whole={"bpe": ""} if whole else None, share=0.3)
        for tokens, hidden, there in zip(batch["tokens"], batch["hidden"], batch["there"], strict=True):
            words: list[list[bool]] = []
            for t, h in zip(tokens[there], hidden[there], strict=True):
                if t >= len(text.words):
                    words.append([])
                elif text.words[t].startswith("Ġ") or not words or not words[-1]:
                    words.append([bool(h)])
                else:
                    words[-1].append(bool(h))
            own[whole] += sum(len(set(word)) > 1 for word in words)
    assert own[True] == 0 and own[False] > 100


def test_other_words_are_seen_and_never_hidden() -> None:
    known = {word: row for row, word in enumerate(TEXT.words[:50])}
    views = MaskedPairs(list(known), known, 24, 0.15, True)
    bound = views.bind(TEXT)
    index = np.arange(len(bound))
    batch = views.apply(bound.fetch(index), views.sample(index, 0, 0), torch.device("cpu"))
    assert (batch["tokens"] == 50).any() and (batch["tokens"][batch["hidden"]] < 50).all()


def test_a_long_line_is_cut_into_passages() -> None:
    text = Corpus.of([[[f"{d}.{w}" for w in range(100)]] for d in range(3)])
    made = Passages(text, 300, 21, None)
    assert np.diff(made.passages).max() == 10 and made.passages[-1] == 300 and len(made.documents) == 4
    batch = built(text, epochs=30)
    assert batch["follows"].mean() > 0.3
    assert {word for sides in texts(text, batch) for side in sides for word in side} == set(text.words)


def test_one_document_has_no_other() -> None:
    with pytest.raises(UserError, match=r"the text is one document: .* --no-nsp"):
        built(corpus(documents=1))
    assert len(built(corpus(documents=1), both=False)["tokens"])
