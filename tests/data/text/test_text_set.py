"""What all public texts share: one digest, one place in the cache, one sentence when nothing serves them."""

from __future__ import annotations

import io
import json
import lzma
import os
import tarfile
import time
from pathlib import Path

import pytest

from selftaught.config import Layer, resolve
from selftaught.data import cache, catalog, remote
from selftaught.data.entry import Entry
from selftaught.data.image import open_images
from selftaught.data.text import open_text, text_set
from selftaught.data.text.text_set import TextSet, debian, digest, known, records, texts
from selftaught.errors import UserError

ENTRY = Entry("toy", "toys", "2 documents, 3 words", (), "none", "nowhere", kind="text")
FILES = {"a.txt": b"one\n", "b.txt": "zwei Wörter\n".encode()}


def toy(*ways, sha256: str | None = None) -> TextSet:
    return TextSet(ENTRY, sha256 or digest(FILES), ways, "use another")


def refuses(reason: str):
    def way() -> dict[str, bytes]:
        raise remote.Unavailable(reason)

    return way


def test_built_once_and_kept(own_cache):
    calls = []
    found = toy(lambda: calls.append(1) or dict(FILES))
    assert not found.cached()
    place = found.files()
    assert place == own_cache / "texts" / f"toy-{digest(FILES)[:8]}"
    assert {path.name: path.read_bytes() for path in place.iterdir()} == FILES
    assert found.cached()
    assert found.files() == place
    assert calls == [1]


@pytest.mark.parametrize("harm", ["flipped", "cut", "gone", "more"])
def test_a_damaged_cache_is_built_again(harm):
    found = toy(lambda: dict(FILES))
    path = found.files() / "b.txt"
    if harm == "gone":
        path.unlink()
    elif harm == "more":
        (path.parent / "c.txt").write_bytes(b"three\n")
    else:
        path.write_bytes(b"zwei Worter\n" if harm == "flipped" else FILES["b.txt"][:-3])
    assert {path.name: path.read_bytes() for path in found.files().iterdir()} == FILES


def test_ways_are_tried_in_order_until_one_gives_what_was_expected():
    asked = []
    found = toy(
        refuses("no network"),
        lambda: asked.append("other") or {"a.txt": b"other"},
        lambda: asked.append("right") or dict(FILES),
    )
    assert found.files().is_dir()
    assert asked == ["other", "right"]


def test_nowhere_is_one_sentence(own_cache):
    with pytest.raises(UserError) as caught:
        toy(refuses("no network"), lambda: {"a.txt": b"other"}).files()
    said = str(caught.value)
    assert said.startswith(
        "data 'toy' cannot be downloaded (no network; the downloaded file is not the expected version (SHA-256 "
    )
    assert said.endswith(": use another")
    assert "\n" not in said
    assert not list(own_cache.rglob("*"))


def test_no_room_is_one_sentence_and_leaves_nothing(monkeypatch, own_cache):
    def full(path, data):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(cache.Unwritable, match=r"cannot be written \(No space left on device\): free some space"):
        toy(lambda: dict(FILES)).files()
    assert list((own_cache / "texts").iterdir()) == []


def test_another_process_may_be_quicker(monkeypatch):
    found = toy(lambda: dict(FILES))
    renamed = os.rename

    def late(source, target):
        renamed(source, target)  # the other process
        raise OSError(39, "Directory not empty")

    monkeypatch.setattr(os, "rename", late)
    assert {path.name: path.read_bytes() for path in found.files().iterdir()} == FILES


def test_what_a_killed_process_left_is_removed(own_cache):
    found = toy(lambda: dict(FILES))
    old, new = (found.place().parent / f"{found.place().name}.{name}.partial" for name in ("old", "new"))
    for folder in (old, new):
        folder.mkdir(parents=True)
    os.utime(old, (time.time() - 7200,) * 2)
    found.files()
    assert not old.exists() and new.exists()


def test_texts_leave_out_what_was_said_before_and_what_has_no_letter():
    documents = {
        "b": ["One.", "Two.", "* * *", "", "One."],
        "a": ["Two.", "Drei \u4e09"],
        "c": ["One.", "12"],
        "d": ["\u4e09"],
    }
    assert texts(documents) == {
        "b.txt": b"One.\nTwo.\n",
        "a.txt": "Drei \u4e09\n".encode(),
        "d.txt": "\u4e09\n".encode(),
    }


def test_records_are_one_file_and_files_returns_it():
    rows = [{"text": 'sö "gut"', "label": "positive", "group": "7"}, {"text": "bad", "label": "negative"}]
    made = records("toy", rows)
    [line, _] = made["toy.jsonl"].decode().splitlines()
    assert json.loads(line) == rows[0]
    assert "ö" in line
    assert TextSet(ENTRY, digest(made), [lambda: made], "").files().name == "toy.jsonl"


