"""The loss over a large vocabulary, against torch's own and against finite differences."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from selftaught.parts import large_softmax
from selftaught.parts.large_softmax import cross_entropy


def given(seed: int = 0, dtype: torch.dtype = torch.float64) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    made = [torch.randn(shape, generator=generator, dtype=dtype) for shape in ((7, 4), (11, 4), (11,))]
    return [tensor.requires_grad_() for tensor in made]


TARGET = torch.tensor([0, 10, 3, 3, 5, 9, 1])


@pytest.mark.parametrize("cells", [1, 33, 1 << 20])
@pytest.mark.parametrize("biased", [False, True])
def test_it_is_the_cross_entropy_whatever_the_chunk(monkeypatch: pytest.MonkeyPatch, cells: int, biased: bool) -> None:
    monkeypatch.setattr(large_softmax, "CELLS", cells)
    ours, theirs = given(), given()
    loss, right = cross_entropy(ours[0], ours[1], TARGET, ours[2] if biased else None)
    (3 * loss).backward()
    scores = F.linear(theirs[0], theirs[1], theirs[2] if biased else None)
    wanted = F.cross_entropy(scores, TARGET)
    (3 * wanted).backward()
    torch.testing.assert_close(loss, wanted)
    assert (
        float(right) == pytest.approx(float((scores.argmax(1) == TARGET).double().mean())) and not right.requires_grad
    )
    for a, b in zip(ours[: 2 + biased], theirs, strict=False):
        torch.testing.assert_close(a.grad, b.grad)


def test_gradients_are_finite_differences() -> None:
    h, w, b = given()
    assert torch.autograd.gradcheck(lambda *x: cross_entropy(x[0], x[1], TARGET, x[2])[0], (h, w, b))


def test_only_what_is_wanted_gets_a_gradient() -> None:
    h, w, _ = given()
    cross_entropy(h, w.detach(), TARGET)[0].backward()
    assert h.grad is not None and w.grad is None
    with torch.no_grad():
        assert not cross_entropy(h, w, TARGET)[0].requires_grad


def test_half_precision_keeps_the_sum_in_single() -> None:
    h, w, _ = (tensor.detach().bfloat16().requires_grad_() for tensor in given())
    loss, _ = cross_entropy(h, w, TARGET)
    loss.backward()
    assert loss.dtype == torch.float32 and h.grad is not None and h.grad.dtype == torch.bfloat16
    with torch.autocast("cpu", torch.bfloat16):
        wide = given(dtype=torch.float32)
        cross_entropy(wide[0].bfloat16(), wide[1], TARGET)[0].backward()
    assert wide[1].grad is not None and torch.isfinite(wide[1].grad).all()


def test_without_rows_the_loss_is_nought() -> None:
    h, w, _ = given()
    loss, right = cross_entropy(h[:0], w, TARGET[:0])
    loss.backward()
    assert float(loss.detach()) == 0 == float(right) and w.grad is not None and not w.grad.any()
