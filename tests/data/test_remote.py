"""Fetching: Debian packages and addresses, played by small programs and by a server on this computer."""

from __future__ import annotations

import gzip
import hashlib
import os
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import numpy as np
import pytest
from idx_writer import to_idx

from selftaught.data import catalog, open_source, remote
from selftaught.data.sets import cifar10, fashion_mnist
from selftaught.errors import UserError

SMALL = {
    "train-images-idx3-ubyte": to_idx(np.random.default_rng(0).integers(0, 256, (30, 28, 28), dtype=np.uint8)),
    "train-labels-idx1-ubyte": to_idx(np.arange(30, dtype=np.uint8) % 10),
    "t10k-images-idx3-ubyte": to_idx(np.random.default_rng(1).integers(0, 256, (20, 28, 28), dtype=np.uint8)),
    "t10k-labels-idx1-ubyte": to_idx(np.arange(20, dtype=np.uint8) % 10),
}


def flipped(data: bytes) -> bytes:
    return data[:30] + bytes(byte ^ 0xFF for byte in data[30:60]) + data[60:]


@pytest.fixture
def small(monkeypatch):
    """Fashion-MNIST with four small files."""
    monkeypatch.setattr(
        fashion_mnist, "FILES", {name: hashlib.sha256(data).hexdigest() for name, data in SMALL.items()}
    )


@pytest.fixture
def served(monkeypatch):
    """What the addresses serve: path -> bytes; and what was asked for."""
    files: dict[str, bytes] = {f"/{name}.gz": gzip.compress(data) for name, data in SMALL.items()}
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            data = files.get(self.path)
            self.send_response(404 if data is None else 200)
            self.send_header(
                "Content-Length", str(len(data or b"") + (1000 if self.path in files.get("cut", b"").decode() else 0))
            )
            self.end_headers()
            self.wfile.write(data or b"")

        def log_message(self, *arguments: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    address = f"http://127.0.0.1:{server.server_port}/"
    monkeypatch.setattr(fashion_mnist, "ADDRESSES", ("http://127.0.0.1:1/", address))
    monkeypatch.setattr(cifar10, "ADDRESS", address + "cifar.tar.gz")
    yield files, asked
    server.shutdown()
    thread.join()
    server.server_close()


def package(tmp_path: Path) -> Path:
    """The files of the Debian package, as dpkg-deb would unpack them."""
    root = tmp_path / "package"
    inside = root / "usr/share/datasets/fashion-mnist"
    inside.mkdir(parents=True)
    for name, data in SMALL.items():
        (inside / f"{name}.gz").write_bytes(gzip.compress(data))
    return root


def test_debian_comes_first_and_only_once(small, served, programs, tmp_path, own_cache):
    root = package(tmp_path)
    programs("apt-get", f'echo "$@" >> {tmp_path}/apt.log\ntouch dataset.deb')
    programs("dpkg-deb", f"cp -r {root} files")
    source = open_source("fashion-mnist", "train")
    assert (len(source), source.image_size, source.classes) == (30, (28, 28), fashion_mnist.CLASSES)
    assert len(open_source("fashion-mnist", "test")) == 20
    assert served[1] == []
    [line] = (tmp_path / "apt.log").read_text().splitlines()
    assert line.endswith("download dataset-fashion-mnist")
    assert sorted(path.name for path in (own_cache / "fashion-mnist").iterdir()) == sorted(SMALL)


def test_package_lists_are_fetched_when_they_are_missing(small, programs, tmp_path, monkeypatch):
    root = package(tmp_path)
    programs(
        "apt-get", f'case "$*" in *update) touch {tmp_path}/lists ;; *) test -f {tmp_path}/lists && touch d.deb ;; esac'
    )
    programs("dpkg-deb", f"cp -r {root} files")
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(fashion_mnist, "ADDRESSES", ("http://127.0.0.1:1/",))
    with pytest.raises(UserError, match="apt-get cannot download dataset-fashion-mnist"):
        open_source("fashion-mnist")  # only root may fetch lists
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert len(open_source("fashion-mnist")) == 30


@pytest.mark.parametrize("trouble", ["no apt", "apt fails", "no file", "dpkg fails", "empty package", "other files"])
def test_the_address_is_next(small, served, programs, tmp_path, trouble):
    if trouble != "no apt":
        programs("apt-get", {"apt fails": "exit 100", "no file": "true"}.get(trouble, "touch d.deb"))
        programs(
            "dpkg-deb",
            {"dpkg fails": "exit 2", "other files": f"cp -r {package(tmp_path)} files"}.get(trouble, "mkdir files"),
        )
    if trouble == "other files":
        for path in tmp_path.rglob("*.gz"):
            path.write_bytes(gzip.compress(b"not what was expected"))
    assert len(open_source("fashion-mnist")) == 30
    assert sorted(served[1]) == sorted(served[0])


def test_a_damaged_file_is_fetched_again_alone(small, served, programs, own_cache):
    open_source("fashion-mnist")
    del served[1][:]
    path = own_cache / "fashion-mnist" / "t10k-images-idx3-ubyte"
    whole = path.read_bytes()
    path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    open_source("fashion-mnist", "test")
    assert served[1] == ["/t10k-images-idx3-ubyte.gz"]
    assert path.read_bytes() == whole


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda files: files.clear(), "does not answer"),
        (
            lambda files: files.update({"/train-images-idx3-ubyte.gz": gzip.compress(b"other")}),
            "serves different data than expected",
        ),
        (lambda files: files.update({"/train-images-idx3-ubyte.gz": b"no gzip"}), "does not answer"),
        (
            lambda files: files.update({"/train-images-idx3-ubyte.gz": flipped(files["/train-images-idx3-ubyte.gz"])}),
            "does not answer",
        ),
        (
            lambda files: files.update({"/train-images-idx3-ubyte.gz": files["/train-images-idx3-ubyte.gz"][:-50]}),
            "does not answer",
        ),
        (lambda files: files.update({"cut": b"/train-images-idx3-ubyte.gz"}), "does not answer|serves different"),
    ],
)
def test_nowhere_is_one_sentence_that_names_the_alternatives(small, served, programs, own_cache, change, match):
    change(served[0])
    if "cut" in served[0]:
        served[0]["/train-images-idx3-ubyte.gz"] = served[0]["/train-images-idx3-ubyte.gz"][:100]
    with pytest.raises(UserError, match=match) as caught:
        open_source("fashion-mnist")
    said = str(caught.value)
    assert "apt-get is not installed" in said
    assert str(own_cache) in said
    assert "'digits', which needs no network" in said
    assert "\n" not in said
    assert not list(own_cache.rglob("*.partial"))
    assert not (own_cache / "fashion-mnist" / "train-images-idx3-ubyte").exists()


