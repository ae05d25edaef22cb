"""The streamed softmax against the plain one: values, gradients, masks, and what it holds in memory."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from selftaught.errors import UserError
from selftaught.parts import streamed_info_nce as module
from selftaught.parts.info_nce import info_nce
from selftaught.parts.scores import Bilinear, Cosine, SquaredDistance
from selftaught.parts.streamed_info_nce import streamed_info_nce


@pytest.fixture
def small_tiles(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(module.TILES, "cpu", (4, 6))


def rows(n: int, width: int = 5, seed: int = 0, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(n, width, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def plain(
    query: Tensor, positive: Tensor, key: Tensor, temperature: float, exclude: Tensor | None = None
) -> dict[str, Tensor]:
    scores = query @ key.T
    if exclude is not None:
        out = torch.zeros(scores.shape, dtype=torch.bool)
        for i, columns in enumerate(exclude.tolist()):
            out[i, [j for j in columns if j >= 0]] = True
        scores = scores.masked_fill(out, -torch.inf)
    return info_nce(positive, scores, temperature)


def both(
    queries: int, keys: int, temperature: float, exclude: Tensor | None = None, scale: float = 1.0, seed: int = 0
) -> None:
    """Compare everything that the two forms return, and all gradients, to 1e-12 of what they are."""
    results = []
    for form in (plain, streamed_info_nce):
        q, p, k = scale * rows(queries, seed=seed), rows(queries, 1, seed + 1)[:, 0], rows(keys, seed=seed + 2)
        leaves = [x.requires_grad_() for x in (q, p, k)]
        outputs = form(*leaves, temperature, exclude)
        results.append((outputs, torch.autograd.grad(3 * outputs["loss"], leaves)))
    (a, grads), (b, others) = results
    assert a.keys() == b.keys()
    for name in a:
        torch.testing.assert_close(b[name], a[name], rtol=1e-12, atol=1e-12, check_dtype=False, msg=name)
    for ours, theirs in zip(others, grads, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-12)


@pytest.mark.usefixtures("small_tiles")
@pytest.mark.parametrize(("queries", "keys"), [(1, 1), (3, 5), (4, 6), (5, 7), (8, 12), (9, 31), (17, 3)])
@pytest.mark.parametrize("temperature", [0.07, 0.5, 3.0])
def test_equals_the_plain_form_whatever_the_tiles(queries: int, keys: int, temperature: float) -> None:
    both(queries, keys, temperature)


def test_equals_the_plain_form_in_tiles_of_full_size() -> None:
    both(1100, 2100, 0.2)


@pytest.mark.usefixtures("small_tiles")
@settings(deadline=None, max_examples=40)
@given(st.integers(1, 12), st.integers(1, 20), st.integers(0, 4), st.integers(0, 1000))
def test_excluded_keys_are_no_negatives(queries: int, keys: int, count: int, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    exclude = torch.stack([torch.randperm(keys + 4, generator=generator)[:count] for _ in range(queries)])
    # some of them -1, some queries without negatives
    both(queries, keys, 0.5, exclude.where(exclude < keys, -1), seed=seed)


@pytest.mark.usefixtures("small_tiles")
def test_gradients_agree_with_finite_differences() -> None:
    exclude = torch.tensor([[0, 3], [1, -1], [7, 2], [-1, -1], [8, 0]])

    def loss(q: Tensor, p: Tensor, k: Tensor) -> Tensor:
        return streamed_info_nce(q, p, k, 0.7, exclude)["loss"]

    leaves = (rows(5).requires_grad_(), rows(5, 1, 1)[:, 0].requires_grad_(), rows(9, seed=2).requires_grad_())
    assert torch.autograd.gradcheck(loss, leaves)


@pytest.mark.usefixtures("small_tiles")
def test_rows_that_are_queries_and_keys_get_both_gradients() -> None:
    grads = []
    for form in (plain, streamed_info_nce):
        z = rows(10).requires_grad_()
        mine = torch.arange(10)[:, None]
        form(z, (z * z[mine[:, 0] ^ 1]).sum(1), z, 0.5, torch.cat([mine, mine ^ 1], 1))["loss"].backward()
        assert z.grad is not None
        grads.append(z.grad)
    torch.testing.assert_close(*grads, rtol=1e-12, atol=1e-12)


@pytest.mark.usefixtures("small_tiles")
@pytest.mark.parametrize("scale", [1e-8, 100.0, 1e6])
def test_tiny_and_huge_scores_are_exact(scale: float) -> None:
    both(5, 20, 0.1, scale=scale)


@pytest.mark.usefixtures("small_tiles")
def test_every_score_of_the_interface_can_be_streamed() -> None:
    torch.manual_seed(0)
    for score in (Cosine(0.1), Bilinear(5, 5).double(), SquaredDistance()):
        q, own, other = rows(5), rows(5, seed=1), rows(9, seed=2)
        positive = score.pairs(q, own)
        a = streamed_info_nce(score.query(q), positive, score.key(other))
        b = info_nce(positive, score.table(q, other))
        for name in a:
            torch.testing.assert_close(a[name], b[name], check_dtype=False)


def test_a_collapsed_encoder_scores_nothing() -> None:
    z = torch.nn.functional.normalize(torch.ones(64, 128) * torch.pi, dim=1)
    mine = torch.arange(64)[:, None]
    outputs = streamed_info_nce(z, (z * z).sum(1), z, 0.1, torch.cat([mine, mine ^ 1], 1))
    assert outputs["accuracy"] == 0
    assert outputs["loss"].item() == pytest.approx(math.log(63), rel=1e-5)


def test_half_precision_and_autocast_compute_in_float32() -> None:
    q, p, k = rows(8, dtype=torch.float32), rows(8, 1, 1, torch.float32)[:, 0], rows(30, seed=2, dtype=torch.float32)
    exact = streamed_info_nce(q, p, k, 0.1)["loss"]
    with torch.autocast("cpu", torch.bfloat16):
        q.requires_grad_()
        under = streamed_info_nce(q, p, k, 0.1)["loss"]
        under.backward()
    assert under == exact and under.dtype == torch.float32
    grad = torch.autograd.grad(streamed_info_nce(q, p, k, 0.1)["loss"], q)[0]
    assert q.grad is not None and torch.equal(q.grad, grad)
    half = streamed_info_nce(q.detach().bfloat16(), p, k.bfloat16(), 0.1)["loss"]
    assert half == pytest.approx(float(exact), rel=0.05) and half.dtype == torch.float32


class Largest(TorchDispatchMode):
    """Remembers the size of the largest tensor that any operation made."""

    elements = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
        out = func(*args, **(kwargs or {}))
        for x in out if isinstance(out, (tuple, list)) else (out,):
            if isinstance(x, Tensor):
                self.elements = max(self.elements, x.untyped_storage().size() // x.element_size())
        return out


@pytest.mark.parametrize("keys", [3000, 12_000])
def test_no_tensor_is_larger_than_a_tile_or_an_input(keys: int) -> None:
    q, k = (
        rows(2000, 4, dtype=torch.float32).requires_grad_(),
        rows(keys, 4, seed=1, dtype=torch.float32).requires_grad_(),
    )
    with Largest() as seen:
        streamed_info_nce(q, (q * q).sum(1), k, 0.5, torch.arange(2000)[:, None])["loss"].backward()
    height, width = module.TILES["cpu"]
    assert seen.elements <= max(height * width, k.numel(), q.numel())


def test_a_temperature_of_nothing_is_refused() -> None:
    with pytest.raises(UserError, match="temperature must be greater than 0, not 0"):
        streamed_info_nce(rows(2), rows(2, 1)[:, 0], rows(3), 0)
