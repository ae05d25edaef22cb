"""Bands and pages of files, by their own tags and by what a user says."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import numpy as np
import pytest
from hostile_folder import encoded, noise

from selftaught.data.image import open_images
from selftaught.data.image.reading import Reading
from selftaught.errors import UserError

tifffile = pytest.importorskip("tifffile")
RNG = np.random.default_rng(0)


def tiff(pixels: np.ndarray, byteorder: str = "<", **options) -> bytes:
    """[H, W, C], or [P, H, W, 1] as pages."""
    with io.BytesIO() as file:
        with tifffile.TiffWriter(file, byteorder=byteorder) as writer:
            for page in pixels[..., 0] if pixels.ndim == 4 else [pixels]:
                writer.write(page, **({"planarconfig": "contig"} if page.ndim == 3 else {}) | options)
        return file.getvalue()


def read(path: Path, data: bytes, name: str = "a.tif", **options) -> np.ndarray:
    (path / name).write_bytes(data)
    source = open_images(path, "all", reading=Reading.of(**options))
    return np.stack(list(source.fetch(np.arange(len(source)))["image"]))


@pytest.mark.parametrize("layout", [{}, {"planarconfig": "separate"}, {"compression": "zlib"}, {"tile": (16, 16)}])
@pytest.mark.parametrize("order", ["<", ">"])
def test_thirteen_bands_are_those_that_were_written(tmp_path, layout, order):
    pixels = RNG.integers(0, 4096, (20, 24, 13), dtype=np.uint16)
    pixels[0, 0], pixels[0, 1] = 0, 4095
    written = np.moveaxis(pixels, -1, 0) if "planarconfig" in layout else pixels
    data = tiff(written, photometric="minisblack", byteorder=order, **layout)
    [found] = read(tmp_path, data, range="0..4095")
    np.testing.assert_array_equal(found, np.rint(pixels * (255 / 4095)))


@pytest.mark.parametrize("kind", [np.uint8, np.uint16, np.float32])
def test_a_fourth_band_is_kept_unless_it_is_transparency(tmp_path, kind):
    pixels = RNG.integers(0, 256, (9, 7, 4)).astype(kind)
    band = tiff(pixels, photometric="rgb", extrasamples=["unspecified"])
    alpha = tiff(pixels, photometric="rgb", extrasamples=["unassalpha"])
    [found] = read(tmp_path, band, range="0..255")
    np.testing.assert_array_equal(found, pixels)
    [whole] = read(tmp_path, alpha, bands="all", range="0..255")
    np.testing.assert_array_equal(whole, pixels)
    if kind == np.uint8:
        [over_white] = read(tmp_path, alpha)
        expected = (pixels[..., :3].astype(float) * pixels[..., 3:] + 255.0 * (255 - pixels[..., 3:])) / 255
        np.testing.assert_allclose(over_white, expected, atol=0.51)


@pytest.mark.parametrize("layout", [{}, {"compression": "zlib"}, {"planarconfig": "separate"}])
@pytest.mark.parametrize("order", ["<", ">"])
def test_colours_of_16_bits(tmp_path, layout, order):
    pixels = RNG.integers(0, 65536, (9, 7, 3), dtype=np.uint16)
    written = np.moveaxis(pixels, -1, 0) if "planarconfig" in layout else pixels
    [found] = read(tmp_path, tiff(written, photometric="rgb", byteorder=order, **layout), range="1000..9000")
    np.testing.assert_allclose(found, np.clip((pixels - 1000.0) * 255 / 8000, 0, 255), atol=0.51)


def test_chosen_bands_of_every_form(tmp_path):
    pixels = noise(9, 7, 4)
    files = {
        "a.tif": tiff(pixels, photometric="rgb", extrasamples=["unspecified"]),
        "a.png": encoded(pixels, "PNG"),
        "a.webp": encoded(pixels, "WEBP", lossless=True, exact=True),
    }
    for name, data in files.items():
        (tmp_path / name[2:]).mkdir()
        np.testing.assert_array_equal(read(tmp_path / name[2:], data, name, bands="4,1"), pixels[None, :, :, [3, 0]])
    for data in (pixels[None], [pixels], [pixels, pixels[:5]]):
        source = open_images(data, "all", limit=1, reading=Reading.of(bands="4,1"))
        assert source.traits["channels"] == 2
        np.testing.assert_array_equal(source.fetch(np.arange(1))["image"][0], pixels[..., [3, 0]])
        assert source.traits["reading"] == {"bands": "4,1"}
    for bands, expected in (((3, 2, 1), [2, 1, 0]), ((2, 4), [1, 3]), ((1, 1), [0, 0]), (4, [3])):
        found = open_images(pixels[None], "all", reading=Reading.of(bands=bands)).fetch(np.arange(1))["image"][0]
        np.testing.assert_array_equal(found, pixels[..., expected])


def test_a_band_that_is_not_there_is_named(tmp_path):
    (tmp_path / "a.png").write_bytes(encoded(noise(9, 7), "PNG"))
    for data in (tmp_path, noise(9, 7)[None], [noise(9, 7), noise(9, 8)]):
        with pytest.raises(UserError, match="it has 3 bands, not 4"):
            open_images(data, "all", reading=Reading.of(bands="1,4"))


def test_what_the_extra_is_for_is_said_without_it(tmp_path, monkeypatch):
    (tmp_path / "a.tif").write_bytes(tiff(RNG.integers(0, 9, (9, 7, 13), dtype=np.uint8), photometric="minisblack"))
    monkeypatch.setitem(sys.modules, "tifffile", None)
    with pytest.raises(
        Exception, match=r"its 13 bands need tifffile and imagecodecs: pip install 'selftaught\[tiff\]'"
    ):
        open_images(tmp_path, "all")


def test_many_bands_that_are_too_large_are_refused_before_they_are_read(tmp_path, monkeypatch):
    monkeypatch.setenv("SELFTAUGHT_MAX_PIXELS", "200")
    with pytest.raises(UserError, match="9x7 pixels are more than 200"):
        read(tmp_path, tiff(np.zeros((7, 9, 13), np.uint8), photometric="minisblack"))


STACK = RNG.integers(0, 256, (3, 9, 7, 1), dtype=np.uint8)


def _frames() -> bytes:
    from PIL import Image

    frames = [Image.fromarray(page[..., 0]) for page in STACK]
    return encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])


@pytest.mark.parametrize("kind", ["tif", "gif", "npy"])
def test_pages_are_what_a_user_says(tmp_path, kind):
    def opened(**options):
        source = open_images(tmp_path, "all", reading=Reading.of(**options))
        return source, np.stack(list(source.fetch(np.arange(len(source)))["image"]))

    for name in ("a", "b"):
        if kind == "npy":
            np.save(tmp_path / f"{name}.npy", STACK)
        else:
            data = tiff(STACK, photometric="minisblack") if kind == "tif" else _frames()
            (tmp_path / f"{name}.{kind}").write_bytes(data)
    source, found = opened()
    np.testing.assert_array_equal(found[..., :1], STACK[[0, 0]])
    assert (
        "2 files have several pages or frames, of which the first is read (--pages all makes each" in source.notes[-1]
    )
    source, found = opened(pages="all")
    np.testing.assert_array_equal(found[..., :1], np.concatenate([STACK, STACK]))
    assert source.groups.tolist() == [0, 0, 0, 1, 1, 1]
    assert source.traits["reading"] == {"pages": "all"}
    np.testing.assert_array_equal(opened(pages=2)[1][..., :1], STACK[[1, 1]])
    channels = opened(pages="channels")[1]
    np.testing.assert_array_equal(channels[..., :: channels.shape[3] // 3][0], np.moveaxis(STACK[..., 0], 0, -1))
    again = opened(pages="all")[0]  # from the cache
    assert again.fingerprint == source.fingerprint


def test_smaller_copies_are_no_pages(tmp_path):
    with io.BytesIO() as file:
        with tifffile.TiffWriter(file) as writer:
            writer.write(STACK[0, ..., 0], subifds=0)
            writer.write(STACK[0, ::2, ::2, 0], subfiletype=1)
            writer.write(STACK[1, ..., 0])
        data = file.getvalue()
    found = read(tmp_path, data, pages="all")
    np.testing.assert_array_equal(found, STACK[:2])


def test_a_bad_page_is_skipped_and_named(tmp_path):
    data = bytearray(tiff(STACK, photometric="minisblack"))
    with tifffile.TiffFile(io.BytesIO(bytes(data))) as file:
        offset = file.pages[1].tags["StripOffsets"].valueoffset
    data[offset : offset + 4] = b"\xff\xff\xff\x7f"
    (tmp_path / "a.tif").write_bytes(bytes(data))
    source = open_images(tmp_path, "all", reading=Reading.of(pages="all"))
    assert len(source) == 2
    assert [one["path"] for one in source.skipped] == ["a.tif, page 2"]


def test_arrays_beside_pictures_are_no_pictures(tmp_path):
    np.save(tmp_path / "features.npy", np.zeros((9, 7)))
    found = read(tmp_path, encoded(noise(9, 7), "PNG"), "a.png")
    np.testing.assert_array_equal(found, noise(9, 7)[None])


def test_arrays_that_are_no_pictures_are_skipped_and_named(tmp_path):
    np.save(tmp_path / "a.npy", STACK[0])
    np.save(tmp_path / "labels.npy", np.zeros(9))
    (tmp_path / "broken.npy").write_bytes(b"\x93NUMPY")
    source = open_images(tmp_path, "all")
    np.testing.assert_array_equal(source.fetch(np.arange(1))["image"], STACK[:1])
    assert [one["path"] for one in source.skipped] == ["broken.npy", "labels.npy"]


def test_a_tiff_of_floats_that_are_no_numbers_is_skipped(tmp_path):
    good, bad = RNG.random((8, 8, 1), np.float32), RNG.random((8, 8, 1), np.float32)
    bad[3, 4] = np.nan
    (tmp_path / "a.tif").write_bytes(tiff(good[None]))
    (tmp_path / "b.tif").write_bytes(tiff(bad[None]))
    source = open_images(tmp_path, "all")
    assert len(source) == 1 and len(source.fetch(np.arange(1))["image"]) == 1
    assert [one["path"] for one in source.skipped] == ["b.tif"]
    assert "not finite (nan or inf)" in source.skipped[0]["reason"]
