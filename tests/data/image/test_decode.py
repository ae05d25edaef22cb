"""The rules by which pixels become 8-bit grey or RGB."""

from __future__ import annotations

import io

import numpy as np
import pytest
from hostile_folder import encoded, jpeg_of, noise, png_of, png_sixteen
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from selftaught.data.image import decode as module
from selftaught.data.image.decode import PAGED, WIDE, Unreadable, decode, look, square
from selftaught.data.image.reading import Reading
from selftaught.errors import UserError


def test_alpha_is_composited_over_white():
    colour, alpha = noise(9, 7, seed=1), noise(9, 7, 1, seed=2)
    expected = np.rint((colour.astype(float) * alpha[..., None] + 255.0 * (255 - alpha[..., None])) / 255)
    np.testing.assert_allclose(decode(encoded(np.dstack([colour, alpha]), "PNG")), expected, atol=0.51)
    clear = np.dstack([colour, np.zeros_like(alpha)])
    assert (decode(encoded(clear, "PNG")) == 255).all()


def test_grey_with_alpha_stays_grey():
    grey, alpha = noise(9, 7, 1, seed=1), noise(9, 7, 1, seed=2)
    image = Image.merge("LA", [Image.fromarray(grey), Image.fromarray(alpha)])
    expected = np.rint((grey.astype(float) * alpha + 255.0 * (255 - alpha)) / 255)[..., None]
    np.testing.assert_allclose(decode(encoded(image, "PNG")), expected, atol=0.51)


def test_one_colour_made_transparent_becomes_white():
    pixels = noise(4, 4)
    pixels[0, 0] = (1, 2, 3)
    found = decode(encoded(pixels, "PNG", transparency=(1, 2, 3)))
    assert (found[0, 0] == 255).all()
    np.testing.assert_array_equal(found[1:], pixels[1:])


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_sixteen_bits_are_kept(kind):
    values = np.arange(0, 65536, 7, dtype=np.uint16)[:9000].reshape(90, 100)
    found = decode(encoded(values, kind))
    assert (found.dtype, look(encoded(values, kind))) == (np.uint16, (90, 100, 1, WIDE))
    np.testing.assert_array_equal(found[..., 0], values)


@pytest.mark.parametrize("channels", [2, 3, 4])
def test_sixteen_bits_of_several_channels_are_kept(channels):
    values = np.random.default_rng(channels).integers(0, 65536, (9, 7, channels), dtype=np.uint16)
    data = png_sixteen(values)
    np.testing.assert_array_equal(decode(data, reading=Reading(bands="all")), values)
    if channels == 3:
        np.testing.assert_array_equal(decode(data), values)
    else:  # composited over white
        colours, alpha = values[..., :-1].astype(float), values[..., -1:].astype(float)
        np.testing.assert_allclose(decode(data), (colours * alpha + 65535 * (65535 - alpha)) / 65535, atol=0.51)


def test_float_pixels_are_kept():
    values = np.linspace(-1, 3, 20, dtype=np.float32).reshape(4, 5)
    np.testing.assert_array_equal(decode(encoded(values, "TIFF"))[..., 0], values)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_exif_turns_pictures_upright(orientation, kind):
    pixels = np.kron(noise(3, 4, seed=3), np.ones((8, 8, 1), np.uint8))  # flat 8x8 blocks: JPEG keeps them
    exif = Image.Exif()
    exif[0x0112] = orientation
    found = decode(encoded(pixels, kind, exif=exif, **({"quality": 100, "subsampling": 0} if kind == "JPEG" else {})))
    turns = {  # by the EXIF standard, written with numpy
        1: pixels,
        2: pixels[:, ::-1],
        3: pixels[::-1, ::-1],
        4: pixels[::-1],
        5: pixels.transpose(1, 0, 2),
        6: np.rot90(pixels, -1),
        7: np.rot90(pixels, 2).transpose(1, 0, 2),
        8: np.rot90(pixels, 1),
    }
    np.testing.assert_allclose(found.astype(int), turns[orientation].astype(int), atol=0 if kind == "PNG" else 6)


def test_animations_give_their_first_frame():
    frames = [Image.fromarray(np.full((6, 5, 3), value, np.uint8)) for value in (10, 200)]
    for kind, options in (("GIF", {}), ("WEBP", {"lossless": True}), ("PNG", {}), ("TIFF", {})):
        data = encoded(frames[0], kind, save_all=True, append_images=frames[1:], **options)
        np.testing.assert_allclose(decode(data).astype(int), 10, atol=1, err_msg=kind)
        assert look(data)[3] == PAGED, kind
        for reading in (Reading(pages=1), Reading(pages="channels")):
            last = decode(data, reading=reading)[..., -3:]
            np.testing.assert_allclose(last.astype(int), 200, atol=1, err_msg=kind)
        with pytest.raises(Unreadable, match="it has no page 3"):
            decode(data, reading=Reading(pages=2))


