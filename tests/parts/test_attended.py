"""Where tokens look, as a person reads it."""

from __future__ import annotations

import torch

from selftaught.parts.attended import MOST, attended


def test_each_token_names_the_one_that_it_looks_at_most():
    first = torch.tensor([[[1.0, 0, 0], [0.9, 0.1, 0], [0.2, 0.7, 0.1]], [[1.0, 0, 0], [0.3, 0.7, 0], [0.1, 0.1, 0.8]]])
    table, one, two = attended(["", " the", "sea"], [first, first.flip(0)])
    assert list(table.columns) == ["token", "block 1", "block 2"]
    assert table.rows == [
        ["start", "start 100%", "start 100%"],
        ["the", "start 60%", "start 60%"],
        ["sea", "sea 45%", "sea 45%"],
    ]
    assert [one.name, two.name] == ["attention, block 1", "attention, block 2"] and one.notes == ["head 1", "head 2"]
    assert one.images[0][..., 0].tolist() == [[255, 0, 0], [255, 28, 0], [73, 255, 36]]
    assert (two.images[1] == one.images[0]).all()


def test_long_texts_are_shown_from_their_beginning():
    weights = torch.eye(40).expand(2, -1, -1)
    table, maps = attended([f"w{i}" for i in range(40)], [weights])
    assert len(table.rows) == MOST and maps.images[0].shape == (MOST, MOST, 1)
