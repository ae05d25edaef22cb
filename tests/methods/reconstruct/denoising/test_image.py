from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from selftaught.errors import UserError
from selftaught.methods.reconstruct.denoising.image import Denoising, emphasised
from selftaught.views.image import plain

VARIANTS = ({"noise": "gaussian", "loss": "l2"},)
"""More arguments with which its gradients are checked."""


def example(seed: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    """(z, x in [0, 1], mask), each [3, 2, 4, 4]."""
    generator = torch.Generator().manual_seed(seed)
    z = torch.randn(3, 2, 4, 4, generator=generator, dtype=torch.float64)
    x = torch.rand(3, 2, 4, 4, generator=generator, dtype=torch.float64)
    return z, x, torch.rand(3, 2, 4, 4, generator=generator) < 0.4


def one(kind: str, z: float, x: float) -> float:
    if kind == "l2":
        return (x - z) ** 2
    s = 1 / (1 + math.exp(-z))
    return -(x * math.log(s) + (1 - x) * math.log(1 - s))


@pytest.mark.parametrize("kind", ["l2", "cross_entropy"])
@pytest.mark.parametrize(("alpha", "beta"), [(1.0, 1.0), (1.0, 0.0), (2.0, 0.5)])
def test_equals_the_loop_over_coordinates(kind: Any, alpha: float, beta: float) -> None:
    z, x, mask = example()
    values = zip(z.flatten().tolist(), x.flatten().tolist(), mask.flatten().tolist(), strict=True)
    total = sum((alpha if j else beta) * one(kind, a, b) for a, b, j in values)
    assert emphasised(kind, z, x, mask, alpha, beta).item() == pytest.approx(total / 3, rel=1e-10)


@pytest.mark.parametrize("kind", ["l2", "cross_entropy"])
def test_equal_weights_are_the_plain_sum(kind: Any) -> None:
    z, x, mask = example()
    plain_loss = nn.MSELoss(reduction="sum") if kind == "l2" else nn.BCEWithLogitsLoss(reduction="sum")
    assert torch.allclose(emphasised(kind, z, x, mask, 1, 1), plain_loss(z, x) / 3, rtol=1e-12)


@pytest.mark.parametrize("kind", ["l2", "cross_entropy"])
def test_full_emphasis_leaves_undamaged_outputs_alone(kind: Any) -> None:
    z, x, mask = example()
    emphasised(kind, z.requires_grad_(), x, mask, 1.0, 0.0).backward()
    assert (z.grad[~mask] == 0).all()
    assert (z.grad[mask] != 0).all()


@pytest.mark.parametrize("kind", ["l2", "cross_entropy"])
def test_gradients_agree_with_finite_differences(kind: Any) -> None:
    z, x, mask = example()
    assert torch.autograd.gradcheck(lambda z: emphasised(kind, z, x, mask, 1.0, 0.3), z.requires_grad_())


def test_cross_entropy_is_finite_for_sure_predictions() -> None:
    z = torch.tensor([[1000.0, -1000.0]])
    loss = emphasised("cross_entropy", z, torch.tensor([[0.0, 1.0]]), torch.ones(1, 2, dtype=torch.bool), 1, 1)
    assert loss == 2000


@pytest.mark.parametrize("loss", ["l2", "cross_entropy"])
def test_forward_rebuilds_the_clean_picture_from_the_damaged(bench: Any, loss: Any) -> None:
    method = Denoising(bench.encoder(), loss=loss, alpha=2.0, beta=0.3).eval()
    batch = bench.batch(method)
    mean, std = (torch.tensor(bench.input[k]).view(1, 3, 1, 1) for k in ("mean", "std"))
    z = method.decoder(method.encoder.local((batch["corrupt"] - mean) / std))
    outputs = method(**batch)
    assert z.shape == batch["clean"].shape
    assert torch.allclose(outputs["loss"], emphasised(loss, z, batch["clean"], batch["mask"], 2.0, 0.3), rtol=1e-5)
    rebuilt = z.sigmoid() if loss == "cross_entropy" else z
    error = (rebuilt - batch["clean"])[batch["mask"]].square().mean()
    assert torch.allclose(outputs["error"], error, rtol=1e-4)
    assert torch.allclose(outputs["untouched"], batch["clean"][batch["mask"]].square().mean(), rtol=1e-4)


@pytest.mark.parametrize("name", ["conv", "mlp", "resnet18"])
@pytest.mark.parametrize("size", [8, 12, 17])
def test_every_encoder_is_mirrored_to_the_full_size(bench: Any, name: str, size: int) -> None:
    from selftaught import encoders

    narrow: dict[str, Any] = {"width": 0.125} if name == "resnet18" else {"width": 4}
    encoder = encoders.build(name, bench.input | {"size": size}, **narrow)
    method = Denoising(encoder)
    x = torch.rand(2, 3, size, size)
    assert method.rebuild(x).shape == x.shape


def test_tied_weights_are_the_encoders_transposed(bench: Any) -> None:
    encoder = bench.encoder("mlp", width=6, depth=2, activation="sigmoid")
    method = Denoising(encoder, tied=True)
    assert [tuple(p.shape) for p in method.decoder.parameters()] == [(6,), (432,)]
    code = torch.rand(5, 6)
    w1, w2 = (linear.weight for linear in encoder.linears)
    b1, b2 = method.decoder.biases
    expected = torch.sigmoid(code @ w2 + b1) @ w1 + b2
    assert torch.allclose(method.decoder(code, encoder.linears, encoder.activation), expected, atol=1e-6)
    method(**bench.batch(method))["loss"].backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in method.parameters())