def test_cmyk_is_converted_as_pillow_does():
    data = encoded(Image.fromarray(noise(16, 24)).convert("CMYK"), "JPEG")
    with Image.open(io.BytesIO(data)) as image:
        np.testing.assert_array_equal(decode(data), np.asarray(image.convert("RGB")))


def test_grey_jpeg_has_one_channel_and_equals_pillow():
    data = encoded(noise(16, 24, 1), "JPEG")
    with Image.open(io.BytesIO(data)) as image:
        np.testing.assert_array_equal(decode(data)[..., 0], np.asarray(image))


def test_colour_jpeg_equals_pillow():
    data = encoded(noise(33, 47), "JPEG")
    with Image.open(io.BytesIO(data)) as image:
        np.testing.assert_allclose(decode(data).astype(int), np.asarray(image).astype(int), atol=1)


@pytest.mark.parametrize(
    "data", [png_of(50_000, 50_000), png_of(10_000, 9_000), jpeg_of(65_500, 65_500), jpeg_of(10_000, 9_000)]
)
def test_bombs_are_refused_before_they_are_unpacked(data, monkeypatch):
    monkeypatch.setattr(Image.Image, "load", lambda self: pytest.fail("unpacked"))
    with pytest.raises(Unreadable, match="bomb"):
        decode(data)
    with pytest.raises(Unreadable, match="bomb"):
        look(data)[:3]


def test_bombs_are_refused_even_if_the_user_lifted_pillows_limit(monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)
    with pytest.raises(Unreadable, match="bomb"):
        decode(png_of(10_000, 9_000))


@pytest.mark.parametrize("data", [png_of(4000, 3000), jpeg_of(4000, 3000)])
def test_the_bound_on_pixels_can_be_changed(data, monkeypatch):
    monkeypatch.setenv("SELFTAUGHT_MAX_PIXELS", "11000000")
    with pytest.raises(Unreadable, match=r"more than 11000000 .*: set SELFTAUGHT_MAX_PIXELS to allow more"):
        decode(data)
    monkeypatch.setenv("SELFTAUGHT_MAX_PIXELS", "a lot")
    with pytest.raises(UserError, match="SELFTAUGHT_MAX_PIXELS must be a number of pixels, at least 1, not 'a lot'"):
        decode(data)


def test_the_bound_on_pixels_can_be_raised_above_pillows(monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 30)  # Pillow refuses twice as many
    monkeypatch.setattr(module, "MOST_PIXELS", 30)
    data = encoded(noise(20, 30), "PNG")
    with pytest.raises(Unreadable, match="bomb"):
        decode(data)
    monkeypatch.setenv("SELFTAUGHT_MAX_PIXELS", "600")
    np.testing.assert_array_equal(decode(data), noise(20, 30))


def test_text_that_unpacks_to_megabytes_is_refused():
    from PIL.PngImagePlugin import PngInfo

    info = PngInfo()
    info.add_text("comment", "a" * 10_000_000, zip=True)
    with pytest.raises(Unreadable):
        decode(encoded(noise(4, 4), "PNG", pnginfo=info))


def test_readers_that_start_programs_are_off():
    assert "EPS" not in module._READERS
    assert {"PNG", "JPEG", "GIF", "WEBP", "TIFF", "BMP"} <= set(module._READERS)


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from(["PNG", "JPEG", "GIF", "WEBP", "TIFF", "BMP"]),
    st.floats(0, 1),
    st.lists(st.floats(0, 1), max_size=4),
)
def test_damaged_files_are_decoded_or_unreadable_never_worse(kind, cut, flips):
    data = bytearray(WHOLE[kind])
    for flip in flips:
        data[int(flip * (len(data) - 1))] ^= 0x55
    data = bytes(data[: int(cut * len(data)) + 1])
    try:
        shape = look(data)[:3]
    except Unreadable:
        with pytest.raises(Unreadable, match=r"\w"):
            decode(data)
    else:
        assert decode(data).shape == shape


WHOLE = {kind: encoded(noise(16, 16), kind) for kind in ("PNG", "JPEG", "GIF", "WEBP", "TIFF", "BMP")}


def test_look_agrees_with_decode():
    for kind, data in WHOLE.items():
        assert look(data)[:3] == decode(data).shape, kind


def test_at_least_gives_smaller_jpegs_that_are_large_enough():
    data = encoded(noise(480, 640), "JPEG")
    assert decode(data, at_least=100).shape == (120, 160, 3)
    assert decode(data).shape == (480, 640, 3)


def test_square_takes_any_number_of_channels():
    pixels = noise(40, 60, 3, seed=4)
    many = np.concatenate([pixels] * 4, axis=2)[..., :11]
    small = square(many, 20)
    assert small.shape == (20, 20, 11)
    np.testing.assert_array_equal(small[..., :3], square(pixels, 20))
    np.testing.assert_array_equal(square(pixels[:, 10:50], 40), pixels[:, 10:50])  # its own size: nothing happens
