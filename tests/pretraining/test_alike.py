"""Encoders of frames and of pairs judge images, as an encoder of images with the same weights does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import selftaught
from selftaught import encoders, kind
from selftaught.data.alike import Alike
from selftaught.data.image import toy as images
from selftaught.data.video import toy as videos
from selftaught.errors import UserError
from selftaught.method import Encoder

LIKE = [name for name in kind.names() if kind.describe(name).like]


def encoder(name: str, channels: int = 3) -> Encoder:
    torch.manual_seed(0)
    seen = {**images.seen(), "kind": name, "channels": channels, "mean": [0.5] * channels, "std": [0.25] * channels}
    return encoders.build("conv", seen, width=4, depth=2).eval()


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two classes, by brightness, with some of every class to test with."""
    folder, rng = tmp_path_factory.mktemp("pictures"), np.random.default_rng(0)
    for i in range(48):
        part, label = ("train", "test")[i % 4 == 3], ("dark", "light")[i % 2]
        path = folder / part / label / f"{i}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = rng.integers(0, 60, (16, 20, 3)) + 150 * (i % 2 == 1)
        Image.fromarray(pixels.astype(np.uint8)).save(path)
    return folder


def loaded(path: Path, name: str, **given: Any) -> Any:
    path.mkdir(exist_ok=True)
    (path / "encoder.safetensors").write_bytes(encoders.save(encoder(name, **given)))
    return selftaught.load(path / "encoder.safetensors")


def test_some_kinds_look_like_images() -> None:
    assert {"stereo", "video"} <= set(LIKE)


@pytest.mark.parametrize("name", LIKE)
def test_features_and_probe_are_those_of_an_encoder_of_images(tmp_path: Path, pictures: Path, name: str) -> None:
    one, other = loaded(tmp_path / name, name), loaded(tmp_path / "image", "image")
    np.testing.assert_allclose(one.embed(pictures), other.embed(pictures), atol=1e-6)
    source = one.open(pictures, "test")
    assert isinstance(source, Alike) and source.classes == ("dark", "light") and source.labelled
    found, wanted = (run.probe(pictures)["linear"] for run in (one, other))
    for side in ("trained", "raw"):
        assert found[side] == wanted[side]
    with pytest.raises(UserError, match="of 4 channels, but these have 3"):
        loaded(tmp_path / "grey", name, channels=4).embed(pictures)


def test_data_of_its_own_kind_are_read_as_such(tmp_path: Path) -> None:
    run = loaded(tmp_path / "video", "video")
    assert not isinstance(run.open(videos.source(32), "all"), Alike)
    assert isinstance(run.open(images.source(8), "all"), Alike)
    with pytest.raises(UserError, match=r"nothing\.mp4"):
        run.open(tmp_path / "nothing.mp4", "all")
