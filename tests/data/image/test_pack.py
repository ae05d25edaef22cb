"""Packed images: whole or made anew, whatever happened to the file or to the process."""

from __future__ import annotations

import logging
import subprocess
import sys

import numpy as np
import pytest
from hostile_folder import encoded, noise

from selftaught.data import cache
from selftaught.data.image import open_images, pack
from selftaught.errors import UserError

COUNT = 40
CODE = """
import sys, resource, logging
from selftaught.data.image import open_images
import numpy as np
logging.basicConfig(level=logging.WARNING, format="%(message)s")
if len(sys.argv) > 2: resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]),) * 2)
s = open_images(sys.argv[1], "all")
print(type(s).__name__, s.fingerprint, int(s.fetch(np.arange(len(s)))["image"].astype(np.int64).sum()))
"""


@pytest.fixture
def folder(tmp_path):
    for i in range(COUNT):
        (tmp_path / f"{i:02}.png").write_bytes(encoded(noise(16, 16, seed=i), "PNG"))
    return tmp_path


EXPECTED = np.stack([noise(16, 16, seed=i) for i in range(COUNT)])


def packed_file(own_cache):
    [path] = (own_cache / "packed").glob("*.images")
    return path


def test_every_kind_of_damage_is_found_and_repaired(folder, own_cache):
    open_images(folder, "all")
    path = packed_file(own_cache)
    whole = path.read_bytes()
    generator = np.random.default_rng(0)
    cuts = [
        0,
        1,
        26,
        27,
        28,
        100,
        pack.HEADER - 1,
        pack.HEADER,
        pack.HEADER + 1,
        len(whole) - 1,
        *generator.integers(0, len(whole), 10),
    ]
    line = whole.index(b"\n", len(pack.MARK))
    flips = [*range(0, line, 7), *generator.integers(pack.HEADER, len(whole), 10)]
    damaged = [whole[:cut] for cut in cuts] + [whole + b"x"]
    damaged += [whole[:at] + bytes([whole[at] ^ 0x10]) + whole[at + 1 :] for at in flips]
    for data in damaged:
        path.write_bytes(data)
        assert pack.read(path, EXPECTED.shape) is None
    for data in damaged[::9]:
        path.write_bytes(data)
        np.testing.assert_array_equal(open_images(folder, "all").fetch(np.arange(COUNT))["image"], EXPECTED)
        assert path.read_bytes() == whole


def test_a_whole_file_is_used_as_it_is(folder, own_cache):
    open_images(folder, "all")
    path = packed_file(own_cache)
    before = path.stat()
    open_images(folder, "all")
    assert (path.stat().st_ino, path.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    assert pack.read(path) is not None
    assert pack.read(path, (COUNT, 16, 16, 1)) is None


def test_an_error_while_packing_leaves_no_file(tmp_path):
    def blocks():
        yield EXPECTED[:3]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        pack.write(tmp_path / "p" / "a.images", EXPECTED.shape, blocks())
    assert list((tmp_path / "p").iterdir()) == []


def test_leftovers_of_killed_processes_are_swept(tmp_path):
    import os
    import time

    old, new = tmp_path / "a.images.1-x.partial", tmp_path / "a.images.2-x.partial"
    for path in (old, new):
        path.write_bytes(b"half")
    os.utime(old, (time.time() - 2 * cache.STALE,) * 2)
    pack.write(tmp_path / "a.images", EXPECTED.shape, [EXPECTED])
    assert {path.name for path in tmp_path.iterdir()} == {"a.images", new.name}


def test_a_process_killed_while_packing_does_no_harm(folder, own_cache):
    code = "import os, signal\nfrom selftaught.data.image import pack\n" + CODE.replace(
        "s = open",
        "real = pack._blocks\ndef blocks(*a):\n    yield from real(*a)\n    os.kill(os.getpid(), signal.SIGKILL)\n"
        "pack._blocks = blocks\ns = open",
    )
    killed = subprocess.run([sys.executable, "-c", code, str(folder)], capture_output=True, check=False)
    assert killed.returncode == -9
    assert [path.suffix for path in (own_cache / "packed").iterdir()] == [".partial"]
    np.testing.assert_array_equal(open_images(folder, "all").fetch(np.arange(COUNT))["image"], EXPECTED)


def test_two_processes_at_once(folder, own_cache):
    children = [
        subprocess.Popen([sys.executable, "-c", CODE, str(folder)], stdout=subprocess.PIPE, text=True) for _ in range(4)
    ]
    said = {child.communicate()[0] for child in children}
    assert len(said) == 1
    assert said.pop().startswith("ArraySource ")
    assert all(child.returncode == 0 for child in children)
    assert pack.read(packed_file(own_cache), EXPECTED.shape) is not None
    assert not list((own_cache / "packed").glob("*.partial"))


def test_no_room_means_decoding_as_fetched_with_a_warning(folder, own_cache):
    child = subprocess.run(
        [sys.executable, "-c", CODE, str(folder), "20000"], capture_output=True, text=True, check=True
    )
    kind, fingerprint, total = child.stdout.split()
    assert kind == "DecodedSource"
    assert int(total) == int(EXPECTED.astype(np.int64).sum())
    assert "images are decoded in every epoch, because the cache cannot be written" in child.stderr
    assert not list((own_cache / "packed").iterdir())
    assert open_images(folder, "all").fingerprint == fingerprint  # packed or not: a run can go on


def test_a_cache_that_cannot_be_made(folder, tmp_path, monkeypatch, caplog):
    (tmp_path / "file.txt").write_text("in the way")
    monkeypatch.setenv("SELFTAUGHT_CACHE", str(tmp_path / "file.txt" / "cache"))
    with caplog.at_level(logging.WARNING, "selftaught.data"):
        source = open_images(folder, "all")
    assert "set SELFTAUGHT_CACHE to a folder you can write" in caplog.text
    np.testing.assert_array_equal(source.fetch(np.arange(COUNT))["image"], EXPECTED)


def test_folder_of_the_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("SELFTAUGHT_CACHE", str(tmp_path / "own"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache.folder() == tmp_path / "own"
    monkeypatch.delenv("SELFTAUGHT_CACHE")
    assert cache.folder() == tmp_path / "xdg" / "selftaught"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")  # the XDG standard: to be ignored
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert cache.folder() == tmp_path / "home" / ".cache" / "selftaught"


def test_two_folders_with_equal_files_share_a_packed_file(folder, own_cache, tmp_path):
    import shutil

    shutil.copytree(folder, tmp_path / "again")
    open_images(tmp_path / "again", "all")
    shutil.rmtree(tmp_path / "again")
    open_images(folder, "all")
    packed_file(own_cache)


def test_nothing_readable_is_an_error_even_when_the_cache_is_gone(tmp_path):
    (tmp_path / "a.png").write_bytes(b"x")
    with pytest.raises(UserError, match="none of its 1 images"):
        open_images(tmp_path, "all")