def test_no_room_for_a_download_is_one_sentence(small, served, programs, monkeypatch):
    def full(stream, file):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(remote, "_copy", full)
    with pytest.raises(UserError, match=r"cannot be written \(No space left on device\): free some space"):
        open_source("fashion-mnist")


def test_what_is_fetched_is_told(small, served, programs, caplog):
    with caplog.at_level("INFO", "selftaught.data"):
        open_source("fashion-mnist")
    assert served[0].keys() >= {"/" + line.rsplit("/", 1)[1] for line in caplog.messages}
    assert len(caplog.messages) == 5  # the first address is dead, and only its first file is asked for


def test_cifar10_from_the_official_archive(served, programs, monkeypatch, tmp_path, own_cache):
    import io
    import tarfile

    names = [f"cifar-10-batches-bin/{name}" for part in cifar10.MEMBERS.values() for name in part]
    records = {name: np.full((10_000, 3073), i, dtype=np.uint8) for i, name in enumerate(names)}
    records["cifar-10-batches-bin/data_batch_3.bin"][123, 1:] = np.random.default_rng(0).integers(0, 256, 3072)
    with io.BytesIO() as file:
        with tarfile.open(fileobj=file, mode="w:gz", compresslevel=1) as tar:
            for name, data in records.items():
                member = tarfile.TarInfo(name)
                member.size = data.nbytes
                tar.addfile(member, io.BytesIO(data.tobytes()))
        served[0]["/cifar.tar.gz"] = file.getvalue()
    with pytest.raises(UserError, match=r"serves different data than expected.*set SELFTAUGHT_DATA"):
        open_source("cifar10")
    monkeypatch.setattr(cifar10, "SHA256", hashlib.sha256(served[0]["/cifar.tar.gz"]).hexdigest())
    train, test = open_source("cifar10"), open_source("cifar10", "test")
    assert (len(train), len(test), train.image_size, train.channels) == (50_000, 10_000, (32, 32), 3)
    record = records["cifar-10-batches-bin/data_batch_3.bin"][123]
    batch = train.fetch(np.array([20_123]))
    assert batch["label"][0] == record[0]
    np.testing.assert_array_equal(batch["image"][0], record[1:].reshape(3, 32, 32).transpose(1, 2, 0))
    assert cifar10.cached()


