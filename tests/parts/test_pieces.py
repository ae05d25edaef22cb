"""Texts in pieces: each symbol once, in its place, whatever stands beside it."""

from __future__ import annotations

import torch

from selftaught.parts import pieces


def test_texts_are_cut_read_and_joined() -> None:
    texts = [torch.arange(begin, begin + length) for begin, length in ((0, 5), (10, 1), (20, 8))]
    seen: list[torch.Tensor] = []

    def reading(ids: torch.Tensor, there: torch.Tensor) -> list[torch.Tensor]:
        seen.append(there)
        return [(ids * there)[..., None].float(), (ids * there)[..., None].float() + 0.5]

    found = pieces.read(texts, 3, reading)
    assert [there.shape for there in seen] == [(6, 3)]
    assert seen[0].sum(1).tolist() == [3, 2, 1, 3, 3, 2]
    for text, (first, second) in zip(texts, found, strict=True):
        torch.testing.assert_close(first[:, 0], text.float())
        torch.testing.assert_close(second, first + 0.5)
    layer = pieces.stacked(found)[0]
    assert layer.shape == (3, 1, 8) and layer[1, 0].tolist() == [10.0, *[0.0] * 7]


def test_many_pieces_are_read_in_several_batches() -> None:
    text, sizes = torch.arange(3 * pieces.TOGETHER + 1), list[int]()

    def reading(ids: torch.Tensor, there: torch.Tensor) -> list[torch.Tensor]:
        sizes.append(len(ids))
        return [ids[..., None]]

    found = pieces.read([text], 2, reading)
    assert torch.equal(found[0][0][:, 0], text) and sizes == [64, 33]


def test_the_mean_leaves_marks_out_unless_nothing_else_is_there() -> None:
    h = torch.tensor([[9.0], [1.0], [3.0], [7.0]])
    assert float(pieces.mean(h, 2)) == 2 and float(pieces.mean(h[:3], 1)) == 2 and float(pieces.mean(h[:2], 2)) == 5