def test_the_digest_tells_files_apart():
    same = [{"a": b"1", "b": b"2"}, {"b": b"2", "a": b"1"}]
    other = [{"a": b"1"}, {"a": b"1", "c": b"2"}, {"a": b"12", "b": b""}, {"a": b"", "b": b"12"}, {}]
    assert len({digest(files) for files in same}) == 1
    assert len({digest(files) for files in [*same, *other]}) == 6


def deb(files: dict[str, bytes]) -> bytes:
    """A Debian package of these files."""
    with io.BytesIO() as data:
        with tarfile.open(fileobj=data, mode="w") as tar:
            for name, content in files.items():
                member = tarfile.TarInfo(f"./{name}")
                member.size = len(content)
                tar.addfile(member, io.BytesIO(content))
        packed = lzma.compress(data.getvalue())
    whole = b"!<arch>\n"
    # the first two: odd lengths
    for name, content in (("debian-binary", b"2.0"), ("control.tar.xz", b"odd"), ("data.tar.xz", packed)):
        head = f"{name:<16}{0:<12}{0:<6}{0:<6}{'100644':<8}{len(content):<10}`\n".encode()
        whole += head + content + b"\n" * (len(content) % 2)
    return whole


@pytest.fixture
def archive(tmp_path, monkeypatch):
    """Debian's addresses, played by a folder: returns a function that puts a package there and gives its SHA-256."""
    monkeypatch.setattr(text_set, "ADDRESSES", ("http://127.0.0.1:1/", f"file://{tmp_path}/"))

    def put(data: bytes) -> str:
        (tmp_path / "pool/main/t").mkdir(parents=True, exist_ok=True)
        (tmp_path / "pool/main/t/toys.deb").write_bytes(data)
        return cache.sha256(tmp_path / "pool/main/t/toys.deb")

    return put


def build(root: Path) -> dict[str, bytes]:
    return {name: (root / "usr" / name).read_bytes() for name in FILES}


def test_apts_version_comes_first(programs, tmp_path, archive):
    (tmp_path / "package/usr").mkdir(parents=True)
    for name, data in FILES.items():
        (tmp_path / "package/usr" / name).write_bytes(data)
    programs("apt-get", "touch toys.deb")
    programs("dpkg-deb", f"cp -r {tmp_path}/package files")
    assert toy(*debian("toys", "t/toys.deb", archive(b"damaged"), build)).files().is_dir()


@pytest.mark.parametrize("trouble", ["no apt", "another version", "other files"])
def test_debians_addresses_come_next(programs, tmp_path, archive, trouble):
    if trouble != "no apt":
        (tmp_path / "package/usr").mkdir(parents=True)
        if trouble == "another version":
            for name in FILES:
                (tmp_path / "package/usr" / name).write_bytes(b"newer\n")
        programs("apt-get", "touch toys.deb")
        programs("dpkg-deb", f"cp -r {tmp_path}/package files")
    sha256 = archive(deb({f"usr/{name}": data for name, data in FILES.items()}))
    assert toy(*debian("toys", "t/toys.deb", sha256, build)).files().is_dir()


def test_all_of_debian_fails_in_one_sentence(programs, archive):
    sha256 = archive(deb({"usr/a.txt": b"one\n"}))
    with pytest.raises(
        UserError,
        match=r"apt-get is not installed; http\S+:1/\S+ does not answer .*; toys has no b.txt\): use another$",
    ):
        toy(*debian("toys", "t/toys.deb", sha256, build)).files()
    sha256 = archive(b"no package")
    with pytest.raises(UserError, match=r"toys.deb is not a Debian package"):
        toy(*debian("toys", "t/toys.deb", sha256, build)).files()
    with pytest.raises(UserError, match=r"toys.deb serves different data than expected"):
        toy(*debian("toys", "t/toys.deb", "0" * 64, build)).files()


def packed(files: dict[str, bytes]) -> bytes:
    """A .tar.gz of these files."""
    with io.BytesIO() as data:
        with tarfile.open(fileobj=data, mode="w:gz") as tar:
            for name, content in files.items():
                member = tarfile.TarInfo(name)
                member.size = len(content)
                tar.addfile(member, io.BytesIO(content))
        return data.getvalue()


@pytest.fixture
def pip(programs, tmp_path, monkeypatch):
    """A pip on the path that says where the file of a project lies, as it does when it passes over it."""
    monkeypatch.setattr(remote, "find_spec", lambda name: None)

    def serve(
        data: bytes, said: str = "Skipping link: No sources permitted for toy: {}/toy-1.0.tar.gz (from x)"
    ) -> str:
        (tmp_path / "toy-1.0.tar.gz").write_bytes(data)
        address = said.format(f"file://{tmp_path}")
        programs(
            "pip",
            f'echo "$@" >> {tmp_path}/pip.log\necho "  Found {address}.metadata"\necho "  {address}#sha256=0" '
            ">&2\nexit 1",
        )
        return cache.sha256(tmp_path / "toy-1.0.tar.gz")

    return serve


