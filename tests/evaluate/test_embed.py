from __future__ import annotations

import numpy as np
import pytest
import torch
from evaluate.stand_ins import INPUT, Jittered, Pictures, Small
from torch import nn

from selftaught.errors import UserError
from selftaught.evaluate import embed, raw
from selftaught.evaluate.embed import frozen


def bits(module: nn.Module) -> dict[str, bytes]:
    return {key: value.numpy().tobytes() for key, value in module.state_dict().items()}


def trained_small() -> Small:
    torch.manual_seed(0)
    encoder = Small()
    encoder.train()
    for _ in range(3):
        encoder(torch.randn(16, 1, 8, 8))  # running statistics that are not the initial ones
    return encoder


def test_embedding_changes_nothing() -> None:
    encoder = trained_small()
    encoder.body[1].eval()  # a norm that its owner froze stays frozen, the rest stays in training
    before, modes, random = bits(encoder), [m.training for m in encoder.modules()], torch.get_rng_state()
    features = embed(encoder, Pictures(50))
    assert bits(encoder) == before
    assert all(parameter.is_contiguous() for parameter in encoder.parameters())
    assert [m.training for m in encoder.modules()] == modes
    assert torch.equal(torch.get_rng_state(), random)
    assert features.shape == (50, encoder.dim)
    assert features.dtype == np.float32


def test_modes_come_back_after_an_error() -> None:
    encoder = trained_small()

    def fail() -> None:
        with frozen(encoder):
            assert not any(m.training for m in encoder.modules())
            assert not torch.is_grad_enabled()
            raise RuntimeError("boom")

    with pytest.raises(RuntimeError, match="boom"):
        fail()
    assert all(m.training for m in encoder.modules())
    assert torch.is_grad_enabled()


def test_features_are_the_encoder_in_eval_mode_in_order_whatever_the_batch() -> None:
    encoder, source = trained_small(), Pictures(50)
    x = (torch.from_numpy(source.images).permute(0, 3, 1, 2).float() / 255 - 0.3) / 0.3
    seen: list[tuple[int, int]] = []
    features = embed(encoder, source, batch_size=7, progress=lambda done, total: seen.append((done, total)))
    encoder.eval()
    with torch.no_grad():
        np.testing.assert_allclose(features, encoder(x).numpy(), atol=1e-5)
    np.testing.assert_allclose(features, embed(encoder, source, batch_size=512), atol=1e-5)
    assert seen[0] == (7, 50) and seen[-1] == (50, 50)
    np.testing.assert_allclose(embed(encoder, source, dtype=np.float16), features, rtol=2e-3, atol=2e-3)
    assert embed(encoder, source, dtype=np.float16).dtype == np.float16


def test_the_raw_baseline_is_the_normalised_picture_flattened() -> None:
    source = Pictures(20)
    found = raw(source, INPUT)
    assert found.shape == (20, 64)
    np.testing.assert_allclose(found, (source.images.reshape(20, 64) / 255 - 0.3) / 0.3, atol=1e-5)


def test_what_cannot_be_embedded_is_said_in_a_sentence() -> None:
    encoder = trained_small()
    with pytest.raises(UserError, match="empty"):
        embed(encoder, Pictures(0))
    with pytest.raises(UserError, match="batch_size"):
        embed(encoder, Pictures(4), batch_size=0)
    with torch.no_grad():
        encoder.out.bias.fill_(float("nan"))
    with pytest.raises(UserError, match="not finite"):
        embed(encoder, Pictures(4))
    encoder.spec = {"name": "small", "input": {"kind": "smell"}}
    with pytest.raises(UserError, match="smell"):
        embed(encoder, Pictures(4))


def test_features_of_several_views_are_averaged() -> None:
    encoder, source, views = trained_small(), Pictures(20), Jittered()
    features = embed(encoder, source, views=views)
    encoder.eval()
    index = np.arange(20)
    both = views.apply(source.fetch(index), views.sample(index, 0, 0), torch.device("cpu"))["views"]
    with torch.no_grad():
        one, other = (encoder(view) for view in both)
    np.testing.assert_allclose(features, (one + other).numpy() / 2, rtol=1e-4, atol=1e-5)
    assert not np.allclose(features, one.numpy(), atol=1e-3)
