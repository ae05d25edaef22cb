"""Crops of photographs: the table, the two regions, and packages played by small programs."""

from __future__ import annotations

import hashlib
import io
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from selftaught.data import catalog
from selftaught.data.image import open_images
from selftaught.data.sets import photos
from selftaught.errors import UserError
from selftaught.evaluate.splits import parts

FREE = {
    "public domain",
    "no known restrictions",
    "CC0-1.0",
    "CC-BY-2.0",
    "CC-BY-4.0",
    "CC-BY-SA-3.0",
    "CC-BY-SA-4.0",
    "GFDL-1.2+",
    "GPL-2+",
}
CELLS = np.arange(48).reshape(6, 8)
MADE = {"album": ("lake", "castle", "bee"), "atlas": ("coast", "dune")}


def png(pixels: np.ndarray) -> bytes:
    with io.BytesIO() as file:
        Image.fromarray(pixels).save(file, "PNG", compress_level=1)
        return file.getvalue()


NUMBERED = png(np.repeat(np.kron(CELLS, np.ones((64, 64)))[..., None], 3, 2).astype(np.uint8))
"""A picture in which every cell of the grid is painted in its number."""


def noise(height: int, width: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


@pytest.fixture
def made(tmp_path, monkeypatch, programs) -> Path:
    """Two Debian packages of noise instead of all others.

    Returns the folder of their files, beside which apt-get writes a log.
    """
    root, table = tmp_path / "packages", []
    for package, names in MADE.items():
        for name in names:
            path = root / package / f"usr/{name}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(png(noise(60, 90, len(table))))
            table.append(
                photos.Photograph(
                    package, f"usr/{name}.png", name, "", "", hashlib.sha256(path.read_bytes()).hexdigest()
                )
            )
    monkeypatch.setattr(photos, "TABLE", table)
    monkeypatch.setattr(photos, "PACKAGES", tuple(MADE))
    programs(
        "apt-get", f"for last; do :; done\ntest -d {root}/$last && echo $last >> {tmp_path}/apt.log && touch $last.deb"
    )
    programs("dpkg-deb", f"cp -r {root}/$(basename $2 .deb) files")
    return root


def asked(root: Path) -> list[str]:
    return (root.parent / "apt.log").read_text().split()


def test_photos(users_cache, caplog):
    train, test = open_images("photos"), open_images("photos", "test")
    assert train.image_size == test.image_size == (64, 64)
    assert train.channels == 3
    assert train.classes == test.classes
    assert set(train.classes) <= set(photos.ENTRY.classes)
    assert len(train.classes) == len(photos.TABLE) or "photographs instead of 99" in caplog.text
    for source, each, columns in ((train, 30, 5), (test, 12, 2)):
        assert np.bincount(source.labels).tolist() == [each] * len(train.classes)
        assert Counter(Counter(source.groups.tolist()).values()) == {6: columns * len(train.classes)}
    assert not {row.tobytes() for row in train.digests} & {row.tobytes() for row in test.digests}
    assert open_images("photos").fingerprint == train.fingerprint


def test_the_table_is_whole_and_free():
    assert len(photos.TABLE) == 99
    assert len({photo.name for photo in photos.TABLE}) == len({photo.sha256 for photo in photos.TABLE}) == 99
    assert {photo.licence for photo in photos.TABLE} <= FREE
    assert all(photo.author and len(photo.sha256) == 64 for photo in photos.TABLE)
    order = [photo.package for photo in photos.TABLE]
    assert order == sorted(order, key=photos.PACKAGES.index)  # one after another: labels follow the table
    assert photos.PACKAGES[:2] == tuple(photos.BUNDLED)
    assert photos.ENTRY.size == "2,970 + 1,188 colour 64x64"
    assert photos.ENTRY.classes[:2] == ("astronaut", "chelsea")


def test_a_photograph_is_cut_into_a_grid():
    found = photos.cut(NUMBERED)
    assert found.shape == (42, 64, 64, 3)
    assert [set(np.unique(crop)) for crop in found] == [{i} for i in [*CELLS[:, :5].ravel(), *CELLS[:, 6:].ravel()]]


@settings(max_examples=15, deadline=None)
@given(st.integers(40, 700), st.integers(40, 700), st.integers(0, 99))
def test_the_regions_share_no_pixel_of_the_photograph(height, width, seed):
    picture = noise(height, width, seed)
    scale = min(width / 8, height / 6)
    middle = round(width / 2 + 1.5 * scale)  # of the column that is left out
    whole = photos.cut(png(picture))
    for side, hidden in ((slice(None, 30), slice(middle, None)), (slice(30, None), slice(None, middle))):
        other = picture.copy()
        other[:, hidden] = 255 - other[:, hidden]
        found = photos.cut(png(other))
        assert (found[side] == whole[side]).all()
        assert not (found == whole).all()


def test_packages_are_fetched_once(made):
    train, test = open_images("photos"), open_images("photos", "test")
    assert asked(made) == list(MADE)
    assert train.classes == test.classes == ("lake", "castle", "bee", "coast", "dune")
    assert photos.cached()
    for source, part in ((train, slice(0, 30)), (test, slice(30, 42))):
        batch = source.fetch(np.arange(len(source)))
        for label, name in enumerate(source.classes):
            package = next(package for package, names in MADE.items() if name in names)
            crops = photos.cut((made / package / f"usr/{name}.png").read_bytes())[part]
            found = batch["image"][batch["label"] == label]
            assert sorted(crop.tobytes() for crop in found) == sorted(crop.tobytes() for crop in crops)
    again = open_images("photos")
    assert (again.fingerprint, again.labels.tolist()) == (train.fingerprint, train.labels.tolist())


@pytest.mark.parametrize("split", ["train", "test"])
def test_every_crop_is_of_the_photograph_and_the_column_that_it_says(made, split):
    path = made / "atlas/usr/dune.png"
    path.write_bytes(NUMBERED)
    photos.TABLE[-1] = photos.TABLE[-1]._replace(sha256=hashlib.sha256(NUMBERED).hexdigest())
    source = open_images("photos", split)
    batch, dune = source.fetch(np.arange(len(source))), source.classes.index("dune")
    np.testing.assert_array_equal((np.ptp(batch["image"], axis=(1, 2, 3)) == 0), batch["label"] == dune)
    cells = batch["image"][batch["label"] == dune][:, 0, 0, 0]
    np.testing.assert_array_equal(source.groups[batch["label"] == dune], 8 * dune + cells % 8)
    np.testing.assert_array_equal(source.groups // 8, source.labels)


def test_the_first_crops_are_of_all_photographs(made):
    few = open_images("photos", limit=50)
    assert np.bincount(few.labels).tolist() == [10] * 5
    assert len(np.unique(few.groups)) > 15  # from all over, not from one corner


def test_a_split_by_group_keeps_photographs_on_both_sides(made):
    train = open_images("photos")
    assert np.bincount(train.groups).tolist() == ([6] * 5 + [0] * 3) * 4 + [6] * 5
    for seed in range(5):
        part = parts(train.labels, 5, seed, train.groups)
        assert all(len(set(part[train.groups == group])) == 1 for group in np.unique(train.groups))
        # few classes are unseen, never all
        assert all(len(np.unique(train.labels[part != held])) > 3 for held in range(5))


def test_a_damaged_cache_is_fetched_again(made):
    whole = open_images("photos")
    path = photos.place("atlas")
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    assert open_images("photos").fingerprint == whole.fingerprint
    assert asked(made) == ["album", "atlas", "atlas"]


@pytest.mark.parametrize(
    ("trouble", "said"),
    [
        ("package", "apt-get cannot download album"),
        ("file", "has no usr/bee.png"),
        ("other", "usr/bee.png of this version of album differs from the expected file"),
    ],
)
def test_a_package_that_is_not_what_is_listed_is_left_out(made, monkeypatch, caplog, trouble, said):
    path = made / "album/usr/bee.png"
    if trouble == "package":
        (made / "album").rename(made / "gone")
        monkeypatch.setattr("os.geteuid", lambda: 1000)
    elif trouble == "file":
        path.unlink()
    else:
        path.write_bytes(png(noise(60, 90, 77)))
    train = open_images("photos")
    assert train.classes == MADE["atlas"]
    assert np.bincount(train.labels).tolist() == [30, 30]
    [line] = caplog.messages
    assert line.startswith("data 'photos' has 2 photographs instead of 5: ")
    assert said in line
    assert "\n" not in line
    assert not photos.cached()


def test_listed_files_that_are_no_pictures_are_left_out(made, monkeypatch, caplog):
    table = list(photos.TABLE)
    (made / "album/usr/bee.png").write_bytes(b"text")
    table[2] = table[2]._replace(sha256=hashlib.sha256(b"text").hexdigest())
    monkeypatch.setattr(photos, "TABLE", table)
    assert len(open_images("photos").classes) == 2
    assert "usr/bee.png of album cannot be read (not an image" in caplog.text


def test_a_cache_that_cannot_be_written_is_no_hindrance(made, monkeypatch, caplog):
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(photos.pack, "write", full)
    assert len(open_images("photos")) == 150
    assert "are not cached, because the cache cannot be written" in caplog.text


def test_without_debian_the_bundled_ones_are_left(programs, caplog):
    train, test = open_images("photos"), open_images("photos", "test")
    bundled = [photo.name for photo in photos.TABLE if photo.package in photos.BUNDLED]
    assert train.classes == test.classes == tuple(bundled)
    assert (len(train), len(test)) == (30 * len(bundled), 12 * len(bundled))
    assert f"has {len(bundled)} photographs instead of 99: apt-get is not installed" in caplog.text
    assert not photos.cached()
    assert catalog.fetching("photos")


def test_without_anything_it_is_one_sentence(programs, monkeypatch):
    monkeypatch.setattr(photos, "find_spec", lambda name: None)
    with pytest.raises(
        UserError, match=r"scikit-image is not installed.*apt-get is not installed.*pip install scikit-image"
    ) as caught:
        open_images("photos")
    assert "\n" not in str(caught.value)