def test_a_source_distribution_is_found_by_pip_and_never_built(pip, tmp_path):
    sha256 = pip(packed({"toy-1.0/a": b"one"}))
    with remote.sdist("toy", "1.0", sha256) as tar:
        assert remote.member(tar, "toy-1.0/a") == b"one"
        with pytest.raises(remote.Unavailable, match=r"toy-1\.0\.tar\.gz has no complete toy-1\.0/b"):
            remote.member(tar, "toy-1.0/b")
    [line] = (tmp_path / "pip.log").read_text().splitlines()
    assert "--only-binary :all:" in line and line.endswith("toy==1.0")
    assert "--dest" in line  # a wheel of the same version is downloaded, and must not land where the user works


def test_a_source_distribution_that_is_not_there(pip, programs):
    pip(b"", "nothing")
    with (
        pytest.raises(remote.Unavailable, match=r"pip does not find toy-1\.0\.tar\.gz"),
        remote.sdist("toy", "1.0", ""),
    ):
        pass
    pip(b"other")
    with (
        pytest.raises(remote.Unavailable, match="serves different data than expected"),
        remote.sdist("toy", "1.0", "0" * 64),
    ):
        pass


def test_no_pip(programs, monkeypatch):
    monkeypatch.setattr(remote, "find_spec", lambda name: None)
    with pytest.raises(remote.Unavailable, match="pip is not installed"), remote.sdist("toy", "1.0", ""):
        pass


def test_npm(programs, tmp_path):
    (tmp_path / "toy.tgz").write_bytes(packed({"package/a": b"one"}))
    with pytest.raises(remote.Unavailable, match="npm is not installed"), remote.npm("@x/toy", "1.0"):
        pass
    programs("npm", f'echo "$@" >> {tmp_path}/npm.log\ncp {tmp_path}/toy.tgz x-toy-1.0.tgz')
    with remote.npm("@x/toy", "1.0") as tar:
        assert remote.member(tar, "package/a") == b"one"
    assert (tmp_path / "npm.log").read_text() == "pack --silent --ignore-scripts @x/toy@1.0\n"
    for script, match in (
        ("exit 1", "npm cannot download @x/toy 1.0"),
        ("true", "npm did not download"),
        ("echo x > a.tgz", "not download a complete"),
    ):
        programs("npm", script)
        with pytest.raises(remote.Unavailable, match=match), remote.npm("@x/toy", "1.0"):
            pass


def test_every_text_of_the_catalog_says_what_it_is():
    listed = {entry.name: entry for entry in catalog.entries() if entry.kind == "text"}
    assert list(listed) == sorted(name for name, kind in catalog.listed().items() if kind == "text")
    for name, entry in listed.items():
        found = catalog.get(name)
        assert isinstance(found, TextSet)
        assert (entry.size, found.sha256) == known(name)
        assert len(found.sha256) == 64
        assert not entry.cached
        assert all((entry.what, entry.size, entry.licence, entry.origin, found.instead, found.ways))
    assert {name for name, entry in listed.items() if entry.classes} == {
        "sentence-polarity", "rated-movies", "rated-news", "rated-tweets", "rated-products",
    }  # fmt: skip


def test_images_and_text_are_not_taken_for_each_other():
    with pytest.raises(UserError, match=r"^sotu: these are documents, not images: 'selftaught data' lists"):
        open_images("sotu")
    with pytest.raises(UserError, match=r"^digits: these are images, not text: 'selftaught data' lists"):
        open_text("digits")
    with pytest.raises(UserError, match=r"^sotu holds documents, not images"):
        resolve(Layer.of({"method": "simclr", "data": "sotu"}))


def test_describe_text(monkeypatch):
    monkeypatch.setattr(catalog, "listed", lambda: {"toy": "text"})
    monkeypatch.setattr(
        catalog, "get", lambda name: TextSet(ENTRY, digest(FILES), [lambda: dict(FILES)], "", "characters")
    )
    told = catalog.describe("toy")["all"]
    assert {key: told[key] for key in ("documents", "sentences", "words", "distinct", "per_class")} == {
        "documents": 2, "sentences": 2, "words": 13, "distinct": 9, "per_class": {},
    }  # fmt: skip
    assert told["frequent"][0] == "e"


@pytest.mark.parametrize("name", [name for name, kind in catalog.listed().items() if kind == "text"])
def test_what_lies_in_the_users_cache_is_what_it_is(name, users_cache, monkeypatch):
    found = catalog.get(name)
    assert isinstance(found, TextSet)
    if not found.cached():
        pytest.skip(f"{name} is not in the cache")
    monkeypatch.setattr(found, "ways", [])  # a digest that is not right would have to be fetched
    path = found.files()
    if path.is_file():
        rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        assert {row["label"] for row in rows} == set(found.ENTRY.classes)
        return
    lines = [line for part in path.iterdir() for line in part.read_text(encoding="utf-8").split("\n") if line]
    assert len(set(lines)) == len(lines)
    assert not any(sign in line for line in lines for sign in ("<p>", "</p>", "<b>", "&amp;", "\t", "\ufffd"))
