"""What writes small videos: files through PyAV, and folders of frames."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from video_files import Write


@pytest.fixture
def write() -> Write:
    av = pytest.importorskip("av")

    def writing(path: Path, pixels: Any, rate: int = 10) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        with av.open(str(path), "w") as container:
            stream = container.add_stream("mpeg4", rate=rate)
            stream.height, stream.width, stream.pix_fmt = pixels.shape[1], pixels.shape[2], "yuv420p"
            stream.bit_rate = 4_000_000
            for one in pixels:
                container.mux(stream.encode(av.VideoFrame.from_ndarray(one, "rgb24")))
            container.mux(stream.encode(None))
        return path

    return writing


@pytest.fixture
def shots() -> Write:
    def writing(folder: Path, pixels: Any, name: str = "f_{}.png") -> Path:
        folder.mkdir(parents=True, exist_ok=True)
        for number, one in enumerate(pixels):
            Image.fromarray(one).save(folder / name.format(number))
        return folder

    return writing
