"""Arrays in .npy and .npz files, whole and damaged."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from selftaught.data.image import open_images
from selftaught.errors import UserError

IMAGES = np.random.default_rng(0).integers(0, 256, (10, 6, 5, 3), dtype=np.uint8)
LABELS = np.arange(10) % 4


@pytest.mark.parametrize("channels", [1, 3, 4, 13])
def test_npy_of_any_channels_is_mapped(tmp_path, channels):
    images = np.random.default_rng(1).integers(0, 256, (4, 6, 5, channels), dtype=np.uint8)
    np.save(tmp_path / "a.npy", images)
    source = open_images(tmp_path / "a.npy", "all")
    assert (source.channels, source.image_size) == (channels, (6, 5))
    assert isinstance(source._images.base, np.memmap)
    np.testing.assert_array_equal(source.fetch(np.array([3, 1]))["image"], images[[3, 1]])


@pytest.mark.parametrize(
    ("images", "labels"),
    [
        ("photos.npy", "photos-labels.npy"),
        ("photos.npy", "photos_labels.npy"),
        ("train_images.npy", "train_labels.npy"),
        ("train-images-64.npy", "train-labels-64.npy"),
        ("x_train.npy", "y_train.npy"),
        ("X.npy", "y.npy"),
    ],
)
def test_labels_beside_an_npy(tmp_path, images, labels):
    np.save(tmp_path / images, IMAGES)
    np.save(tmp_path / labels, LABELS)
    assert open_images(tmp_path / images, "all").labels.tolist() == LABELS.tolist()


@pytest.mark.parametrize(
    "names", [("images", "labels"), ("x", "y"), ("X", "y"), ("data", "target"), ("arr_0", "arr_1"), ("foo", "bar")]
)
def test_npz_names(tmp_path, names):
    np.savez(tmp_path / "a.npz", **{names[0]: IMAGES, names[1]: LABELS})
    source = open_images(tmp_path / "a.npz", "all")
    assert source.labels.tolist() == LABELS.tolist()
    np.testing.assert_array_equal(source.fetch(np.arange(10))["image"], IMAGES)


@pytest.mark.parametrize("form", ["{}_{}", "{1}_{0}"])
def test_npz_with_its_own_split(tmp_path, form):
    parts = {
        ("x", "train"): IMAGES[:7],
        ("y", "train"): LABELS[:7],
        ("x", "test"): IMAGES[7:],
        ("y", "test"): LABELS[7:],
    }
    np.savez_compressed(tmp_path / "a.npz", **{form.format(*name): array for name, array in parts.items()})
    assert open_images(tmp_path / "a.npz", "train").labels.tolist() == LABELS[:7].tolist()
    assert open_images(tmp_path / "a.npz", "test").labels.tolist() == LABELS[7:].tolist()
    assert len(open_images(tmp_path / "a.npz", "all")) == 10


def test_objects_are_never_unpickled(tmp_path):
    np.save(tmp_path / "a.npy", np.array([{"x": 1}], dtype=object), allow_pickle=True)
    np.savez(tmp_path / "a.npz", images=np.array([{"x": 1}], dtype=object))
    for name in ("a.npy", "a.npz"):
        with pytest.raises(UserError, match="not unpickled"):
            open_images(tmp_path / name)


@pytest.mark.parametrize(
    ("array", "match"),
    [
        (np.zeros((5, 784), np.uint8), r"shape \(5, 784\)"),
        (np.zeros((0, 8, 8), np.uint8), "which is empty"),
        (np.zeros((5, 8, 8, 3, 2), np.uint8), r"shape \(5, 8, 8, 3, 2\)"),
        (np.full((5, 8, 8), np.nan), "not finite"),
        (np.full((5, 8, 8), 1j), "complex128"),
        (np.full((5, 8, 8), "a"), "<U1"),
    ],
)
def test_what_is_no_image_is_refused(tmp_path, array, match):
    np.save(tmp_path / "a.npy", array)
    with pytest.raises(UserError, match=match) as caught:
        open_images(tmp_path / "a.npy")
    assert "a.npy" in str(caught.value)


def test_which_array_is_asked(tmp_path):
    np.savez(tmp_path / "a.npz", left=IMAGES, right=IMAGES)
    with pytest.raises(UserError, match=r"which of the arrays \(left, right\)"):
        open_images(tmp_path / "a.npz")


def test_npz_named_npy_and_the_reverse(tmp_path):
    np.savez(tmp_path / "a.npz", images=IMAGES)
    (tmp_path / "a.npz").rename(tmp_path / "a.npy")
    with pytest.raises(UserError, match=r"rename it to \.npz"):
        open_images(tmp_path / "a.npy")
    np.save(tmp_path / "b.npy", IMAGES)
    (tmp_path / "b.npy").rename(tmp_path / "b.npz")
    with pytest.raises(UserError, match=r"b\.npz"):
        open_images(tmp_path / "b.npz")


def test_encrypted_and_strange_zip_members(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("readme.txt", "hello")
    with pytest.raises(UserError):
        open_images(tmp_path / "a.npz")


def saved(kind: str) -> bytes:
    with io.BytesIO() as file:
        if kind == "npy":
            np.save(file, IMAGES)
        elif kind == "npz":
            np.savez(file, images=IMAGES, labels=LABELS)
        else:
            np.savez_compressed(file, images=IMAGES, labels=LABELS)
        return file.getvalue()


WHOLE = {kind: saved(kind) for kind in ("npy", "npz", "npz compressed")}


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), kind=st.sampled_from(sorted(WHOLE)))
def test_mutated_files_never_crash(tmp_path: Path, data, kind):
    whole = bytearray(WHOLE[kind])
    heads = [i for i in range(len(whole)) if i < 140 or i > len(whole) - 200]
    for _ in range(data.draw(st.integers(0, 4))):
        whole[data.draw(st.sampled_from(heads))] = data.draw(st.integers(0, 255))
    if data.draw(st.booleans()):
        del whole[data.draw(st.integers(0, len(whole))) :]
    path = tmp_path / f"m.{kind[:3]}"
    path.write_bytes(bytes(whole))
    try:
        source = open_images(path, "all")
        source.fetch(np.arange(min(len(source), 20)))
    except UserError:
        pass
