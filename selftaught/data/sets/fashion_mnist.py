"""Fashion-MNIST (Xiao, Rasul and Vollgraf 2017, arXiv 1708.07747): 70,000 grey images of clothes in ten classes."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Literal

from selftaught.data import cache, remote
from selftaught.data.entry import Entry
from selftaught.data.image import idx
from selftaught.data.image.arrays import ArraySource, from_array
from selftaught.data.image.image_set import ImageSet
from selftaught.kind import Progress, silent

CLASSES = ("T-shirt/top", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot")
KIND, NAMES = "image", ("fashion-mnist",)
ENTRY = Entry(
    "fashion-mnist",
    "Fashion-MNIST: images of clothes",
    "60,000 + 10,000 grey 28x28",
    CLASSES,
    "MIT",
    "Debian package dataset-fashion-mnist, else github.com/zalandoresearch/fashion-mnist",
    kind=KIND,
)
ADDRESSES = (  # from the authors; the second address has no https, but every file is checked by its SHA-256
    "https://github.com/zalandoresearch/fashion-mnist/raw/master/data/fashion/",
    "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
)
# SHA-256 of the unpacked files, which is the same for both sources: Debian compresses the same bytes differently.
FILES = {
    "train-images-idx3-ubyte": "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
    "train-labels-idx1-ubyte": "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
    "t10k-images-idx3-ubyte": "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
    "t10k-labels-idx1-ubyte": "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
}


def place() -> Path:
    """Return the folder of the four unpacked files."""
    return cache.folder() / "fashion-mnist"


def cached() -> bool:
    """Return whether nothing has to be downloaded (contents are checked when the files are opened)."""
    return all((place() / name).is_file() for name in FILES)


def load(split: Literal["train", "test"], progress: Progress = silent) -> ArraySource:
    """Load 60,000 ("train") or 10,000 ("test") images, memory-mapped.

    Raises UserError if they cannot be downloaded.
    """
    missing = [name for name, digest in FILES.items() if not cache.holds(place() / name, digest)]
    if missing:
        _fetch(missing, progress)
    start = "train" if split == "train" else "t10k"
    images, labels = idx.read(place() / f"{start}-images-idx3-ubyte"), idx.read(place() / f"{start}-labels-idx1-ubyte")
    return from_array(images, labels, CLASSES, "fashion-mnist")


def _fetch(missing: list[str], progress: Progress) -> None:
    tried = []
    ways: list[Callable[[list[str], Progress], None]] = [
        _from_debian,
        *(partial(_from_address, one) for one in ADDRESSES),
    ]
    for way in ways:
        try:
            return way(missing, progress)
        except remote.Unavailable as reason:
            tried.append(str(reason))
    instead = f"put the four unpacked IDX files into {place()}, or use 'digits', which needs no network"
    raise remote.nowhere("fashion-mnist", tried, instead)


def _from_debian(missing: list[str], progress: Progress) -> None:
    with remote.debian("dataset-fashion-mnist") as files:
        for done, name in enumerate(missing):
            progress(done, len(missing))
            packed = files / "usr/share/datasets/fashion-mnist" / f"{name}.gz"
            if not packed.is_file():
                raise remote.Unavailable(f"Debian's package has no {name}")
            with gzip.open(packed, "rb") as stream:
                remote.keep(stream, place() / name, FILES[name])
        progress(len(missing), len(missing))


def _from_address(address: str, missing: list[str], progress: Progress) -> None:
    for done, name in enumerate(missing):
        progress(done, len(missing))
        remote.download(f"{address}{name}.gz", place() / name, FILES[name], unzip=True)
    progress(len(missing), len(missing))


SETS = {"fashion-mnist": ImageSet(ENTRY, cached, load)}