@pytest.mark.shared
def test_cifar10_from_a_folder_of_data_sets(shared_data, monkeypatch, programs):
    monkeypatch.setenv("SELFTAUGHT_DATA", str(shared_data))
    test = open_source("cifar10", "test")
    assert (len(test), test.image_size, test.channels, test.classes) == (10_000, (32, 32), 3, cifar10.CLASSES)
    assert np.bincount(test.labels).tolist() == [1000] * 10


def fetched(name: str, split: str):
    try:
        return open_source(name, split)
    except UserError as reason:
        pytest.skip(str(reason))


def test_fashion_mnist_is_what_it_is(users_cache):
    train, test = fetched("fashion-mnist", "train"), fetched("fashion-mnist", "test")
    assert (len(train), len(test)) == (60_000, 10_000)
    assert np.bincount(train.labels).tolist() == [6000] * 10
    assert np.bincount(test.labels).tolist() == [1000] * 10
    everything = train.fetch(np.arange(60_000))["image"]
    assert everything.mean() / 255 == pytest.approx(0.2860, abs=5e-5)  # the published mean and deviation
    assert everything.std() / 255 == pytest.approx(0.3530, abs=5e-5)
    assert [train.classes[i] for i in train.labels[:4]] == ["ankle boot", "T-shirt/top", "T-shirt/top", "dress"]
    assert len(open_source("fashion-mnist", "all", limit=60_001)) == 60_001


def test_digits_equals_scikit_learn():
    from sklearn.datasets import load_digits

    train, test = open_source("digits"), open_source("digits", "test")
    assert (len(train), len(test)) == (1437, 360)
    both = open_source("digits", "all")
    bunch = load_digits()
    assert both.labels.tolist() == bunch.target.tolist()
    found = both.fetch(np.arange(1797))["image"][..., 0]
    np.testing.assert_allclose(found * (16 / 255), bunch.images, atol=0.04)
    assert found.max() == 255


def test_the_catalog_lists_without_fetching(programs, served):
    listed = {entry.name: entry for entry in catalog.entries()}
    images = [name for name, entry in listed.items() if entry.kind == "image"]
    assert images[:4] == ["cifar10", "digits", "fashion-mnist", "photos"]
    assert [entry.kind for entry in listed.values()] == sorted(entry.kind for entry in listed.values())
    assert not listed["fashion-mnist"].cached
    assert listed["digits"].cached
    for entry in listed.values():
        assert all((entry.what, entry.size, entry.licence, entry.origin))
    assert served[1] == []


def test_what_to_say_before_fetching(small, served, programs, own_cache):
    assert catalog.fetching("fashion-mnist") == f"downloading fashion-mnist into {own_cache} (only once)"
    open_source("fashion-mnist")
    for known in ("fashion-mnist", "digits", "some/folder", None):
        assert catalog.fetching(known) is None


def test_describe(small, served, programs):
    told = catalog.describe("fashion-mnist")
    assert told["train"]["samples"] == 30
    assert told["test"]["per_class"]["bag"] == 2
    assert told["train"]["image_size"] == (28, 28)
    assert told["licence"] == "MIT"
    with pytest.raises(UserError, match="did you mean 'fashion-mnist'"):
        catalog.describe("fashion_mnist")
