"""A folder of pictures, whatever else is in it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hostile_folder import encoded, noise
from PIL import Image

from selftaught.data.image import open_images
from selftaught.errors import UserError


def picture(path: Path, pixels: np.ndarray, kind: str = "PNG") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encoded(pixels, kind))


def test_hostile_folder(hostile):
    seen = []
    source = open_images(hostile.root, "all", progress=lambda done, total: seen.append((done, total)))
    names = sorted(
        hostile.read, key=lambda name: name.encode("latin-1") if name == "caf\\xe9.png" else os.fsencode(name)
    )
    assert len(source) == len(hostile.read)
    assert {one["path"] for one in source.skipped} == set(hostile.skipped)
    for one in source.skipped:
        assert hostile.skipped[one["path"]] in one["reason"]
        assert one["reason"]
        assert " at 0x" not in one["reason"]  # the address of a buffer is no reason
    json.dumps(source.skipped).encode("utf-8")
    assert source.channels == 3
    assert source.image_size is None
    assert seen[-1][0] == seen[-1][1] == len(hostile.read) + len(hostile.skipped) - 5  # five are never opened
    batch = source.fetch(np.arange(len(source)))
    sizes = sorted(image.shape[:2] for image in batch["image"])
    assert sizes == sorted(hostile.read[name] for name in names)
    assert all(image.dtype == np.uint8 and image.shape[2] == 3 for image in batch["image"])
    assert (batch["label"] == -1).all()
    assert source.classes == ()


def test_hostile_folder_again_is_the_same_and_quick(hostile, monkeypatch):
    first = open_images(hostile.root, "all")
    from selftaught.data.image import scan

    looked = []
    measure = scan.measure
    monkeypatch.setattr(
        scan, "measure", lambda items, position: looked.append(items.name(position)) or measure(items, position)
    )
    second = open_images(hostile.root, "all")
    assert second.fingerprint == first.fingerprint
    assert second.skipped == first.skipped
    assert set(looked) <= set(hostile.skipped)  # only failures are tried anew


def test_a_changed_file_is_seen(tmp_path):
    for i in range(4):
        picture(tmp_path / f"f/{i}.png", noise(8, 8, seed=i))
    first = open_images(tmp_path / "f", "all")
    picture(tmp_path / "f/2.png", noise(8, 8, seed=9))
    second = open_images(tmp_path / "f", "all")
    assert first.fingerprint != second.fingerprint
    np.testing.assert_array_equal(second.fetch(np.array([2]))["image"][0], noise(8, 8, seed=9))


def test_damaged_scan_results_are_made_anew(tmp_path, own_cache):
    for i in range(4):
        picture(tmp_path / f"f/{i}.png", noise(8, 8, seed=i))
    first = open_images(tmp_path / "f", "all").fingerprint
    [kept] = (own_cache / "scans").iterdir()
    whole = kept.read_bytes()
    for data in (whole[: len(whole) // 2], b"", b"garbage" * 100, whole[:300] + bytes([whole[300] ^ 1]) + whole[301:]):
        kept.write_bytes(data)
        assert open_images(tmp_path / "f", "all").fingerprint == first


def test_moving_the_folder_does_not_change_the_fingerprint(tmp_path):
    for i in range(4):
        picture(tmp_path / f"f/{i}.png", noise(8, 8, seed=i))
    before = open_images(tmp_path / "f", "all").fingerprint
    (tmp_path / "f").rename(tmp_path / "g")
    assert open_images(tmp_path / "g", "all").fingerprint == before
    (tmp_path / "g/0.png").rename(tmp_path / "g/9.png")  # another order
    assert open_images(tmp_path / "g", "all").fingerprint != before


def test_labels_come_from_first_level_folders(tmp_path):
    for i, name in enumerate(["dog/x/1", "dog/2", "cat/1", "ant/deep/er/1"]):
        picture(tmp_path / f"{name}.png", noise(8, 8, seed=i))
    (tmp_path / "empty").mkdir()
    source = open_images(tmp_path, "all")
    assert source.classes == ("ant", "cat", "dog")
    assert source.labels.tolist() == [0, 1, 2, 2]
    assert source.fetch(np.array([3, 0]))["label"].tolist() == [2, 0]


def test_a_picture_keeps_its_own_path_when_links_lead_to_it(tmp_path):
    picture(tmp_path / "b/1.png", noise(8, 8, seed=1))
    for i, name in enumerate(("a", "z")):
        picture(tmp_path / f"{name}/1.png", noise(8, 8, seed=2 + i))
        (tmp_path / name / "link").symlink_to("../b")
    source = open_images(tmp_path, "all")
    assert [source.classes[i] for i in source.labels] == ["a", "b", "z"]
    elsewhere = tmp_path.parent / f"{tmp_path.name}-elsewhere"
    picture(elsewhere / "1.png", noise(8, 8, seed=5))
    (tmp_path / "link").symlink_to(elsewhere)  # what lies outside is read through its link
    assert open_images(tmp_path, "all").classes == ("a", "b", "link", "z")


@pytest.mark.parametrize("names", [["1", "a/2"], ["a/1", "a/2"]])
def test_no_labels_when_folders_do_not_tell(tmp_path, names):
    for i, name in enumerate(names):
        picture(tmp_path / f"{name}.png", noise(8, 8, seed=i))
    source = open_images(tmp_path, "all")
    assert source.classes == ()
    assert source.labels.tolist() == [-1, -1]
    assert not source.labelled


def test_own_train_and_test_folders(tmp_path):
    for i, name in enumerate(["train/dog/1", "train/cat/1", "train/cat/2", "test/cat/1", "test/emu/1"]):
        picture(tmp_path / f"{name}.png", noise(8, 8, seed=i))
    train, test, both = (open_images(tmp_path, split) for split in ("train", "test", "all"))
    assert train.classes == test.classes == both.classes == ("cat", "dog", "emu")
    assert train.labels.tolist() == [0, 0, 1]
    assert test.labels.tolist() == [0, 2]
    assert both.labels.tolist() == [0, 0, 1, 0, 2]
    np.testing.assert_array_equal(both.fetch(np.array([4, 0]))["image"][0], test.fetch(np.array([1]))["image"][0])


def test_small_pictures_of_one_size_are_packed_losslessly(tmp_path, own_cache):
    for i in range(70):
        picture(tmp_path / f"f/{i:03}.png", noise(12, 10, seed=i))
    source = open_images(tmp_path / "f", "all")
    assert type(source).__name__ == "ArraySource"
    assert source.image_size == (12, 10)
    assert len(list((own_cache / "packed").iterdir())) == 1
    batch = source.fetch(np.array([69, 0, 5, 5]))["image"]
    np.testing.assert_array_equal(batch, np.stack([noise(12, 10, seed=i) for i in (69, 0, 5, 5)]))


def test_all_grey_stays_one_channel_and_a_mixture_becomes_three(tmp_path):
    picture(tmp_path / "a.png", noise(8, 8, 1, seed=1))
    picture(tmp_path / "b.png", noise(8, 8, 1, seed=2))
    assert open_images(tmp_path, "all").channels == 1
    picture(tmp_path / "c.png", noise(8, 8, 3, seed=3))
    mixed = open_images(tmp_path, "all")
    assert mixed.channels == 3
    np.testing.assert_array_equal(
        mixed.fetch(np.array([0]))["image"][0], np.repeat(noise(8, 8, 1, seed=1)[..., None], 3, axis=2)
    )


def test_size_packs_the_central_square(tmp_path):
    pixels = np.zeros((100, 300, 3), np.uint8)
    pixels[:, 100:200] = 200  # exactly the central square
    picture(tmp_path / "wide.png", pixels)
    picture(tmp_path / "high.png", pixels.transpose(1, 0, 2))
    picture(tmp_path / "photo.jpg", np.full((900, 1200, 3), 90, np.uint8), "JPEG")
    source = open_images(tmp_path, "all", size=40)
    assert source.image_size == (46, 46)
    images = source.fetch(np.arange(3))["image"]
    assert images.shape == (3, 46, 46, 3)
    assert (images[0, 1:-1, 1:-1] == 200).all()  # the outermost pixels may mix with what lies outside
    np.testing.assert_allclose(images[1].astype(int), 90, atol=2)
    assert (images[2, 1:-1, 1:-1] == 200).all()


def test_size_keeps_what_a_full_decode_would_show(tmp_path):
    # an eighth of it would be less than is asked for
    pixels = np.asarray(Image.fromarray(noise(60, 80)).resize((320, 240)))
    picture(tmp_path / "photo.jpg", pixels, "JPEG")
    found = open_images(tmp_path, "all", size=40).fetch(np.array([0]))["image"][0]
    with Image.open(tmp_path / "photo.jpg") as image:
        expected = image.resize((46, 46), Image.Resampling.BILINEAR, box=(40, 0, 280, 240))
    assert np.abs(found.astype(int) - np.asarray(expected).astype(int)).mean() < 4  # levels of 255


@pytest.fixture(scope="module")
def many(tmp_path_factory):
    """Three classes of 500 pictures, of which one in a hundred is broken."""
    root = tmp_path_factory.mktemp("many")
    for c in "abc":
        (root / c).mkdir()
    for i in range(1500):
        data = encoded(np.frombuffer(np.uint16(i).tobytes(), np.uint8).reshape(1, 2, 1).repeat(3, 2), "PNG")
        (root / "abc"[i % 3] / f"{i:04}.png").write_bytes(b"broken" if i % 100 == 7 else data)
    return root


@pytest.mark.parametrize("split", ["all", "train", "test"])
def test_a_limit_reads_little_and_draws_from_every_class(many, split, monkeypatch):
    from selftaught.data.image import scan

    looked = []
    measure = scan.measure
    monkeypatch.setattr(scan, "measure", lambda items, position: looked.append(position) or measure(items, position))
    few = open_images(many, split, limit=30)
    assert len(few) == 30 and len(looked) < 900
    assert np.bincount(few.labels).min() >= (8 if split == "all" else 10)
    names = few.names(np.arange(30))
    assert names == sorted(names) and all(name[0] == few.classes[c] for name, c in zip(names, few.labels, strict=True))
    whole = open_images(many, split)
    assert {row.tobytes() for row in few.digests} < {row.tobytes() for row in whole.digests}
    again = open_images(many, split, limit=30)  # with everything in the cache
    assert again.names(np.arange(30)) == names
    assert open_images(many, split, limit=30, seed=1).names(np.arange(30)) != names
    assert len(open_images(many, split, limit=5000)) == len(whole)


def test_a_limit_of_both_parts_reads_little(many, tmp_path, monkeypatch):
    from selftaught.data.image import scan

    (tmp_path / "test").symlink_to(many)
    (tmp_path / "train").mkdir()
    for i in range(500):
        place = tmp_path / "train" / "abc"[i % 3]
        place.mkdir(exist_ok=True)
        (place / f"new{i:03}.png").write_bytes(encoded(np.full((1, 2, 3), i // 2, np.uint8), "PNG"))
    looked = []
    measure = scan.measure
    monkeypatch.setattr(scan, "measure", lambda items, position: looked.append(position) or measure(items, position))
    few = open_images(tmp_path, "all", limit=40)
    names = few.names(np.arange(40))
    assert len(few) == 40 and len(looked) < 250
    assert sum(name.startswith("train/") for name in names) == 10 and names[10].startswith("test/")
    assert np.bincount(few.labels).min() >= 12
    assert len(open_images(tmp_path, "all", limit=1)) == 1


def test_groups_of_paths(many, tmp_path):
    source = open_images(many, "all", groups=r"/(\d\d)")
    assert len(source) == 1485 and len(set(source.groups.tolist())) == 15
    train, test = (open_images(many, split, groups=r"/(\d\d)") for split in ("train", "test"))
    held = {name[2:4] for name in test.names(np.arange(len(test)))}
    assert 2 <= len(held) <= 4 and not held & {name[2:4] for name in train.names(np.arange(len(train)))}
    few = open_images(many, "train", limit=40, groups=r"/(\d\d)")
    assert len(few) == 40 and not held & {name[2:4] for name in few.names(np.arange(40))}
    names = source.names(np.arange(len(source)))
    table = tmp_path / "groups.csv"
    everyone = sorted(f"{c}/{i:04}.png" for i in range(1500) for c in "abc"[i % 3])
    table.write_text("".join(f"{name},{name[2:4]}\n" for name in everyone))
    assert np.array_equal(open_images(many, "all", groups=table).groups, source.groups)
    table.write_text("".join(f"{name},{name[2:4]}\n" for name in everyone[1:]))
    with pytest.raises(UserError, match=f"'{everyone[0]}' of .* has no group"):
        open_images(many, "all", groups=table)
    with pytest.raises(UserError, match=r"groups 'video_\(.\)' matches no part of 'a/0000.png' \(1,500 of 1,500 names"):
        open_images(many, "all", groups="video_(.)")
    with pytest.raises(UserError, match="neither a file nor a regular expression"):
        open_images(many, "all", groups="(")
    assert names[0] == "a/0000.png"


def test_same_bytes_from_any_thread_and_process(hostile):
    source = open_images(hostile.root, "all")
    alone = b"".join(source.fetch(np.array([i]))["image"][0].tobytes() for i in range(len(source)))
    order = np.random.default_rng(0).permutation(len(source))
    with ThreadPoolExecutor(8) as threads:
        parts = list(threads.map(lambda _: source.fetch(order)["image"], range(4)))
    for images in parts:
        again = [images[j].tobytes() for j in np.argsort(order)]
        assert b"".join(again) == alone
    code = (
        "import sys, hashlib, numpy as np\nfrom selftaught.data.image import open_images\ns = "
        "open_images(sys.argv[1], 'all')\n"
        "print(hashlib.sha256(b''.join(i.tobytes() for i in s.fetch(np.arange(len(s)))['image'])).hexdigest(), "
        "s.fingerprint)"
    )
    import hashlib

    child = subprocess.run([sys.executable, "-c", code, str(hostile.root)], capture_output=True, text=True, check=True)
    assert child.stdout.split() == [hashlib.sha256(alone).hexdigest(), source.fingerprint]


def test_a_forked_child_can_fetch(hostile):
    source = open_images(hostile.root, "all")
    expected = source.fetch(np.arange(8))["image"]
    pid = os.fork()
    if pid == 0:
        same = all((a == b).all() for a, b in zip(source.fetch(np.arange(8))["image"], expected, strict=True))
        os._exit(0 if same else 1)
    assert os.waitpid(pid, 0)[1] == 0


def test_no_file_stays_open(hostile):
    def opened() -> int:
        return len(os.listdir("/proc/self/fd"))

    source = open_images(hostile.root, "all")
    source.fetch(np.arange(len(source)))
    before = opened()
    for _ in range(5):
        again = open_images(hostile.root, "all")
        again.fetch(np.arange(len(again)))
    assert opened() <= before


def test_a_vanished_file_is_named(tmp_path):
    for i, edge in enumerate((120, 130)):
        picture(tmp_path / f"{i}.png", noise(edge, edge, seed=i))
    source = open_images(tmp_path, "all")
    (tmp_path / "1.png").unlink()
    with pytest.raises(UserError, match=r"1\.png: changed or removed"):
        source.fetch(np.array([0, 1]))


def test_unreadable_permissions_are_skipped(tmp_path):
    picture(tmp_path / "f/good.png", noise(8, 8))
    picture(tmp_path / "f/locked.png", noise(8, 8, seed=1))
    picture(tmp_path / "f/locked/inside.png", noise(8, 8, seed=2))
    code = (
        "import os, sys, json\nfrom selftaught.data.image import open_images, decoded, folder, opening, table\n"
        "if os.getuid() == 0: os.setuid(65534)\ns = open_images(sys.argv[1], 'all')\nprint(json.dumps([len(s), "
        "s.skipped]))"
    )
    for folder in (tmp_path, *tmp_path.parents):
        if folder.stat().st_uid == os.getuid() and folder != Path("/"):
            folder.chmod(folder.stat().st_mode | 0o055)
    (tmp_path / "f/locked.png").chmod(0)
    (tmp_path / "f/locked").chmod(0)
    try:
        child = subprocess.run(
            [sys.executable, "-c", code, str(tmp_path / "f")], capture_output=True, text=True, check=False
        )
    finally:
        (tmp_path / "f/locked").chmod(0o755)
    assert child.returncode == 0, child.stderr
    count, skipped = json.loads(child.stdout)
    assert count == 1
    assert {one["path"]: one["reason"] for one in skipped} == {
        "locked": "folder cannot be read: Permission denied",
        "locked.png": "Permission denied",
    }


def test_one_picture_is_a_source(tmp_path):
    picture(tmp_path / "only.png", noise(8, 8))
    assert len(open_images(tmp_path, "all")) == 1
    with pytest.raises(UserError, match="cannot be split"):
        open_images(tmp_path, "train")


def test_empty_folder(tmp_path):
    with pytest.raises(UserError, match="no image in this folder"):
        open_images(tmp_path)


def test_nothing_readable_names_the_first_reasons(tmp_path):
    for i in range(5):
        (tmp_path / f"{i}.png").write_bytes(b"" if i else b"text")
    with pytest.raises(
        UserError, match=r"none of its 5 images can be read \(0\.png: not an image.*1\.png: empty file.*2 more"
    ):
        open_images(tmp_path)


def test_memory_stays_bounded(tmp_path):
    for i in range(40):
        picture(tmp_path / f"f/{i}.bmp", np.full((1000, 1000 + i, 3), i, np.uint8), "BMP")  # 120 MB when decoded
    code = (
        "import sys, resource, numpy as np\nfrom selftaught.data.image import open_images, decoded\n"
        "used = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\nbefore = used()\n"
        "s = open_images(sys.argv[1], 'all')\nfor i in range(0, 40, 4): s.fetch(np.arange(i, i + "
        "4))\nprint((used() - before) // 1024)"
    )
    child = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "f")], capture_output=True, text=True, check=True
    )
    assert int(child.stdout) < 60  # MB


def test_pillow_agrees_on_every_readable_picture(hostile):
    """Compare with Pillow's conversion, except for alpha, 16 bits and grey, which have their own tests."""
    source = open_images(hostile.root, "all")
    names = [source._items.name(int(position)) for position in source._found.positions]
    checked = 0
    for i, name in enumerate(names):
        if any(word in name for word in ("clear", "alpha", "sixteen", "turned", "exif", "caf")):
            continue
        with Image.open(hostile.root / name) as image:
            expected = np.asarray(image.convert("RGB"))
        np.testing.assert_allclose(
            source.fetch(np.array([i]))["image"][0].astype(int), expected.astype(int), atol=1, err_msg=name
        )
        checked += 1
    assert checked > 20
