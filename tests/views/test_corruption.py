from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from selftaught.views.corruption import Damage, damaged

INPUT = {"kind": "image", "size": 12, "channels": 3, "mean": [0.5, 0.4, 0.6], "std": [0.2, 0.3, 0.25]}
IMAGES = np.random.default_rng(0).integers(0, 256, (64, 12, 12, 3), dtype=np.uint8)


def drawn(kind: Any, level: float, n: int = 64, epoch: int = 0, seed: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    views, index = Damage(INPUT, kind, level), np.arange(n)
    raw = {"image": IMAGES[:n], "index": index}
    batch = views.apply(raw, views.sample(index, epoch, seed), torch.device("cpu"))
    return batch["clean"], batch["corrupt"], batch["mask"]


def test_clean_is_the_picture_between_zero_and_one() -> None:
    clean, _, _ = drawn("masking", 0.25)
    assert torch.allclose(clean, torch.from_numpy(IMAGES).permute(0, 3, 1, 2) / 255, atol=1e-5)
    assert clean.min() >= 0 and clean.max() <= 1


@pytest.mark.parametrize("level", [0.1, 0.25, 0.4])
def test_masking_zeroes_a_part_and_leaves_the_rest(level: float) -> None:
    clean, corrupt, mask = drawn("masking", level)
    assert (corrupt[mask] == 0).all()
    assert torch.equal(corrupt[~mask], clean[~mask])
    spread = math.sqrt(level * (1 - level) / mask.numel())
    assert mask.float().mean().item() == pytest.approx(level, abs=4 * spread)


def test_salt_and_pepper_are_zeros_and_ones_evenly() -> None:
    clean, corrupt, mask = drawn("salt_and_pepper", 0.25)
    values = corrupt[mask]
    assert set(values.tolist()) == {0.0, 1.0}
    assert torch.equal(corrupt[~mask], clean[~mask])
    assert mask.float().mean().item() == pytest.approx(0.25, abs=4 * math.sqrt(0.1875 / mask.numel()))
    assert values.mean().item() == pytest.approx(0.5, abs=4 * 0.5 / math.sqrt(len(values)))


def test_gaussian_noise_is_standard_normal_times_the_level() -> None:
    clean, corrupt, mask = drawn("gaussian", 0.3)
    noise = ((corrupt - clean) / 0.3).flatten().double()
    n = len(noise)
    assert mask.all()
    assert noise.mean().item() == pytest.approx(0, abs=4 / math.sqrt(n))
    assert noise.var().item() == pytest.approx(1, abs=4 * math.sqrt(2 / n))
    assert (noise**4).mean().item() == pytest.approx(3, abs=4 * math.sqrt(96 / n))
    assert (noise.view(64, -1)[:-1] * noise.view(64, -1)[1:]).mean().item() == pytest.approx(0, abs=4 / math.sqrt(n))


@pytest.mark.parametrize("kind", ["gaussian", "masking", "salt_and_pepper"])
def test_no_level_no_damage(kind: Any) -> None:
    clean, corrupt, mask = drawn(kind, 0.0)
    assert torch.equal(clean, corrupt)
    assert not mask.any()


@pytest.mark.parametrize("kind", ["gaussian", "masking", "salt_and_pepper"])
def test_noise_is_a_function_of_seed_epoch_and_sample(kind: Any) -> None:
    views = Damage(INPUT, kind, 0.25)

    def noise(index: list[int], epoch: int = 0, seed: int = 0) -> Any:
        return views.sample(np.array(index), epoch, seed)["noise"]

    together = noise([3, 1, 2])
    assert together.shape == (3, 432) and together.dtype == np.float32
    assert np.array_equal(together[1:2], noise([1]))
    for other in (noise([3], epoch=1), noise([3], seed=1), noise([4])):
        assert abs(np.corrcoef(together[0].ravel(), other.ravel())[0, 1]) < 0.2


def test_damage_needs_no_views() -> None:
    x = torch.tensor([[0.2, 0.4, 0.6]])
    corrupt, mask = damaged("salt_and_pepper", x, torch.tensor([[0.1, 0.3, 0.5]]), 0.5)
    assert mask.tolist() == [[True, True, False]]
    assert torch.equal(corrupt, torch.tensor([[1.0, 0.0, 0.6]]))
