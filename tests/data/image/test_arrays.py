"""Arrays as users have them, and the labels that come with them."""

from __future__ import annotations

import numpy as np
import pytest

from selftaught.data.image import arrays, open_images
from selftaught.data.labels import as_labels
from selftaught.errors import UserError

PIXELS = np.random.default_rng(0).integers(0, 256, (9, 20, 24, 3), dtype=np.uint8)


@pytest.mark.parametrize("channels", [1, 3, 4, 13])
def test_both_orders_of_axes(channels):
    pixels = np.random.default_rng(1).integers(0, 256, (3, 20, 24, channels), dtype=np.uint8)
    for array in (pixels, pixels.transpose(0, 3, 1, 2)):
        source = open_images(array, "all")
        assert (len(source), source.channels, source.image_size) == (3, channels, (20, 24))
        np.testing.assert_array_equal(source.fetch(np.array([2, 0]))["image"], pixels[[2, 0]])


@pytest.mark.parametrize(
    "convert",
    [
        lambda p: (p / 255).astype(np.float64),
        lambda p: (p / 255).astype(np.float32),
        lambda p: p.astype(np.int64),
        lambda p: p.astype(np.uint16),
        lambda p: p.astype(">i4"),
    ],
)
def test_other_types_give_the_same_bytes(convert):
    source = open_images(convert(PIXELS), "all")
    batch = source.fetch(np.arange(9))["image"]
    assert batch.dtype == np.uint8
    np.testing.assert_array_equal(batch, PIXELS)
    assert source.fingerprint == open_images(PIXELS, "all").fingerprint


def test_half_precision_and_bool():
    half = open_images((PIXELS / 255).astype(np.float16), "all").fetch(np.arange(9))["image"]
    np.testing.assert_allclose(half.astype(int), PIXELS, atol=1)
    assert set(np.unique(open_images(PIXELS > 128, "all").fetch(np.arange(9))["image"])) == {0, 255}


def test_tensors_work_as_arrays():
    torch = pytest.importorskip("torch")
    tensor = torch.from_numpy(PIXELS.transpose(0, 3, 1, 2).copy())
    np.testing.assert_array_equal(open_images(tensor, "all").fetch(np.arange(9))["image"], PIXELS)


def test_a_batch_is_the_callers_own():
    source = open_images(PIXELS.copy(), "all")
    batch = source.fetch(np.array([0]))
    batch["image"][:] = 0
    batch["label"][:] = 7
    np.testing.assert_array_equal(source.fetch(np.array([0]))["image"][0], PIXELS[0])
    assert source.labels[0] == -1


@pytest.mark.parametrize("index", [[9], [-1], [0, 100]])
def test_positions_outside_are_refused(index):
    with pytest.raises(IndexError, match=r"outside \[0, 9\)"):
        open_images(PIXELS, "all").fetch(np.array(index))


def test_an_empty_batch():
    batch = open_images(PIXELS, "all").fetch(np.array([], dtype=np.int64))
    assert batch["image"].shape == (0, 20, 24, 3)


def test_fingerprint_counts_pixels_labels_and_order():
    labels = np.arange(9) % 2
    sources = [
        open_images(PIXELS, "all"),
        open_images(PIXELS[::-1], "all"),
        open_images(PIXELS[:8], "all"),
        open_images(PIXELS, "all", labels=labels),
        open_images(PIXELS, "all", labels=1 - labels),
        open_images(PIXELS.transpose(0, 2, 1, 3), "all"),
    ]
    prints = [source.fingerprint for source in sources]
    assert len(set(prints)) == len(prints)
    assert open_images(PIXELS.copy(), "all").fingerprint == prints[0]


def test_fingerprint_of_large_arrays_takes_some_images(monkeypatch):
    monkeypatch.setattr(arrays, "WHOLE", PIXELS.nbytes // 3)  # every fourth
    changed = {i: PIXELS.copy() for i in range(9)}
    for i, pixels in changed.items():
        pixels[i, 5, 5] ^= 1
    before = open_images(PIXELS, "all").fingerprint
    assert [i for i in changed if open_images(changed[i], "all").fingerprint != before] == [0, 4, 8]


def test_blocks_change_nothing(monkeypatch):
    whole = open_images(PIXELS, "all")
    expected = whole.fingerprint, whole.digests.tobytes()
    monkeypatch.setattr(arrays, "BLOCK", 2000)
    blocked = open_images(PIXELS, "all")
    assert (blocked.fingerprint, blocked.digests.tobytes()) == expected
    late = np.zeros((50, 8, 8))
    late[49, 7, 7] = np.nan
    with pytest.raises(UserError, match="not finite"):
        open_images(late)


@pytest.mark.parametrize(
    ("given", "labels", "classes"),
    [
        ([0, 2, 1], [0, 2, 1], ("0", "1", "2")),
        ([0, -1, 1], [0, -1, 1], ("0", "1")),
        ([0.0, 2.0, 1.0], [0, 2, 1], ("0", "1", "2")),
        ([[2], [0], [1]], [2, 0, 1], ("0", "1", "2")),
        ([[0, 0, 1], [1, 0, 0], [0, 1, 0]], [2, 0, 1], ("0", "1", "2")),
        (["dog", "cat", "dog"], [1, 0, 1], ("cat", "dog")),
        ([b"dog", b"cat", b"dog"], [1, 0, 1], ("cat", "dog")),
        (["dog", None, "cat"], [1, -1, 0], ("cat", "dog")),
        ([True, False, True], [1, 0, 1], ("0", "1")),
        (None, [-1, -1, -1], ()),
    ],
)
def test_labels(given, labels, classes):
    found, names = as_labels(given, 3, "here")
    assert found.dtype == np.int64
    assert found.tolist() == labels
    assert names == classes


@pytest.mark.parametrize(
    ("given", "match"),
    [
        ([0, 1], r"here: labels have shape \(2,\), but there are 3 samples"),
        ([0, 1, -2], r"range from -2 to 1"),
        ([0, 1, 2**40], "must be in"),
        ([0.5, 1, 2], "integers or names"),
        ([float("nan"), 1, 2], "integers or names"),
        ([[1, 2], [3, 4], [5, 6]], r"shape \(3, 2\)"),
        ([{}, {}, {}], "integers or names"),
    ],
)
def test_labels_that_are_none(given, match):
    with pytest.raises(UserError, match=match):
        as_labels(given, 3, "here")


def test_named_classes_are_checked():
    assert as_labels([1, 0, 1], 3, "here", ["a", "b", "c"])[1] == ("a", "b", "c")
    with pytest.raises(UserError, match="label 3 is out of range for the 3 named classes"):
        as_labels([1, 0, 3], 3, "here", ["a", "b", "c"])
    with pytest.raises(UserError, match="label 'd' is not one of the classes a, b, c"):
        as_labels(["a", "d", "b"], 3, "here", ["a", "b", "c"])
