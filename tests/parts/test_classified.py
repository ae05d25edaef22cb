from __future__ import annotations

import torch

from selftaught.parts.classified import masked_cross_entropy, right


def test_only_labelled_rows_count_and_the_whole_batch_divides() -> None:
    logits = torch.randn(6, 3, generator=torch.Generator().manual_seed(0)).requires_grad_()
    label = torch.tensor([0, -1, 2, -1, -1, 1])
    total = 0.0
    for row, y in zip(logits.log_softmax(1).tolist(), label.tolist(), strict=True):
        total -= row[y] if y >= 0 else 0
    loss = masked_cross_entropy(logits, label)
    torch.testing.assert_close(loss, torch.tensor(total / 6))
    loss.backward()
    assert (logits.grad.abs().sum(1) > 0).tolist() == (label >= 0).tolist()
    assert masked_cross_entropy(logits, torch.full((6,), -1)) == 0


def test_right_answers_among_the_labelled() -> None:
    logits = torch.tensor([[2.0, 1.0], [0.0, 1.0], [0.0, 1.0], [3.0, 1.0]])
    assert right(logits, torch.tensor([0, 0, -1, 0])) == torch.tensor(2 / 3)
    assert right(logits, torch.full((4,), -1)) == 0
