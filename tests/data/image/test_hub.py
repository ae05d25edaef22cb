"""Objects of the Hugging Face `datasets` library, made here: nothing is downloaded."""

from __future__ import annotations

import numpy as np
import pytest
from hostile_folder import encoded, noise
from PIL import Image

from selftaught.data.image import open_images
from selftaught.errors import UserError

datasets = pytest.importorskip("datasets")
PIXELS = [noise(20, 24, seed=i) for i in range(12)]


def made(count: int = 12, start: int = 0):
    features = datasets.Features({"image": datasets.Image(), "label": datasets.ClassLabel(names=["ant", "bee", "cat"])})
    rows = {
        "image": [Image.fromarray(p) for p in PIXELS[start : start + count]],
        "label": [i % 3 for i in range(start, start + count)],
    }
    return datasets.Dataset.from_dict(rows, features=features)


def test_images_and_class_names():
    source = open_images(made(), "all")
    assert (len(source), source.channels, source.image_size, source.classes) == (12, 3, (20, 24), ("ant", "bee", "cat"))
    assert source.labels.tolist() == [i % 3 for i in range(12)]
    np.testing.assert_array_equal(source.fetch(np.array([11, 0]))["image"], np.stack([PIXELS[11], PIXELS[0]]))


def test_parts_of_a_dict():
    parts = datasets.DatasetDict(train=made(8), test=made(4, 8))
    assert (len(open_images(parts, "train")), len(open_images(parts, "test")), len(open_images(parts, "all"))) == (
        8,
        4,
        12,
    )
    assert len(open_images(datasets.DatasetDict(train=made(8), validation=made(3, 8)), "test")) == 3
    assert len(open_images(datasets.DatasetDict(everything=made(10)), "train")) == 8
    with pytest.raises(UserError, match="needs the splits 'train' and 'test', but this one has: a, b"):
        open_images(datasets.DatasetDict(a=made(2), b=made(2)))


def test_arrays_without_labels():
    features = datasets.Features({"pixels": datasets.Array3D((20, 24, 13), "uint8")})
    arrays = [np.random.default_rng(i).integers(0, 256, (20, 24, 13), dtype=np.uint8) for i in range(3)]
    source = open_images(datasets.Dataset.from_dict({"pixels": arrays}, features=features), "all")
    assert (source.channels, source.image_size, source.labelled) == (13, (20, 24), False)
    np.testing.assert_array_equal(source.fetch(np.arange(3))["image"], np.stack(arrays))


def test_damaged_rows_and_rows_that_name_files(tmp_path):
    (tmp_path / "x.png").write_bytes(encoded(PIXELS[0], "PNG"))
    rows = [
        {"bytes": b"broken", "path": None},
        {"bytes": None, "path": str(tmp_path / "x.png")},
        None,
        {"bytes": None, "path": str(tmp_path / "gone.png")},
    ]
    data = datasets.Dataset.from_dict({"image": rows}, features=datasets.Features({"image": datasets.Image()}))
    source = open_images(data, "all")
    assert len(source) == 1
    assert {one["path"]: one["reason"] for one in source.skipped} == {
        "row 0": "not an image in a known format",
        "row 2": "no image in this row",
        "row 3": "No such file or directory",
    }


def test_streams_and_tables_without_images_are_refused():
    with pytest.raises(UserError, match="streaming=False"):
        open_images(made().to_iterable_dataset())
    with pytest.raises(UserError, match=r"cannot tell which column \(text\) has images"):
        open_images(datasets.Dataset.from_dict({"text": ["a", "b"]}))
    with pytest.raises(UserError, match="it is empty"):
        open_images(made().select([]))
