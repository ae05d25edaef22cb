"""IDX files, whole and damaged."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from idx_writer import CODES, to_idx

from selftaught.data.image import idx, open_images
from selftaught.errors import UserError

IMAGES = np.random.default_rng(0).integers(0, 256, (12, 5, 4), dtype=np.uint8)
LABELS = np.arange(12, dtype=np.uint8) % 3


@pytest.mark.parametrize("kind", CODES)
@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_every_type_round_trips(tmp_path, kind, pack):
    array = (np.arange(24).reshape(2, 3, 4) * 3 - 5).astype(kind)
    path = tmp_path / ("x-idx3-ubyte" + (".gz" if pack is gzip.compress else ""))
    path.write_bytes(pack(to_idx(array)))
    np.testing.assert_array_equal(idx.read(path), array)


@pytest.mark.parametrize("ends", ["", ".gz"])
def test_labels_are_found_beside(tmp_path, ends):
    pack = gzip.compress if ends else bytes
    (tmp_path / f"train-images-idx3-ubyte{ends}").write_bytes(pack(to_idx(IMAGES)))
    path = tmp_path / f"train-images-idx3-ubyte{ends}"
    assert not open_images(path, "all").labelled
    (tmp_path / "train-labels-idx1-ubyte").write_bytes(to_idx(LABELS))  # packed or not, whatever the images are
    source = open_images(path, "all")
    assert source.labels.tolist() == LABELS.tolist()
    assert source.classes == ("0", "1", "2")
    assert (source.channels, source.image_size, len(source)) == (1, (5, 4), 12)
    np.testing.assert_array_equal(source.fetch(np.array([7, 0]))["image"][..., 0], IMAGES[[7, 0]])


def test_a_folder_of_idx_files_has_its_own_split(tmp_path):
    for name, part in (("train", slice(0, 9)), ("t10k", slice(9, 12))):
        (tmp_path / f"{name}-images-idx3-ubyte").write_bytes(to_idx(IMAGES[part]))
        (tmp_path / f"{name}-labels-idx1-ubyte").write_bytes(to_idx(LABELS[part]))
    assert len(open_images(tmp_path, "train")) == 9
    test = open_images(tmp_path, "test")
    assert test.labels.tolist() == LABELS[9:].tolist()
    assert len(open_images(tmp_path, "all")) == 12


def test_labels_of_another_count_are_refused(tmp_path):
    (tmp_path / "a-images-idx3-ubyte").write_bytes(to_idx(IMAGES))
    (tmp_path / "a-labels-idx1-ubyte").write_bytes(to_idx(LABELS[:5]))
    with pytest.raises(UserError, match=r"labels have shape \(5,\), but there are 12 samples"):
        open_images(tmp_path / "a-images-idx3-ubyte", "all")


@pytest.mark.parametrize(
    ("data", "match"),
    [
        (b"", "not an IDX file"),
        (b"PK\x03\x04 something else", "not an IDX file"),
        (to_idx(IMAGES)[:9], "truncated"),
        (to_idx(IMAGES)[:-1], "damaged: shape"),
        (to_idx(IMAGES) + b"x", "damaged: shape"),
        (struct.pack(">BBBB8I", 0, 0, 8, 8, *[2**32 - 1] * 8), "damaged: shape"),
        (gzip.compress(to_idx(IMAGES))[:-3], "cannot be read"),
        (gzip.compress(to_idx(IMAGES))[:20] + b"????" + gzip.compress(to_idx(IMAGES))[24:], "cannot be read"),
    ],
)
def test_damage_is_one_sentence(tmp_path, data, match):
    path = tmp_path / "x-images-idx3-ubyte"
    path.write_bytes(data)
    with pytest.raises(UserError, match=match) as caught:
        open_images(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), packed=st.booleans())
def test_mutated_files_never_crash(tmp_path: Path, data, packed):
    whole = bytearray(to_idx(IMAGES))
    for _ in range(data.draw(st.integers(0, 4))):
        whole[data.draw(st.integers(0, 20))] = data.draw(st.integers(0, 255))
    written = bytearray(gzip.compress(bytes(whole)) if packed else whole)
    if data.draw(st.booleans()):
        written[data.draw(st.integers(0, len(written) - 1))] = data.draw(st.integers(0, 255))
    del written[data.draw(st.integers(0, len(written))) :]
    path = tmp_path / "m-images-idx3-ubyte"
    path.write_bytes(bytes(written))
    try:
        source = open_images(path, "all")
        source.fetch(np.arange(len(source)))
    except UserError:
        pass