def test_untied_weights_are_the_decoders_own(bench: Any) -> None:
    encoder = bench.encoder("mlp", width=6, depth=2)
    method = Denoising(encoder)
    w2, w1 = method.decoder.weights
    b2, b1 = method.decoder.biases
    assert (w1.shape, w2.shape) == ((432, 6), (6, 6))
    code = torch.randn(5, 6)
    expected = (code @ w2.T + b2).clamp(min=0) @ w1.T + b1
    assert torch.allclose(method.decoder(code, encoder.linears, encoder.activation), expected, atol=1e-6)


def test_features_are_taken_of_clean_pictures(bench: Any) -> None:
    method = Denoising(bench.encoder(), level=0.9).eval()
    raw, index = bench.Pictures(4).fetch(np.arange(4)), np.arange(4)
    views = plain(bench.input)
    features = [
        method.encoder(views.apply(raw, views.sample(index, epoch, 0), torch.device("cpu"))["image"])
        for epoch in (0, 1)
    ]
    mean, std = (np.array(bench.input[k], np.float32) for k in ("mean", "std"))
    clean = torch.from_numpy((raw["image"] / np.float32(255) - mean) / std).permute(0, 3, 1, 2).float()
    assert torch.equal(*features)
    assert torch.allclose(features[0], method.encoder(clean), atol=1e-4)


def test_tying_is_for_mlp_alone(bench: Any) -> None:
    with pytest.raises(UserError, match="tied weights of denoising need encoder mlp, not conv"):
        Denoising(bench.encoder(), tied=True)


def test_shows_clean_damaged_and_rebuilt(bench: Any) -> None:
    method = Denoising(bench.encoder(), level=0.5).eval()
    batch = bench.batch(method)
    rows = method.show(**batch)
    assert [row.name for row in rows] == ["clean", "damaged", "rebuilt"]
    seen = [batch["clean"], batch["corrupt"], method.rebuild(batch["corrupt"]).sigmoid()]
    for row, tensor in zip(rows, seen, strict=True):
        expected = (tensor.detach() * 255).round().permute(0, 2, 3, 1).numpy()  # [B, S, S, C]
        assert all(image.dtype == np.uint8 for image in row.images)
        assert np.abs(np.stack(row.images).astype(int) - expected).max() <= 1


def test_it_learns_to_fill_in(bench: Any) -> None:
    method = Denoising(bench.encoder("mlp", width=64, depth=1))
    optimizer = torch.optim.AdamW(method.parameters(), 3e-3)
    for epoch in range(80):
        outputs = method(**bench.batch(method, epoch=epoch))
        optimizer.zero_grad()
        outputs["loss"].backward()
        optimizer.step()
    fresh = method(**bench.batch(method, epoch=1000))
    assert fresh["error"] < 0.5 * fresh["untouched"]
