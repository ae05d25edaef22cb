"""Pixels of more than 8 bits: one range for the data set, the same rule in every format."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from hostile_folder import encoded, noise, png_sixteen

from selftaught.data import told
from selftaught.data.image import levels, open_images
from selftaught.data.image.reading import Reading, written
from selftaught.errors import UserError

RAMP = np.linspace(0, 4095, 64 * 64).astype(np.uint16).reshape(64, 64)
TWELVE = np.stack([np.roll(RAMP, 64 * i) for i in range(6)])  # 12-bit content in 16 bits


def everything(source) -> np.ndarray:
    return np.stack(list(source.fetch(np.arange(len(source)))["image"]))


def folder(root: Path, images, kind: str = "PNG") -> Path:
    root.mkdir(parents=True)
    for i, image in enumerate(images):
        (root / f"{i:02}.{kind.lower()}").write_bytes(encoded(image, kind))
    return root


def arrow(root: Path, images) -> Path:
    pyarrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    path = root / "a.parquet"
    parquet.write_table(pyarrow.table({"image": [encoded(image, "PNG") for image in images]}), path)
    return path


def saved(path: Path, images) -> Path:
    np.save(path, images) if path.suffix == ".npy" else np.savez(path, images=images)
    return path


def folder_of_arrays(root: Path, images) -> Path:
    root.mkdir()
    for i, image in enumerate(images):
        np.save(root / f"{i:02}.npy", image)
    return root


FORMS = {
    "png": lambda path: folder(path / "f", TWELVE),
    "tiff": lambda path: folder(path / "f", TWELVE, "TIFF"),
    "npy": lambda path: saved(path / "a.npy", TWELVE),
    "npz": lambda path: saved(path / "a.npz", TWELVE),
    "folder of npy": lambda path: folder_of_arrays(path / "f", TWELVE),
    "parquet": lambda path: arrow(path, TWELVE),
    "array": lambda path: TWELVE,
    "int32": lambda path: TWELVE.astype(np.int32),
    "float": lambda path: TWELVE.astype(np.float64),
    "list": lambda path: list(TWELVE),
    "list of sizes": lambda path: [*TWELVE[1:], TWELVE[0, :, :32], TWELVE[0, :, 32:]][::-1],
}


@pytest.mark.parametrize("form", FORMS)
def test_a_ramp_of_12_bits_keeps_its_levels_in_every_format(tmp_path, form):
    source = open_images(FORMS[form](tmp_path), "all")
    low, high = np.percentile(TWELVE, levels.PERCENTILES)
    assert source.reading == {"range": written(((round(low, 1), round(high, 1)),))}
    last = source.fetch(np.array([len(source) - 1]))["image"][0][..., 0]
    whole = TWELVE[1] if form == "list of sizes" else TWELVE[-1]
    assert len(np.unique(last)) > 250
    expected = np.rint((np.clip(whole, low, high) - low) * 255 / (high - low))
    np.testing.assert_allclose(last, expected, atol=1)
    again = open_images(FORMS["array"](tmp_path), "all", reading=Reading.of(**source.reading))
    np.testing.assert_array_equal(everything(again)[-1 if form != "list of sizes" else 1][..., 0], last)


def test_the_range_is_said_once(tmp_path):
    train, test = open_images(folder(tmp_path / "f", TWELVE), "train"), open_images(tmp_path / "f", "test")
    line = told.opening(tmp_path, train, test)
    assert line.count("pixels of more than 8 bits: 4") == 1
    assert "(the 0.1 and 99.9 percentiles of 6 images) become 0..255 (--range)" in line


@pytest.mark.parametrize("form", ["folder", "npz"])
def test_the_training_part_decides_for_all(tmp_path, form):
    train, test = TWELVE[:4], TWELVE[4:] // 4
    if form == "folder":
        folder(tmp_path / "d/train", train)
        folder(tmp_path / "d/test", test)
        path = tmp_path / "d"
    else:
        path = tmp_path / "a.npz"
        np.savez(path, x_train=train, x_test=test)
    parts = [
        open_images(path, part, limit) for part, limit in (("test", None), ("train", None), ("test", 1), ("all", 5))
    ]
    low, high = np.percentile(train, levels.PERCENTILES)
    np.testing.assert_allclose(everything(parts[0])[..., 0], np.clip((test - low) * 255 / (high - low), 0, 255), atol=1)
    assert {str(part.traits["reading"]) for part in parts} == {str(parts[1].traits["reading"])}
    assert everything(parts[2]).tobytes() == everything(parts[0])[:1].tobytes()


def test_a_few_hot_pixels_do_not_take_the_range():
    hot = TWELVE.copy()
    hot[0, 0, 0], hot[3, 5, 5] = 65535, 60000
    assert len(np.unique(everything(open_images(hot, "all"))[1])) > 250


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (np.array([0, 0.25, 1.0], np.float32), [0, 64, 255]),
        (np.array([0, 7, 255], np.float64), [0, 7, 255]),
        (np.array([0, 7, 255], np.int32), [0, 7, 255]),
        (np.array([0, 1, 1], np.uint16), [0, 1, 1]),
        (np.array([-1000.0, 0, 1000], np.float32), [0, 128, 255]),
        (np.array([-1000, 0, 1000], np.int16), [0, 128, 255]),
        (np.array([10**9, 10**9 + 500, 10**9 + 1000], np.int64), [0, 128, 255]),
        (np.array([300, 300, 300], np.uint16), [0, 0, 0]),
    ],
)
def test_what_decides(values, expected):
    images = values[:, None, None] * np.ones((1, 4, 4), values.dtype)
    assert everything(open_images(images, "all"))[:, 0, 0, 0].tolist() == expected
    if values.dtype != np.int64:
        in_a_list = open_images([*images, images[0, :2]], "all").fetch(np.arange(len(images)))["image"]
        assert [image[0, 0, 0] for image in in_a_list] == expected


def test_what_a_user_says_beats_the_data():
    as_said = everything(open_images(TWELVE, "all", reading=Reading.of(range="0..1000")))[..., 0]
    np.testing.assert_allclose(as_said, np.clip(TWELVE * 0.255, 0, 255), atol=0.51)
    as_type = everything(open_images(TWELVE, "all", reading=Reading.of(range="type")))[..., 0]
    np.testing.assert_array_equal(as_type, np.rint(TWELVE / 257))
    assert everything(open_images(noise(8, 8)[None], "all", reading=Reading.of(range="0..9"))).tobytes() == (
        noise(8, 8).tobytes()
    )  # 8 bits are left as they are


def test_a_range_without_effect_is_noted(tmp_path):
    reading = Reading.of(range="0..9")
    for data in (noise(8, 8)[None], folder(tmp_path / "f", [noise(8, 8)])):
        notes = open_images(data, "all", reading=reading).notes
        assert notes[-1] == "--range has no effect, because the pixels have 8 bits"
    notes = open_images("digits", "all", reading=reading).notes
    assert notes[-1] == "--range has no effect on a set of the catalog"


def test_a_range_that_does_not_fit_is_noted():
    [note] = open_images(TWELVE, "all", reading=Reading.of(range=(0, 1))).notes
    assert "of the values are outside the range 0..1; most are in 4" in note


def test_many_channels_have_a_range_each_and_colours_share_one():
    bands = TWELVE[:, :, :, None] * np.array([1, 0.1, 0.01, 0.001])
    found = everything(open_images(bands, "all"))
    for band in range(1, 4):
        np.testing.assert_allclose(found[..., band].astype(int), found[..., 0], atol=1)
    colours = everything(open_images(bands[..., :3], "all"))
    assert [colours[..., band].max() for band in range(3)] == [255, 26, 3]
    with pytest.raises(UserError, match="range has 2 pairs, but the images have 4 channels"):
        open_images(bands, "all", reading=Reading.of(range="0..1,0..2"))


def test_sixteen_bits_of_colour_and_8_bits_in_one_folder(tmp_path):
    colour = np.stack([TWELVE[0], TWELVE[1] // 2, TWELVE[2] // 4], -1)
    (tmp_path / "a.png").write_bytes(png_sixteen(colour))
    (tmp_path / "b.png").write_bytes(encoded(noise(64, 64), "PNG"))
    first, second = everything(open_images(tmp_path, "all"))
    np.testing.assert_array_equal(second, noise(64, 64))
    assert [len(np.unique(first[..., band])) for band in range(3)] == pytest.approx([256, 128, 64], abs=3)


def test_8_bits_of_every_form_are_what_they_were(tmp_path):
    source = open_images(folder(tmp_path / "f", [noise(9, 9, seed=i) for i in range(3)]), "all")
    assert source.traits == {"channels": 3, "size": (9, 9)}
    assert open_images(np.zeros((3, 8, 8)), "all").traits == {"channels": 1, "size": (8, 8)}
    assert source.fingerprint == "92b1b70bde64d9690dfa4e866c41337c"  # as before there were ranges


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"range": "4095"}, "range must be auto, type, BLACK..WHITE such as 0..4095"),
        ({"range": "9..3"}, "range must be"),
        ({"range": (1, 2, 3)}, "range must be"),
        ({"bands": "0,1"}, "bands must be auto, all, or numbers from 1"),
        ({"bands": "red"}, "bands must be"),
        ({"pages": "0"}, "pages must be first, all, channels, or the number of a page from 1"),
        ({"pages": "last"}, "pages must be"),
        ({"channel_axis": "second"}, "unknown channel_axis 'second'"),
    ],
)
def test_options_that_are_none(options, match):
    with pytest.raises(UserError, match=match):
        Reading.of(**options)


@pytest.mark.parametrize(
    "options",
    [
        {"range": "-1024..3071"},
        {"range": "0..3000,1e-3..0.5"},
        {"range": "type"},
        {"bands": "4,3,2"},
        {"bands": "all"},
        {"pages": "3"},
        {"pages": "all", "channel_axis": "first"},
        {},
    ],
)
def test_what_is_told_is_read_back(options):
    reading = Reading.of(**options)
    assert Reading.of(**reading.told) == reading
    assert Reading.of(**{"range": "auto", "bands": "auto", **options}) == reading


def test_files_that_went_since_they_were_scanned_are_named(tmp_path):
    root = folder(tmp_path / "f", TWELVE)
    open_images(root, "all")
    stamps = {path: path.stat() for path in root.iterdir()}
    for path, at in stamps.items():
        path.write_bytes(bytes(at.st_size))
        os.utime(path, ns=(at.st_atime_ns, at.st_mtime_ns))
    with pytest.raises(UserError, match=r"00\.png: changed or removed since it was scanned"):
        open_images(root, "all")
