from __future__ import annotations

from typing import Any

import numpy as np
import torch

from selftaught.views.image import Augment, ImageViews
from selftaught.views.latent import Latent

INPUT = {"kind": "image", "size": 12, "channels": 3, "mean": [0.5] * 3, "std": [0.25] * 3}


def noise(index: Any, epoch: int = 0, seed: int = 0) -> Any:
    return Latent(INPUT, 5).sample(np.asarray(index), epoch, seed)["noise"]


def test_noise_is_standard_normal() -> None:
    found = noise(np.arange(4000)).astype(np.float64)
    assert np.abs(found.mean(0)).max() < 4 / np.sqrt(4000)
    assert np.abs(np.cov(found.T) - np.eye(5)).max() < 0.1
    assert abs((found**4).mean() - 3) < 4 * np.sqrt(96 / 20000)


def test_noise_is_a_function_of_seed_epoch_and_sample() -> None:
    together = noise([3, 1, 2])
    assert together.shape == (3, 5) and together.dtype == np.float32
    assert np.array_equal(together[1:2], noise([1]))
    for other in (noise([3], epoch=1), noise([3], seed=1), noise([4])):
        assert not np.isclose(other, together[:1]).any()


def test_the_image_is_that_of_its_augmentation() -> None:
    augment, index = Augment(crop=(0.5, 1.0), flip=0.5), np.arange(3)
    raw = {"image": np.random.default_rng(0).integers(0, 256, (3, 12, 12, 3), dtype=np.uint8), "index": index}
    views, alone = Latent(INPUT, 5, augment), ImageViews(INPUT, image=augment)
    batch = views.apply(raw, views.sample(index, 2, 7), torch.device("cpu"))
    assert torch.equal(batch["image"], alone.apply(raw, alone.sample(index, 2, 7), torch.device("cpu"))["image"])
    assert sorted(batch) == ["image", "index", "noise"] and batch["noise"].shape == (3, 5)
